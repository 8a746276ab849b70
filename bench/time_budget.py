#!/usr/bin/env python3
"""Does a search take the time that it was given? Five data sets of different size, budget against wall clock, as Markdown.

    python3 bench/time_budget.py build/lathe ../shared/data [--budget 120] [--preset quick]

Data: SST-2 (67,349 rows), movie reviews (10,605), tweets (4,200), wares (3,708) and ListOps (1,000 rows, made here). The wall clock
counts everything from the call to its end: reading, learning the vocabulary, the plan, search, retraining, test and report.
"""
import argparse
import json
import pathlib
import shutil
import subprocess
import tempfile
import time
import tomllib


def vader(shared, name, out):
    with open(out, "w", encoding="utf-8") as file:
        file.write("text\tlabel\n")
        for line in (shared / "vader" / name).read_text("utf-8", "replace").splitlines():
            fields = line.split("\t")
            if len(fields) >= 3 and float(fields[1]) != 0:
                file.write(f"{fields[2].strip()}\t{'positive' if float(fields[1]) > 0 else 'negative'}\n")


def data_sets(lathe, shared, folder):
    sst2 = shared / "glue-sst2"
    for name in ("train", "dev", "test"):
        shutil.copy(sst2 / f"{name}.tsv", folder / f"sst2-{name}.tsv")
    yield "SST-2", [folder / "sst2-train.tsv", "--valid", folder / "sst2-dev.tsv", "--test", folder / "sst2-test.tsv"]
    for name, part in (("movie reviews", "movieReviewSnippets_GroundTruth.txt"), ("tweets", "tweets_GroundTruth.txt"),
                       ("wares", "amazonReviewSnippets_GroundTruth.txt")):
        path = folder / (name.replace(" ", "-") + ".tsv")
        vader(shared, part, path)
        yield name, [path]
    listops = folder / "listops.tsv"
    subprocess.run([lathe, "generate", "listops", "--rows", "1000", "--out", listops], check=True, capture_output=True)
    yield "ListOps", [listops]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("lathe", type=pathlib.Path)
    parser.add_argument("shared", type=pathlib.Path)
    parser.add_argument("--budget", type=float, default=120, help="seconds")
    parser.add_argument("--preset", help="no budget: the plan of this preset against the clock")
    parser.add_argument("--only", help="one data set")
    parser.add_argument("--set", action="append", default=[], help="further settings")
    args = parser.parse_args()
    lathe = args.lathe.resolve()
    print("| data | asked s | plan s | took s | took / asked | trials | epochs | finalists x seeds x epochs | search s | retraining s |")
    print("|---|---:|---:|---:|---:|---:|---:|---|---:|---:|", flush=True)
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        for name, words in data_sets(lathe, args.shared, folder):
            if args.only and args.only != name:
                continue
            how = ["--preset", args.preset] if args.preset else ["--time", f"{args.budget:g}s"]
            out = folder / "run"
            shutil.rmtree(out, ignore_errors=True)
            settings = [word for setting in args.set for word in ("--set", setting)]
            start = time.monotonic()
            run = subprocess.run([lathe, "search", *words, *how, *settings, "--json", "--out", out], capture_output=True, text=True)
            took = time.monotonic() - start
            if run.returncode not in (0, 1):
                print(f"| {name} | failed: {run.stderr.strip().splitlines()[-1]} |", flush=True)
                continue
            plan = next(p for p in map(json.loads, run.stdout.splitlines()) if p["type"] == "plan")
            seconds = json.loads((out / "results.json").read_text())["seconds"]
            seconds = dict(seconds if isinstance(seconds, dict) else [tuple(s) for s in seconds])
            planned = plan["total_seconds"]
            chosen = tomllib.loads((out / "config.toml").read_text())["finalists"]
            finalists = f"{chosen['count']} x {chosen['seeds']} x {chosen['epochs']}"
            asked = planned if args.preset else args.budget
            print(f"| {name} | {asked:.0f} | {planned:.0f} | {took:.0f} | {took / asked:.2f} | {plan['trials']} | {plan['epochs']} | "
                  f"{finalists} | {seconds.get('search', 0):.0f} of "
                  f"{plan['search_seconds']:.0f} | {seconds.get('finalists', 0):.0f} of {plan['finalist_seconds']:.0f} |", flush=True)


if __name__ == "__main__":
    main()
