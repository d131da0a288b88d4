#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Fig. 5.4b, accuracy against the share of layers kept from the base: bench/paper/fig5_4b.py FAMILY_DIR... [--out FILE].

Family folders are what `graft finetune` writes. The thesis' x axis is frozen / (layers of the net + 1); here it is
frozen / layers."""
import argparse
import json
import pathlib

import svg


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("families", nargs="+", type=pathlib.Path, metavar="FAMILY_DIR")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("runs/mainstream/fig5_4b.svg"))
    args = parser.parse_args()
    series = {}
    for folder in args.families:
        family = json.loads((folder / "family.json").read_text())
        points = [(c["frozen"] / family["layers"], c["accuracy"]) for c in family["candidates"]]
        series[folder.name] = sorted(points)
        best = max(family["candidates"], key=lambda c: (c["accuracy"], c["frozen"]))
        print(f"{folder.name}: best {100 * best['accuracy']:.2f} % with {best['frozen']} of {family['layers']} layers frozen")
    low = min(y for points in series.values() for _, y in points)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(svg.line_chart("Accuracy against shared layers", "layers shared with the base", "Top-1",
                                       series, y_range=(int(low * 10) / 10, 1)))


if __name__ == "__main__":
    main()
