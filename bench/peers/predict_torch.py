#!/usr/bin/env python3
"""Prediction of PyTorch, or of onnxruntime with PyTorch's model exported, at the sizes of bench_train_step --predict 1, as the same
lines of JSON. Rows of different lengths are padded to the longest. Called by compare.py.
"""
import argparse
import json
import os
import statistics
import tempfile
import time

import torch

from encoder import Encoder

ap = argparse.ArgumentParser()
ap.add_argument("--peer", choices=["torch", "onnxruntime"], default="torch")
for name, value in (("threads", 1), ("hidden", 64), ("layers", 4), ("head-dim", 32), ("batch", 1), ("seq", 16), ("vocab", 8192)):
    ap.add_argument(f"--{name}", type=int, default=value)
ap.add_argument("--seconds", type=float, default=3.0)
ap.add_argument("--lengths", default="")
a = ap.parse_args()
torch.set_num_threads(a.threads)
torch.manual_seed(0)
lengths = [int(n) for n in a.lengths.split(",")] if a.lengths else [a.seq] * a.batch
longest = max(lengths)
net = Encoder(a.vocab, max(longest, a.seq), a.hidden, max(1, a.hidden // a.head_dim), a.layers).eval()
inputs = (torch.randint(a.vocab, (len(lengths), longest)),)
if min(lengths) < longest: inputs += (torch.arange(longest)[None] < torch.tensor(lengths)[:, None],)

if a.peer == "torch":
    def step():
        with torch.inference_mode(): net(*inputs)
else:
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = a.threads, 1
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "encoder.onnx")
        torch.onnx.export(net, inputs, dynamo=True, verbose=False).save(path)
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    feed = {place.name: x.numpy() for place, x in zip(session.get_inputs(), inputs)}
    with torch.inference_mode(): difference = abs(net(*inputs).numpy() - session.run(None, feed)[0]).max()
    assert difference < 1e-4, f"onnxruntime differs from PyTorch by {difference}"

    def step(): session.run(None, feed)

for _ in range(10): step()
times, end = [], time.perf_counter() + a.seconds
while time.perf_counter() < end or len(times) < 20:
    start = time.perf_counter()
    step()
    times.append(time.perf_counter() - start)
print(json.dumps({"peer": a.peer, "threads": a.threads, "hidden": a.hidden, "ms": round(statistics.median(times) * 1e3, 4), "steps": len(times)}))
