#!/usr/bin/env python3
"""Writes pareto.txt: ranks, crowding distances, hypervolumes, subset selections and survivors of random tables by Optuna 5.0.0."""
import os

import numpy
import optuna
from optuna._hypervolume.hssp import _solve_hssp
from optuna._hypervolume.wfg import compute_hypervolume
from optuna.samplers._tpe.sampler import _get_reference_point
from optuna.samplers.nsgaii._elite_population_selection_strategy import NSGAIIElitePopulationSelectionStrategy, _calc_crowding_distance
from optuna.study._multi_objective import _fast_non_domination_rank
from spaces import numbers

optuna.logging.set_verbosity(optuna.logging.ERROR)


def integers(values): return ",".join(str(int(v)) for v in values)


def case(name, rows, objectives, grid=0, shift=0.0):
    """`grid`: so many different values in each objective. Survivors only without a grid: what crowding makes of ties is left open."""
    rng = numpy.random.default_rng(sum(map(ord, name)))
    table = rng.integers(0, grid, size=(rows, objectives)).astype(float) if grid else rng.normal(size=(rows, objectives))
    table += shift
    violations = numpy.maximum(0, numpy.round(rng.normal(size=rows), 1))
    reference = _get_reference_point(table)
    lines = [f"case {name} {objectives}"] + [f"row {numbers(r)}" for r in table] + [f"violations {numbers(violations)}"]
    lines.append("ranks " + integers(_fast_non_domination_rank(table)))
    lines.append("constrained " + integers(_fast_non_domination_rank(table, penalty=violations)))
    lines.append(f"reference {numbers(reference)}")
    lines.append(f"hypervolume {float(compute_hypervolume(table, reference))!r}")
    front = numpy.flatnonzero(_fast_non_domination_rank(table) == 0)  # as TPE does: of one rank. Others add nothing, in any order
    count = max(1, len(front) // 2)
    lines.append("subset " + integers(sorted(_solve_hssp(table[front], front, count, reference))))
    study = optuna.create_study(directions=["minimize"] * objectives)
    for row, v in zip(table, violations): study.add_trial(optuna.trial.create_trial(values=list(row), constraints={"c": float(v)}))
    trials = study.get_trials()
    distance = _calc_crowding_distance(list(trials))
    lines.append("crowding " + numbers(distance[t.number] for t in trials))
    if not grid:
        elite = NSGAIIElitePopulationSelectionStrategy(population_size=max(2, rows // 2))(study, trials)
        lines.append("survivors " + integers(sorted(t.number for t in elite)))
    return lines


if __name__ == "__main__":
    out = ["# Written by pareto.py with optuna 5.0.0 and numpy " + numpy.__version__]
    for name, *rest in (("one", 9, 1), ("pair", 2, 2), ("two", 40, 2), ("two_grid", 60, 2, 6), ("two_below_zero", 30, 2, 0, -10.0), ("three", 40, 3),
                        ("three_grid", 40, 3, 4), ("four", 25, 4), ("four_grid", 30, 4, 3), ("five", 16, 5), ("same", 6, 2, 1)):
        out += case(name, *rest)
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "pareto.txt"), "w", encoding="utf-8") as f: f.write("\n".join(out) + "\n")
