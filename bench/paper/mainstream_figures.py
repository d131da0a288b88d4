#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Figs 5.5, 5.6, 5.8 and 5.15 from what was recorded, beside what the models say.

    build/cpu/bench/bench_event_model ../shared > runs/mainstream/event_model.jsonl
    python3 bench/paper/mainstream_figures.py [--shared ../shared] [--out runs/mainstream]
"""
import argparse
import json
import pathlib

import graft_schedule
from svg import line_chart


def mean(values):
    return sum(values) / len(values)


def latency(load, out):
    """Fig 5.5: shared and task part of one frame by split point, and the layer sums that predict them."""
    layers = load("layers_inceptionv3.json")
    rows = load("throughput_latency.json")["fig5_5_inceptionv3_latency"]["rows"]
    cumulative = {0: 0.0, **{s[1]: s[6] for s in layers["segments"]}}
    shown = {"shared, measured": [], "task, measured": [], "shared, predicted": [],
             "task, predicted": []}
    for k in sorted({r[1] for r in rows if r[2] == 1 and r[1] in cumulative}):
        own = [r for r in rows if r[2] == 1 and r[1] == k and len(r) > 4 and r[4] is not None]
        if not own:
            continue
        for name, y in zip(shown, (mean([r[3] for r in own]), mean([r[4] for r in own]),
                                   cumulative[k], layers["total_ms"] - cumulative[k])):
            shown[name].append((k, y))
    for kind in ("shared", "task"):
        errors = [abs(m - p) / m for (_, m), (_, p) in
                  zip(shown[f"{kind}, measured"], shown[f"{kind}, predicted"]) if m > 5]
        print(f"Fig 5.5 {kind}: mean error of the layer sums {mean(errors):.3f} (parts above 5 ms)")
    (out / "fig5_5.svg").write_text(line_chart("InceptionV3, one application", "frozen layers",
                                               "ms", shown, y_range=(0, 120)))


def segments(load, out):
    """Fig 5.8: cost of the segments between branch points of three networks."""
    shown = {}
    for net in ("mobilenets", "inceptionv3", "resnet50"):
        layers = load(f"layers_{net}.json")
        n, total = layers["segments"][-1][1], layers["total_ms"]
        shown[net] = [(s[1] / n, s[6] / total) for s in layers["segments"]]
    (out / "fig5_8.svg").write_text(line_chart("latency up to a branch point", "share of layers",
                                               "share of latency", shown))


def recall(out):
    """Fig 5.6: recall against stride, recorded, in closed form and simulated."""
    lines = [json.loads(line) for line in (out / "event_model.jsonl").read_text().splitlines()]
    rows = [r for r in lines if r["study"] == "recall against stride"]
    shown = {name: [(r["stride"], r[name]) for r in rows]
             for name in ("recorded", "closed_form", "simulated")}
    (out / "fig5_6.svg").write_text(line_chart("TRAIN, independent frames", "stride", "recall",
                                               shown))


def false_positives(load, out):
    """Fig 5.15: false positive frequency against the share of frames that is analysed."""
    fig = load("throughput_latency.json")["fig5_15"]
    rate, stream = fig["per_frame_fpr"], fig["stream_fps"]
    points = {name: (fig["fps"][name] / stream, fig["false_positive_frequency"][name])
              for name in ("no_sharing", "mainstream")}
    for name, (share, seen) in points.items():
        print(f"Fig 5.15 {name}: {share:.3f} of the frames, predicted {rate * share:.4f}, seen {seen}")
    shown = {"per-frame rate x share": [(i / 10, rate * i / 10) for i in range(11)],
             "seen": sorted(points.values())}
    (out / "fig5_15.svg").write_text(line_chart("video without trains", "share of frames analysed",
                                                "false positives a frame", shown,
                                                y_range=(0, 0.03)))


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--shared", type=pathlib.Path, default=graft_schedule.ROOT.parent / "shared")
    p.add_argument("--out", type=pathlib.Path, default=pathlib.Path("runs/mainstream"))
    args = p.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)

    def load(name):
        return json.loads((args.shared / "oracles/mainstream" / name).read_text())
    latency(load, args.out)
    segments(load, args.out)
    recall(args.out)
    false_positives(load, args.out)


if __name__ == "__main__":
    main()
