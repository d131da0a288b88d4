#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Mean F1 of the scheduling methods on real packages, against the number of applications and against budget.

    graft profile --model flowers.mpkg --threads 1 --costs costs.json
    python3 bench/paper/packages.py --costs costs.json [--out runs/packages] flowers.mpkg signs.mpkg ...

Workloads are drawn as the thesis draws them (workloads.py, grids of 050318): for each application a package, an event
length, frequency and correlation. Budgets are counted in forwards of the whole network a second, so that they mean the same
for every network: the thesis' 50 to 300 units are 2.4 to 14.4 of them.
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
BUDGETS = (1.2, 2.4, 4.8, 7.2, 9.6, 12.0, 14.4, 20, 30)
STREAM_FPS = 10
BEST_STATIC = "best static"
METHODS = ("exact", "greedy", BEST_STATIC, "maxsharing", "nosharing")


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


def static_cuts(packages):
    """The branch points that all packages have."""
    return sorted(set.intersection(*({c["frozen"] for c in p["candidates"]} for p in packages)))


class Study:
    def __init__(self, args):
        self.args = args
        self.packages = [read_package(args.graft, p) for p in args.packages]
        costs = json.loads(args.costs.read_text())
        self.layers, self.total = costs["layers"], sum(costs["layers"])
        args.out.mkdir(parents=True, exist_ok=True)

    def mean_f1(self, n_apps, budget, method):
        """Over the workloads, and a note; a workload without a schedule counts 0."""
        if method == BEST_STATIC:  # the one cut for all applications that is best on average
            return max((self.mean_f1(n_apps, budget, f"static:{k}")[0], f" ({k})")
                       for k in static_cuts(self.packages))
        lines = [{**w, "budget": budget * self.total} for w in draw(self.packages, n_apps, self.args.workloads)]
        plans = graft_schedule.schedule(lines, self.layers, "--method", method, graft=self.args.graft)
        return mean([p.get("mean_f1", 0) for p in plans]), ""

    def table(self, title, first, points, at):
        shown = {m: [] for m in METHODS}
        print(f"\n{title}\n| {first} | " + " | ".join(METHODS) + " |\n| ---: |" + " ---: |" * len(METHODS))
        for x in points:
            row = [at(x, m) for m in METHODS]
            for m, (f1, _) in zip(METHODS, row):
                shown[m].append((x, f1))
            print(f"| {x} | " + " | ".join(f"{f1:.4f}{note}" for f1, note in row) + " |", flush=True)
        return shown

    def run(self):
        print(f"{len(self.packages)} packages, network {self.total:.3f} ms a frame")
        numbers = {"total_ms": self.total}
        for budget in self.args.budgets:
            title = f"budget: {budget:g} forwards/s"
            shown = numbers[title] = self.table(title, "applications", SIZES,
                                                lambda n, m, b=budget: self.mean_f1(n, b, m))
            (self.args.out / f"apps_B{budget:g}.svg").write_text(
                line_chart(title, "applications", "mean F1", shown, SIZES))
        for n in self.args.sizes:
            title = f"{n} applications"
            shown = numbers[title] = self.table(title, "forwards/s", BUDGETS,
                                                lambda b, m, n=n: self.mean_f1(n, b, m))
            (self.args.out / f"budget_N{n}.svg").write_text(
                line_chart(title, "budget, forwards/s", "mean F1", shown))
        (self.args.out / "packages.json").write_text(json.dumps(numbers, indent=1) + "\n")


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("packages", nargs="+")
    p.add_argument("--costs", type=pathlib.Path, required=True)
    p.add_argument("--graft", default=str(graft_schedule.GRAFT))
    p.add_argument("--out", type=pathlib.Path, default=pathlib.Path("runs/packages"))
    p.add_argument("--workloads", type=int, default=100, help="of each size")
    p.add_argument("--budgets", type=float, nargs="+", default=[7.2, 14.4])
    p.add_argument("--sizes", type=int, nargs="+", default=[3, 10])
    Study(p.parse_args()).run()


if __name__ == "__main__":
    main()
