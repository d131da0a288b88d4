#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Chapter 5 as far as it is scheduling: tables on stdout, plots as SVG, numbers as JSON in --out.

    python3 bench/paper/mainstream.py [--shared ../shared] [--out runs/mainstream] [STUDY ...]

Studies: recorded gap gains budgets correlation voting. All without arguments. Seconds are of the
processor, one thread.
"""
import argparse
import json
import math
import pathlib

import graft_schedule
from svg import line_chart
from workloads import Recorded

SIZES = (2, 3, 4, 5, 6, 7, 8, 9, 10, 15, 20, 25, 30)
PLOTTED = (2, 4, 8, 10, 15, 20, 25, 30)
BUDGETS = (50, 100, 150, 200, 250, 300)
METHODS = ("exact", "greedy", "greedy-code", "static:81", "static:75", "static:57", "static:84",
           "independent", "maxsharing", "nosharing")
VOTES = (1, 3, 5, 7)


def mean(values):
    return sum(values) / len(values)


class Bench:
    def __init__(self, args):
        self.data = Recorded(args.shared / "oracles/mainstream")
        self.graft, self.out, self.count = args.graft, args.out, args.workloads
        self.sizes = [n for n in SIZES if n <= args.largest]
        self.plotted = [n for n in PLOTTED if n <= args.largest]
        self.out.mkdir(parents=True, exist_ok=True)

    def plans(self, workloads, budget, method, *options, layers=None):
        lines = [{**w, "budget": budget} for w in workloads]
        return graft_schedule.schedule(lines, layers or self.data.layers, "--method", method,
                                       *options, graft=self.graft)

    def mean_f1(self, *args, **named):
        """Over the workloads; one without a schedule counts 0."""
        return mean([p.get("mean_f1", 0) for p in self.plans(*args, **named)])

    def save(self, name, numbers, charts=()):
        (self.out / f"{name}.json").write_text(json.dumps(numbers, indent=1) + "\n")
        for chart, svg in charts:
            (self.out / f"{chart}.svg").write_text(svg)

    def recorded(self):
        """Greedy schedules and optima against what was recorded; processor time of `exact`."""
        modes = {"mainstream": "greedy-code", "maxsharing": "maxsharing", "nosharing": "nosharing"}
        rows = [r for r in self.data.schedules["schedules"]
                if r[1] == "greedy" and r[0].startswith("050318")]
        table = {}
        for mode, method in modes.items():
            own = [r for r in rows if r[2] == mode]
            lines = [{**self.data.workload(r[4], r[5]), "budget": r[3]} for r in own]
            plans = graft_schedule.schedule(lines, self.data.layers, "--method", method,
                                            "--event-model", "code", graft=self.graft)
            same = equal = refused = 0
            for r, p in zip(own, plans):
                if "error" in p:
                    refused += 1
                    continue
                same += [a["frozen"] for a in p["apps"]] == r[6] and all(
                    abs(a["fps"] - f) < 1e-9 for a, f in zip(p["apps"], r[7]))
                equal += abs(1 - p["mean_f1"] - r[8]) < 1e-6
            table[mode] = {"rows": len(own), "same_schedule": same, "same_objective": equal,
                           "over_budget": refused}
            print(mode, table[mode], flush=True)
        optimum = self.data.schedules["optimum_computed"]["rows"]
        lines = [{**self.data.workload(w), "budget": b} for w, b, _ in optimum]
        plans = graft_schedule.schedule(lines, self.data.layers, "--event-model", "code",
                                        graft=self.graft)
        worst = max(abs(1 - p["mean_f1"] - m) for p, (_, _, m) in zip(plans, optimum))
        print(f"exact: {len(plans)} optima, largest difference {worst:.1e}")
        found = {(w, b): 1 - p["mean_f1"] for p, (w, b, _) in zip(plans, optimum)}
        searched = [r for r in self.data.schedules["schedules"]
                    if r[0] == "050318" and r[1] in ("stems_cpp", "exhaustive")
                    and (r[4], r[3]) in found]
        worst_recorded = max(abs(found[r[4], r[3]] - r[8]) for r in searched)
        print(f"exact: {len(searched)} recorded optima, largest difference {worst_recorded:.1e}")
        seconds = {}
        for p in plans:
            seconds.setdefault(len(p["apps"]), []).append(p["seconds"])
        for n, s in sorted(seconds.items()):
            print(f"N={n}: {mean(s):.4f} s mean, {max(s):.4f} s largest of {len(s)}")
        self.save("recorded", {"greedy": table, "optima": len(plans), "worst": worst,
                               "recorded_optima": len(searched), "worst_recorded": worst_recorded,
                               "seconds": {n: [mean(s), max(s)] for n, s in seconds.items()}})

    def gap(self):
        """The greedy's loss of mean F1 against the optimum (thesis: 0.89 % on 4,800)."""
        published = {(n, b) for n in range(2, 11) for b in BUDGETS} - \
            {(5, b) for b in (150, 200, 250, 300)} - {(10, b) for b in (250, 300)}
        losses = {m: {} for m in ("greedy-code", "greedy")}
        for n in self.sizes:
            workloads = self.data.random_workloads("050318", n, self.count)
            for b in BUDGETS:
                best = self.plans(workloads, b, "exact", "--event-model", "code")
                for method, by in losses.items():
                    got = self.plans(workloads, b, method, "--event-model", "code")
                    by[n, b] = [1 - g["mean_f1"] / e["mean_f1"] for g, e in zip(got, best)]
        for method, by in losses.items():
            ours = sorted(x for key in published for x in by[key])
            everything = [x for v in by.values() for x in v]
            cuts = [ours[math.ceil(q * len(ours)) - 1] for q in (.25, .5, .75, .9, .95, .99)]
            print(f"{method}: {len(ours)} cases, mean loss {mean(ours):.8f}, largest {ours[-1]:.5f}, "
                  f"quantiles {' '.join(f'{c:.5f}' for c in cuts)}, "
                  f"without loss {mean([x < 1e-6 for x in ours]):.3f}")
            print(f"  all {len(everything)}: mean {mean(everything):.5f}, largest {max(everything):.4f}")
            print("  by N: " + ", ".join(
                f"{n} {mean([x for b in BUDGETS for x in by[n, b]]):.4f}" for n in self.sizes))
            print("  by budget: " + ", ".join(
                f"{b} {mean([x for n in SIZES for x in by[n, b]]):.4f}" for b in BUDGETS), flush=True)
        self.save("gap", {m: {f"{n},{b}": mean(v) for (n, b), v in by.items()}
                          for m, by in losses.items()})

    def gains(self):
        """Figs 5.9 and 5.10: mean F1 against the number of applications, both event models."""
        numbers, charts = {}, []
        for model in ("code", "text"):
            for budget in (150, 300):
                table = {m: [] for m in METHODS}
                for n in self.plotted:
                    workloads = self.data.random_workloads("050318", n, self.count)
                    for method in METHODS:
                        plans = self.plans(workloads, budget, method, "--event-model", model)
                        good = [p for p in plans if "error" not in p]
                        apps = [a for p in good for a in p["apps"]]
                        table[method].append({
                            "n": n, "f1": sum(p["mean_f1"] for p in good) / len(plans),
                            "recall": mean([a["recall"] for a in apps]) if apps else 0,
                            "precision": mean([a["precision"] for a in apps]) if apps else 0,
                            "fps": mean([a["fps"] for a in apps]) if apps else 0,
                            "refused": len(plans) - len(good)})
                numbers[f"{model},{budget}"] = table
                self.print_gains(model, budget, table)
                for field in ("f1", "recall", "precision", "fps"):
                    shown = {m: [(r["n"], r[field]) for r in rows] for m, rows in table.items()}
                    charts.append((f"fig5_{9 if (field, budget) == ('f1', 150) else 10}_{field}_B{budget}_{model}",
                                   line_chart(f"B={budget}, {model} event model", "applications",
                                              field, shown, self.plotted, (0, 10 if field == "fps" else 1))))
        self.save("gains", numbers, charts)

    def print_gains(self, model, budget, table):
        print(f"\nmean F1, {model} event model, B={budget}\n| N | " + " | ".join(METHODS) + " |")
        print("| ---: |" + " ---: |" * len(METHODS))
        for i, n in enumerate(self.plotted):
            print(f"| {n} | " + " | ".join(f"{table[m][i]['f1']:.4f}" for m in METHODS) + " |")
        print(flush=True)

    def budgets(self):
        """Fig 5.11: three applications against the budget."""
        numbers, charts = {}, []
        workloads = self.data.random_workloads("050318", 3, self.count)
        for model in ("code", "text"):
            shown = {m: [(b, self.mean_f1(workloads, b, m, "--event-model", model))
                         for b in BUDGETS] for m in METHODS}
            numbers[model] = shown
            print(f"\nN=3, {model}\n| B | " + " | ".join(METHODS) + " |\n| ---: |" + " ---: |" * len(METHODS))
            for i, b in enumerate(BUDGETS):
                print(f"| {b} | " + " | ".join(f"{shown[m][i][1]:.4f}" for m in METHODS) + " |")
            charts.append((f"fig5_11_{model}", line_chart(f"three applications, {model}", "budget",
                                                         "mean F1", shown, BUDGETS)))
        self.save("budgets", numbers, charts)

    def correlation(self):
        """Fig 5.12: correlation of the frames; rho = 1.1 of the recorded dependent runs as recorded."""
        numbers, charts = {}, []
        for kind in ("dep", "emp", "ind"):
            shown = {m: [] for m in ("exact", "greedy-code", "static:81", "maxsharing", "nosharing")}
            for n in (2, 4, 6, 8, 10, 15, 20, 25, 30):
                workloads = self.data.random_workloads(f"050318-{kind}", n, self.count)
                for m, points in shown.items():
                    points.append((n, self.mean_f1(workloads, 150, m, "--event-model", "code")))
            numbers[kind] = shown
            print(kind, {m: [f"{n}: {y:.3f}" for n, y in p] for m, p in shown.items()}, flush=True)
            charts.append((f"fig5_12_{kind}", line_chart(f"correlation {kind}, B=150, code",
                                                        "applications", "mean F1", shown)))
        self.save("correlation", numbers, charts)

    def voting(self):
        """Fig 5.13: copies of TRAIN, B=350, X votes; F1 of mean recall and mean precision."""
        shown = {}
        for method, votes in [("greedy-code", v) for v in VOTES] + [("exact", v) for v in (*VOTES, "auto")]:
            points = []
            for n in (1, 2, 4, 6, 8, 10, 15, 20, 25):
                apps = [self.data.application(i, "train", 500, .0138, .125, self.data.february)
                        for i in range(n)]
                plan = self.plans([{"stream_fps": 15, "apps": apps}], 350, method, "--event-model",
                                  "code", "--voting", votes, layers=self.data.layers[:84])[0]
                r, p = (mean([a[k] for a in plan["apps"]]) for k in ("recall", "precision"))
                points.append((n, 2 * r * p / (r + p) if r + p else 0))
            shown[f"{method} X={votes}"] = points
            print(f"{method} X={votes}: " + " ".join(f"{n}:{y:.3f}" for n, y in points), flush=True)
        self.save("voting", shown, [("fig5_13", line_chart("TRAIN with X votes, B=350", "applications",
                                                          "F1", shown))])


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    studies = [s for s in ("recorded", "gap", "gains", "budgets", "correlation", "voting")]
    p.add_argument("studies", nargs="*", metavar="STUDY")
    p.add_argument("--shared", type=pathlib.Path, default=graft_schedule.ROOT.parent / "shared")
    p.add_argument("--graft", default=str(graft_schedule.GRAFT))
    p.add_argument("--out", type=pathlib.Path, default=pathlib.Path("runs/mainstream"))
    p.add_argument("--workloads", type=int, default=100, help="of each size; the thesis has 100")
    p.add_argument("--largest", type=int, default=30, help="number of applications of gap and gains")
    args = p.parse_args()
    unknown = set(args.studies) - set(studies)
    if unknown:
        p.error(f"no study {', '.join(unknown)}; there are {', '.join(studies)}")
    bench = Bench(args)
    for study in args.studies or studies:
        print(f"== {study}: {getattr(bench, study).__doc__}", flush=True)
        getattr(bench, study)()


if __name__ == "__main__":
    main()
