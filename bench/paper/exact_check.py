#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`exact` against `exhaustive` on random small instances, in both event models, with and without votes.

    python3 bench/paper/exact_check.py [--instances 10000]

A share of them is also solved here, from the specification's formulas, without any of our code.
"""
import argparse
import itertools
import math
import random

from graft_schedule import GRAFT, schedule

PER_COSTS = 250  # instances that share one cost file


def random_workload(rng, n_layers):
    fps = rng.choice([2, 3, 4])
    apps = []
    for i in range(rng.choice([1, 2, 2, 3, 3])):
        candidates = [{"frozen": rng.randint(0, n_layers), "accuracy": round(rng.uniform(.4, 1), 2),
                       "fpr": round(rng.uniform(0, .4), 2)} for _ in range(rng.randint(1, 4))]
        apps.append({"name": f"a#{i}", "event_length_ms": rng.choice([100, 333, 500, 1000, 2500]),
                     "event_frequency": rng.choice([0, .1, .5, .9, 1]),
                     "correlation": rng.choice([0, .1, .5, 1]), "candidates": candidates})
    return {"stream_fps": fps, "apps": apps}


def f1(app, c, fps, stream, model, votes):
    """Sections 1.2 to 1.5, written down once more."""
    frames = app["event_length_ms"] / 1000 * (fps if model == "code" else stream)
    n, rho = frames / (stream / fps), app["correlation"]
    if abs(n - round(n)) < 1e-12 * n:
        n = round(n)

    def miss(rate, count):
        if votes is None:
            return (1 - rate) * (1 - rate + rho * rate) ** (count - 1) if count else 1
        runs, hit = [1.0] + [0.0] * (votes - 1), 0.0
        for _ in range(count):
            new = [0.0] * votes
            for r, p in enumerate(runs):
                h = rate if r == 0 else rate + rho * (1 - rate)
                if r + 1 == votes:
                    hit += p * h
                else:
                    new[r + 1] += p * h
                new[0] += p * (1 - h)
            runs = new
        return 1 - hit

    def seen(rate):
        low = math.floor(n)
        few, more = miss(rate, low), miss(rate, low + 1)
        return 1 - (few + (n - low) * (more - few))
    recall, phi = seen(c["accuracy"]), app["event_frequency"]
    true, false = phi * recall, (1 - phi) * seen(c["fpr"])
    precision = true / (true + false) if true + false else 1
    return 0 if min(recall, precision) < 1e-8 else 2 / (1 / recall + 1 / precision)


def cost(places, layers):
    return (sum(sum(layers[k:]) * f for k, f in places) +
            sum(c * max([f for k, f in places if k > j], default=0) for j, c in enumerate(layers)))


def brute_force(workload, layers, model, votes):
    stream, budget = workload["stream_fps"], workload["budget"]
    options = [[(c["frozen"], f, max(f1(a, c, f, stream, model, v) for v in votes))
                for c in a["candidates"] for f in range(1, stream + 1)] for a in workload["apps"]]
    best = None
    for picked in itertools.product(*options):
        mean = sum(o[2] for o in picked) / len(picked)
        if (best is None or mean > best) and cost([o[:2] for o in picked], layers) <= budget + 1e-9:
            best = mean
    return best


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--graft", default=str(GRAFT))
    p.add_argument("--instances", type=int, default=10000)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--brute-force-every", type=int, default=20)
    args = p.parse_args()
    rng = random.Random(args.seed)
    forms = [(m, v) for m in ("text", "code") for v in ("off", "auto")]
    worst, worst_python, compared, feasible, own = 0.0, 0.0, 0, 0, 0
    for _ in range(0, args.instances, PER_COSTS):
        layers = [rng.choice([0, .25, .5, 1, 1.5]) for _ in range(rng.randint(2, 8))]
        workloads = [random_workload(rng, len(layers)) for _ in range(PER_COSTS)]
        for w in workloads:
            w["budget"] = round(rng.uniform(.3, 1.2) * sum(layers) * w["stream_fps"] * len(w["apps"]) * 4) / 8
        for model, voting in forms:
            options = ["--event-model", model, "--voting", voting]
            exact, full = (schedule(workloads, layers, *options, "--method", m, graft=args.graft)
                           for m in ("exact", "exhaustive"))
            for i, (e, x) in enumerate(zip(exact, full)):
                compared += 1
                assert ("error" in e) == ("error" in x), (workloads[i], layers, model, voting)
                if "error" not in e:
                    feasible += 1
                    worst = max(worst, abs(e["mean_f1"] - x["mean_f1"]))
                if i % args.brute_force_every == 0:
                    own += 1
                    votes = [None] if voting == "off" else range(1, 8)
                    best = brute_force(workloads[i], layers, model, votes)
                    assert (best is None) == ("error" in e), (workloads[i], layers, model, voting)
                    if best is not None:
                        worst_python = max(worst_python, abs(best - e["mean_f1"]))
    print(f"{args.instances} instances, {compared} comparisons (text, code; votes off, auto), "
          f"{feasible} with a schedule: exact against exhaustive, largest difference {worst:.1e}; "
          f"{own} also against brute force in Python: {worst_python:.1e}")
    assert worst < 1e-9 and worst_python < 1e-9


if __name__ == "__main__":
    main()
