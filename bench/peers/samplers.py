#!/usr/bin/env python3
"""Milliseconds per proposal of lathe's samplers beside Optuna's, alternating, as a Markdown table.

    samplers.py BUILD [--rounds 3] [--asks 7] [--cases tpe:1000:1,tpe:5000:1,tpe:1000:2,tpe:5000:2,gp:100:1,gp:200:1]

A case is sampler:trials:objectives. 32 mixed parameters (bench/samplers.cpp has the same), a history of random trials in memory, then
proposals one after the other, each finished before the next. Every figure is the median over the rounds of the median proposal (for
the Gaussian process of the mean: lathe fits its kernel at some trials only); `fresh` is lathe's first proposal after a restart, with
the whole history to read. One thread on both sides.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import time

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"): os.environ[variable] = "1"
ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
ap.add_argument("build")
ap.add_argument("--rounds", type=int, default=3)
ap.add_argument("--asks", type=int, default=7)
ap.add_argument("--cases", default="tpe:1000:1,tpe:5000:1,tpe:1000:2,tpe:5000:2,gp:100:1,gp:200:1")
a = ap.parse_args()

import numpy  # noqa: E402
import optuna  # noqa: E402

optuna.logging.set_verbosity(optuna.logging.ERROR)
D = optuna.distributions
SPACE = {f"real{i}": D.FloatDistribution(-1, 1) for i in range(8)} | {f"rate{i}": D.FloatDistribution(1e-5, 1, log=True) for i in range(4)}
SPACE |= {f"count{i}": D.IntDistribution(1, 16) for i in range(8)} | {f"size{i}": D.IntDistribution(1, 1024, log=True) for i in range(2)}
SPACE |= {f"share{i}": D.FloatDistribution(0, 1, step=0.05) for i in range(2)} | {f"kind{i}": D.CategoricalDistribution(list("abcd")) for i in range(8)}


def values(p, objectives):
    near = sum((p[f"real{i}"] - 0.3) ** 2 + (p[f"count{i}"] / 16 - 0.5) ** 2 + (0 if p[f"kind{i}"] == "b" else 0.3) for i in range(8))
    far = sum((p[f"real{i}"] + 0.3) ** 2 + (p[f"count{i}"] / 16 - 0.8) ** 2 for i in range(8))
    return [near, far][:objectives]


def optuna_ms(name, trials, objectives):
    rng = numpy.random.RandomState(1)
    sampler = {"tpe": lambda: optuna.samplers.TPESampler(seed=1), "gp": lambda: optuna.samplers.GPSampler(seed=1, deterministic_objective=False),
               "nsga2": lambda: optuna.samplers.NSGAIISampler(seed=1)}[name]()
    study = optuna.create_study(sampler=sampler, directions=["minimize"] * objectives)
    transform = optuna._transform._SearchSpaceTransform(SPACE)
    for _ in range(trials):
        params = transform.untransform(rng.uniform(transform.bounds[:, 0], transform.bounds[:, 1]))
        study.add_trial(optuna.trial.create_trial(params=params, distributions=SPACE, values=values(params, objectives)))
    times = []
    for _ in range(a.asks):
        start = time.perf_counter()
        trial = study.ask(SPACE)
        times.append(1000 * (time.perf_counter() - start))
        study.tell(trial, values(trial.params, objectives))
    return (statistics.mean if name == "gp" else statistics.median)(times[1:])


def lathe_ms(name, trials, objectives):
    asks = 20 if name == "gp" else 4 * a.asks
    done = subprocess.run([os.path.join(a.build, "bench", "bench_samplers"), name, str(trials), str(objectives), str(asks)], capture_output=True, text=True)
    if done.returncode != 0: sys.exit(f"samplers: {done.stderr}")
    found = json.loads(done.stdout)
    return found["mean_ms" if name == "gp" else "median_ms"], found["first_ms"]


print(f"optuna {optuna.__version__}\n\n| sampler | trials | objectives | lathe, ms | fresh, ms | Optuna, ms | Optuna / lathe |\n|-|-|-|-|-|-|-|")
for case in a.cases.split(","):
    name, trials, objectives = case.split(":")
    ours, fresh, theirs = [], [], []
    for _ in range(a.rounds):
        ms, first = lathe_ms(name, int(trials), int(objectives))
        ours.append(ms)
        fresh.append(first)
        theirs.append(optuna_ms(name, int(trials), int(objectives)))
    m = statistics.median
    print(f"| {name} | {int(trials):,} | {objectives} | {m(ours):.2f} | {m(fresh):.1f} | {m(theirs):.0f} | {m(theirs) / m(ours):.0f} |", flush=True)
