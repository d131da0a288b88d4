#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Kills a search of `graft adapt` with SIGKILL at random moments, resumes it, and checks what is left.

One search at a time is started again and again, each start killed after a new random delay, until there were enough
kills; the last start runs to the end. A journal line must never go or change, no trial may be in it twice, and all must be
there at the end; with --jobs 1 the journal must also be that of an uninterrupted search but for its seconds. Prints a
JSON summary; exit code 1 if anything is wrong.
"""
import argparse
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import time

LEAST_SHARE, MOST_SHARE = 0.05, 0.5  # of the uninterrupted search's time, until a kill
START_TIMEOUT_S = 600


def parse_arguments():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--graft", default="build/cpu/runtime/graft", help="the binary")
    p.add_argument("--kills", type=int, default=20)
    p.add_argument("--search", default="gp")
    p.add_argument("--trials", type=int, default=8)
    p.add_argument("--jobs", type=int, default=1)
    p.add_argument("--seed", type=int, default=1, help="of the moments")
    p.add_argument("--examples", type=int, default=200)
    p.add_argument("--model", default="small_cnn")
    return p.parse_args()


def command(args, out):
    return [args.graft, "adapt", "--search", args.search, "--trials", str(args.trials),
            "--trial-cost", str(4 * args.examples), "--jobs", str(args.jobs),
            "--data", f"synthetic:train={args.examples},test=40", "--holdout", str(args.examples // 5),
            "--model", args.model, "--epochs", "3", "--batch", "32", "--lr", "0.05", "--device", "cpu",
            "--threads", "1", "--checkpoint-every", "2", "--out", str(out), "--resume"]


def start(args, out):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GRAFT_")}
    return subprocess.Popen(command(args, out), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                            env=environment)


def journal(out):
    """The whole lines of the journal, as text."""
    path = out / "trials.jsonl"
    return [line for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")] if path.exists() else []


def without_seconds(lines):
    records = [json.loads(line) for line in lines]
    for record in records:
        record.pop("seconds")
    return records


def run_to_the_end(args, out):
    process = start(args, out)
    _, err = process.communicate(timeout=START_TIMEOUT_S)
    if process.returncode != 0:
        sys.exit(f"graft adapt failed with {process.returncode}:\n{err.decode()}")


def killed_search(args, out, delays, stats):
    """One search through kills; the problems seen."""
    before = []
    while stats["kills"] < args.kills:
        process = start(args, out)
        try:
            _, err = process.communicate(timeout=next(delays))
            if process.returncode != 0:
                return [f"exit code {process.returncode}: {err.decode()}"]
            return []
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            stats["kills"] += 1
        now = journal(out)
        if now[:len(before)] != before:
            return [f"the journal had {before}, after a kill {now}"]
        before = now
    run_to_the_end(args, out)
    return []


def problems_of(args, out, wanted):
    found = without_seconds(journal(out))
    keys = [(r["id"], r["budget"]) for r in found]
    best = json.loads((out / "best.json").read_text())
    out = []
    if len(set(keys)) != len(keys):
        out.append(f"trials are there twice: {keys}")
    if {r["id"] for r in found} != set(range(args.trials)):
        out.append(f"trials are lost: {keys}")
    if args.jobs == 1 and found != wanted:
        out.append(f"the journal is {found}, uninterrupted {wanted}")
    if not best["finished"] or best["trials"] != len(found):
        out.append(f"best.json: {best}")
    return out


def main():
    args = parse_arguments()
    rng = random.Random(args.seed)
    stats = {"search": args.search, "jobs": args.jobs, "kills": 0, "searches": 0, "problems": []}
    with tempfile.TemporaryDirectory(prefix="graft-kill-") as folder:
        root = pathlib.Path(folder)
        began = time.monotonic()
        run_to_the_end(args, root / "whole")
        whole_seconds = time.monotonic() - began
        wanted = without_seconds(journal(root / "whole"))

        def moments():
            while True:
                yield whole_seconds * rng.uniform(LEAST_SHARE, MOST_SHARE)

        delays = moments()
        while stats["kills"] < args.kills and not stats["problems"]:
            out = root / f"killed-{stats['searches']}"
            stats["searches"] += 1
            stats["problems"] += killed_search(args, out, delays, stats) or problems_of(args, out, wanted)
    stats.update(uninterrupted_seconds=round(whole_seconds, 2),
                 seconds=round(time.monotonic() - began, 1))
    print(json.dumps(stats, indent=2))
    return 1 if stats["problems"] else 0


if __name__ == "__main__":
    sys.exit(main())
