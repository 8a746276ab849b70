#!/usr/bin/env python3
"""The usual pipeline (../shared/peers/seed_pipeline.py: hyperopt's TPE over BERT classifiers of transformers, from scratch, on SST-2) and
`lathe search`, one after the other for each seed: trials an hour and the best validation accuracy, as Markdown.

    seed_pipeline.py LATHE SHARED [--rows 4000] [--epochs 2] [--trials 8] [--seeds 7,8,9] [--python PYTHON]

Equal on both sides: layers 1-4, hidden 64, 128 or 256, heads 2, 4 or 8, FFN 2-4x, dropout, learning rate, rows, epochs, batches of 32, BERT's
vocabulary, stopping a trial after an epoch without a better validation accuracy, two threads. lathe's FFN takes whole multiples. Each side
draws its own architectures, so the mean number of parameters in their layers (without embeddings) is printed too.
PYTHON has torch, transformers, tokenizers and hyperopt.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

CONFIG = """
seed = {seed}
[data]
train = "{data}/train.tsv"
valid = "{data}/dev.tsv"
test = "{data}/test.tsv"
max_tokens = 64
max_rows = {rows}
[tokenizer]
file = "{vocab}"
[model]
activation = "gelu"
norm_place = "post"
pooling = "first"
[space]
layers = [1, 4]
hidden = {{ choices = [64, 128, 256] }}
heads = {{ choices = [2, 4, 8] }}
expansion = {{ choices = [2, 3, 4] }}
dropout = {{ min = 0.05, max = 0.3 }}
lr = {{ min = 1e-4, max = 2e-3, log = true }}
[search]
trials = {trials}
workers = 2
pruner = "none"
[train]
epochs = {epochs}
batch_rows = 32
schedule = "constant"
warmup = 0
patience = 1
[finalists]
count = 0
"""


def layer_parameters(layers, hidden, expansion):
    return layers * hidden * hidden * (4 + 2 * expansion)


def usual(args, seed):
    environment = dict(os.environ, OMP_NUM_THREADS="2")
    command = [args.python, os.path.join(args.shared, "peers", "seed_pipeline.py"), "--data", args.data, "--vocab", args.vocab, "--train-rows",
               str(args.rows), "--epochs", str(args.epochs), "--trials", str(args.trials), "--seed", str(seed)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode != 0: sys.exit(f"seed_pipeline: {done.stderr.strip().splitlines()[-1]}")
    *trials, whole = map(json.loads, done.stdout.splitlines())
    size = statistics.mean(layer_parameters(t["num_layers"], t["hidden_dim"], t["ffn_expansion"]) for t in trials)
    return whole["trials_per_hour"], whole["best"], size


def lathe(args, seed):
    with tempfile.TemporaryDirectory() as folder:
        config = os.path.join(folder, "seed.toml")
        with open(config, "w", encoding="utf-8") as file:
            file.write(CONFIG.format(seed=seed, data=args.data, vocab=args.vocab, rows=args.rows, trials=args.trials, epochs=args.epochs))
        start = time.monotonic()
        done = subprocess.run([args.lathe, "search", config, "--json", "--out", os.path.join(folder, "run")], capture_output=True, text=True)
        took = time.monotonic() - start  # reading, tokenizing and planning included
        if done.returncode != 0: sys.exit(f"seed_pipeline: {done.stderr.strip().splitlines()[-1]}")
        trials = [line for line in map(json.loads, done.stdout.splitlines()) if line["type"] == "trial"]
        size = statistics.mean(layer_parameters(p["layers"], p["hidden"], p["expansion"]) for p in (t["point"] for t in trials))
        return 3600 * len(trials) / took, max(t["accuracy"] for t in trials if t["state"] == "complete"), size


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lathe", type=os.path.abspath)
    parser.add_argument("shared", type=os.path.abspath)
    parser.add_argument("--rows", type=int, default=4000)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--trials", type=int, default=8)
    parser.add_argument("--seeds", default="7,8,9")
    parser.add_argument("--python", default=sys.executable)
    args = parser.parse_args()
    args.data = os.path.join(args.shared, "data", "glue-sst2")
    args.vocab = os.path.join(args.shared, "data", "tokenizer", "bert", "bert-base-uncased-vocab.txt")
    side = "trials an hour | best accuracy | parameters"
    print(f"| seed | usual: {side} | lathe: {side} | ratio |\n|-:|-:|-:|-:|-:|-:|-:|-:|", flush=True)
    line = "| {} | {:.0f} | {:.4f} | {:,.0f} | {:.0f} | {:.4f} | {:,.0f} | {:.1f} |"
    rows = []
    for seed in map(int, args.seeds.split(",")):
        theirs, ours = usual(args, seed), lathe(args, seed)
        rows.append((*theirs, *ours, ours[0] / theirs[0]))
        print(line.format(seed, *rows[-1]), flush=True)
    print(line.format("mean", *(statistics.mean(column) for column in zip(*rows))))


if __name__ == "__main__":
    main()
