#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Kills a training run with SIGKILL at random moments, resumes it, and compares it with a run that nobody killed.

Rounds are run until there were enough kills. In a round, a fresh run directory is trained by starting
`graft train --resume` again and again, each start killed after a new random delay, until one gets to the end.
The last model must then be byte-identical to the uninterrupted run's, and metrics.jsonl the same but for its
times: no gap, no duplicate. Prints a JSON summary; exit code 1 if anything differs.
"""
import argparse
import hashlib
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import time

LEAST_SHARE, MOST_SHARE = 0.02, 0.6  # of the uninterrupted run's time, until a kill
START_TIMEOUT_S = 600


def parse_arguments():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--graft", default="build/cpu/runtime/graft", help="the binary")
    p.add_argument("--kills", type=int, default=50)
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--seed", type=int, default=1, help="of the moments")
    p.add_argument("--examples", type=int, default=1000)
    p.add_argument("--epochs", type=int, default=3)
    p.add_argument("--model", default="resnet8")
    p.add_argument("--sampler", default="sb")
    p.add_argument("--checkpoint-every", type=int, default=3, help="updates")
    return p.parse_args()


def command(args, out):
    return [args.graft, "train", "--data", f"synthetic:train={args.examples},test=100",
            "--model", args.model, "--sampler", args.sampler, "--epochs", str(args.epochs),
            "--batch", "32", "--select-batch", "48", "--lr", "0.05", "--device", "cpu",
            "--threads", str(args.threads), "--checkpoint-every", str(args.checkpoint_every),
            "--out", str(out), "--resume"]


def start(args, out):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GRAFT_")}
    return subprocess.Popen(command(args, out), stdout=subprocess.DEVNULL,
                            stderr=subprocess.PIPE, env=environment)


def checkpoints(out):
    return sorted(p for p in (out / "ckpt").glob("[0-9]*")) if (out / "ckpt").exists() else []


def outcome(out):
    """What a run left, without its times."""
    last = checkpoints(out)[-1]
    records = []
    for line in (out / "metrics.jsonl").read_text().splitlines():
        record = json.loads(line)
        record.pop("seconds", None)
        records.append(record)
    return {"checkpoint": last.name,
            "model": hashlib.sha256((last / "model.safetensors").read_bytes()).hexdigest(),
            "optimizer": hashlib.sha256((last / "optimizer.safetensors").read_bytes()).hexdigest(),
            "records": records}


def run_to_the_end(args, out):
    process = start(args, out)
    _, err = process.communicate(timeout=START_TIMEOUT_S)
    if process.returncode != 0:
        sys.exit(f"graft failed with {process.returncode}:\n{err.decode()}")


def killed_round(args, out, delays, stats):
    """Trains `out` to the end through kills."""
    while True:
        process = start(args, out)
        try:
            _, err = process.communicate(timeout=next(delays))
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            stats["kills"] += 1
            stats["kills_before_first_checkpoint"] += 0 if checkpoints(out) else 1
            stats["kills_while_saving"] += 1 if (out / "ckpt/.saving").exists() else 0
            continue
        if process.returncode != 0:
            sys.exit(f"graft --resume failed with {process.returncode}:\n{err.decode()}")
        return


def main():
    args = parse_arguments()
    rng = random.Random(args.seed)
    stats = {"kills": 0, "kills_before_first_checkpoint": 0, "kills_while_saving": 0, "rounds": 0,
             "identical": 0, "threads": args.threads}
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="graft-kill-") as folder:
        root = pathlib.Path(folder)
        run_to_the_end(args, root / "whole")
        whole_seconds = time.monotonic() - began
        wanted = outcome(root / "whole")

        def moments():
            while True:
                yield whole_seconds * rng.uniform(LEAST_SHARE, MOST_SHARE)

        delays = moments()
        while stats["kills"] < args.kills:
            out = root / f"killed-{stats['rounds']}"
            killed_round(args, out, delays, stats)
            stats["rounds"] += 1
            if outcome(out) == wanted:
                stats["identical"] += 1
    stats.update(model_sha256=wanted["model"], uninterrupted_seconds=round(whole_seconds, 2),
                 seconds=round(time.monotonic() - began, 1))
    print(json.dumps(stats, indent=2))
    return 0 if stats["identical"] == stats["rounds"] else 1


if __name__ == "__main__":
    sys.exit(main())
