#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Traffic signs (shared/data/gtsrb) as OUT/{train,val,test}/CLASS/*.png for graft finetune.

Training and validation images come from different tracks: a track is many frames of one physical sign. Needs Pillow."""
import argparse
import csv
import io
import pathlib
import random
import zipfile

from PIL import Image

SIDE, GRID = 32, 10


def tiles(path):
    """(row of labels.tsv, image) of every tile of a ZIP file of sheets."""
    with zipfile.ZipFile(path) as z:
        sheets = {}
        for row in csv.DictReader(io.StringIO(z.read("labels.tsv").decode()), delimiter="\t"):
            if row["sheet"] not in sheets:
                sheets = {row["sheet"]: Image.open(io.BytesIO(z.read(row["sheet"]))).convert("RGB")}
            y, x = divmod(int(row["tile"]), GRID)
            yield row, sheets[row["sheet"]].crop((SIDE * x, SIDE * y, SIDE * (x + 1), SIDE * (y + 1)))


def save(image, folder, row, name):
    folder = folder / f"{int(row['class']):02}"
    folder.mkdir(parents=True, exist_ok=True)
    image.save(folder / f"{name}.png")


def training_images(args):
    """Every args.every-th frame of some tracks of each class; the last args.val_tracks of them validate."""
    tracks = {}
    for path in sorted(args.zips.glob("gtsrb-train-*.zip")):
        for row, image in tiles(path):
            if int(row["frame"]) % args.every == 0:
                tracks.setdefault((int(row["class"]), int(row["track"])), []).append((row, image))
    rng = random.Random(args.seed)
    for label in sorted({key[0] for key in tracks}):
        mine = sorted(key for key in tracks if key[0] == label)
        rng.shuffle(mine)
        mine = mine[:args.tracks + args.val_tracks]
        for i, key in enumerate(mine):
            split = "val" if i >= len(mine) - args.val_tracks else "train"
            for row, image in tracks[key]:
                save(image, args.out / split, row, f"{key[1]:05}_{int(row['frame']):05}")


def test_images(args):
    by_class = {}
    for row, image in tiles(args.zips / "gtsrb-test.zip"):
        by_class.setdefault(int(row["class"]), []).append((row, image))
    rng = random.Random(args.seed)
    for label in sorted(by_class):
        for i, (row, image) in enumerate(rng.sample(by_class[label], min(args.test, len(by_class[label])))):
            save(image, args.out / "test", row, f"{i:05}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--zips", type=pathlib.Path, required=True, help="shared/data/gtsrb")
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--tracks", type=int, default=5, help="training tracks a class")
    parser.add_argument("--val-tracks", type=int, default=2, help="validation tracks a class")
    parser.add_argument("--every", type=int, default=4, help="take each n-th frame of a track")
    parser.add_argument("--test", type=int, default=20, help="test images a class, at most")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    training_images(args)
    test_images(args)
    for split in ("train", "val", "test"):
        print(split, sum(1 for _ in (args.out / split).glob("*/*.png")))


if __name__ == "__main__":
    main()
