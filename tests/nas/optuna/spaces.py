"""Studies of random trials, as Optuna holds them and as the lines that tests/nas/optuna_support.h reads."""
import json
import math

import numpy
import optuna
from optuna.distributions import CategoricalDistribution as Choice
from optuna.distributions import FloatDistribution as Real
from optuna.distributions import IntDistribution as Integer
from optuna.trial import TrialState

VERSION = "5.0.0"
assert optuna.__version__ == VERSION, optuna.__version__
optuna.logging.set_verbosity(optuna.logging.ERROR)
MIXED = {"x": Real(-5, 5), "lr": Real(1e-5, 1e-1, log=True), "n": Integer(1, 10), "w": Integer(1, 1000, log=True), "q": Real(0, 1, step=0.25),
         "c": Choice(["a", "b", "c"]), "k": Integer(32, 256, step=32), "big": Integer(0, 100000), "one": Integer(7, 7)}
TREE = {"kind": Choice(["a", "b", "c"]), "depth": Integer(1, 4), "x": Real(0, 1), "n": Integer(1, 8), "lr": Real(1e-4, 1e-1, log=True)}


def active(space, name, params):
    """The conditions of TREE: x while kind is a; n while kind is b; lr while depth is at least 2."""
    if space is not TREE: return True
    return {"x": params.get("kind") == "a", "n": params.get("kind") == "b", "lr": params.get("depth", 0) >= 2}.get(name, True)


def value(d, rng):
    if isinstance(d, Choice): return d.choices[rng.integers(len(d.choices))]
    if isinstance(d, Integer):
        if d.log: return int(round(math.exp(rng.uniform(math.log(d.low), math.log(d.high)))))
        return int(d.low + d.step * rng.integers((d.high - d.low) // d.step + 1))
    if d.step: return float(d.low + d.step * rng.integers(int((d.high - d.low) / d.step + 1.5)))
    return math.exp(rng.uniform(math.log(d.low), math.log(d.high))) if d.log else rng.uniform(d.low, d.high)


def point(space, rng):
    params = {}
    for name, d in space.items():
        if active(space, name, params): params[name] = value(d, rng)
    return params


def coordinates(space, params):
    """One number for every parameter, categoricals by index."""
    return [float(d.to_internal_repr(params[name])) for name, d in space.items()]


def random_study(space, trials, rng, directions=("minimize",), pruned=0.0, running=0, infeasible=0.0, grid=0):
    """`grid`: values are rounded to 1/grid, so that some are equal."""
    study = optuna.create_study(directions=list(directions))
    for number in range(trials + running):
        params = point(space, rng)
        distributions = {name: space[name] for name in params}
        if number >= trials:
            study.add_trial(optuna.trial.create_trial(state=TrialState.RUNNING, params=params, distributions=distributions))
            continue
        values = [float(v) for v in rng.normal(size=len(directions))]
        if grid: values = [round(v * grid) / grid for v in values]
        constraints = {"0": float(rng.normal() - 1), "1": float(rng.normal() + 1)} if rng.uniform() < infeasible else None
        if infeasible and not constraints: constraints = {"0": -1.0, "1": float(-rng.uniform())}
        is_pruned = len(directions) == 1 and rng.uniform() < pruned
        reports = {step: float(rng.normal()) for step in range(1, 1 + int(rng.integers(0, 4)))} if is_pruned else {}
        study.add_trial(optuna.trial.create_trial(state=TrialState.PRUNED if is_pruned else TrialState.COMPLETE, params=params, distributions=distributions,
                                                  values=None if is_pruned else values, intermediate_values=reports, constraints=constraints))
    return study


def numbers(values): return ",".join(repr(float(v)) for v in values)


def study_lines(name, space, study):
    lines = [f"study {name} {'tree' if space is TREE else 'mixed'} " + ",".join("maximise" if d == optuna.study.StudyDirection.MAXIMIZE else "minimise"
                                                                               for d in study.directions)]
    for trial in study.get_trials(deepcopy=False):
        ordered = {key: trial.params[key] for key in space if key in trial.params}
        line = f"trial {trial.state.name.lower()} {json.dumps(ordered, separators=(',', ':'))}"
        if trial.state == TrialState.COMPLETE: line += f" values={numbers(trial.values)}"
        if trial.intermediate_values: line += " reports=" + ",".join(f"{s}:{v!r}" for s, v in trial.intermediate_values.items())
        if trial.constraints: line += f" constraints={numbers(trial.constraints.values())}"
        lines.append(line)
    return lines
