"""Writes pruners.txt: what the pruners of Optuna 5.0.0 and the signed-rank test of SciPy answer to random histories.

    python make_pruners.py > pruners.txt

A line `study <pruner> <minimise|maximise> <seed> [setting=value …]` begins a history; then, in order,
    report <trial> <unit> <step> <value> <answer>   a report and what should_prune() said (1: the trial ends as pruned)
    last <trial> <unit> <step> <value> <total>      the report that completes a trial, after which nobody asks; its final value
A line `p <p> <difference> …` is the one-sided p of the signed-rank test, zero differences split.
"""
import random
import warnings

import optuna
import scipy.stats

warnings.simplefilter("ignore")
optuna.logging.set_verbosity(optuna.logging.ERROR)
MAXIMISE = {"maximise": "maximize", "minimise": "minimize"}


def settings_text(settings):
    return "".join(f" {name}={value}" for name, value in settings.items())


def study(tag, pruner, direction, seed, settings, trials=24, steps=12, stride=1, units=None, decimals=2, width=5):
    """Keeps `width` trials open and reports for one of them at a time, as workers would."""
    print(f"study {tag} {direction} {seed}{settings_text(settings)}")
    s = optuna.create_study(direction=MAXIMISE[direction], pruner=pruner, study_name=str(seed), sampler=optuna.samplers.RandomSampler())
    chance = random.Random(seed)
    sign = 1 if direction == "maximise" else -1
    running = []
    started = 0
    while running or started < trials:
        while len(running) < width and started < trials:
            t = s.ask()
            order = list(range(units)) if units else list(range(1, steps + 1))
            if units:
                chance.shuffle(order)
            running.append([t, order, 0, chance.gauss(0, 1), []])
            started += 1
        entry = chance.choice(running)
        t, order, at, level, values = entry
        where = order[at] * stride
        curve = level + 0.3 * chance.gauss(0, 1) + (0.5 * (where % 7) if units else 0.1 * where / stride)
        value = round(sign * curve, decimals)
        values.append(value)
        entry[2] += 1
        t.report(value, where)
        place = f"{t.number} {where if units else 0} {1 if units else where} {value}"
        if entry[2] == len(order):
            total = round(sum(values) / len(values), 6) if units else value
            print(f"last {place} {total}")
            s.tell(t, total)
            running.remove(entry)
        else:
            answer = t.should_prune()
            print(f"report {place} {int(answer)}")
            if answer:
                s.tell(t, state=optuna.trial.TrialState.PRUNED)
                running.remove(entry)


def main():
    p = optuna.pruners
    print(f"# Optuna {optuna.__version__}, SciPy {scipy.__version__}; made by make_pruners.py")
    study("median", p.MedianPruner(n_startup_trials=3), "maximise", 1, {"n_startup_trials": 3})
    study("median", p.PercentilePruner(25.0, n_startup_trials=4, n_warmup_steps=3, interval_steps=2, n_min_trials=2), "minimise", 2,
          {"percentile": 25, "n_startup_trials": 4, "n_warmup_steps": 3, "interval_steps": 2, "n_min_trials": 2})
    study("asha", p.SuccessiveHalvingPruner(min_resource=1), "maximise", 3, {"min_resource": 1}, steps=20)
    study("asha", p.SuccessiveHalvingPruner(min_resource=1, reduction_factor=2), "minimise", 4,
          {"min_resource": 1, "reduction_factor": 2}, decimals=1)
    study("asha", p.SuccessiveHalvingPruner(min_resource=2, reduction_factor=3, min_early_stopping_rate=1, bootstrap_count=2), "maximise", 5,
          {"min_resource": 2, "reduction_factor": 3, "min_early_stopping_rate": 1, "bootstrap_count": 2})
    study("asha", p.SuccessiveHalvingPruner(), "maximise", 6, {}, stride=150, steps=8)  # strides over rungs
    study("hyperband", p.HyperbandPruner(min_resource=1, max_resource=27), "minimise", 7, {"max_resource": 27}, trials=40, steps=12)
    study("hyperband", p.HyperbandPruner(min_resource=2, reduction_factor=2), "maximise", 8, {"min_resource": 2, "reduction_factor": 2},
          trials=40)
    study("hyperband", p.HyperbandPruner(max_resource=16, reduction_factor=4, bootstrap_count=1), "maximise", 9,
          {"max_resource": 16, "reduction_factor": 4, "bootstrap_count": 1}, trials=40, steps=17)
    study("threshold", p.ThresholdPruner(lower=-1.0, upper=1.5, n_warmup_steps=2, interval_steps=3), "maximise", 10,
          {"lower": -1, "upper": 1.5, "n_warmup_steps": 2, "interval_steps": 3})
    study("patient", p.PatientPruner(None, patience=2, min_delta=0.1), "maximise", 11, {"patience": 2, "min_delta": 0.1})
    study("patient:median", p.PatientPruner(p.MedianPruner(n_startup_trials=2), patience=1), "minimise", 12,
          {"patience": 1, "n_startup_trials": 2}, trials=30)
    study("patient:asha", p.PatientPruner(p.SuccessiveHalvingPruner(min_resource=1, reduction_factor=2), patience=0, min_delta=0.05),
          "maximise", 13, {"patience": 0, "min_delta": 0.05, "min_resource": 1, "reduction_factor": 2}, trials=40)
    study("wilcoxon", p.WilcoxonPruner(), "minimise", 14, {}, units=10, trials=30)
    study("wilcoxon", p.WilcoxonPruner(p_threshold=0.2, n_startup_steps=4), "maximise", 15, {"p_threshold": 0.2, "n_startup_steps": 4},
          units=18, decimals=1)
    study("wilcoxon", p.WilcoxonPruner(p_threshold=0.01), "maximise", 16, {"p_threshold": 0.01}, units=54, trials=8)
    chance = random.Random(17)
    for n in (1, 2, 3, 5, 8, 12, 13, 14, 20, 49, 50, 51, 60):
        for decimals in (1, 6):
            d = [round(chance.gauss(0.2, 1), decimals) + 0.0 for _ in range(n)]
            result = scipy.stats.wilcoxon(d, alternative="greater", zero_method="zsplit").pvalue
            print("p", repr(float(result)), *d)
    print("p", repr(float(scipy.stats.wilcoxon([0.0] * 6, alternative="greater", zero_method="zsplit").pvalue)), *[0.0] * 6)


main()
