#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Figs 5.14 and 5.15: the recorded answers of the train detector, voted on by graft's own event detector.

    python3 bench/paper/train_detector.py [--graft build/cpu/runtime/graft] [--shared ../shared] [--out runs/mainstream]

Each trace goes through `graft events detect` with 1 to 3 votes; what comes out stands beside what the thesis says.
Writes fig5_14.svg, the timeline of the train that passes.
"""
import argparse
import json
import os
import pathlib
import subprocess
import tempfile

from svg import line_chart

STREAM_FPS, START_FRAME, SMOKE_STACK_LEAVES = 15, 70, 114


def parse_arguments():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--graft", default="build/cpu/runtime/graft", help="the binary")
    p.add_argument("--shared", type=pathlib.Path, default=pathlib.Path("../shared"))
    p.add_argument("--out", type=pathlib.Path, default=pathlib.Path("runs/mainstream"))
    return p.parse_args()


def events(args, answers, votes):
    """The frames at which events are announced; answers: (frame, positive)."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GRAFT_")}
    with tempfile.TemporaryDirectory() as folder:
        scores, journal = pathlib.Path(folder) / "scores.jsonl", pathlib.Path(folder) / "events.jsonl"
        scores.write_text("".join(json.dumps({"frame": f, "app": "train", "score": float(hit)}) + "\n"
                                  for f, hit in answers))
        subprocess.run([args.graft, "-q", "events", "detect", "--scores", scores, "--journal", journal, "--app", "train",
                        "--votes", str(votes), "--fps", str(STREAM_FPS)], check=True, env=environment)
        records = [json.loads(line) for line in journal.read_text().splitlines()[1:]]
    return [r["opened"]["frame"] for r in records if r["type"] == "new"]


def seconds(frame):
    return f"{(frame - START_FRAME) / STREAM_FPS:.2f} s"


def passing_train(args, traces):
    shown = {}
    for name in ("nosharing", "mainstream", "maxsharing"):
        trace = traces[f"train2-10apps-{name}"]
        answers = [(f, hit == "1") for f, hit in zip(trace["frame_ids"], trace["hit"]) if f > START_FRAME]
        seen = [a for a in answers if a[0] < SMOKE_STACK_LEAVES]
        words = []
        for votes in (1, 2, 3):
            first = next(iter(events(args, answers, votes)), None)
            words.append(f"{votes}-voting " + ("never" if first is None else f"at frame {first} ({seconds(first)})"))
        print(f"Fig 5.14 {name}: {len(seen)} analysed before frame {SMOKE_STACK_LEAVES}, {sum(h for _, h in seen)} hits; "
              + ", ".join(words))
        level = len(shown)
        shown[name] = [((f - START_FRAME) / STREAM_FPS, level + (0.8 if hit else 0.2)) for f, hit in answers]
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "fig5_14.svg").write_text(line_chart(
        "a train passes: analysed frames, hit (high) or not", "seconds", "", shown, y_range=(0, 3)))


def false_positives(args, traces):
    for name in ("nosharing", "mainstream"):
        trace = traces[f"vid4-10apps-fpf-{name}"]
        answers = [(f, hit == "0") for f, hit in zip(trace["frame_ids"], trace["hit"])]  # 1 stands for a right negative
        frames = trace["frames_total"]
        alarms = {votes: len(events(args, answers, votes)) for votes in (1, 2)}
        print(f"Fig 5.15 {name}: {sum(h for _, h in answers)} false positives in {frames} frames "
              f"({sum(h for _, h in answers) / frames:.5f}), "
              + ", ".join(f"{n} false events with {v}-voting ({n / frames:.5f})" for v, n in alarms.items()))


def main():
    args = parse_arguments()
    path = args.shared / "oracles/mainstream/throughput_latency.json"
    traces = json.loads(path.read_text())["fig5_14_traces"]["traces"]
    passing_train(args, traces)
    false_positives(args, traces)


if __name__ == "__main__":
    main()
