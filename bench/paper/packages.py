#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Mean F1 of the scheduling methods on real packages, against the number of applications and against budget.

    graft profile --model flowers.mpkg --threads 1 --costs costs.json
    python3 bench/paper/packages.py --costs costs.json [--out runs/packages] flowers.mpkg signs.mpkg ...

Workloads are drawn as the thesis draws them (workloads.py, grids of 050318): for each application a package, an event
length, frequency and correlation. Budgets are shares of the machine: milliseconds of work a second, of 1000.
"""
import argparse
import json
import pathlib
import random
import subprocess

import graft_schedule
from svg import line_chart
from workloads import GRIDS, SEED, choice

SIZES = (1, 2, 4, 6, 8, 10, 15, 20, 25, 30)
BUDGETS = (5, 10, 20, 40, 60, 80, 100, 150, 200, 300)
STREAM_FPS = 10
FIXED = ("exact", "greedy", "maxsharing", "nosharing")


def mean(values):
    return sum(values) / len(values)


def read_package(graft, path):
    shown = subprocess.run([graft, "package", "inspect", path, "--json"], capture_output=True, text=True, check=True)
    package = json.loads(shown.stdout)
    return {"name": package["task"],
            "candidates": [{k: c[k] for k in ("frozen", "accuracy", "fpr")} for c in package["candidates"]]}


def draw(packages, n_apps, count):
    lengths, frequencies, correlations = GRIDS["050318"]
    rng = random.Random(SEED)
    out = []
    for _ in range(count):
        apps = []
        for i in range(n_apps):
            package = choice(rng, packages)
            apps.append({"name": f"{package['name']}#{i}", "event_length_ms": choice(rng, lengths),
                         "event_frequency": min(choice(rng, frequencies), 1.0),
                         "correlation": choice(rng, correlations), "candidates": package["candidates"]})
        out.append({"stream_fps": STREAM_FPS, "apps": apps})
    return out


def static_cuts(packages, count=3):
    """The branch points that all packages have, deepest first, evenly thinned to `count`."""
    common = sorted(set.intersection(*({c["frozen"] for c in p["candidates"]} for p in packages)), reverse=True)
    common = [k for k in common if k > 0]
    return [common[i * (len(common) - 1) // max(count - 1, 1)] for i in range(min(count, len(common)))]


class Study:
    def __init__(self, args):
        self.args = args
        self.packages = [read_package(args.graft, p) for p in args.packages]
        costs = json.loads(args.costs.read_text())
        self.layers, self.total = costs["layers"], sum(costs["layers"])
        self.methods = [*FIXED, *(f"static:{k}" for k in static_cuts(self.packages))]
        args.out.mkdir(parents=True, exist_ok=True)

    def mean_f1(self, n_apps, budget, method):
        """Over the workloads; one without a schedule counts 0."""
        lines = [{**w, "budget": budget} for w in draw(self.packages, n_apps, self.args.workloads)]
        plans = graft_schedule.schedule(lines, self.layers, "--method", method, graft=self.args.graft)
        return mean([p.get("mean_f1", 0) for p in plans])

    def table(self, title, first, points, at):
        shown = {m: [(x, at(x, m)) for x in points] for m in self.methods}
        print(f"\n{title}\n| {first} | " + " | ".join(self.methods) + " |")
        print("| ---: |" + " ---: |" * len(self.methods))
        for i, x in enumerate(points):
            print(f"| {x} | " + " | ".join(f"{shown[m][i][1]:.4f}" for m in self.methods) + " |", flush=True)
        return shown

    def run(self):
        print(f"{len(self.packages)} packages, network {self.total:.3f} ms a frame")
        numbers = {"total_ms": self.total}
        for budget in self.args.budgets:
            title = f"budget {budget:g} ms/s"
            shown = numbers[f"budget {budget:g}"] = self.table(
                title, "applications", SIZES, lambda n, m, b=budget: self.mean_f1(n, b, m))
            (self.args.out / f"apps_B{budget:g}.svg").write_text(
                line_chart(title, "applications", "mean F1", shown, SIZES))
        for n in self.args.sizes:
            title = f"{n} applications"
            budgets = [b for b in BUDGETS if b >= self.args.least]
            shown = numbers[title] = self.table(title, "budget", budgets,
                                                lambda b, m, n=n: self.mean_f1(n, b, m))
            (self.args.out / f"budget_N{n}.svg").write_text(
                line_chart(title, "budget, ms/s", "mean F1", shown))
        (self.args.out / "packages.json").write_text(json.dumps(numbers, indent=1) + "\n")


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("packages", nargs="+")
    p.add_argument("--costs", type=pathlib.Path, required=True)
    p.add_argument("--graft", default=str(graft_schedule.GRAFT))
    p.add_argument("--out", type=pathlib.Path, default=pathlib.Path("runs/packages"))
    p.add_argument("--workloads", type=int, default=100, help="of each size")
    p.add_argument("--budgets", type=float, nargs="+", default=[40, 100])
    p.add_argument("--sizes", type=int, nargs="+", default=[3, 10])
    p.add_argument("--least", type=float, default=0, help="smallest budget of the budget tables")
    Study(p.parse_args()).run()


if __name__ == "__main__":
    main()
