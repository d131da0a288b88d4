#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Mainstream, Max-Sharing, one cut for all and No-Sharing on a real video: events against labels under the same processor budget.

    bench/runner/real_video.py --graft build/cpu/runtime/graft --shared ../shared --out runs/highway

Fine-tunes an application each (highway.py) on the first part of the highway video from the real MobileNetV1 0.25, packages
it with rates and event statistics measured on a second part, then runs the rest, never trained on, through `graft run` and
judges the journals with `graft events eval`. Every schedule sees the video from several frames on, as where a slow rate
begins is luck. Budgets are counted in forwards of the whole network a second. Writes results.json, timeline.svg and
report.html; what is in --out already is kept.
"""
import argparse
import json
import os
import pathlib
import shutil
import subprocess

import highway
import report

BRANCHPOINTS = "21,33,45,57,69,75,81"
RATES = "0.1,0.2,0.3,0.5,0.7,1,1.5,2,3,4,5,6,8,12,25"
SCHEDULES = {"Mainstream": ["--method", "exact"], "Max-Sharing": ["--method", "maxsharing"],
             "Static 57": ["--method", "static:57"], "No-Sharing": ["--no-sharing"]}
NOTHING_FITS = 3  # exit code
WEIGHTS = "data/weights/mobilenet_v1_0.25_224.safetensors"


def parse_arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--graft", default="build/cpu/runtime/graft", help="the binary")
    p.add_argument("--shared", type=pathlib.Path, default=pathlib.Path("../shared"))
    p.add_argument("--out", type=pathlib.Path, default=pathlib.Path("runs/highway"))
    p.add_argument("--budgets", type=float, nargs="+", default=[0.6, 1.2, 2.4, 4.8, 7.2], help="forwards/s, all applications")
    p.add_argument("--budget", type=float, default=2.4, help="of the sizes and of the timeline")
    p.add_argument("--sizes", type=int, nargs="+", default=list(range(1, 11)),
                   help="numbers of applications; beyond those that there are, they begin again")
    p.add_argument("--starts", type=int, nargs="+", default=[0, 5, 10, 15, 20, 25], help="frames left out at the start")
    p.add_argument("--voting", default="auto")
    p.add_argument("--threads", type=int, default=1, help="of the training")
    return p.parse_args()


class Bench:
    def __init__(self, args):
        self.args = args
        self.video = args.shared / "data/video"
        self.labels = highway.read_labels(self.video)
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith("GRAFT_")}
        self.frames = args.out / "frames"
        args.out.mkdir(parents=True, exist_ok=True)
        highway.unpack(self.video, self.frames)

    def graft(self, *words, may_fail=False):
        done = subprocess.run([self.args.graft, "-q", *map(str, words)], capture_output=True, text=True, check=False,
                              env=self.environment)
        if done.returncode not in ((0, NOTHING_FITS) if may_fail else (0,)):
            raise SystemExit(f"graft {' '.join(map(str, words))}\nexit {done.returncode}: {done.stderr}")
        return done.stdout if done.returncode == 0 else None

    def made(self, path, make):
        """`path`, by make(path beside it) if it is not there."""
        if not path.exists():
            draft = path.with_name(path.name + ".part")
            shutil.rmtree(draft, ignore_errors=True)
            make(draft)
            draft.rename(path)
        return path

    def package(self, base, name):
        out = self.args.out
        data = self.made(out / "data" / name,
                         lambda draft: highway.training_folder(self.frames, self.labels[name], draft))
        family = self.made(out / "families" / name, lambda draft: self.graft(
            "finetune", "--base", base, "--data", f"folder:{data}", "--task", name, "--branchpoints", BRANCHPOINTS,
            "--lr", 3e-4, "--epochs", 20, "--patience", 4, "--threads", self.args.threads, "--out", draft))
        judged = self.stretch("judge", *highway.JUDGE, whole_events=True)
        (out / "packages").mkdir(exist_ok=True)
        package = out / "packages" / f"{name}.mpkg"
        if not package.exists():
            self.graft("package", "build", "--from", family, "--out", package, "--positive", "yes", "--labels",
                       judged / "labels.csv", "--column", name, "--frames", f"images:{judged / 'frames'}", "--fps",
                       highway.FPS)
            print(f"{name}: packaged", flush=True)
        return package

    def stretch(self, name, first, last, **options):
        (self.args.out / "parts").mkdir(exist_ok=True)
        return self.made(self.args.out / "parts" / name,
                         lambda draft: highway.stretch(self.frames, self.labels, first, last, draft, **options))

    def prepare(self):
        out = self.args.out
        base = self.made(out / "mb025.graft", lambda draft: self.graft(
            "import", "--arch", "mobilenet_v1:alpha=0.25", "--preprocess", "keras:resize=exact", "--weights",
            self.args.shared / WEIGHTS, "--out", draft))
        for folder in ("data", "families"):
            (out / folder).mkdir(exist_ok=True)
        self.packages = [self.package(base, name) for name in highway.APPS]
        self.costs = self.made(out / "costs.json", lambda draft: self.graft(
            "profile", "--model", self.packages[0], "--threads", 1, "--runs", 200, "--costs", draft))
        self.forward_ms = sum(json.loads(self.costs.read_text())["layers"])

    def run(self, schedule, n_apps, budget, start):
        """The events of one replay against the labels, or None where nothing fits into the budget."""
        part = self.stretch(f"start-{start}", highway.HELD_OUT[0] + start, highway.HELD_OUT[1])
        folder = self.args.out / "runs" / f"{schedule}-{n_apps}-{budget:g}-{start}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        journal, scores = folder / "events.jsonl", folder / "scores.jsonl"
        packages = [self.packages[i % len(self.packages)] for i in range(n_apps)]
        shown = self.graft("run", "--apps", *packages, "--budget", budget * self.forward_ms, "--costs",
                           self.costs, "--source", f"images:{part / 'frames'}", "--fps", highway.FPS, "--mode", "replay",
                           "--voting", self.args.voting, "--rates", RATES, "--threads", 1, "--journal", journal, "--scores",
                           scores, "--json", *SCHEDULES[schedule], may_fail=True)
        if shown is None:
            return None
        status = json.loads(shown)
        seconds = (highway.HELD_OUT[1] - highway.HELD_OUT[0] - start + 1) / highway.FPS
        apps = []
        for app in status["apps"]:
            found = json.loads(self.graft("events", "eval", "--journal", journal, "--labels", part / "labels.csv", "--app",
                                          app["name"], "--column", app["name"].split("#")[0], "--json"))
            apps.append({**{k: app[k] for k in ("name", "frozen", "fps", "x", "f1")}, **found})
        return {"budget_ms": status["budget"], "planned_ms": status["cost"],
                "spent_ms": sum(n["run"] * n["planned_ms"] for n in status["nodes"]) / seconds,
                "apps": apps}

    def point(self, schedule, n_apps, budget):
        """Means over the starts and applications."""
        runs = [self.run(schedule, n_apps, budget, start) for start in self.args.starts]
        if runs[0] is None:
            return {"schedule": schedule, "apps": n_apps, "budget": budget, "f1": 0, "fits": False}
        apps = [report.summed([r["apps"][i] for r in runs]) for i in range(n_apps)]
        out = {"schedule": schedule, "apps": n_apps, "budget": budget, "fits": True, "of_app": apps,
               **{k: report.mean(r[k] for r in runs) for k in ("budget_ms", "planned_ms", "spent_ms")},
               **{k: report.mean(a[k] for a in apps) for k in ("f1", "recall", "precision", "predicted_f1")}}
        print(f"{schedule}, {n_apps} applications, {budget:g} forwards/s: F1 {out['f1']:.3f} "
              f"(predicted {out['predicted_f1']:.3f}), {out['spent_ms']:.2f} of {out['budget_ms']:.2f} ms/s", flush=True)
        return out


def main():
    args = parse_arguments()
    bench = Bench(args)
    bench.prepare()
    print(f"the whole network: {bench.forward_ms:.3f} ms a frame", flush=True)
    everyone = len(highway.APPS)
    wanted = sorted({(everyone, b) for b in args.budgets} | {(n, args.budget) for n in args.sizes} | {(everyone, args.budget)})
    points = [bench.point(s, n, b) for n, b in wanted for s in SCHEDULES]
    packages = [{**json.loads(bench.graft("package", "inspect", p, "--json")), "file": p.name} for p in bench.packages]
    parts = {name: "-".join(map(str, getattr(highway, name.upper()))) for name in ("fit", "judge", "held_out")}
    results = {"parts": "fine-tuned on the frames {fit}, chosen and measured on {judge}, judged here on {held_out}".format(**parts),
               "forward_ms": bench.forward_ms, "fps": highway.FPS, "starts": args.starts, "budget": args.budget,
               "packages": packages, "points": points}
    (args.out / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    folders = {s: args.out / "runs" / f"{s}-{everyone}-{args.budget:g}-{args.starts[0]}" for s in SCHEDULES}
    first = highway.HELD_OUT[0] + args.starts[0]
    labels = {name: [bench.labels[name][f] for f in range(first, highway.HELD_OUT[1] + 1)] for name in highway.APPS}
    report.write(args.out, results, labels, folders)
    print(args.out / "report.html")


if __name__ == "__main__":
    main()
