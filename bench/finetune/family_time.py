#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Processor seconds of a family of candidates against those of its members trained one by one.

The family is trained once, with the activations at the branch points kept. Each member is then trained to its end in a
process of its own by the same code and seed without them (--cache-bytes 0); the SHA-256 of its weights tells whether it
is the same network. One JSON line a step on standard output; the last one is the ratio. With --bar the members end as soon
as those run so far show a ratio below it: the ratio is then an upper bound."""
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


def validation_of(family, candidate):
    """Accuracy on the validation images after the epoch that was kept."""
    record = json.loads((family / candidate["weights"].replace(".safetensors", ".json")).read_text())
    return record["history"][record["best_epoch"] - 1]["validation_accuracy"]


def say(**line):
    print(json.dumps(line), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--graft", default="build/cpu/runtime/graft")
    parser.add_argument("--base", required=True)
    parser.add_argument("--data", required=True, metavar="DIR")
    parser.add_argument("--task", required=True)
    parser.add_argument("--branchpoints", required=True)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--bar", type=float, default=0, help="enough is shown below this ratio; 0: run all members")
    parser.add_argument("--out", type=pathlib.Path, required=True)
    args, more = parser.parse_known_args()
    common = [args.graft, "-q", "finetune", "--base", args.base, "--data", f"folder:{args.data}", "--task", args.task,
              "--threads", args.threads, "--force", *more]
    total = seconds_of([*common, "--out", args.out / "family", "--branchpoints", args.branchpoints])
    family = json.loads((args.out / "family/family.json").read_text())
    say(family=args.branchpoints, seconds=round(total, 1), stem_seconds=round(family["seconds"]["prefix"], 1))
    one_by_one, run = 0.0, 0
    for c in family["candidates"]:
        seconds = seconds_of([*common, "--out", args.out / "single", "--branchpoints", c["frozen"], "--cache-bytes", 0])
        alone = json.loads((args.out / "single/family.json").read_text())["candidates"][0]
        one_by_one, run = one_by_one + seconds, run + 1
        say(frozen=c["frozen"], epochs=c["epochs"], validation=round(validation_of(args.out / "family", c), 4),
            test=c["accuracy"], alone_seconds=round(seconds, 1), alone_epochs=alone["epochs"], alone_test=alone["accuracy"],
            same_weights=alone["sha256"] == c["sha256"])
        if total < args.bar * one_by_one:
            break
    shutil.rmtree(args.out / "single")
    say(members_run=run, one_by_one=round(one_by_one, 1), ratio=round(total / one_by_one, 4))


if __name__ == "__main__":
    main()
