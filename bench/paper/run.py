#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs one figure or table of the thesis: bench/paper/run.py FIGURE --cifar10 DIR [--paper]. See README.md."""
import argparse
import json
import pathlib
import shlex
import subprocess
import sys

import figures

ROOT = pathlib.Path(__file__).resolve().parents[2]
DATA = {"cifar10": "cifar10:{}", "cifar100": "cifar100:{}", "svhn": "folder:{},size=32"}


def flags(options):
    out = []
    for key, value in options.items():
        out += [f"--{key}"] if value is True else [f"--{key}", str(value)]
    return out


def compare_command(args, data, arms, options):
    folder = getattr(args, data)
    if folder is None and not args.synthetic:
        sys.exit(f"{args.figure} needs --{data} DIR (or --synthetic, to try the command)")
    source = "synthetic:train=600,test=200" if args.synthetic else DATA[data].format(folder)
    options = {**options, "data": source, "arms": arms, "threads": args.threads, "out": args.out / args.figure}
    if args.synthetic:
        options.update({"model": "small_cnn", "epochs": 3, "seeds": 1})
    return [args.build / "runtime/graft", "compare", *flags(options), *args.more]


def step_command(args, options):
    if args.synthetic:
        options = {**options, "models": "resnet8", "runs": 1, "steps": 1}
    return [args.build / "bench/bench_train_step", *flags({**options, "threads": args.threads}), *args.more]


def show_overhead(out):
    """Choosing and queueing, as a part of the training time."""
    for arm in json.loads((out / "table.json").read_text())["arms"]:
        seconds = arm["seconds"]
        training = sum(v for k, v in seconds.items() if k not in ("eval", "other"))
        print(f"{arm['arm']}: policy {100 * seconds['policy'] / training:.2f} % of the training time")


def main():
    known = figures.figures()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("figure", choices=sorted(known), metavar="FIGURE", help=", ".join(sorted(known)))
    parser.add_argument("--paper", action="store_true", help="the thesis' own setting, for a GPU")
    parser.add_argument("--cifar10", metavar="DIR")
    parser.add_argument("--cifar100", metavar="DIR")
    parser.add_argument("--svhn", metavar="DIR", help="train/ and test/, a folder a class")
    parser.add_argument("--synthetic", action="store_true", help="tiny made-up data: tries the command")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("runs/paper"))
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build/cpu")
    parser.add_argument("--dry-run", action="store_true", help="print the commands only")
    args, args.more = parser.parse_known_args()  # what is left goes to the command
    for kind, *rest in known[args.figure]["paper" if args.paper else "scaled"]:
        command = [str(c) for c in (compare_command if kind == "compare" else step_command)(args, *rest)]
        print(shlex.join(command), file=sys.stderr)
        if not args.dry_run:
            code = subprocess.run(command, check=False).returncode
            if code != 0:
                sys.exit(code)
    if args.figure == "overhead" and not args.dry_run:
        show_overhead(args.out / args.figure)


if __name__ == "__main__":
    main()
