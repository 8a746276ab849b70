#!/usr/bin/env python3
"""One training step of PyTorch, or JAX, at the sizes of bench_train_step, as the same lines of JSON. Called by compare.py.

The model is bench_train_step's: pre-norm blocks, LayerNorm, tanh GELU, mean pooling, cross entropy, AdamW on everything.
"""
import argparse
import json
import resource
import statistics
import time

ap = argparse.ArgumentParser()
ap.add_argument("--peer", choices=["torch", "torch-compile", "jax"], default="torch")
for name, value in (("threads", 1), ("hidden", 64), ("layers", 4), ("head-dim", 32), ("ffn", 4), ("batch", 32), ("seq", 64), ("vocab", 8192)):
    ap.add_argument(f"--{name}", type=int, default=value)
ap.add_argument("--seconds", type=float, default=3.0)
ap.add_argument("--dropout", type=float, default=0.0)
a = ap.parse_args()
h, heads = a.hidden, max(1, a.hidden // a.head_dim)


def torch_step():
    import torch
    import torch.nn.functional as F
    from encoder import Encoder
    torch.set_num_threads(a.threads)
    torch.manual_seed(0)
    net = Encoder(a.vocab, a.seq, h, heads, a.layers, a.ffn, a.dropout)
    optimizer = torch.optim.AdamW(net.parameters(), lr=3e-4, fused=True)
    forward = torch.compile(net) if a.peer == "torch-compile" else net
    ids, y = torch.randint(a.vocab, (a.batch, a.seq)), torch.arange(a.batch) % 2

    def step():
        optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(forward(ids), y).backward()
        optimizer.step()
    return step


def jax_step():
    import jax
    import jax.numpy as jnp
    key = jax.random.PRNGKey(0)
    keys = iter(jax.random.split(key, 4 * a.layers + 3))
    linear = lambda i, o: {"w": jax.random.normal(next(keys), (i, o)) * i ** -0.5, "b": jnp.zeros(o)}
    norm = lambda: {"g": jnp.ones(h), "b": jnp.zeros(h)}
    p = {"tokens": jax.random.normal(next(keys), (a.vocab, h)) * .02, "positions": jax.random.normal(next(keys), (a.seq, h)) * .02,
         "norm": norm(), "head": linear(h, 2), "blocks": [{"n1": norm(), "n2": norm(), "qkv": linear(h, 3 * h), "out": linear(h, h),
                                                           "up": linear(h, a.ffn * h), "down": linear(a.ffn * h, h)} for _ in range(a.layers)]}

    def apply_norm(q, x):
        m = x.mean(-1, keepdims=True)
        return (x - m) * jax.lax.rsqrt(((x - m) ** 2).mean(-1, keepdims=True) + 1e-5) * q["g"] + q["b"]

    def loss(p, ids, y):
        b, s = ids.shape
        x = p["tokens"][ids] + p["positions"]
        for block in p["blocks"]:
            z = apply_norm(block["n1"], x) @ block["qkv"]["w"] + block["qkv"]["b"]
            q, k, v = z.reshape(b, s, 3, heads, h // heads).transpose(2, 0, 3, 1, 4)
            w = jax.nn.softmax(q @ k.swapaxes(-1, -2) / (h // heads) ** 0.5)
            x = x + (w @ v).transpose(0, 2, 1, 3).reshape(b, s, h) @ block["out"]["w"] + block["out"]["b"]
            u = jax.nn.gelu(apply_norm(block["n2"], x) @ block["up"]["w"] + block["up"]["b"], approximate=True)
            x = x + u @ block["down"]["w"] + block["down"]["b"]
        z = apply_norm(p["norm"], x).mean(1) @ p["head"]["w"] + p["head"]["b"]
        return -jnp.take_along_axis(jax.nn.log_softmax(z), y[:, None], 1).mean()

    @jax.jit
    def update(p, m, v, t, ids, y):
        g = jax.grad(loss)(p, ids, y)
        m = jax.tree.map(lambda m, g: .9 * m + .1 * g, m, g)
        v = jax.tree.map(lambda v, g: .999 * v + .001 * g * g, v, g)
        p = jax.tree.map(lambda p, m, v: p - 3e-4 * (m / (1 - .9 ** t) / (jnp.sqrt(v / (1 - .999 ** t)) + 1e-8) + .01 * p), p, m, v)
        return p, m, v, t + 1
    ids, y = jax.random.randint(key, (a.batch, a.seq), 0, a.vocab), jnp.arange(a.batch) % 2
    state = [p, jax.tree.map(jnp.zeros_like, p), jax.tree.map(jnp.zeros_like, p), jnp.float32(1)]

    def step():
        state[:] = update(*state, ids, y)
        jax.block_until_ready(state)
    return step


def resident():  # MiB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if a.peer == "jax":
    import jax  # noqa: F401  (what an import alone takes does not count as the step's memory)
else:
    import torch  # noqa: F401
before = resident()
step = jax_step() if a.peer == "jax" else torch_step()
for _ in range(5): step()
times, end = [], time.perf_counter() + a.seconds
while time.perf_counter() < end or len(times) < 5:
    start = time.perf_counter()
    step()
    times.append(time.perf_counter() - start)
print(json.dumps({"peer": a.peer, "threads": a.threads, "hidden": h, "batch": a.batch, "seq": a.seq, "ms": round(statistics.median(times) * 1e3, 3),
                  "ms_min": round(min(times) * 1e3, 3), "resident_mib": round(resident() - before, 1), "steps": len(times)}))
