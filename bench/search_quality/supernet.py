#!/usr/bin/env python3
"""How well do inherited weights rank architectures? Kendall's tau between the accuracy that architectures have with weights of one
supernet (bench_supernet) and the one they reach trained from scratch (sst2_runs.csv, or repeats of it by bench_sst2_train with other
seeds), with a bootstrap interval over architectures, beside what two trainings from scratch agree on: nothing can rank better.

    bench_supernet train=TSV valid=TSV … > inherited.csv
    python3 bench/search_quality/supernet.py inherited.csv RUNS.csv[,RUNS.csv…] [--lr 0.003] [--dropout 0] [--norm-place pre]

With several files (seeds), "scratch" is the mean over them. Needs scipy.
"""
import argparse
import csv

import numpy as np
from scipy.stats import kendalltau

KEYS = ("layers", "hidden", "expansion", "activation")


def rows_of(file):
    lines = open(file, encoding="utf-8").read().splitlines()
    facts = {line.split()[1]: line.split()[2] for line in lines if line.startswith("# ") and len(line.split()) == 3}
    return list(csv.DictReader(line for line in lines if not line.startswith("#"))), facts


def tau(a, b):
    return kendalltau(a, b)[0]


def with_interval(a, b, rng, draws=4000):
    n, out = len(a), []
    for _ in range(draws):
        i = rng.integers(0, n, n)
        t = tau(a[i], b[i])
        if not np.isnan(t):
            out.append(t)
    return "%.2f (%.2f to %.2f)" % (tau(a, b), *np.quantile(out, [0.025, 0.975]))


def compare(got, scratch, flops, cost, rng):
    """A search ends with the best of what it trained, by the first file; its quality is the mean of the other files."""
    truth, order = scratch[1:].mean(0), np.argsort(-got, kind="stable")
    for top in (1, 3, 5):
        total = cost + flops[order[:top]].sum()
        ours = truth[max(order[:top], key=lambda i: scratch[0][i])]
        theirs, trained = [], []
        for _ in range(4000):
            drawn = rng.permutation(len(got))
            n = max(1, int((np.cumsum(flops[drawn]) <= total).sum()))
            theirs.append(truth[max(drawn[:n], key=lambda i: scratch[0][i])])
            trained.append(n)
        print(f"search on inherited weights, {top} retrained, {total:.3g} FLOPs ({total / flops.sum():.0%} of training all): {ours:.4f}; "
              f"random search at equal FLOPs ({np.mean(trained):.1f} trainings): {np.mean(theirs):.4f} ± {np.std(theirs):.4f}")
    print(f"training all: {truth[np.argmax(scratch[0])]:.4f}; mean of all: {truth.mean():.4f}; best of all: {truth.max():.4f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("inherited")
    parser.add_argument("runs")
    parser.add_argument("--lr", default="0.003")
    parser.add_argument("--dropout", default="0")
    parser.add_argument("--norm-place", default="pre")
    a = parser.parse_args()
    inherited, facts = rows_of(a.inherited)
    archs = [tuple(r[k] for k in KEYS) for r in inherited]
    scratch, losses, flops = [], [], {}
    for file in a.runs.split(","):
        found = {}
        for r in rows_of(file)[0]:
            if (r["lr"], r["dropout"], r["norm_place"]) == (a.lr, a.dropout, a.norm_place) and r["warmup"] in ("", "0"):
                found[tuple(r[k] for k in KEYS)] = r
        scratch.append([float(found[x]["accuracy4"]) for x in archs])
        losses.append([float(found[x]["loss4"]) for x in archs])
        flops = np.array([4 * int(found[x]["epoch_flops"]) for x in archs])
    scratch, losses, rng = np.array(scratch), np.array(losses), np.random.default_rng(1)
    got = np.array([float(r["accuracy"]) for r in inherited])
    got_loss = np.array([float(r["loss"]) for r in inherited])
    params = np.array([float(r["parameters"]) for r in inherited])
    mean, mean_loss = scratch.mean(0), losses.mean(0)
    print(f"{len(archs)} architectures; inherited accuracy {got.mean():.4f} ± {got.std():.4f}, scratch {mean.mean():.4f} ± {mean.std():.4f}")
    print("tau inherited, scratch accuracy:  ", with_interval(got, mean, rng))
    print("tau -inherited loss, scratch acc.:", with_interval(-got_loss, mean, rng))
    print("tau inherited loss, scratch loss: ", with_interval(got_loss, mean_loss, rng))
    print("tau parameters, scratch accuracy: ", with_interval(params, mean, rng))
    if len(scratch) > 1:
        pairs = [(i, j) for i in range(len(scratch)) for j in range(i)]
        print("tau of two seeds from scratch:     %.2f" % np.mean([tau(scratch[i], scratch[j]) for i, j in pairs]))
        rest = [tau(scratch[i], np.delete(scratch, i, 0).mean(0)) for i in range(len(scratch))]
        print("tau of one seed, mean of others:   %.2f" % np.mean(rest))
    best = np.argsort(-got, kind="stable")
    for top in (1, 3, 5):
        print(f"best scratch accuracy of the {top} best inherited: {mean[best[:top]].max():.4f} (all: {mean.max():.4f}, "
              f"{top} at random: {np.mean([rng.choice(mean, top, replace=False).max() for _ in range(4000)]):.4f})")
    if len(scratch) > 1:
        compare(got, scratch, flops, int(facts["flops"]) + sum(int(r["evaluation_flops"]) for r in inherited), rng)
    net, look = int(facts["flops"]), sum(int(r["evaluation_flops"]) for r in inherited)
    print(f"FLOPs: supernet {net:.3g}, looking at all {look:.3g}, training all from scratch {flops.sum():.3g}, "
          f"the three best inherited {flops[best[:3]].sum():.3g}")


main()
