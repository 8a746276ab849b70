#!/usr/bin/env python3
"""Writes importance.txt: importances by PED-ANOVA of Optuna 5.0.0 for random studies."""
import os
import warnings

import numpy
from optuna.importance import PedAnovaImportanceEvaluator
from spaces import MIXED, TREE, random_study, study_lines

warnings.simplefilter("ignore")


def case(name, space, trials, region=1.0, **options):
    study = random_study(space, trials, numpy.random.default_rng(sum(map(ord, name))), **options)
    found = PedAnovaImportanceEvaluator(region_quantile=region).evaluate(study)
    return study_lines(name, space, study) + [f"region {region!r}"] + [f"importance {k} {float(v)!r}" for k, v in sorted(found.items())]


if __name__ == "__main__":
    out = ["# Written by importance.py with optuna 5.0.0 and numpy " + numpy.__version__]
    out += case("one", MIXED, 1) + case("few", MIXED, 5) + case("many", MIXED, 120, pruned=0.1) + case("equal", MIXED, 60, grid=1, directions=("maximize",))
    out += case("half", MIXED, 80, region=0.5) + case("tree", TREE, 90, running=1)
    out += case("two_objectives", MIXED, 70, directions=("minimize", "maximize")) + case("two_half", TREE, 60, region=0.5, directions=("minimize", "minimize"))
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "importance.txt"), "w", encoding="utf-8") as f: f.write("\n".join(out) + "\n")
