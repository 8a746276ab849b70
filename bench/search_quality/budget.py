#!/usr/bin/env python3
"""Which way of searching is best for the same budget? On the table of real runs (sst2_runs.csv), as a figure with bands and a table.

    budget.py BUILD TRAIN.tsv VALID.tsv [--repeats 20] [--supernets 10] [--out docs/budget.svg]

Random search, evolution, TPE and the controller search all 864 points, one trial after the other; a trial is one unit of the budget.
The supernet (bench_supernet) has to fix the training's settings (pre-norm, learning rate 0.003, dropout 0.2) and chooses among 36
architectures: it pays for its training in units of the mean trial's FLOPs, then trains architectures from scratch in the order in
which they rank with inherited weights. Lines: median of the best validation error so far, minus that of the best point; bands: quartiles.
"""
import argparse
import csv
import json
import os
import statistics
import subprocess
import sys

FOLDER = os.path.dirname(os.path.abspath(__file__))
TABLE = os.path.join(FOLDER, "sst2_runs.csv")
SAMPLERS = ["random", "evolution", "tpe", "controller"]
COLOURS = {"random": "#777777", "evolution": "#b5651d", "tpe": "#1f6fb4", "controller": "#8a3ffc", "supernet": "#1a8754"}
BUDGET, SHOWN = 100, (10, 15, 25, 50, 100)


def table():
    lines = [line for line in open(TABLE, encoding="utf-8") if not line.startswith("#")]
    return list(csv.DictReader(lines))


def error_of(row):
    return 1 - float(row["accuracy4"])


def run(*words):
    done = subprocess.run([str(w) for w in words], capture_output=True, text=True)
    if done.returncode != 0: sys.exit(f"budget: {done.stderr}")
    return done.stdout


def sampler_courses(build, sampler, repeats, best):
    lines = run(os.path.join(build, "bench", "bench_search_quality"), "run", "sst2", sampler, BUDGET, repeats, TABLE).splitlines()
    return [[value - best for value in json.loads(line)["progress"]] for line in lines]


def supernet_course(build, train, valid, seed, rows, unit, best):
    lines = run(os.path.join(build, "bench", "bench_supernet"), f"train={train}", f"valid={valid}", f"seed={seed}").splitlines()
    flops = next(float(line.split()[2]) for line in lines if line.startswith("# flops"))
    inherited = list(csv.DictReader(line for line in lines if not line.startswith("#")))
    order = sorted(range(len(inherited)), key=lambda i: (-float(inherited[i]["accuracy"]), i))
    keys = ("layers", "hidden", "expansion", "activation")
    fixed = {tuple(r[k] for k in keys): r for r in rows
             if r["norm_place"] == "pre" and float(r["lr"]) == 0.003 and float(r["dropout"]) == 0.2}
    spent, course, low = flops / unit, [None] * BUDGET, None
    cost = spent
    for i in order:
        row = fixed[tuple(inherited[i][k] for k in keys)]
        spent += 4 * float(row["epoch_flops"]) / unit
        low = error_of(row) if low is None else min(low, error_of(row))
        for at in range(BUDGET):
            if at + 1 >= spent: course[at] = low - best
    return cost, course


def quartiles(values):
    return statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else values * 3


def figure(courses):
    width, height, left, bottom, top, right = 760, 420, 64, 48, 16, 120
    most = 0.05
    x = lambda trial: left + (width - left - right) * (trial - 1) / (BUDGET - 1)
    y = lambda value: top + (height - top - bottom) * (1 - min(value, most) / most)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">',
           f'<rect width="{width}" height="{height}" fill="#ffffff"/>']
    for i in range(6):
        value = most * i / 5
        out.append(f'<path d="M{left} {y(value):.1f}H{width - right}" stroke="#dddddd"/>'
                   f'<text x="{left - 8}" y="{y(value) + 4:.1f}" text-anchor="end">{100 * value:.0f}</text>')
    for trial in (1, 20, 40, 60, 80, 100):
        out.append(f'<text x="{x(trial):.1f}" y="{height - bottom + 18}" text-anchor="middle">{trial}</text>')
    out.append(f'<text x="{(left + width - right) / 2}" y="{height - 10}" text-anchor="middle">budget, trainings of mean size</text>')
    out.append(f'<text transform="translate(16 {(top + height - bottom) / 2}) rotate(-90)" text-anchor="middle">'
               'best validation error so far, points above the best</text>')
    ends = []
    for name, runs in courses.items():
        known = [t for t in range(BUDGET) if all(run[t] is not None for run in runs)]
        q = {t: quartiles([run[t] for run in runs]) for t in known}
        band = " ".join(f"{x(t + 1):.1f},{y(q[t][0]):.1f}" for t in known) + " " + \
               " ".join(f"{x(t + 1):.1f},{y(q[t][2]):.1f}" for t in reversed(known))
        line = " ".join(f"{x(t + 1):.1f},{y(q[t][1]):.1f}" for t in known)
        out.append(f'<polygon points="{band}" fill="{COLOURS[name]}" fill-opacity="0.12"/>'
                   f'<polyline points="{line}" fill="none" stroke="{COLOURS[name]}" stroke-width="2"/>')
        ends.append((y(q[known[-1]][1]), name))
    at = -100.0
    for end, name in sorted(ends):  # names beside the ends of their lines, one below the other
        at = max(end, at + 14)
        out.append(f'<text x="{width - right + 8}" y="{at + 4:.1f}" fill="{COLOURS[name]}">{name}</text>')
    return "\n".join(out + ["</svg>", ""])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build")
    parser.add_argument("train")
    parser.add_argument("valid")
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--supernets", type=int, default=10)
    parser.add_argument("--out", default="docs/budget.svg")
    args = parser.parse_args()
    rows = table()
    best = min(map(error_of, rows))
    unit = statistics.mean(4 * float(row["epoch_flops"]) for row in rows)
    courses = {name: sampler_courses(args.build, name, args.repeats, best) for name in SAMPLERS}
    nets = [supernet_course(args.build, args.train, args.valid, seed, rows, unit, best) for seed in range(1, args.supernets + 1)]
    courses["supernet"] = [course for _, course in nets]
    with open(args.out, "w", encoding="utf-8") as file: file.write(figure(courses))
    print(f"Supernet: its training costs {nets[0][0]:.1f} trainings of mean size. Points of error above the best, median (quartiles).\n")
    print("| after | " + " | ".join(courses) + " |\n|---:|" + "---|" * len(courses))
    for trials in SHOWN:
        cells = []
        for runs in courses.values():
            values = [run[trials - 1] for run in runs]
            if any(v is None for v in values): cells.append("–")
            else:
                low, middle, high = quartiles(values)
                cells.append(f"{100 * middle:.2f} ({100 * low:.2f}–{100 * high:.2f})")
        print(f"| {trials} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
