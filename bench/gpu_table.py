# SPDX-License-Identifier: Apache-2.0
"""Prints results.jsonl of scripts/gpu-check as Markdown: steps, then images/s beside PyTorch's."""

import json
import sys


def number(value):
    return "-" if value is None else f"{value:.0f}"


def main():
    with open(sys.argv[1], encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    print("| step | result | s |\n| --- | --- | ---: |")
    for r in rows:
        if "step" in r:
            print(f"| {r['step']} | {r['status']} | {r['seconds']} |")
    rates = {"graft": {}, "pytorch": {}}
    for r in rows:
        if "peer" in r:
            rates[r["peer"].split()[0]][r["model"], r["batch"]] = r["median"]
    print("\n| model | batch | graft, images/s | PyTorch, images/s | ratio |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for key in sorted(rates["graft"] | rates["pytorch"]):
        ours, theirs = rates["graft"].get(key), rates["pytorch"].get(key)
        ratio = f"{ours / theirs:.2f}" if ours and theirs else "-"
        print(f"| {key[0]} | {key[1]} | {number(ours)} | {number(theirs)} | {ratio} |")


if __name__ == "__main__":
    main()
