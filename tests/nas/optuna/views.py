#!/usr/bin/env python3
"""Writes views.txt: Pareto fronts, hypervolume histories, slices and contours of random studies by Optuna 5.0.0."""
import json
import os
import warnings

import numpy
from optuna.visualization._contour import _get_contour_info
from optuna.visualization._hypervolume_history import _get_hypervolume_history_info
from optuna.visualization._slice import _get_slice_plot_info
from spaces import MIXED, TREE, numbers, random_study, study_lines

warnings.simplefilter("ignore")


def text(value): return json.dumps(value, separators=(",", ":"))


def case(name, space, trials, pairs=(), reference=None, **options):
    study = random_study(space, trials, numpy.random.default_rng(sum(map(ord, name))), **options)
    lines = study_lines(name, space, study)
    several = len(study.directions) > 1
    if several or not options.get("infeasible"): lines.append("front " + ",".join(str(t.number) for t in study.best_trials) if several else f"best {study.best_value!r}")
    if reference:
        info = _get_hypervolume_history_info(study, numpy.array(reference, dtype=float))
        lines += [f"reference {numbers(reference)}", f"volumes {numbers(info.values)}"]
    for k in range(len(study.directions)):
        target = (lambda t, k=k: t.values[k]) if several else None
        for s in _get_slice_plot_info(study, None, target, "y").subplots:
            lines.append(f"slice {k} {s.param_name} {int(s.is_log)} {int(s.is_numerical)}")
            lines += [f"at {n} {text(x)} {y!r} {int(c)}" for n, x, y, c in zip(s.trial_numbers, s.x, s.y, s.constraints)]
    for x, y in pairs:
        info = _get_contour_info(study, [x, y]).sub_plot_infos[0][0]
        lines.append(f"contour {info.xaxis.name} {info.yaxis.name} {len(info.z_values)}")
        lines += [f"cell {text(info.xaxis.indices[i])} {text(info.yaxis.indices[j])} {z!r}" for (i, j), z in sorted(info.z_values.items())]
    return lines


if __name__ == "__main__":
    out = ["# Written by views.py with optuna 5.0.0 and numpy " + numpy.__version__]
    out += case("one_trial", MIXED, 1) + case("plain", MIXED, 40, pairs=[("lr", "x"), ("c", "n"), ("k", "q")], grid=4)
    out += case("upwards", MIXED, 40, pairs=[("c", "q")], directions=("maximize",), grid=4, pruned=0.2)
    out += case("tree", TREE, 60, pairs=[("depth", "kind"), ("depth", "n")], running=1) + case("limits", TREE, 40, infeasible=0.6)
    out += case("two", MIXED, 50, directions=("minimize", "maximize"), reference=(2, -2))
    out += case("two_limits", TREE, 50, directions=("minimize", "minimize"), reference=(1.5, 1.5), infeasible=0.7, grid=4)
    out += case("three", TREE, 40, directions=("maximize", "minimize", "maximize"), reference=(-2, 2, -2))
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "views.txt"), "w", encoding="utf-8") as f: f.write("\n".join(out) + "\n")
