#!/usr/bin/env python3
"""A set of trials as practitioners run them today, transformers' BERT classifiers from scratch, padded to the longest row of a batch,
PyTorch with two threads; and the same models on the same rows in lathe, two workers of one thread.

    pipeline.py BUILD train.tsv --vocab FILE [--trials 8] [--rows 4000] [--seed 7]

Layers 1-4, hidden 64, 128 or 256, heads 2, 4 or 8, FFN 2-4x, dropout 0.05-0.3, batches of 32, one epoch a trial. Tokens are real ones.
"""
import argparse
import concurrent.futures
import json
import os
import random
import subprocess
import sys
import tempfile
import time

ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
ap.add_argument("build")
ap.add_argument("train")
ap.add_argument("--vocab", required=True)
ap.add_argument("--trials", type=int, default=8)
ap.add_argument("--rows", type=int, default=4000)
ap.add_argument("--seed", type=int, default=7)
a = ap.parse_args()
draw = random.Random(a.seed)
trials = [{"layers": draw.randint(1, 4), "hidden": draw.choice([64, 128, 256]), "heads": draw.choice([2, 4, 8]), "expansion": draw.uniform(2, 4),
           "dropout": round(draw.uniform(0.05, 0.3), 3)} for _ in range(a.trials)]


def train_lathe(trial, folder):
    h = trial["hidden"]
    command = [os.path.join(a.build, "bench", "bench_learning"), folder, f"train={a.train}", f"vocab={a.vocab}", f"rows={a.rows}", "epochs=1", "bert=1",
               f"layers={trial['layers']}", f"hidden={h}", f"heads={trial['heads']}", f"ffn={int(h * trial['expansion'])}", f"dropout={trial['dropout']}", "threads=1"]
    subprocess.run(command, check=True)
    with open(os.path.join(folder, "training.json"), encoding="utf-8") as f: run = json.load(f)
    return run, sum(run["milliseconds"]) / 1e3 * len(run["batches"]) / len(run["milliseconds"])


def train_transformers(trial, run):
    import torch
    import transformers
    torch.set_num_threads(2)
    torch.manual_seed(a.seed)
    h = trial["hidden"]
    net = transformers.BertForSequenceClassification(transformers.BertConfig(
        vocab_size=run["architecture"]["vocab_size"], num_hidden_layers=trial["layers"], hidden_size=h, num_attention_heads=trial["heads"],
        intermediate_size=int(h * trial["expansion"]), hidden_dropout_prob=trial["dropout"], attention_probs_dropout_prob=trial["dropout"],
        max_position_embeddings=64, num_labels=2))
    optimizer = torch.optim.AdamW(net.parameters(), lr=3e-4)
    ids, offsets, labels = torch.tensor(run["train"]["ids"]), run["train"]["offsets"], torch.tensor(run["train"]["labels"])
    net.train()
    start = time.perf_counter()
    for rows in run["batches"]:
        parts = [ids[offsets[r]:offsets[r + 1]] for r in rows]
        x = torch.nn.utils.rnn.pad_sequence(parts, batch_first=True)
        mask = (torch.arange(x.shape[1])[None] < torch.tensor([len(p) for p in parts])[:, None]).long()
        optimizer.zero_grad()
        net(input_ids=x, attention_mask=mask, labels=labels[torch.tensor(rows)]).loss.backward()
        optimizer.step()
    return time.perf_counter() - start


os.environ["OMP_NUM_THREADS"] = "2"
ours = theirs = tokens = 0.0
print("| layers | hidden | heads | FFN | lathe, one worker, tokens/s | PyTorch, two threads, tokens/s |\n|-|-|-|-|-|-|")
with tempfile.TemporaryDirectory() as folder, concurrent.futures.ThreadPoolExecutor(2) as workers:
    for i in range(0, len(trials), 2):  # two at a time, as two workers; then the peer alone
        pair = trials[i:i + 2]
        runs = list(workers.map(train_lathe, pair, [os.path.join(folder, str(i + j)) for j in range(len(pair))]))
        for trial, (run, seconds) in zip(pair, runs):
            n, peer = run["train"]["offsets"][-1], train_transformers(trial, run)
            tokens, ours, theirs = tokens + n, ours + seconds / 2, theirs + peer
            print(f"| {trial['layers']} | {trial['hidden']} | {trial['heads']} | {int(trial['hidden'] * trial['expansion'])} | {n / seconds:,.0f} | {n / peer:,.0f} |", flush=True)
print(f"\nThe whole set: lathe {tokens / ours:,.0f} tokens/s, transformers on PyTorch {tokens / theirs:,.0f}: **{theirs / ours:.1f} times** as fast.")
