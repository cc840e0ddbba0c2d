# SPDX-License-Identifier: Apache-2.0
"""Plots as SVG: bars side by side with their ranges, and lines on logarithmic axes."""

import math
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 860, 420
LEFT, RIGHT, TOP, BOTTOM = 80, 20, 60, 70
COLOURS = ("#d64545", "#7b4397", "#0b69a3", "#3f9142")
GREYS = {"untraced": "#9aa5b1", "untraced again": "#cbd2d9"}
STYLE = "text{font:13px sans-serif;fill:#323f4b}.title{font-size:16px;font-weight:bold}.small{font-size:11px}line{stroke:#e4e7eb}"


class Canvas:
    def __init__(self, title, subtitle):
        self.parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}"><style>{STYLE}</style>',
            '<rect width="100%" height="100%" fill="#fff"/>',
        ]
        self.text(LEFT, 24, title, kind="title")
        self.text(LEFT, 42, subtitle, kind="small")

    def text(self, x, y, text, anchor="start", kind=""):
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" class="{kind}">{escape(text)}</text>')

    def rect(self, x, y, width, height, colour):
        self.parts.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{max(height, 0.5):.1f}" fill="{colour}"/>')

    def line(self, x1, y1, x2, y2, style=""):
        self.parts.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" style="{style}"/>')

    def write(self, path):
        with open(path, "w") as f:
            f.write("\n".join([*self.parts, "</svg>"]) + "\n")


def short(value):
    for unit, size in (("M", 1e6), ("k", 1e3)):
        if abs(value) >= size:
            return f"{value / size:g}{unit}"
    return f"{value:g}"


def ticks(top):
    """About five round numbers from 0 to beyond the top."""
    step = 10 ** math.floor(math.log10(top / 4))
    step *= next(m for m in (1, 2, 2.5, 5, 10) if top / (step * m) <= 5)
    return [step * i for i in range(math.ceil(top / step) + 1)]


def colours(series):
    """Each name's own; what is not traced is grey on every plot."""
    others = [name for name in series if name not in GREYS]
    return {**GREYS, **{name: COLOURS[i % len(COLOURS)] for i, name in enumerate(others)}}


def bars(path, title, subtitle, groups, marks):
    """groups: name → series → (value, low, high). marks: group's name → a value to lay beside it, such as a bar."""
    canvas = Canvas(title, subtitle)
    series = list(dict.fromkeys(name for group in groups.values() for name in group))
    top = max([high for group in groups.values() for _, _, high in group.values()] + list(marks.values())) or 1
    scale = ticks(top)
    y = lambda value: HEIGHT - BOTTOM - value / scale[-1] * (HEIGHT - TOP - BOTTOM)  # noqa: E731
    for tick in scale:
        canvas.line(LEFT, y(tick), WIDTH - RIGHT, y(tick))
        canvas.text(LEFT - 8, y(tick) + 4, short(tick), "end", "small")
    wide, colour = (WIDTH - LEFT - RIGHT) / len(groups), colours(series)
    for i, (name, group) in enumerate(groups.items()):
        each = wide * 0.8 / len(series)
        for series_name, (value, low, high) in group.items():
            n = series.index(series_name)
            x = LEFT + wide * (i + 0.1) + each * n
            canvas.rect(x, y(value), each * 0.92, y(0) - y(value), colour[series_name])
            canvas.line(x + each * 0.46, y(low), x + each * 0.46, y(high), "stroke:#323f4b")
            canvas.text(x + each * 0.46, y(high) - 4, f"{value:.3g}" if value < 1000 else short(round(value, -2)), "middle", "small")
        canvas.text(LEFT + wide * (i + 0.5), HEIGHT - BOTTOM + 18, name, "middle", "small")
        if name in marks:
            x = LEFT + wide * i
            canvas.line(x, y(marks[name]), x + wide, y(marks[name]), "stroke:#0b69a3;stroke-dasharray:6 4")
            canvas.text(x + wide, y(marks[name]) - 4, f"bar {marks[name]:g}", "end", "small")
    legend(canvas, [(name, colour[name]) for name in series])
    canvas.write(path)


def legend(canvas, entries):
    for i, (name, colour) in enumerate(entries):
        canvas.rect(LEFT + i * 190, HEIGHT - 28, 12, 12, colour)
        canvas.text(LEFT + i * 190 + 18, HEIGHT - 17, name)


def decades(values):
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    return low, max(high, low + 1)


def lines(path, title, subtitle, x_unit, series):
    """series: name → points (x, y), all above 0."""
    canvas = Canvas(title, subtitle)
    xs = decades([x for points in series.values() for x, _ in points])
    ys = decades([y for points in series.values() for _, y in points])
    place = lambda value, ends, start, end: start + (math.log10(value) - ends[0]) / (ends[1] - ends[0]) * (end - start)  # noqa: E731
    x = lambda value: place(value, xs, LEFT, WIDTH - RIGHT)  # noqa: E731
    y = lambda value: place(value, ys, HEIGHT - BOTTOM, TOP)  # noqa: E731
    for power in range(xs[0], xs[1] + 1):
        canvas.line(x(10.0**power), TOP, x(10.0**power), HEIGHT - BOTTOM)
        canvas.text(x(10.0**power), HEIGHT - BOTTOM + 18, short(10.0**power), "middle", "small")
    for power in range(ys[0], ys[1] + 1):
        canvas.line(LEFT, y(10.0**power), WIDTH - RIGHT, y(10.0**power))
        canvas.text(LEFT - 8, y(10.0**power) + 4, short(10.0**power), "end", "small")
    colour = colours(series)
    for name, points in series.items():
        path_points = " ".join(f"{x(a):.1f},{y(b):.1f}" for a, b in points)
        canvas.parts.append(f'<polyline points="{path_points}" fill="none" stroke="{colour[name]}" stroke-width="2"/>')
        for a, b in points:
            canvas.parts.append(f'<circle cx="{x(a):.1f}" cy="{y(b):.1f}" r="3.5" fill="{colour[name]}"/>')
            canvas.text(x(a), y(b) - 8, f"{b:.3g}", "middle", "small")
    canvas.text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - BOTTOM + 36, x_unit, "middle")
    legend(canvas, [(name, colour[name]) for name in series])
    canvas.write(path)
