#!/usr/bin/env python3
"""The weights after a short training, as hashes: lathe for every backend and 1, 2, 3 threads; PyTorch for 1 and 2 threads, with its
own choice of instructions and with AVX2.

    bits.py BUILD train.tsv [--vocab FILE] [--steps 50]
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile

ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
ap.add_argument("build")
ap.add_argument("train")
ap.add_argument("--vocab", default="")
ap.add_argument("--steps", type=int, default=50)
a = ap.parse_args()
HERE = os.path.dirname(os.path.abspath(__file__))


def run(command, **settings):
    done = subprocess.run(command, capture_output=True, text=True, env=dict(os.environ, **settings))
    if done.returncode != 0: sys.exit(f"bits: {' '.join(command)} failed:\n{done.stderr[-2000:]}")
    return done.stdout.strip()


with open("/proc/cpuinfo", encoding="utf-8") as f: flags = f.read()
backends = ["scalar"] + ["avx2"] * (" avx2" in flags) + ["avx512"] * (" avx512bw" in flags)
print("| library | instructions | threads | SHA-256 of the weights |\n|-|-|-|-|")
found = {"lathe": set(), "PyTorch": set()}


def show(library, instructions, threads, digest):
    found[library].add(digest)
    print(f"| {library} | {instructions} | {threads} | {digest[:16]}… |", flush=True)


with tempfile.TemporaryDirectory() as folder:
    for backend in backends:
        for threads in (1, 2, 3):
            run([os.path.join(a.build, "bench", "bench_learning"), folder, f"train={a.train}", f"rows={32 * a.steps * 10 // 9 + 32}", "epochs=1", "hidden=64", "heads=2",
                 "layers=4", "dropout=0", f"threads={threads}"] + ([f"vocab={a.vocab}"] if a.vocab else []), LATHE_BACKEND=backend)
            with open(os.path.join(folder, "training.json"), encoding="utf-8") as f: show("lathe", backend, threads, json.load(f)["weights"])
    for name, settings in (("default", {}), ("avx2", {"ATEN_CPU_CAPABILITY": "avx2", "MKL_ENABLE_INSTRUCTIONS": "AVX2", "ONEDNN_MAX_CPU_ISA": "AVX2"})):
        for threads in (1, 2):
            show("PyTorch", name, threads, run([sys.executable, os.path.join(HERE, "text.py"), a.build, a.train, "--threads", str(threads), "--torch",
                                                os.path.join(folder, "training.json"), "--hash", str(a.steps)], OMP_NUM_THREADS=str(threads), **settings))
print(f"\nlathe: {len(found['lathe'])} hash of {3 * len(backends)} runs; PyTorch: {len(found['PyTorch'])} of 4.")
