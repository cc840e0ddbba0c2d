# SPDX-License-Identifier: Apache-2.0
"""A figure: what one measure gave in every round, with its spread, and whether it holds its bar."""

import statistics


def spread(values):
    """Median, quartiles and range of what the rounds gave."""
    q1, median, q3 = statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else values * 3
    return {"median": median, "q1": q1, "q3": q3, "min": min(values), "max": max(values), "rounds": len(values)}


def figure(measure, unit, traced=None, plain=None, again=None, per=None, note=""):
    """Values of each round, traced and untraced; `again` are those of a second untraced run in each round. All three
    are compared round by round: by their ratio or, with `per`, by their difference for each of so many."""
    result = {"measure": measure, "unit": unit, "note": note}
    for name, values in (("traced", traced), ("untraced", plain)):
        if values:
            result[name] = spread(values)
    if plain and all(plain):
        compare = (lambda new, old: (new - old) / per) if per else (lambda new, old: new / old)
        for name, values in (("change", traced), ("noise", again)):
            if values:
                result[name] = spread([compare(new, old) for new, old in zip(values, plain)])
    return result


class Bar:
    """At most (or at least) so much of a figure's `of`; or_noise: or no more than untraced differs from untraced, in
    three of four rounds."""

    def __init__(self, of, sign, value, or_noise=False):
        self.of, self.sign, self.value, self.or_noise = of, sign, value, or_noise

    def __str__(self):
        return f"{self.sign} {self.value:g}" + (" or noise" if self.or_noise else "")

    def judge(self, figure):
        """met, met within the noise, missed; None when it was not measured."""
        if self.of not in figure:
            return None
        value = figure[self.of]["median"]
        if value <= self.value if self.sign == "<=" else value >= self.value:
            return "met"
        noise = figure.get("noise")
        if self.or_noise and noise and value <= max(noise["q3"], 1 / noise["q1"]):
            return "met (noise)"
        return "missed"


# (job, measure) → bar; a job may be "*", and what stands before ": " in its measure is of no matter then.
BARS = {
    ("nginx-static", "throughput"): Bar("change", ">=", 0.93),
    ("nginx-static", "agent CPU, JSON log on"): Bar("traced", "<=", 3),
    ("*", "p99 at 70 %"): Bar("change", "<=", 1.05, or_noise=True),
    ("*", "target CPU added a socket call"): Bar("change", "<=", 0.5),
    ("*", "dropped"): Bar("traced", "<=", 0),
    ("*", "not counted"): Bar("traced", "<=", 0),
    ("*", "counted too often"): Bar("traced", "<=", 0),
    ("*", "wrong"): Bar("traced", "<=", 0),
    ("call", "socket call, traced"): Bar("change", "<=", 500),
    ("untraced", "failing read"): Bar("change", "<=", 1, or_noise=True),
    ("untraced", "round trip through pipes"): Bar("change", "<=", 1, or_noise=True),
    ("untraced", "nginx: CPU a request"): Bar("change", "<=", 1.02),
    ("memory", "RSS at 1,000 connections, 10,000/s"): Bar("traced", "<=", 32),
    ("memory", "BPF maps at 1,000 connections, 10,000/s"): Bar("traced", "<=", 12),
    ("growth-connections", "exponent"): Bar("traced", "<=", 1.05),
    ("growth-processes", "exponent"): Bar("traced", "<=", 1.05),
    ("growth-body", "exponent"): Bar("traced", "<=", 1.05),
    ("guest", "nginx: CPU at 1,000/s"): Bar("change", "<=", 1.10),
    ("guest", "agent: CPU at 1,000/s, of untraced nginx"): Bar("traced", "<=", 0.15),
    ("guest", "throughput, closed loop on one CPU"): Bar("change", ">=", 0.85),
    ("guest", "not counted"): Bar("traced", "<=", 0),
}


def bar_of(job, measure):
    return BARS.get((job, measure)) or BARS.get(("*", measure.rpartition(": ")[2]))


def judge(job, one):
    """Adds the bar of a figure, if it has one, and its verdict."""
    bar = bar_of(job, one["measure"])
    if bar:
        one["bar"], one["verdict"] = str(bar), bar.judge(one) or "not measured"
    return one
