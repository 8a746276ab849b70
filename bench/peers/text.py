#!/usr/bin/env python3
"""Training on real text: tokens a second of lathe, packed, beside PyTorch with the same batches padded to their longest row, and
with rows of alike length put together (buckets of 50 batches). Special tokens count, padding does not.

    text.py BUILD train.tsv [--vocab FILE] [--rows 8000] [--hidden 64,128,256] [--threads 1] [--rounds 3]

Four layers, head size 32, FFN 4x, no dropout, AdamW, clipping at 1, batches of 32 rows. Medians of the step, rounds alternate.
"""
import argparse
import hashlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
ap.add_argument("build")
ap.add_argument("train")
ap.add_argument("--vocab", default="")
ap.add_argument("--rows", type=int, default=8000)
ap.add_argument("--hidden", default="64,128,256")
ap.add_argument("--threads", type=int, default=1)
ap.add_argument("--rounds", type=int, default=3)
ap.add_argument("--seconds", type=float, default=4.0)
ap.add_argument("--torch", default="", help=argparse.SUPPRESS)
ap.add_argument("--hash", type=int, default=0, help=argparse.SUPPRESS)  # after so many steps, for bits.py
a = ap.parse_args()


def torch_side(path):
    import torch
    import torch.nn as nn
    import torch.nn.functional as F
    from encoder import Encoder
    torch.set_num_threads(a.threads)
    torch.manual_seed(0)
    with open(path, encoding="utf-8") as f: run = json.load(f)
    h, heads, vocab = run["architecture"]["hidden"], run["architecture"]["layers"][0]["heads"], run["architecture"]["vocab_size"]
    ids, offsets = torch.tensor(run["train"]["ids"]), run["train"]["offsets"]
    labels = torch.tensor(run["train"]["labels"])

    net = Encoder(vocab, 64, h, heads)
    optimizer = torch.optim.AdamW(net.parameters(), lr=3e-4, fused=True)
    length = lambda r: offsets[r + 1] - offsets[r]

    def tokens_a_second(batches):
        rates, end = [], time.perf_counter() + a.seconds
        for rows in batches * 100:
            start = time.perf_counter()
            parts = [ids[offsets[r]:offsets[r + 1]] for r in rows]
            x = nn.utils.rnn.pad_sequence(parts, batch_first=True)
            mask = torch.arange(x.shape[1])[None] < torch.tensor([len(p) for p in parts])[:, None]
            optimizer.zero_grad(set_to_none=True)
            F.cross_entropy(net(x, mask), labels[torch.tensor(rows)]).backward()
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
            rates.append((sum(map(length, rows)), time.perf_counter() - start))
            if len(rates) == a.hash or (not a.hash and time.perf_counter() > end): break
        rates = rates[2:]
        return sum(n for n, _ in rates) / sum(t for _, t in rates)

    batches = run["batches"]
    if a.hash:
        tokens_a_second(batches)
        digest = hashlib.sha256()
        for p in net.parameters(): digest.update(p.detach().numpy().tobytes())
        return print(digest.hexdigest())
    rows = [r for b in batches[:len(batches) - len(batches) % 50] for r in b]
    buckets = []
    for i in range(0, len(rows), 1600):
        part = sorted(rows[i:i + 1600], key=length)
        buckets += [part[j:j + 32] for j in range(0, len(part), 32)]
    buckets = [buckets[i * 37 % len(buckets)] for i in range(len(buckets))]  # all lengths come early
    print(json.dumps({"padded": tokens_a_second(batches), "bucketed": tokens_a_second(buckets)}))


def run(command):
    environment = dict(os.environ, OMP_NUM_THREADS=str(a.threads), MKL_NUM_THREADS=str(a.threads))
    cpus = ",".join(str(c) for c in sorted(os.sched_getaffinity(0))[:a.threads])
    done = subprocess.run(["taskset", "-c", cpus] + command, capture_output=True, text=True, env=environment)
    if done.returncode != 0: sys.exit(f"text: {' '.join(command)} failed:\n{done.stderr[-2000:]}")
    return done.stdout


def main():
    print("| hidden | vocabulary | tokens a batch | lathe tokens/s | PyTorch padded | ratio | PyTorch bucketed | ratio |\n" + "|-" * 8 + "|")
    for hidden in map(int, a.hidden.split(",")):
        ours, padded, bucketed = [], [], []
        with tempfile.TemporaryDirectory() as folder:
            for _ in range(a.rounds):
                command = [os.path.join(a.build, "bench", "bench_learning"), folder, f"train={a.train}", f"rows={a.rows}", "epochs=1", f"hidden={hidden}",
                           f"heads={max(1, hidden // 32)}", "layers=4", "dropout=0", f"threads={a.threads}"]
                run(command + ([f"vocab={a.vocab}"] if a.vocab else []))
                path = os.path.join(folder, "training.json")
                with open(path, encoding="utf-8") as f: result = json.load(f)
                offsets = result["train"]["offsets"]
                tokens = [sum(offsets[r + 1] - offsets[r] for r in b) for b in result["batches"]]
                ours.append(sum(tokens[1:]) / sum(result["milliseconds"]) * 1e3)
                theirs = json.loads(run([sys.executable, os.path.abspath(__file__), a.build, a.train, "--threads", str(a.threads), "--seconds", str(a.seconds), "--torch", path]))
                padded.append(theirs["padded"])
                bucketed.append(theirs["bucketed"])
        o, p, b = map(statistics.median, (ours, padded, bucketed))
        print(f"| {hidden} | {result['architecture']['vocab_size']:,} | {sum(tokens) / len(tokens):.0f} | {o:,.0f} | {p:,.0f} | **{o / p:.2f}** | {b:,.0f} | **{o / b:.2f}** |", flush=True)


torch_side(a.torch) if a.torch else main()
