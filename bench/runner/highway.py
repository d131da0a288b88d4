# SPDX-License-Identifier: Apache-2.0
"""The highway video of shared/data/video: applications, their labels, and its parts in time.

`vehicle_near`, `left_lane_near` and `right_lane_near` are the columns of highway-labels.csv. The others follow the rules of
that folder's README from highway-boxes.csv: a region's lane is that of the middle of its lowest row; gates are passed
while the lowest row lies in GATE_ROWS. What flickers at the border of a rule for less than SHORTEST frames is bridged, or
not evaluated.
"""
import csv
import zipfile

FPS = 25  # the source states none
FIRST, LAST = 470, 1700  # labelled
FIT, JUDGE, HELD_OUT = (470, 975), (976, 1157), (1158, 1700)  # training, choosing and measuring, evaluation
COLUMNS = ("vehicle_near", "left_lane_near", "right_lane_near")
GATE_ROWS, GATE_PIXELS = (110, 150), 150
CAMERA_ROW, CAMERA_PIXELS = 180, 150
LARGE_PIXELS = 2500
SHORTEST = 5
APPS = ("vehicle_near", "left_gate", "right_lane_near", "at_camera", "left_lane_near", "right_gate", "large_vehicle")


def left(x0, x1, y1):
    return (x0 + x1) / 2 < 246 - 0.541 * y1


def in_gate(box):
    return box["pixels"] >= GATE_PIXELS and GATE_ROWS[0] <= box["y1"] < GATE_ROWS[1]


RULES = {
    "left_gate": lambda b: in_gate(b) and left(b["x0"], b["x1"], b["y1"]),
    "right_gate": lambda b: in_gate(b) and not left(b["x0"], b["x1"], b["y1"]),
    "at_camera": lambda b: b["pixels"] >= CAMERA_PIXELS and b["y1"] >= CAMERA_ROW,
    "large_vehicle": lambda b: b["pixels"] >= LARGE_PIXELS,
}


def runs(values):
    """(value, first index, one past the last) of each run of equal values."""
    start = 0
    for i in range(1, len(values) + 1):
        if i == len(values) or values[i] != values[start]:
            yield values[start], start, i
            start = i


def steady(values):
    """Gaps shorter than SHORTEST become part of the event, events as short unknown (None)."""
    for wanted, value in ((0, 1), (1, None)):
        for v, first, end in list(runs(values)):
            inside = 0 < first and end < len(values)
            if v == wanted and end - first < SHORTEST and (inside or wanted == 1):
                values[first:end] = [value] * (end - first)
    return values


def read_labels(folder):
    """{application: {frame: 1, 0 or None}}."""
    boxes, labels = {}, {name: {} for name in COLUMNS}
    with open(folder / "highway-boxes.csv", newline="") as f:
        for row in csv.DictReader(f):
            boxes.setdefault(int(row["frame"]), []).append({k: int(v) for k, v in row.items()})
    with open(folder / "highway-labels.csv", newline="") as f:
        for row in csv.DictReader(f):
            for name in COLUMNS:
                if row[name]:
                    labels[name][int(row["frame"])] = int(row[name])
    frames = range(FIRST, LAST + 1)
    for name, rule in RULES.items():
        values = steady([int(any(map(rule, boxes.get(f, ())))) for f in frames])
        labels[name] = dict(zip(frames, values))
    return {name: labels[name] for name in APPS}


def unpack(folder, out):
    """The frames as OUT/in000001.jpg ..."""
    if out.exists():
        return
    out.mkdir(parents=True)
    for archive in sorted(folder.glob("highway-frames-*.zip")):
        with zipfile.ZipFile(archive) as z:
            for name in z.namelist():
                if name.endswith(".jpg"):
                    (out / name.rsplit("/", 1)[-1]).write_bytes(z.read(name))


def link(frames, numbers, out):
    out.mkdir(parents=True, exist_ok=True)
    for n in numbers:
        (out / f"in{n:06}.jpg").symlink_to((frames / f"in{n:06}.jpg").resolve())


def training_folder(frames, labels, out):
    """OUT/{train,val,test}/{no,yes} of one application; validation and test are the same frames."""
    for part, (first, last) in (("train", FIT), ("val", JUDGE), ("test", JUDGE)):
        for value, name in ((0, "no"), (1, "yes")):
            link(frames, [n for n in range(first, last + 1) if labels[n] == value], out / part / name)


def stretch(frames, labels, first, last, out, whole_events=False):
    """A part of the video as OUT/frames and OUT/labels.csv, its frames counted from 1. With `whole_events`, events that
    the ends of the part cut are not evaluated."""
    link(frames, range(first, last + 1), out / "frames")
    columns = {}
    for name, of_frame in labels.items():
        values = [of_frame[n] for n in range(first, last + 1)]
        for v, begin, end in list(runs(values)):
            if whole_events and v == 1 and (begin == 0 or end == len(values)):
                values[begin:end] = [None] * (end - begin)
        columns[name] = values
    with open(out / "labels.csv", "w", newline="") as f:
        table = csv.writer(f)
        table.writerow(["frame", *columns])
        for i in range(last - first + 1):
            table.writerow([i + 1, *("" if v[i] is None else v[i] for v in columns.values())])
