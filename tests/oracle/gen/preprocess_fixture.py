# SPDX-License-Identifier: Apache-2.0
"""Writes tests/oracle/preprocess_pillow.json: what Pillow makes of small images on their way into a network.

    python3 tests/oracle/gen/preprocess_fixture.py           # needs Pillow; made with 13.0
    python3 tests/oracle/gen/preprocess_fixture.py --check   # within one level, writes nothing

Resize and CenterCrop are spelt out as torchvision does them on Pillow images. Pixels are hexadecimal text, rows from
the top, channels interleaved in the network's order; values are (pixel / 255 * range - mean) / std of the first two pixels.
"""

import json
import sys

from PIL import Image

from resize_fixture import FIXTURE, pixels, worst_difference

PATH = FIXTURE.with_name("preprocess_pillow.json")
FILTERS = {"bilinear": Image.BILINEAR, "bicubic": Image.BICUBIC}
IMAGENET = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
KERAS = {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]}
# (height, width) of the image, text as `--preprocess` takes it, input (height, width), then what the text means.
CASES = [
    ((37, 53), "torchvision:resize=16", (14, 14), dict(side=16, **IMAGENET)),
    ((53, 37), "torchvision:resize=16,filter=bicubic", (14, 14), dict(side=16, filter="bicubic", **IMAGENET)),
    ((21, 40), "torchvision:resize=17,filter=bicubic", (12, 11), dict(side=17, filter="bicubic", **IMAGENET)),
    ((9, 7), "torchvision:resize=20,filter=bicubic", (15, 18), dict(side=20, filter="bicubic", **IMAGENET)),
    ((24, 24), "keras", (24, 24), dict(side=24, **KERAS)),
    ((30, 19), "keras:resize=exact", (11, 13), dict(exact=True, **KERAS)),
    ((19, 30), "keras:resize=exact,filter=bicubic", (13, 11), dict(exact=True, filter="bicubic", **KERAS)),
    ((18, 22), "keras:resize=none,order=bgr", (9, 12), dict(bgr=True, **KERAS)),
    ((33, 20), "keras:resize=12,order=bgr,range=255,mean=103.939/116.779/123.68,std=1/1/1", (10, 10),
     dict(side=12, bgr=True, range=255, mean=[103.939, 116.779, 123.68], std=[1, 1, 1])),
    ((8, 30), "keras:resize=none", (12, 12), dict(**KERAS)),
]


def center_crop(image, height, width):
    left, top = max(0, (width - image.width) // 2), max(0, (height - image.height) // 2)
    if left or top:
        padded = Image.new("RGB", (max(width, image.width), max(height, image.height)))
        padded.paste(image, (left, top))
        image = padded
    top, left = round((image.height - height) / 2), round((image.width - width) / 2)
    return image.crop((left, top, left + width, top + height))


def run(image, to, side=0, exact=False, filter="bilinear", bgr=False, range=1, mean=(), std=()):
    if exact:
        image = image.resize((to[1], to[0]), FILTERS[filter])
    elif side:
        short, long = sorted((image.width, image.height))
        longer = side * long // short
        size = (side, longer) if image.width <= image.height else (longer, side)
        image = image.resize(size, FILTERS[filter])
    image = center_crop(image, *to)
    data = image.tobytes()
    if bgr:
        data = b"".join(bytes((data[i + 2], data[i + 1], data[i])) for i in __builtins__.range(0, len(data), 3))
    values = [(p / 255 * range - mean[i % 3]) / std[i % 3] for i, p in enumerate(data[:6])]
    return data, values


def make():
    cases = []
    for index, ((height, width), text, to, meaning) in enumerate(CASES):
        data = pixels(index + 100, height * width * 3)
        out, values = run(Image.frombytes("RGB", (width, height), data), to, **meaning)
        cases.append({"from": [height, width], "preprocess": text, "to": list(to), "in": data.hex(), "out": out.hex(),
                      "values": values})
    return cases


if __name__ == "__main__":
    made = make()
    if "--check" in sys.argv[1:]:
        stored = json.loads(PATH.read_text())["cases"]
        worst = max(worst_difference(s["out"], m["out"]) for s, m in zip(stored, made, strict=True))
        sys.exit(0 if worst <= 1 else f"{PATH.name} differs by {worst} levels")
    PATH.write_text(json.dumps({"cases": made}, indent=1) + "\n")
