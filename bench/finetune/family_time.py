#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Time of a family of candidates against that of its members trained one by one.

Both by the same code and seed, so that epochs and weights are the same: once with the activations at the branch points
kept (OUT/family), once computing the frozen layers anew for every image of every epoch (OUT/single, --cache-bytes 0).
With --epochs-single N only N epochs of each member are run and its time is scaled to the family's epochs."""
import argparse
import json
import pathlib
import subprocess


def run(args, out, *more):
    command = [args.graft, "finetune", "--base", args.base, "--data", f"folder:{args.data}", "--task", args.task,
               "--out", out, "--branchpoints", args.branchpoints, "--threads", args.threads, *more, *args.more]
    subprocess.run([str(part) for part in command], check=True)
    family = json.loads((out / "family.json").read_text())
    return family["seconds"]["prefix"], {c["frozen"]: c for c in family["candidates"]}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--graft", default="build/cpu/runtime/graft")
    parser.add_argument("--base", required=True)
    parser.add_argument("--data", required=True, metavar="DIR")
    parser.add_argument("--task", required=True)
    parser.add_argument("--branchpoints", default="auto")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--epochs-single", type=int, default=0)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    args, args.more = parser.parse_known_args()
    prefix, family = run(args, args.out / "family", "--resume")
    short = ["--epochs", args.epochs_single] if args.epochs_single else []
    _, single = run(args, args.out / "single", "--resume", "--cache-bytes", 0, *short)
    total, alone = prefix, 0
    print(f"{'frozen':>6} {'epochs':>6} {'family s':>9} {'alone s':>9}   accuracy")
    for frozen, c in family.items():
        seconds = single[frozen]["seconds"] * c["epochs"] / single[frozen]["epochs"]
        total, alone = total + c["seconds"], alone + seconds
        print(f"{frozen:>6} {c['epochs']:>6} {c['seconds']:>9.1f} {seconds:>9.1f}   {100 * c['accuracy']:.2f} %")
    print(f"stem {prefix:.1f} s; family {total:.1f} s, one by one {alone:.1f} s, ratio {total / alone:.3f}")


if __name__ == "__main__":
    main()
