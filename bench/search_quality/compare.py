#!/usr/bin/env python3
"""Search quality of lathe's samplers beside Optuna's, equal budgets, the very same functions, as Markdown tables.

    compare.py BUILD --results FILE.jsonl [--repeats 30] [--problems branin,hartmann6,...] [--seconds 1e9]

Every study is one line of FILE; what is there already is not run again, so that the whole can be made in pieces (--seconds stops
after so many). bench_search_quality runs lathe's studies and answers Optuna's questions. One thread, trials one after the other, default
settings on both sides. Single objective: best value minus the optimum; several: hypervolume.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import time
import warnings

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"): os.environ[variable] = "1"
ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
ap.add_argument("build")
ap.add_argument("--results", required=True)
ap.add_argument("--repeats", type=int, default=30)
ap.add_argument("--problems", default="branin,hartmann6,rosenbrock10,mixed,tree,sst2,sst2_loss,zdt1,zdt2,zdt3,c2dtlz2,sst2_flops")
ap.add_argument("--gp", default="branin,hartmann6,rosenbrock10,tree,sst2", help="problems for the Gaussian process, which is slow on Optuna's side")
ap.add_argument("--seconds", type=float, default=1e9)
a = ap.parse_args()

PROGRAM = os.path.join(a.build, "bench", "bench_search_quality")
TABLE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "sst2_runs.csv")
ONE = [("lathe", "random"), ("optuna", "random"), ("lathe", "evolution"), ("lathe", "controller"), ("lathe", "tpe"), ("optuna", "tpe")]
SHORT = [("lathe", "gp"), ("optuna", "gp")]  # beside the others after as many trials (evolution has not begun by then)
SEVERAL = [("lathe", "random"), ("optuna", "random"), ("lathe", "nsga2"), ("optuna", "nsga2"), ("lathe", "tpe"), ("optuna", "tpe")]
BUDGET, GP_BUDGET, SEVERAL_BUDGET = 100, 40, 150  # Optuna's GP takes a quarter of a second and more for a trial


def ask_program(*words):
    done = subprocess.run([PROGRAM, *words, TABLE], capture_output=True, text=True)
    if done.returncode != 0: sys.exit(f"compare: {done.stderr}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def suggest(trial, space):
    """The parameters of lathe's space from an Optuna trial; an ordinal is an integer, as it is for lathe's samplers."""
    values = {}
    for p in space["parameters"]:
        if "when" in p:
            try:
                if not eval(p["when"], {}, values): continue
            except NameError: continue  # of an inactive parameter
        name = p["name"]
        if p["kind"] == "integer": values[name] = trial.suggest_int(name, p["low"], p["high"], step=p["step"], log=p["log"])
        elif p["kind"] == "real" and p["step"]: values[name] = round(trial.suggest_float(name, p["low"], p["high"], step=p["step"]), 10)
        elif p["kind"] == "real": values[name] = trial.suggest_float(name, p["low"], p["high"], log=p["log"])
        elif p["kind"] == "ordinal": values[name] = p["choices"][trial.suggest_int(name, 0, len(p["choices"]) - 1)]
        else: values[name] = trial.suggest_categorical(name, p["choices"])
    return values


def run_optuna(facts, sampler, trials, seed):
    import numpy
    import optuna
    from optuna._hypervolume.wfg import compute_hypervolume
    warnings.simplefilter("ignore")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    make = {"random": optuna.samplers.RandomSampler, "tpe": optuna.samplers.TPESampler, "nsga2": optuna.samplers.NSGAIISampler, "gp": optuna.samplers.GPSampler}
    study = optuna.create_study(sampler=make[sampler](seed=seed), directions=["minimize"] * len(facts["metrics"]))
    server = subprocess.Popen([PROGRAM, "serve", facts["name"], TABLE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    progress, front, seconds = [], [], 0.0
    for _ in range(trials):
        start = time.perf_counter()
        trial = study.ask()
        point = suggest(trial, facts["space"])
        seconds += time.perf_counter() - start
        server.stdin.write(json.dumps(point) + "\n")
        server.stdin.flush()
        answer = json.loads(server.stdout.readline())
        for name, value in zip(facts["constraints"], answer["constraints"]): trial.set_constraint(name, value)
        start = time.perf_counter()
        study.tell(trial, answer["values"])
        seconds += time.perf_counter() - start
        feasible = all(c <= 0 for c in answer["constraints"])
        if len(facts["metrics"]) > 1:
            if feasible: front.append(answer["values"])
            progress.append(float(compute_hypervolume(numpy.minimum(numpy.array(front), facts["reference"]), numpy.array(facts["reference"]))) if front else 0.0)
        else:
            progress.append(min(answer["values"][0], progress[-1]) if progress else answer["values"][0])
    server.stdin.close()
    server.wait()
    return {"seed": seed, "seconds": seconds, "progress": progress}


def plan(problem):
    """(side, sampler, trials) of a problem."""
    if problem.startswith(("zdt", "c2", "sst2_flops")): return [(*s, SEVERAL_BUDGET) for s in SEVERAL]
    return [(*s, BUDGET) for s in ONE] + [(*s, GP_BUDGET) for s in SHORT if problem in a.gp.split(",")]


def load():
    found = {}
    if os.path.exists(a.results):
        with open(a.results, encoding="utf-8") as f:
            for line in f:
                r = json.loads(line)
                found[r["problem"], r["side"], r["sampler"], r["trials"], r["seed"]] = r
    return found


def fill(found):
    """Runs what is missing, the costly GP last. False: out of time."""
    begin = time.time()
    jobs = [(problem, *job) for problem in a.problems.split(",") for job in plan(problem)]
    with open(a.results, "a", encoding="utf-8") as out:
        def keep(result, *key):
            result.update(zip(("problem", "side", "sampler", "trials"), key))
            found[(*key, result["seed"])] = result
            out.write(json.dumps(result) + "\n")
            out.flush()
        for key in sorted(jobs, key=lambda job: job[2] == "gp"):
            problem, side, sampler, trials = key
            missing = [seed for seed in range(1, a.repeats + 1) if (*key, seed) not in found]
            if side == "lathe" and missing:
                for result in ask_program("run", problem, sampler, str(trials), str(a.repeats)): keep(result, *key)
            for seed in missing if side == "optuna" else ():
                if time.time() - begin > a.seconds: return False
                keep(run_optuna(ask_program("space", problem)[0], sampler, trials, seed), *key)
    return True


def finals(found, problem, side, sampler, trials, after=None):
    runs = [found[problem, side, sampler, trials, seed] for seed in range(1, a.repeats + 1)]
    return [r["progress"][(after or trials) - 1] for r in runs], statistics.mean(r["seconds"] for r in runs)


def compared(first, second, minimise):
    text = "\n".join(" ".join(repr(v) for v in side) for side in (first, second)) + "\n"
    done = subprocess.run([PROGRAM, "compare", "minimise" if minimise else "maximise"], input=text, capture_output=True, text=True)
    if done.returncode != 0: sys.exit(f"compare: {done.stderr}")
    return json.loads(done.stdout)


def ranks(columns, minimise):
    """Mean rank of each column over the repeats; equal ones share."""
    out = [0.0] * len(columns)
    for row in zip(*columns):
        signed = [v if minimise else -v for v in row]
        for i, v in enumerate(signed): out[i] += (1 + sum(w < v for w in signed) + 0.5 * (sum(w == v for w in signed) - 1)) / len(columns[0])
    return out


def figure(x): return f"{x:.3g}" if abs(x) < 1000 else f"{x:,.0f}"


def table(found, problems, samplers, budget, minimise, note):
    """samplers: (side, name, trials run)."""
    total, count = [0.0] * len(samplers), 0
    print(f"\n{note}\n\n| problem | " + " | ".join(f"{side} {name}" for side, name, _ in samplers) + " |\n|-|" + "-|" * len(samplers))
    verdicts = []
    for problem in problems:
        optimum = ask_program("space", problem)[0]["optimum"]
        columns = [[v - optimum for v in finals(found, problem, side, name, trials, budget)[0]] for side, name, trials in samplers]
        cells = []
        for c in columns:
            own = compared(c, c, minimise)
            cells.append(f"{figure(own['median_a'])} ({figure(own['interval_a'][0])}–{figure(own['interval_a'][1])})")
        print(f"| {problem} | " + " | ".join(cells) + " |", flush=True)
        for i, r in enumerate(ranks(columns, minimise)): total[i] += r
        count += 1
        of = {s[:2]: c for s, c in zip(samplers, columns)}
        pairs = [(s, ("optuna", s[1])) for s in of if s[0] == "lathe" and ("optuna", s[1]) in of]
        pairs += [(("lathe", name), ("lathe", "random")) for name in ("evolution", "controller", "tpe", "nsga2", "gp") if ("lathe", name) in of]
        for first, second in pairs:
            r = compared(of[first], of[second], minimise)
            verdicts.append((problem, " ".join(first), " ".join(second), r))
    if count: print("| **mean rank** | " + " | ".join(f"{t / count:.2f}" for t in total) + " |")
    print("\n| problem | | beside | better in | interval | p | verdict |\n|-|-|-|-|-|-|-|")
    for problem, first, second, r in verdicts:
        low, high = r["superiority_interval"]
        print(f"| {problem} | {first} | {second} | {100 * r['superiority']:.0f} % | {100 * low:.0f}–{100 * high:.0f} % | {r['p_value']:.2g} | {r['verdict']} |")


def main():
    found = load()
    if not fill(found): sys.exit(3)
    problems = a.problems.split(",")
    one = [p for p in problems if plan(p)[0][2] == BUDGET]
    several = [p for p in problems if p not in one]
    import optuna
    print(f"optuna {optuna.__version__}, {a.repeats} repeats")
    if one:
        table(found, one, [(*s, BUDGET) for s in ONE], BUDGET, True, f"Regret after {BUDGET} trials, median (95 % interval)")
        with_gp = [p for p in one if p in a.gp.split(",")]
        if with_gp: table(found, with_gp, [(*s, BUDGET) for s in ONE if s[1] not in ("evolution", "controller")] + [(*s, GP_BUDGET) for s in SHORT], GP_BUDGET, True, f"Regret after {GP_BUDGET} trials")
    if several: table(found, several, [(*s, SEVERAL_BUDGET) for s in SEVERAL], SEVERAL_BUDGET, False, f"Hypervolume after {SEVERAL_BUDGET} trials")


main()
