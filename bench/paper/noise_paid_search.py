#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Test error of Traditional, SB and AdaptSB at equal cost under label noise, where AdaptSB's share pays for its search.

A subset of CIFAR-10 small enough for ResNet-8 to memorise its wrong labels within the budget, as WRN-28-10 memorises the
whole set: no augmentation. AdaptSB spends the budget on a warm-up without the held-out examples, on trials that start from
its weights with the rate turned down (where memorising begins), and with what is left on a training from scratch on
all examples, the held-out ones included. The labels of the held-out examples are as noisy as the others.
With the images of cifar_folder.py (--data folder:DIR,size=16) it takes a quarter of the time.
Every training's cosine ends where its budget does. Test error: the whole test set, at the end.
"""
import argparse
import json
import pathlib
import statistics
import subprocess

from adaptsb import epochs_for

EXAMPLES, HOLDOUT, BUDGET = 4_000, 1_000, 720_000
WARM_EPOCHS, TRIALS, TRIAL_COST, TRIAL_LR = 8, 12, 24_000, "0.03"
# SB itself, every example, and what the thesis found at this noise: the highest losses least used.
FIRST = "power:2;power:0;linear:0,0.5,0.8,1/1,1,0.5,0"
COMMON = ["--model", "resnet8", "--train-limit", str(EXAMPLES), "--no-flip", "--crop-pad", "0"]


def epoch_records(run):
    lines = (run / "metrics.jsonl").read_text().splitlines()
    return [r for r in map(json.loads, lines) if r["event"] == "epoch"]


def graft(args, command, out, *options):
    subprocess.run([args.graft, "--quiet", command, "--data", args.data, *COMMON, "--label-noise", str(args.noise),
                    "--threads", str(args.threads), "--resume", "--out", str(out), *options],
                   check=True, stdout=subprocess.DEVNULL)


def train(args, out, seed, budget, priority=None):
    """Trains for about `budget` cost units, Traditional if there is no priority. Returns errors in % and cost units."""
    sampler = ["--sampler", "traditional"] if priority is None else ["--sampler", "sb", "--priority", priority]
    graft(args, "train", out, "--seed", str(seed), *sampler, "--epochs", str(epochs_for(budget, EXAMPLES, priority)),
          "--stop-at-cost", str(budget), "--test-limit", "1000")
    evaluated = subprocess.run([args.graft, "--quiet", "eval", str(out), "--data", args.data, "--json",
                                "--threads", str(args.threads)], check=True, capture_output=True)
    records = epoch_records(out)
    return {"error": 100 * json.loads(evaluated.stdout)["test_error"], "cost_units": records[-1]["cost_units"],
            "best_on_1000": 100 * min(r["test_error"] for r in records), "train_loss": records[-1]["train_loss"]}


def adaptsb(args, out, seed):
    held_out = ["--seed", str(seed), "--holdout", str(HOLDOUT)]
    graft(args, "train", out / "warm", *held_out, "--sampler", "traditional", "--lr-policy", "fixed",
          "--epochs", str(WARM_EPOCHS))
    graft(args, "adapt", out / "search", *held_out, "--from", str(out / "warm"), "--lr", TRIAL_LR, "--lr-policy", "fixed",
          "--epochs", "40", "--search-seed", str(seed), "--trials", str(TRIALS), "--trial-cost", str(TRIAL_COST),
          "--levels", "3", "--first", FIRST)
    best = json.loads((out / "search" / "best.json").read_text())
    before = best["search_cost_units"] + epoch_records(out / "warm")[-1]["cost_units"]
    result = train(args, out / "final", seed, BUDGET - before, best["priority"])
    result["cost_units"] += before
    return {**result, "search_cost_units": before, "priority": best["priority"]}


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--data", required=True, help="cifar10:DIR or folder:DIR,size=16")
    p.add_argument("--noise", type=float, default=0.2)
    p.add_argument("--seeds", type=int, default=3)
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--graft", default="build/cpu/runtime/graft", help="the binary")
    p.add_argument("--out", type=pathlib.Path, default=pathlib.Path("runs/noise"), help="what is there already is resumed")
    args = p.parse_args()
    results = {"Traditional": [], "SB": [], "AdaptSB": []}
    for seed in range(1, args.seeds + 1):
        folder = args.out / f"seed-{seed}"
        results["Traditional"].append(train(args, folder / "traditional", seed, BUDGET))
        results["SB"].append(train(args, folder / "sb", seed, BUDGET, "power:2"))
        results["AdaptSB"].append(adaptsb(args, folder, seed))
        for name, runs in results.items():
            print(f"seed {seed} {name}: {json.dumps(runs[-1])}", flush=True)
    for name, runs in results.items():
        errors = [r["error"] for r in runs]
        print(f"{name}: test error {statistics.mean(errors):.2f} % of " + " ".join(f"{e:.2f}" for e in errors))
    (args.out / "result.json").write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
