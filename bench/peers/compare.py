#!/usr/bin/env python3
"""Training steps of lathe beside PyTorch's (and JAX's), alternating in one run, as ratio tables in Markdown.

    compare.py BUILD [--peers torch,torch-compile,jax] [--hidden 64,128,256,512] [--shapes 32x64,8x32] [--threads 1,2]
               [--rounds 3] [--seconds 2] [--avx2]
    compare.py BUILD --predict [--peers onnxruntime,torch] [--shapes 1x16,1x64,64x32] [--text train.tsv] …

BUILD is a build folder with -DLATHE_BENCH=ON; the Python that runs this must have the peers. Every figure is the median over the
rounds of the median step; a ratio is peer / lathe, above 1 where lathe is faster. Share: model FLOPs a second as a part of the FMA
peak measured in the same process. Memory: growth of the resident set from before the model to the peak.
--avx2 forces AVX2 on both sides. --predict: prediction instead of training; --text adds a batch of 64 rows as long as the first 64 of
that file (their words, and two special tokens), which peers pad to the longest.
"""
import argparse
import json
import os
import platform
import statistics
import subprocess
import sys

ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
ap.add_argument("build")
ap.add_argument("--peers", default="")
ap.add_argument("--hidden", default="64,128,256,512")
ap.add_argument("--shapes", default="")
ap.add_argument("--threads", default="1,2")
ap.add_argument("--rounds", type=int, default=3)
ap.add_argument("--seconds", type=float, default=2.0)
ap.add_argument("--dropout", type=float, default=0.0)
ap.add_argument("--avx2", action="store_true")
ap.add_argument("--predict", action="store_true")
ap.add_argument("--text", default="")
a = ap.parse_args()
a.peers = a.peers or ("onnxruntime,torch" if a.predict else "torch")
a.shapes = a.shapes or ("1x16,1x64,64x32" if a.predict else "32x64,8x32")
HERE = os.path.dirname(os.path.abspath(__file__))


def processor():
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as f:
            return next(line.split(":", 1)[1].strip() for line in f if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or "unknown"


def run(command, threads):
    environment = dict(os.environ, OMP_NUM_THREADS=str(threads), MKL_NUM_THREADS=str(threads))
    if a.avx2:
        environment.update(LATHE_BACKEND="avx2", ATEN_CPU_CAPABILITY="avx2", MKL_ENABLE_INSTRUCTIONS="AVX2", ONEDNN_MAX_CPU_ISA="AVX2")
    pinned = ["taskset", "-c", ",".join(str(c) for c in sorted(os.sched_getaffinity(0))[:threads])]
    done = subprocess.run(pinned + command, capture_output=True, text=True, env=environment)
    if done.returncode != 0:
        sys.exit(f"compare: {' '.join(command)} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def measure(peer, threads, batch, seq, hidden, lengths):
    size = ["--threads", str(threads), "--batch", str(batch), "--seq", str(seq), "--hidden", str(hidden), "--seconds", str(a.seconds),
            "--dropout", str(a.dropout)]
    if a.predict:
        size = size[:-2] + (["--lengths", ",".join(map(str, lengths))] if lengths else [])
    if peer == "lathe":
        size += ["--predict", "1"] if a.predict else []
        return run([os.path.join(a.build, "bench", "bench_train_step")] + size, threads)
    return run([sys.executable, os.path.join(HERE, "predict_torch.py" if a.predict else "train_torch.py"), "--peer", peer] + size, threads)


def text_lengths():
    with open(a.text, encoding="utf-8") as f: rows = [line.split("\t") for line in f.read().splitlines()[1:65]]
    return [2 + max(len(cell.split()) for cell in row) for row in rows]


peers = a.peers.split(",")
print(f"{processor()}, {'AVX2' if a.avx2 else 'best instruction set'}; milliseconds a step, median of {a.rounds} rounds\n")
memory = "" if a.predict else " MiB |"
head = "| batch | threads | hidden | lathe ms | share of peak |" + memory
for peer in peers: head += f" {peer} ms | ratio |" + memory
print(head + "\n" + "|-" * (head.count("|") - 1) + "|")
for shape in a.shapes.split(",") + (["text"] if a.text else []):
    lengths = text_lengths() if shape == "text" else []
    batch, seq = (len(lengths), max(lengths)) if lengths else map(int, shape.split("x"))
    if lengths: shape = f"{batch} rows of {min(lengths)}–{seq}, {sum(lengths)} tokens"
    for threads in map(int, a.threads.split(",")):
        for hidden in map(int, a.hidden.split(",")):
            found = {peer: [] for peer in ["lathe"] + peers}
            for _ in range(a.rounds):
                for peer in found: found[peer].append(measure(peer, threads, batch, seq, hidden, lengths))
            median = lambda peer, key: statistics.median(r[key] for r in found[peer])
            ours = median("lathe", "ms")
            mib = lambda peer: f" {median(peer, 'resident_mib'):.0f} |" if memory else ""
            row = f"| {shape} | {threads} | {hidden} | {ours:.3g} | {100 * median('lathe', 'peak_share'):.0f} % |" + mib("lathe")
            for peer in peers:
                row += f" {median(peer, 'ms'):.3g} | **{median(peer, 'ms') / ours:.2f}** |" + mib(peer)
            print(row, flush=True)
