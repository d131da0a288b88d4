# SPDX-License-Identifier: Apache-2.0
"""What real_video.py saw, as one HTML file with the timeline of labels and detected events; standard library only."""
import json
import pathlib
import sys
from html import escape

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "paper"))
import svg  # noqa: E402

COLOURS = dict(zip(("Mainstream", "Max-Sharing", "Static 57", "No-Sharing"), svg.COLOURS))
LABEL_COLOUR, UNKNOWN_COLOUR = "#444444", "#cccccc"
LEFT, WIDTH, BAR, GAP, TOP = 190, 1000, 9, 16, 44
STYLE = ("body{font:14px/1.5 sans-serif;max-width:1060px;margin:24px auto;padding:0 12px;color:#222}"
         "table{border-collapse:collapse;margin:12px 0}td,th{border:1px solid #ddd;padding:3px 8px;text-align:right}"
         ".chart svg{width:620px}th:first-child,td:first-child{text-align:left}caption{text-align:left;font-weight:bold}")


def mean(values):
    values = list(values)
    return sum(values) / len(values)


def summed(runs):
    """One application over several runs: rates of the events of all of them together."""
    true, found = sum(r["true_events"] for r in runs), sum(r["found_events"] for r in runs)
    alarms = sum(r["false_alarms"] for r in runs)
    recall, precision = found / true, found / (found + alarms) if found + alarms else 1.0
    late = [r["detection_delay_frames"] * r["found_events"] for r in runs if r["found_events"]]
    return {"name": runs[0]["name"], "frozen": runs[0]["frozen"], "fps": runs[0]["fps"], "votes": runs[0]["x"],
            "predicted_f1": runs[0]["f1"], "true_events": true, "found_events": found, "false_alarms": alarms,
            "recall": recall, "precision": precision, "delay_frames": sum(late) / found if found else None,
            "f1": 2 * recall * precision / (recall + precision) if found else 0.0}


def spans(values, wanted):
    """(first, one past the last) of each run of `wanted`."""
    start = None
    for i, v in enumerate([*values, not wanted]):
        if v == wanted and start is None:
            start = i
        elif v != wanted and start is not None:
            yield start, i
            start = None


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def timeline(labels, folders, fps):
    """Rows of each application: its labels, then each schedule's analysed frames and events."""
    n = len(next(iter(labels.values())))
    x = lambda frame: LEFT + frame / n * (WIDTH - LEFT - 10)
    row = (1 + len(folders)) * (BAR + 3) + GAP
    height = TOP + row * len(labels) + 30
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="11">',
           f'<rect width="{WIDTH}" height="{height}" fill="white"/>']
    for i, (name, colour) in enumerate([("labels", LABEL_COLOUR), *COLOURS.items()]):
        out.append(f'<rect x="{LEFT + 160 * i}" y="12" width="14" height="{BAR}" fill="{colour}"/>'
                   f'<text x="{LEFT + 160 * i + 20}" y="20">{escape(name)}</text>')
    out.append(f'<text x="{LEFT}" y="36" fill="#777">bars: events; ticks: analysed frames, tall where the answer was yes</text>')
    bar = lambda first, end, y, colour: (f'<rect x="{x(first):.1f}" y="{y}" width="{x(end) - x(first):.1f}" '
                                         f'height="{BAR}" fill="{colour}"/>')
    for i, (app, values) in enumerate(labels.items()):
        y = TOP + row * i
        out.append(f'<text x="4" y="{y + 9}" font-weight="bold">{escape(app)}</text>')
        out += [bar(first, end, y, LABEL_COLOUR) for first, end in spans(values, 1)]
        out += [bar(first, end, y, UNKNOWN_COLOUR) for first, end in spans(values, None)]
        for k, (schedule, folder) in enumerate(folders.items()):
            y = TOP + row * i + (k + 1) * (BAR + 3)
            out.append(f'<text x="{LEFT - 6}" y="{y + 8}" text-anchor="end" fill="{COLOURS[schedule]}">{escape(schedule)}</text>'
                       f'<path d="M{LEFT} {y + BAR}H{WIDTH - 10}" stroke="#eee"/>')
            events = {r["id"]: r for r in lines(folder / "events.jsonl") if r.get("app") == app}
            out += [bar(r["first"]["frame"], r["last"]["frame"] + 1, y, COLOURS[schedule] + "88") for r in events.values()]
            for tall in (False, True):
                path = "".join(f"M{x(s['frame'] + 0.5):.1f} {y + BAR}v{-BAR if tall else -3}"
                               for s in lines(folder / "scores.jsonl") if s["app"] == app and s["positive"] == tall)
                out.append(f'<path d="{path}" stroke="{COLOURS[schedule]}"/>')
    y = TOP + row * len(labels)
    for second in range(0, int(n / fps) + 1, 2):
        out.append(f'<text x="{x(second * fps):.1f}" y="{y + 14}" text-anchor="middle">{second} s</text>'
                   f'<path d="M{x(second * fps):.1f} {y}v3" stroke="#777"/>')
    return "\n".join(out) + "\n</svg>\n"


def table(caption, head, rows):
    cells = lambda row, tag: "<tr>" + "".join(f"<{tag}>{escape(str(c))}</{tag}>" for c in row) + "</tr>"
    return (f"<table><caption>{escape(caption)}</caption>{cells(head, 'th')}"
            + "".join(cells(row, "td") for row in rows) + "</table>")


def point_row(p):
    if not p["fits"]:
        return [p["schedule"], p["apps"], f"{p['budget']:g}", "nothing fits", "", "", "", "", 0]
    return [p["schedule"], p["apps"], f"{p['budget']:g}", f"{p['budget_ms']:.2f}", f"{p['spent_ms']:.2f}",
            f"{p['recall']:.3f}", f"{p['precision']:.3f}", f"{p['predicted_f1']:.3f}", f"{p['f1']:.3f}"]


def app_rows(points):
    for p in points:
        for a in p.get("of_app", ()):
            late = "-" if a["delay_frames"] is None else f"{a['delay_frames']:.1f}"
            yield [p["schedule"], a["name"], a["frozen"], f"{a['fps']:g}", a["votes"],
                   f"{a['found_events']} of {a['true_events']}", a["false_alarms"], late, f"{a['predicted_f1']:.3f}",
                   f"{a['f1']:.3f}"]


def package_rows(packages):
    for p in packages:
        e = [f"{p['event_length_ms']:.0f}", f"{p['event_frequency']:.2f}", f"{p['correlation']:.2f}"]
        for c in p["candidates"]:
            yield [p["task"], c["frozen"], f"{c['accuracy']:.3f}", f"{c['tpr']:.3f}", f"{c['fpr']:.3f}", *e]


def chart(points, x, label):
    """F1 of each schedule against p[x]."""
    shown = {name: [(p[x], p["f1"]) for p in points if p["schedule"] == name] for name in COLOURS}
    picture = svg.line_chart("measured event F1", label, "mean F1", shown, sorted({p[x] for p in points}))
    return f'<div class="chart">{picture}</div>'


def write(out, results, labels, folders):
    """OUT/timeline.svg and OUT/report.html, which holds it."""
    picture = timeline(labels, folders, results["fps"])
    (out / "timeline.svg").write_text(picture)
    everyone = len(labels)
    head = ["schedule", "applications", "forwards/s", "budget, ms/s", "spent, ms/s", "event recall", "event precision",
            "F1 predicted", "F1 measured"]
    budgets = [p for p in results["points"] if p["apps"] == everyone]
    sizes = [p for p in results["points"] if p["budget"] == results["budget"]]
    shown = [p for p in budgets if p["budget"] == results["budget"]]
    page = [
        "<!DOCTYPE html><html lang='en'><meta charset='utf-8'><title>graft run on a real video</title>",
        f"<style>{STYLE}</style><h1>Four schedules on a real video</h1>",
        f"<p>The last {len(next(iter(labels.values())))} frames of CDnet's highway, at {results['fps']} frames a second, never "
        f"trained on: {results['parts']}. The network takes {results['forward_ms']:.3f} ms a frame; the budget, in forwards of it a second, is all "
        f"applications' together. Sums and means over {len(results['starts'])} starts of the video. Spent: runs of the tree's "
        "parts times their costs; it exceeds the budget where a run begins with a frame of everyone.</p>",
        f"<h2>{everyone} applications, {results['budget']:g} forwards/s, first start</h2>", picture,
        table("Applications at that budget", ["schedule", "application", "frozen", "fps", "X", "events found", "false alarms",
                                              "delay, frames", "F1 predicted", "F1 measured"], app_rows(shown)),
        table(f"Budgets, {everyone} applications", head, map(point_row, budgets)),
        chart(budgets, "budget", "budget, forwards/s"),
        table(f"Applications, {results['budget']:g} forwards/s", head, map(point_row, sizes)),
        chart(sizes, "apps", "applications"),
        table("Packages: rates and statistics measured on frames between training and evaluation",
              ["application", "frozen", "accuracy", "tpr", "fpr", "shortest event, ms", "frequency", "correlation"],
              package_rows(results["packages"])), "</html>"]
    (out / "report.html").write_text("\n".join(page) + "\n")
