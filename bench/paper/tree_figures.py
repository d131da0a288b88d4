#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Counterparts of Fig 5.4a (throughput against sharing) and Fig 5.5 (shared and task part of a frame), and tables.

    build/cpu/bench/bench_tree a.mpkg ... --cuts 9,45,81 --trees 20 > runs/tree/tree.jsonl
    python3 bench/paper/tree_figures.py runs/tree/tree.jsonl
"""
import json
import pathlib
import sys

from svg import line_chart


def main():
    path = pathlib.Path(sys.argv[1])
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    rows = {study: [x for x in lines if x["study"] == study] for study in ("latency", "throughput", "prediction")}
    out = path.parent

    print("| applications | cuts | frozen | frames/s | no sharing | times | of the prediction | of the limit | "
          "outputs that differ |\n| ---: | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for r in rows["throughput"]:
        print(f"| {r['apps']} | {r['cuts']} | {' '.join(map(str, r['frozen']))} | {r['fps']:.0f} | "
              f"{r['no_sharing_fps']:.0f} | {r['faster_than_no_sharing']:.2f} | {r['of_prediction']:.3f} | "
              f"{r['of_limit']:.3f} | {r['differing_outputs']} of {r['frames'] * r['apps']} |")
    shown, top = {}, 0
    for r in rows["throughput"]:
        shown.setdefault(f"cut {r['cuts']}", []).append((r["apps"], r["fps"]))
        top = max(top, r["fps"])
    mixed = [r for r in rows["throughput"] if r["cuts"] == "mixed"]
    shown["no sharing"] = [(r["apps"], r["no_sharing_fps"]) for r in mixed]
    (out / "fig5_4a.svg").write_text(line_chart("throughput, one thread", "applications", "frames/s", shown,
                                                [r["apps"] for r in mixed], (0, 1.05 * top)))

    print("\n| frozen | shared ms | task ms | whole | predicted shared | predicted task |\n"
          "| ---: | ---: | ---: | ---: | ---: | ---: |")
    for r in rows["latency"]:
        print(f"| {r['frozen']} | {r['shared_ms']:.3f} | {r['task_ms']:.3f} | {r['whole_ms']:.3f} | "
              f"{r['predicted_shared_ms']:.3f} | {r['predicted_task_ms']:.3f} |")
    shown = {name: [(r["frozen"], r[key]) for r in rows["latency"]]
             for name, key in (("shared", "shared_ms"), ("task", "task_ms"), ("whole", "whole_ms"),
                               ("shared, predicted", "predicted_shared_ms"))}
    top = max(r["whole_ms"] for r in rows["latency"])
    (out / "fig5_5.svg").write_text(line_chart("one application", "frozen layers", "ms", shown,
                                               y_range=(0, 1.1 * top)))

    errors = sorted(abs(r["error"]) for r in rows["prediction"])
    if errors:
        print(f"\n{len(errors)} random trees: the cost model is off by {100 * sum(errors) / len(errors):.1f} % on average, "
              f"{100 * errors[-1]:.1f} % at most")


if __name__ == "__main__":
    main()
