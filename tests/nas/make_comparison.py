#!/usr/bin/env python3
"""Writes comparison.txt: quantiles by numpy; superiority, permutation tests and percentile bootstrap intervals by SciPy.

A case: `a` and `b` are the repeats, larger is better. Random numbers of ours and SciPy's differ, so p and intervals agree within what
100,000 resamples leave open.
"""
import os

import numpy
import scipy
from scipy import stats


def numbers(values): return ",".join(repr(float(v)) for v in values)


def superiority(a, b, axis=-1):
    a, b = numpy.moveaxis(numpy.asarray(a), axis, -1), numpy.moveaxis(numpy.asarray(b), axis, -1)
    return (numpy.sign(a[..., :, None] - b[..., None, :]).mean(axis=(-1, -2)) + 1) / 2


def wins(a, b, axis=-1): return (numpy.sign(a - b).mean(axis=axis) + 1) / 2


def case(name, a, b, paired):
    statistic = wins if paired else superiority
    rng = numpy.random.default_rng(7)
    test = stats.permutation_test((a, b), lambda x, y, axis: numpy.abs(statistic(x, y, axis) - 0.5), permutation_type="samples" if paired else "independent",
                                  alternative="greater", n_resamples=99_999, vectorized=True, batch=1000, rng=rng)
    interval = stats.bootstrap((a, b), statistic, paired=paired, method="percentile", n_resamples=100_000, vectorized=True, batch=1000, rng=rng).confidence_interval
    median = stats.bootstrap((a,), numpy.median, method="percentile", n_resamples=100_000, vectorized=True, batch=1000, rng=rng).confidence_interval
    lines = [f"case {name} {int(paired)}", f"a {numbers(a)}", f"b {numbers(b)}", f"superiority {float(statistic(a, b))!r}", f"p {float(test.pvalue)!r}",
             f"interval {numbers(interval)}", f"median {numbers(median)}"]
    if not paired: assert abs(stats.mannwhitneyu(a, b).statistic / (len(a) * len(b)) - superiority(a, b)) < 1e-12
    return lines


if __name__ == "__main__":
    rng = numpy.random.default_rng(3)
    out = [f"# Written by make_comparison.py with scipy {scipy.__version__} and numpy {numpy.__version__}"]
    for size in (1, 2, 5, 12):
        values = rng.normal(size=size)
        for q in (0, 0.1, 0.25, 0.5, 0.9, 1): out.append(f"quantile {q} {float(numpy.quantile(values, q))!r} {numbers(values)}")
    out += case("far", rng.normal(1, 1, 30), rng.normal(0, 1, 30), False) + case("near", rng.normal(0.1, 1, 30), rng.normal(0, 1, 25), False)
    out += case("worse", rng.normal(0, 1, 12), rng.normal(1.5, 2, 20), False) + case("ties", rng.integers(0, 4, 30).astype(float), rng.integers(1, 5, 30).astype(float), False)
    base = rng.normal(0, 3, 30)
    out += case("pairs", base + rng.normal(0.4, 1, 30), base, True) + case("pairs_ties", rng.integers(0, 3, 20).astype(float), rng.integers(0, 3, 20).astype(float), True)
    out += case("few", numpy.array([3.0, 4.0]), numpy.array([1.0, 2.0]), False)
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "comparison.txt"), "w", encoding="utf-8") as f: f.write("\n".join(out) + "\n")
