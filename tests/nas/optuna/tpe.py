#!/usr/bin/env python3
"""Writes tpe.txt: for random studies the trials that Optuna's TPE takes as the better ones, and the log densities of both of its
mixtures at random candidates. Needs optuna 5.0.0."""
import functools
import os

import numpy
from optuna.samplers import TPESampler
from optuna.samplers._tpe import sampler as tpe
from optuna.search_space.group_decomposed import _GroupDecomposedSearchSpace
from optuna.trial import TrialState
from spaces import MIXED, TREE, coordinates, numbers, random_study, study_lines, value

# The order that numpy gives equal coordinates depends on the processor; lathe's is by trial number.
numpy.argsort = functools.partial(numpy.argsort, kind="stable")


def case(name, space, trials, candidates=3, **options):
    rng = numpy.random.default_rng(sum(map(ord, name)))
    study = random_study(space, trials, rng, **options)
    sampler = TPESampler(multivariate=True)
    several = len(study.directions) > 1
    everything = study.get_trials(deepcopy=False)
    n = sum(t.state != TrialState.RUNNING for t in everything)
    gamma = tpe.default_gamma_multiobjective if several else tpe.default_gamma
    below, above = tpe._split_trials(study, everything, gamma(n))
    lines = study_lines(name, space, study) + ["below " + ",".join(str(t.number) for t in below)]
    groups = [sorted(g, key=list(space).index) for g in _GroupDecomposedSearchSpace(True).calculate(study).search_spaces]
    if several: groups = [[p] for p in space]
    for _ in range(candidates):
        at = {p: value(d, rng) for p, d in space.items()}
        lines.append("candidate " + numbers(coordinates(space, at)))
        for group in groups:
            sub = {p: space[p] for p in group if not space[p].single()}
            if not sub: continue
            mixtures = [sampler._build_parzen_estimator(study, sub, side, handle_below=side is below) for side in (below, above)]
            internal = {p: numpy.array([d.to_internal_repr(at[p])]) for p, d in sub.items()}
            # Densities of logarithms: the same Jacobian in both.
            lines.append(f"ratio {','.join(sub)} " + numbers(m.log_pdf(internal)[0] for m in mixtures))
    return lines


if __name__ == "__main__":
    out = ["# Written by tpe.py with optuna 5.0.0 and numpy " + numpy.__version__]
    out += case("two", MIXED, 2)
    out += case("dozen", MIXED, 12, running=2)
    out += case("maximised", MIXED, 40, directions=("maximize",), grid=2, pruned=0.3)
    out += case("pruned", MIXED, 30, pruned=1.0, running=1)
    out += case("constrained", MIXED, 60, infeasible=0.7, pruned=0.2)
    out += case("infeasible", MIXED, 30, infeasible=1.0)
    out += case("many", MIXED, 260, running=3, candidates=6)
    out += case("tree", TREE, 35, running=3, candidates=6)
    out += case("tree_many", TREE, 150, pruned=0.2, running=3, candidates=6)
    out += case("two_objectives", MIXED, 80, directions=("minimize", "maximize"), running=2)
    out += case("equal_values", MIXED, 90, directions=("minimize", "minimize"), grid=1)
    out += case("three_objectives", MIXED, 70, directions=("maximize", "minimize", "minimize"), infeasible=0.2)
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "tpe.txt"), "w", encoding="utf-8") as f: f.write("\n".join(out) + "\n")
