# SPDX-License-Identifier: Apache-2.0
"""Which plots are made of the figures: one for each measure, and one for each way to grow."""

import os

import plot
from figure import bar_of

# Measure → its file, and whether its change is plotted, or its values untraced and traced.
MEASURES = {
    "throughput": ("throughput", True),
    "p50 at 70 %": ("p50", False),
    "p90 at 70 %": ("p90", False),
    "p99 at 70 %": ("p99", False),
    "p99.9 at 70 %": ("p99.9", False),
    "target CPU": ("target-cpu", False),
    "target CPU added a socket call": ("socket-call", True),
    "agent CPU": ("agent-cpu", False),
    "BPF run time": ("bpf", False),
    "agent RSS": ("rss", False),
}
NAMES = {"untraced": "untraced", "traced": "traced", "noise": "untraced again", "change": "traced"}


def bars_of(folder, jobs, measure, name, of_change, what):
    groups, unit = {}, ""
    for job, result in jobs.items():
        for one in result["figures"]:
            columns = [c for c in (("noise", "change") if of_change else ("untraced", "traced")) if c in one]
            if one["measure"] == measure and columns:
                groups[job] = {NAMES[c]: (one[c]["median"], min(one[c]["min"], one[c]["median"]), one[c]["max"]) for c in columns}
                unit = "against untraced" if of_change and one["unit"] == "/s" else one["unit"]
    if groups:
        marks = {job: bar.value for job in groups if of_change and (bar := bar_of(job, measure))}
        groups = {job: {s: tuple(max(0.0, v) for v in values) for s, values in group.items()} for job, group in groups.items()}
        plot.bars(f"{folder}/{name}.svg", f"{measure}, {unit}" if unit else measure, what, groups, marks)


def growth_of(folder, job, result, what):
    points = [one for one in result["figures"] if "cost_us" in one and one["cost_us"] > 0]
    if not points:
        return
    series = {"agent and BPF": [(one["x"], one["cost_us"]) for one in points]}
    series["target, traced"] = [(one["x"], one["traced"]["median"]) for one in points]
    slope = next(one for one in result["figures"] if one["measure"] == "exponent")
    note = f"; exponent {slope['traced']['median']:.2f} {slope['note']}" if "traced" in slope else ""
    plot.lines(f"{folder}/{job}.svg", "CPU of a request, us", what + note, result["unit"], series)


def write(folder, jobs, machine):
    os.makedirs(folder, exist_ok=True)
    what = f"median and range of the rounds; {machine['cpus']} CPUs, Linux {machine['kernel']}, {machine['date'][:10]}"
    for measure, (name, of_change) in MEASURES.items():
        bars_of(folder, jobs, measure, name, of_change, what)
    for job, result in jobs.items():
        if job.startswith("growth-"):
            growth_of(folder, job, result, what)
