#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Processor seconds of a family of candidates against those of its members trained one by one.

The family is trained once, with the activations at the branch points kept. Each member is then trained in a process of
its own by the same code and seed without them (--cache-bytes 0), so that epochs and weights would be the same; only its
first one and two epochs are run, and the line through both times is followed to the family's number of epochs."""
import argparse
import json
import os
import pathlib
import shutil
import subprocess


def seconds_of(command):
    """Processor seconds of a finished command, of all its threads."""
    process = subprocess.Popen([str(part) for part in command])
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        raise SystemExit(f"failed: {' '.join(map(str, command))}")
    return usage.ru_utime + usage.ru_stime


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--graft", default="build/cpu/runtime/graft")
    parser.add_argument("--base", required=True)
    parser.add_argument("--data", required=True, metavar="DIR")
    parser.add_argument("--task", required=True)
    parser.add_argument("--branchpoints", required=True)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    args, more = parser.parse_known_args()
    common = [args.graft, "-q", "finetune", "--base", args.base, "--data", f"folder:{args.data}", "--task", args.task,
              "--threads", args.threads, "--force", *more]
    total = seconds_of([*common, "--out", args.out / "family", "--branchpoints", args.branchpoints])
    family = json.loads((args.out / "family/family.json").read_text())
    print(f"family {total:.1f} s", flush=True)
    alone_total = 0
    for c in family["candidates"]:
        one, two = (seconds_of([*common, "--out", args.out / "single", "--branchpoints", c["frozen"], "--cache-bytes", 0,
                                "--epochs", epochs]) for epochs in (1, 2))
        alone = one + (c["epochs"] - 1) * (two - one)
        alone_total += alone
        print(f"frozen {c['frozen']:>3}: {c['epochs']:>3} epochs, accuracy {100 * c['accuracy']:.2f} %, alone {alone:.1f} s",
              flush=True)
    shutil.rmtree(args.out / "single")
    print(f"one by one {alone_total:.1f} s, ratio {total / alone_total:.3f}")


if __name__ == "__main__":
    main()
