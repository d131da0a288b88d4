# SPDX-License-Identifier: Apache-2.0
"""What the entries of Fig 4.1-4.4 (AdaptSB) share: settings, runs and their results."""
import argparse
import json
import pathlib
import subprocess

SETTINGS = {
    # Minutes to hours on two cores.
    "cpu": {"train": ["--model", "resnet8", "--train-limit", "10000", "--batch", "128", "--lr", "0.1"],
            "examples": 10_000, "holdout": 1_000, "trials": 40, "trial_epochs": 4, "epochs": 12,
            "stages": [0, 4, 8, 10]},
    # As published, but budgets in cost units instead of two hours of one GPU.
    "paper": {"train": ["--model", "wrn-28-10", "--batch", "128", "--lr", "0.1", "--cutout", "16"],
              "examples": 50_000, "holdout": 5_000, "trials": 300, "trial_epochs": 30, "epochs": 200,
              "stages": [0, 30, 70, 160]},
}
FORWARD_BACKWARD = 3  # cost units of training one example


def parse_arguments(description):
    p = argparse.ArgumentParser(description=description)
    p.add_argument("--data", required=True, help="cifar10:DIR, or any that graft train takes")
    p.add_argument("--setting", choices=SETTINGS, default="cpu")
    p.add_argument("--graft", default="build/cpu/runtime/graft", help="the binary")
    p.add_argument("--jobs", type=int, default=1, help="trials at a time")
    p.add_argument("--threads", type=int, default=0)
    p.add_argument("--seeds", type=int, default=1)
    p.add_argument("--out", default="runs/fig4", help="folder; what is there already is resumed")
    args = p.parse_args()
    args.config = SETTINGS[args.setting]
    args.out = pathlib.Path(args.out) / args.setting
    return args


def mean_probability(priority):
    """Integral of F for the kinds that a search returns or SB uses."""
    kind, numbers = priority.split(":")
    if kind == "power":
        return 1 / (1 + float(numbers))
    x, y = ([float(v) for v in part.split(",")] for part in numbers.split("/"))
    return sum((x[i + 1] - x[i]) * (y[i] + y[i + 1]) / 2 for i in range(len(x) - 1))


def epochs_for(budget, examples, priority):
    """Epochs that cost about `budget`, so that the learning rate is spent when the budget is."""
    per_example = FORWARD_BACKWARD if priority is None else 1 + FORWARD_BACKWARD * mean_probability(priority)
    return max(1, round(budget / (examples * per_example)))


def train(args, out, budget, priority=None, noise=0.0, seed=1, epochs=None):
    """Trains to `budget` cost units, Traditional if there is no priority. Returns the epoch records."""
    epochs = epochs or epochs_for(budget, args.config["examples"], priority)
    sampler = ["--sampler", "traditional"] if priority is None else ["--sampler", "sb", "--priority", priority]
    subprocess.run([args.graft, "--quiet", "train", "--data", args.data, *args.config["train"], *sampler,
                    "--label-noise", str(noise), "--seed", str(seed), "--threads", str(args.threads),
                    "--epochs", str(epochs), "--stop-at-cost", str(budget), "--resume", "--out", str(out)],
                   check=True, stdout=subprocess.DEVNULL)
    lines = (out / "metrics.jsonl").read_text().splitlines()
    return [r for r in map(json.loads, lines) if r["event"] == "epoch"]


def adapt(args, out, noise=0.0, start=None):
    """Searches F, from the weights of run `start` if given. Returns best.json."""
    c = args.config
    cost = c["trial_epochs"] * (c["examples"] - c["holdout"]) * FORWARD_BACKWARD
    subprocess.run([args.graft, "adapt", "--data", args.data, *c["train"], "--label-noise", str(noise),
                    "--holdout", str(c["holdout"]), "--epochs", str(2 * c["trial_epochs"]),
                    "--threads", str(args.threads), "--jobs", str(args.jobs), "--search", "gp",
                    "--trials", str(c["trials"]), "--trial-cost", str(cost), "--resume", "--out", str(out),
                    *(["--from", str(start)] if start else [])], check=True, stdout=subprocess.DEVNULL)
    return json.loads((out / "best.json").read_text())


def knots(priority):
    """The y of a linear F, as text."""
    return " ".join(f"{float(y):.2f}" for y in priority.split("/")[1].split(","))
