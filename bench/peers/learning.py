#!/usr/bin/env python3
"""Learning, lathe beside PyTorch: the same rows, batches, weights at the start, architecture, schedule and optimizer; only the
draws of dropout differ. Three seeds each.

    learning.py BUILD train.tsv [valid.tsv] [--vocab FILE] [--rows N] [--dropout P] [--out FOLDER]

BUILD is a build folder with -DLATHE_BENCH=ON. Prints a Markdown table: validation accuracy and loss after each epoch, mean and
spread (highest - lowest) over the seeds, and how far apart the two training curves are. Writes the curves as an SVG.
"""
import argparse
import json
import math
import os
import subprocess
import sys

import torch
import torch.nn.functional as F
from safetensors.torch import load_file

ap = argparse.ArgumentParser()
ap.add_argument("build")
ap.add_argument("train")
ap.add_argument("valid", nargs="?")
ap.add_argument("--name", default="")
ap.add_argument("--vocab", default="")
ap.add_argument("--rows", type=int, default=0)
ap.add_argument("--epochs", type=int, default=3)
ap.add_argument("--hidden", type=int, default=128)
ap.add_argument("--layers", type=int, default=2)
ap.add_argument("--dropout", type=float, default=0.1)
ap.add_argument("--lr", type=float, default=5e-4)
ap.add_argument("--seeds", default="1,2,3")
ap.add_argument("--out", default="/tmp/lathe-learning")
a = ap.parse_args()
torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))


def train_lathe(seed):
    out = os.path.join(a.out, f"seed{seed}")
    command = [os.path.join(a.build, "bench", "bench_learning"), out, f"train={a.train}", f"rows={a.rows}", f"epochs={a.epochs}",
               f"hidden={a.hidden}", f"layers={a.layers}", f"dropout={a.dropout}", f"lr={a.lr}", f"seed={seed}"]
    if a.valid: command.append(f"valid={a.valid}")
    if a.vocab: command.append(f"vocab={a.vocab}")
    subprocess.run(command, check=True)
    with open(os.path.join(out, "training.json"), encoding="utf-8") as f:
        run = json.load(f)
    stored = load_file(os.path.join(out, "start.safetensors"))
    run["start"] = {k.removeprefix("parameter."): v for k, v in stored.items() if k.startswith("parameter.")}
    return run


class Rows:
    def __init__(self, rows):
        self.ids, self.offsets, self.labels = (torch.tensor(rows[k]) for k in ("ids", "offsets", "labels"))

    def batch(self, rows):
        parts = [self.ids[self.offsets[r]:self.offsets[r + 1]] for r in rows]
        ids = torch.nn.utils.rnn.pad_sequence(parts, batch_first=True)
        mask = torch.arange(ids.shape[1])[None] < torch.tensor([len(p) for p in parts])[:, None]
        return ids, mask, self.labels[torch.tensor(rows)]


def logits(p, c, ids, mask, training):
    """The pre-norm encoder of PyTorch's own functions on padded rows."""
    rows, n = ids.shape
    h, drop = c["hidden"], (lambda x: F.dropout(x, c["dropout"], training))
    norm = lambda name, x: F.layer_norm(x, (h,), p[name + ".weight"], p[name + ".bias"], c["norm_eps"])
    linear = lambda name, x: F.linear(x, p[name + ".weight"], p[name + ".bias"])
    x = drop(F.embedding(ids, p["embeddings.tokens"]) + p["embeddings.positions"][:n])
    for i, layer in enumerate(c["layers"]):
        at, heads = f"layers.{i}.", layer["heads"]
        q, k, v = linear(at + "attention.qkv", norm(at + "attention.norm", x)).view(rows, n, 3, heads, -1).permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask[:, None, None], dropout_p=c["attention_dropout"] if training else 0.0)
        x = x + drop(linear(at + "attention.out", y.transpose(1, 2).reshape(rows, n, -1)))
        y = F.gelu(linear(at + "ffn.in", norm(at + "ffn.norm", x)), approximate="tanh")
        x = x + drop(linear(at + "ffn.out", y))
    x = norm("norm", x) * mask[..., None]
    return linear("classifier", x.sum(1) / mask.sum(1, keepdim=True))


def learning_rate(t, step, steps):
    warm = math.floor(t["warmup"] * steps)
    if step < warm: return t["lr"] * (step + 1) / warm
    return t["lr"] * 0.5 * (1 + math.cos(math.pi * (step - warm) / (steps - warm)))


def train_torch(run, seed):
    c, t = run["architecture"], run["training"]
    assert c["norm_place"] == "pre" and c["pooling"] == "mean" and t["schedule"] == "cosine" and t["optimizer"] == "adamw"
    torch.manual_seed(seed)
    p = {k: v.clone().requires_grad_() for k, v in run["start"].items()}
    optimizer = torch.optim.AdamW([{"params": [x for x in p.values() if x.dim() > 1], "weight_decay": t["weight_decay"]},
                                   {"params": [x for x in p.values() if x.dim() < 2], "weight_decay": 0.0}], lr=t["lr"], fused=True)
    train, valid = Rows(run["train"]), Rows(run["valid"])
    steps = len(run["batches"])
    losses, epochs = [], []
    for step, rows in enumerate(run["batches"]):
        ids, mask, y = train.batch(rows)
        loss = F.cross_entropy(logits(p, c, ids, mask, True), y)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(p.values(), t["clip"])
        for group in optimizer.param_groups: group["lr"] = learning_rate(t, step, steps)
        optimizer.step()
        losses.append(loss.item())
        if (step + 1) % (steps // t["epochs"]) == 0:
            right = lost = 0
            with torch.no_grad():
                order = list(range(len(valid.labels)))
                for i in range(0, len(order), 64):
                    ids, mask, y = valid.batch(order[i:i + 64])
                    z = logits(p, c, ids, mask, False)
                    right += (z.argmax(1) == y).sum().item()
                    lost += F.cross_entropy(z, y, reduction="sum").item()
            epochs.append({"accuracy": right / len(order), "loss": lost / len(order)})
    return {"losses": losses, "epochs": epochs}


def smooth(losses, width=50):
    return [sum(losses[max(0, i - width + 1):i + 1]) / min(i + 1, width) for i in range(len(losses))]


def svg(curves, path):
    w, h, left, bottom = 640, 320, 48, 32
    top = max(max(c) for _, c in curves)
    point = lambda i, n, v: f"{left + (w - left - 8) * i / (n - 1):.1f},{8 + (h - bottom - 8) * (1 - v / top):.1f}"
    colours = {"lathe": "#c2410c", "PyTorch": "#1d4ed8"}
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {w} {h}" font-family="sans-serif" font-size="12">',
             f'<rect width="{w}" height="{h}" fill="#fff"/>']
    for tick in range(5):
        v = top * tick / 4
        parts.append(f'<text x="{left - 6}" y="{8 + (h - bottom - 8) * (1 - v / top) + 4:.1f}" text-anchor="end">{v:.2f}</text>')
    for name, c in curves:
        line = " ".join(point(i, len(c), v) for i, v in enumerate(c))
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colours[name]}" stroke-opacity="0.8"/>')
    for i, (name, colour) in enumerate(colours.items()):
        parts.append(f'<text x="{w - 8}" y="{22 + 16 * i}" text-anchor="end" fill="{colour}">{name}</text>')
    parts.append(f'<text x="{w / 2}" y="{h - 8}" text-anchor="middle">step (training loss, mean of 50 steps, three seeds)</text></svg>')
    with open(path, "w", encoding="utf-8") as f: f.write("\n".join(parts))


seeds = [int(s) for s in a.seeds.split(",")]
pairs = []
for seed in seeds:
    ours = train_lathe(seed)
    pairs.append((ours, train_torch(ours, seed)))
    print(f"seed {seed}: " + "; ".join(f"lathe {x['accuracy']:.4f} PyTorch {y['accuracy']:.4f}" for x, y in zip(pairs[-1][0]["epochs"], pairs[-1][1]["epochs"])), file=sys.stderr)


def spread(values):
    return f"{sum(values) / len(values):.4f} ({min(values):.4f}-{max(values):.4f})"


name = a.name or os.path.basename(a.train)
print(f"{name}: {len(pairs[0][0]['train']['labels'])} training rows, {len(pairs[0][0]['valid']['labels'])} validation rows, "
      f"hidden {a.hidden}, {a.layers} layers, dropout {a.dropout}, {len(seeds)} seeds: mean (lowest-highest)\n")
print("| epoch | accuracy, lathe | accuracy, PyTorch | loss, lathe | loss, PyTorch |\n|-|-|-|-|-|")
for e in range(len(pairs[0][0]["epochs"])):
    print(f"| {e + 1} | " + " | ".join(spread([pair[side]["epochs"][e][what] for pair in pairs]) for what in ("accuracy", "loss") for side in (0, 1)) + " |")
between = [abs(x - y) for ours, theirs in pairs for x, y in zip(smooth(ours["losses"])[50:], smooth(theirs["losses"])[50:])]
among = [max(v) - min(v) for v in zip(*(smooth(ours["losses"])[50:] for ours, _ in pairs))]
print(f"\nTraining loss, mean of 50 steps: lathe and PyTorch are {sum(between) / len(between):.4f} apart on average (most: {max(between):.4f}), "
      f"the seeds of lathe {sum(among) / len(among):.4f}; first step {max(abs(o['losses'][0] - t['losses'][0]) for o, t in pairs):.1e} apart.")
os.makedirs(a.out, exist_ok=True)
svg([(n, smooth(pair[i]["losses"])) for pair in pairs for i, n in enumerate(("lathe", "PyTorch"))], os.path.join(a.out, "curves.svg"))
