# SPDX-License-Identifier: Apache-2.0
"""The figures as a text table, with the bar beside each."""

import sys

WIDTHS = {"measure": 42, "unit": 3, "untraced": 9, "traced": 9, "change": 21, "noise": 21, "bar": 16, "verdict": 12}
LEGEND = """\
Medians of interleaved rounds. change: traced against untraced, round by round, and its quartiles; noise: the same of a second
untraced run. CPU, events and bytes are those of one operation; latency counts from the time a request was due. "or noise": or
no more than untraced differed from untraced in three of four rounds."""
COLOURS = {"met": "\033[32m", "met (noise)": "\033[32m", "missed": "\033[31m", "not measured": "\033[33m"}


def number(value):
    """Three digits that matter, thousands grouped."""
    size = abs(value)
    if size >= 1000 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.{0 if size >= 100 else 1 if size >= 10 else 2 if size >= 1 else 3}f}"


def ranged(spread):
    if not spread:
        return ""
    if spread["rounds"] == 1:
        return f"{spread['median']:.3f}"
    return f"{spread['median']:.3f} [{spread['q1']:.3f} {spread['q3']:.3f}]"


def cells(one):
    return {
        "measure": one["measure"],
        "unit": one["unit"],
        "untraced": number(one["untraced"]["median"]) if "untraced" in one else "",
        "traced": number(one["traced"]["median"]) if "traced" in one else "",
        "change": ranged(one.get("change")),
        "noise": ranged(one.get("noise")),
        "bar": one.get("bar", ""),
        "verdict": one.get("verdict", ""),
    }


def line(row, note="", colours=False):
    padded = {}
    for name, width in WIDTHS.items():
        right = name in ("untraced", "traced")
        padded[name] = row[name].rjust(width) if right else row[name].ljust(width)
    if colours and row["verdict"] in COLOURS:
        padded["verdict"] = COLOURS[row["verdict"]] + padded["verdict"] + "\033[0m"
    return " ".join([*padded.values(), note]).rstrip()


def show(name, title, figures, out=sys.stdout):
    """One job's figures."""
    print(f"\n{name}: {title}", file=out)
    print(line({column: column for column in WIDTHS}), file=out)
    for one in figures:
        print(line(cells(one), one["note"], out.isatty()), file=out)
    out.flush()


def sum_up(jobs, out=sys.stdout):
    """How many bars hold, and which do not. Returns how many are missed."""
    judged = [(name, one) for name, job in jobs.items() for one in job["figures"] if one.get("verdict")]
    missed = [(name, one) for name, one in judged if one["verdict"] == "missed"]
    met = sum(one["verdict"].startswith("met") for _, one in judged)
    print(f"\n{LEGEND}\n\n{met} of {len(judged)} bars met, {len(missed)} missed", file=out)
    for name, one in missed:
        print(f"  missed: {name}, {one['measure']}", file=out)
    return len(missed)
