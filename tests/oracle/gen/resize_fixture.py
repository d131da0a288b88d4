# SPDX-License-Identifier: Apache-2.0
"""Writes tests/oracle/resize_pillow.json: what Pillow's BILINEAR makes of a few small images.

    python3 tests/oracle/gen/resize_fixture.py           # Pillow 9.4 (Debian 12's python3-pil)
    python3 tests/oracle/gen/resize_fixture.py --check   # any Pillow: within one level, writes nothing

Pillow 9.4 resizes rows first; newer ones sometimes columns first, which moves values by one. Pixels are hexadecimal text, rows from the top, RGB interleaved.
"""

import json
import pathlib
import sys

from PIL import Image

FIXTURE = pathlib.Path(__file__).resolve().parent.parent / "resize_pillow.json"
# (height, width) of input and output: down, up, mixed, one axis, odd ratios, to one pixel.
CASES = [
    ((7, 5), (3, 4)),
    ((4, 6), (9, 13)),
    ((16, 12), (5, 31)),
    ((31, 17), (8, 17)),
    ((9, 33), (9, 10)),
    ((40, 30), (7, 7)),
    ((5, 5), (1, 1)),
    ((1, 1), (3, 2)),
]


def pixels(case, count):
    """A fixed sequence with long runs of extremes, where rounding and clamping show."""
    state, out = 12345 + case, bytearray()
    while len(out) < count:
        state = (1103515245 * state + 12345) % 2**31
        value = state >> 16 & 255
        out.append(0 if value < 60 else 255 if value > 195 else value)
    return bytes(out)


def make():
    cases = []
    for index, ((height, width), (to_height, to_width)) in enumerate(CASES):
        data = pixels(index, height * width * 3)
        image = Image.frombytes("RGB", (width, height), data)
        resized = image.resize((to_width, to_height), Image.BILINEAR)
        cases.append({
            "from": [height, width],
            "to": [to_height, to_width],
            "in": data.hex(),
            "out": resized.tobytes().hex(),
        })
    return cases


def worst_difference(a, b):
    return max(abs(x - y) for x, y in zip(bytes.fromhex(a), bytes.fromhex(b), strict=True))


if __name__ == "__main__":
    made = make()
    if "--check" in sys.argv[1:]:
        stored = json.loads(FIXTURE.read_text())["cases"]
        worst = max(worst_difference(s["out"], m["out"]) for s, m in zip(stored, made, strict=True))
        sys.exit(0 if worst <= 1 else f"{FIXTURE.name} differs by {worst} levels")
    FIXTURE.write_text(json.dumps({"cases": made}, indent=1) + "\n")
