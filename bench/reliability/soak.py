#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs applications on very many synthetic frames, as fast as they go, and watches memory, threads and the account.

With `--fps` frames come at that rate instead, live: every one is offered, late ones may be dropped with a reason.
Resident memory is sampled once a second; its slope is that of the least-squares line behind the first `--settle`
seconds. Prints a JSON summary; exit code 1 if frames are missing or, over ten minutes and more, memory grows by more
than 1 MiB an hour.
"""
import argparse
import json
import sys
import tempfile
import time

import runner

MOST_MIB_PER_HOUR = 1.0
LONG_S = 600


def parse_arguments():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    runner.add_arguments(p)
    p.add_argument("--frames", type=int, default=500000)
    p.add_argument("--seconds", type=float, default=0, help="at least so long")
    p.add_argument("--fps", type=float, help="of a live source; default: replay, as fast as it goes")
    p.add_argument("--settle", type=float, default=60, help="seconds left out")
    p.add_argument("--apps", type=int, default=4)
    return p.parse_args()


def main():
    args = parse_arguments()
    problems, memory = [], []
    with tempfile.TemporaryDirectory() as folder:
        packages = runner.draw_packages(args, folder, *(f"app{i}" for i in range(args.apps)))
        # Endless: the run is stopped, so that its last status is seen.
        source = f"synthetic:fps={args.fps or 30},width=64,height=48,noise=2"
        mode, rates = ("live", f"{args.fps:g}") if args.fps else ("replay", "3,10")
        with runner.Run(args, folder, "--apps", *packages, *runner.SHARED, "--mode", mode, "--rates", rates,
                        "--source", source) as run:
            start, seen, threads = time.monotonic(), 0, set()
            while seen < args.frames or time.monotonic() - start < args.seconds:
                time.sleep(1)
                status = run.status()
                seen = status["frames"]["captured"]
                age = time.monotonic() - start
                if age > args.settle:
                    memory.append((age / 3600, status["memory_bytes"] / 2**20))
                    threads.add(run.threads())
                if not runner.balanced(status):
                    problems.append(f"after {seen} frames: some are missing from the account")
            seconds = time.monotonic() - start
            descriptors = run.descriptors()
    growth = runner.slope(memory) if len(memory) > 1 else 0.0
    if seconds > LONG_S and growth > MOST_MIB_PER_HOUR:
        problems.append(f"memory grows by {growth:.2f} MiB/h")
    frames = status["frames"]
    print(json.dumps({
        "seconds": round(seconds, 1), "frames": frames, "fps": round(frames["captured"] / seconds, 1),
        "looks": len(memory), "memory_mib": [round(m, 2) for _, m in (memory[:1] + memory[-1:])],
        "mib_per_hour": round(growth, 3), "threads": sorted(threads), "descriptors": descriptors,
        "events": sum(a["events"] for a in status["apps"]), "problems": problems}))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
