#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Adds, replaces and removes applications of a run under load, again and again.

The application that stays must see every frame (replay mode: each frame is due to it), every frame must be accounted
for, and memory (the line through a look a round), threads and descriptors must not have grown since the first
rounds. Prints a JSON summary; exit code 1 if anything of that fails.
"""
import argparse
import json
import statistics
import sys
import tempfile
import time

import runner

MEMORY_SHARE = 0.01
MIN_ROUNDS = 40  # or the line says nothing


def parse_arguments():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    runner.add_arguments(p)
    p.add_argument("--changes", type=int, default=500, help="three a round")
    p.add_argument("--warm-up", type=int, default=250, help="rounds before that: until the heap has found its size")
    p.add_argument("--fps", type=int, default=10)
    return p.parse_args()


def main():
    args = parse_arguments()
    with tempfile.TemporaryDirectory() as folder:
        birds, cars, dogs = runner.draw_packages(args, folder, "birds", "cars", "dogs")
        bodies = {p.stem: p.read_bytes() for p in (cars, dogs)}
        source = f"synthetic:fps={args.fps},width=64,height=48"
        times, memory, problems = [], [], []
        with runner.Run(args, folder, "--apps", birds, *runner.SHARED, "--rates", args.fps, "--source", source) as run:
            def change(*what):
                start = time.monotonic()
                run.ask(*what)
                times.append(time.monotonic() - start)
            rounds = -(-args.changes // 3)
            for i in range(args.warm_up + rounds):
                change("/api/apps", "POST", bodies["cars"])
                change("/api/apps/cars", "PUT", bodies["dogs"])
                change("/api/apps/dogs", "DELETE")
                if i == args.warm_up - 1:
                    at_start = run.threads(), run.descriptors()
                    times.clear()
                elif i >= args.warm_up:
                    memory.append((i, run.status()["memory_bytes"]))
                if not runner.balanced(run.status()):
                    problems.append(f"round {i}: frames are missing from the account")
            at_end = run.threads(), run.descriptors()
            status = run.status()
        stays = status["apps"][0]
        lost = status["frames"]["processed"] - stays["analysed"] + status["frames"]["dropped"]["failed"]
        # A frame may be between its answer and its account while the status is taken.
        if abs(lost) > 1:
            problems.append(f"{stays['name']} missed {lost} frames")
        # Single looks differ by a few hundred KiB: the line through all of them counts.
        mean = statistics.mean(m for _, m in memory)
        growth = runner.slope(memory) * rounds / mean
        if growth > MEMORY_SHARE and rounds >= MIN_ROUNDS:
            problems.append(f"memory grew by {100 * growth:.1f} %")
        if at_end[0] > at_start[0] or at_end[1] > at_start[1] + 2:
            problems.append(f"threads, descriptors were {at_start}, are {at_end}")
        print(json.dumps({
            "changes": len(times), "frames": status["frames"]["processed"], "lost": lost,
            "change_ms_p50": round(1000 * statistics.median(times), 1), "change_ms_max": round(1000 * max(times), 1),
            "memory_mib": round(mean / 2**20, 2), "growth": round(growth, 4),
            "threads": [at_start[0], at_end[0]], "descriptors": [at_start[1], at_end[1]], "problems": problems}))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
