#!/usr/bin/env python3
"""Training steps of lathe beside PyTorch's (and JAX's), alternating in one run, as ratio tables in Markdown.

    compare.py BUILD [--peers torch,torch-compile,jax] [--hidden 64,128,256,512] [--shapes 32x64,8x32] [--threads 1,2]
               [--rounds 3] [--seconds 2] [--avx2]

BUILD is a build folder with -DLATHE_BENCH=ON; the Python that runs this must have the peers. Every figure is the median over the
rounds of the median step; a ratio is peer / lathe, above 1 where lathe is faster. Share: model FLOPs a second as a part of the FMA
peak measured in the same process. Memory: growth of the resident set from before the model to the peak.
--avx2 forces AVX2 on both sides.
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
ap.add_argument("--peers", default="torch")
ap.add_argument("--hidden", default="64,128,256,512")
ap.add_argument("--shapes", default="32x64,8x32")
ap.add_argument("--threads", default="1,2")
ap.add_argument("--rounds", type=int, default=3)
ap.add_argument("--seconds", type=float, default=2.0)
ap.add_argument("--dropout", type=float, default=0.0)
ap.add_argument("--avx2", action="store_true")
a = ap.parse_args()
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


def measure(peer, threads, batch, seq, hidden):
    size = ["--threads", str(threads), "--batch", str(batch), "--seq", str(seq), "--hidden", str(hidden), "--seconds", str(a.seconds),
            "--dropout", str(a.dropout)]
    if peer == "lathe":
        return run([os.path.join(a.build, "bench", "bench_train_step")] + size, threads)
    return run([sys.executable, os.path.join(HERE, "train_torch.py"), "--peer", peer] + size, threads)


peers = a.peers.split(",")
print(f"{processor()}, {'AVX2' if a.avx2 else 'best instruction set'}; milliseconds a step, median of {a.rounds} rounds\n")
head = "| batch | threads | hidden | lathe ms | share of peak | MiB |"
for peer in peers: head += f" {peer} ms | ratio | MiB |"
print(head + "\n" + "|-" * (head.count("|") - 1) + "|")
for shape in a.shapes.split(","):
    batch, seq = map(int, shape.split("x"))
    for threads in map(int, a.threads.split(",")):
        for hidden in map(int, a.hidden.split(",")):
            found = {peer: [] for peer in ["lathe"] + peers}
            for _ in range(a.rounds):
                for peer in found: found[peer].append(measure(peer, threads, batch, seq, hidden))
            median = lambda peer, key: statistics.median(r[key] for r in found[peer])
            ours = median("lathe", "ms")
            row = f"| {shape} | {threads} | {hidden} | {ours:.2f} | {100 * median('lathe', 'peak_share'):.0f} % | {median('lathe', 'resident_mib'):.0f} |"
            for peer in peers:
                row += f" {median(peer, 'ms'):.2f} | **{median(peer, 'ms') / ours:.2f}** | {median(peer, 'resident_mib'):.0f} |"
            print(row, flush=True)
