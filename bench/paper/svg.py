# SPDX-License-Identifier: Apache-2.0
"""Line charts as stand-alone SVG; standard library only."""
from html import escape

WIDTH, HEIGHT = 560, 360
LEFT, RIGHT, TOP, BOTTOM = 60, 150, 34, 46
COLOURS = ["#1b6ca8", "#d1495b", "#2e8b57", "#e08e0b", "#6f4e9c", "#555555", "#17a2a2", "#a0522d"]


def ticks(low, high):
    step = (high - low) / 5
    power = 10 ** len(str(int(1 / step))) if step < 1 else 1
    step = max(round(step * power) / power, 1 / power)
    first = -(-low // step) * step
    return [round(first + i * step, 10) for i in range(12) if first + i * step <= high + 1e-9]


def line_chart(title, x_label, y_label, series, x_ticks=None, y_range=(0, 1)):
    """series: {name: [(x, y), ...]}."""
    xs = [x for points in series.values() for x, _ in points]
    (x0, x1), (y0, y1) = (min(xs), max(xs)), y_range
    def px(x):
        return LEFT + (x - x0) / ((x1 - x0) or 1) * (WIDTH - LEFT - RIGHT)
    def py(y):
        return HEIGHT - BOTTOM - (y - y0) / (y1 - y0) * (HEIGHT - TOP - BOTTOM)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
           'font-family="sans-serif" font-size="12">',
           f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
           f'<text x="{LEFT}" y="20" font-size="14">{escape(title)}</text>']
    for y in ticks(y0, y1):
        out.append(f'<path d="M{LEFT} {py(y):.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>'
                   f'<text x="{LEFT - 6}" y="{py(y) + 4:.1f}" text-anchor="end">{y:g}</text>')
    for x in x_ticks or ticks(x0, x1):
        out.append(f'<text x="{px(x):.1f}" y="{HEIGHT - BOTTOM + 16}" '
                   f'text-anchor="middle">{x:g}</text>')
    out.append(f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 8}" '
               f'text-anchor="middle">{escape(x_label)}</text>'
               f'<text transform="translate(14 {HEIGHT / 2}) rotate(-90)" '
               f'text-anchor="middle">{escape(y_label)}</text>')
    for i, (name, points) in enumerate(series.items()):
        colour = COLOURS[i % len(COLOURS)]
        path = " ".join(f"{px(x):.1f},{py(min(max(y, y0), y1)):.1f}" for x, y in points)
        out.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>'
                   f'<text x="{WIDTH - RIGHT + 8}" y="{TOP + 16 * i + 8}" '
                   f'fill="{colour}">{escape(name)}</text>')
    return "\n".join(out) + "\n</svg>\n"
