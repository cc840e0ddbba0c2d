# SPDX-License-Identifier: Apache-2.0
"""Whether a run held: nothing grows, nothing was lost, and what was seen is what was done."""

import itertools
import statistics

WARM = 0.25  # of the run: what is reserved once is reserved by then
SAMPLES_MIN = 12

# What is measured → by how much its trend may grow during the rest of the run: a share of its median, and a number.
TOLERANCES = {
    "rss_kb": (0.02, 256),
    "map_bytes": (0.02, 0),
    "fds": (0, 2),
    "threads": (0, 0.5),
    "processes": (0.1, 32),  # those that were executed last are among them, whoever on the host does it
}
OF_ANYBODY = "kernel hook_busy"  # missed of any process of the host: whether it was one of ours shows in the spans
TOLERANCE = (0.1, 16)  # of what else is counted, such as entries of maps: what is open comes and goes


def slope(points):
    """Of a line through (x, y) by Theil and Sen: the median of the slopes between all pairs, which a few outliers do not move."""
    return statistics.median((y2 - y1) / (x2 - x1) for (x1, y1), (x2, y2) in itertools.combinations(points, 2) if x2 != x1)


def judge(name, points):
    """points: (seconds, value). Its trend after the warm-up, over all the rest, and whether that is more than is tolerated."""
    end = points[-1][0]
    judged = [(x, y) for x, y in points if x >= WARM * end]
    if len(judged) < SAMPLES_MIN:
        raise ValueError(f"{name}: {len(judged)} samples after the warm-up; {SAMPLES_MIN} are the least")
    share, number = TOLERANCES.get(name, TOLERANCE)
    median = statistics.median(y for _, y in judged)
    tolerated = share * median + number
    growth = slope(judged) * (judged[-1][0] - judged[0][0])
    return {
        "measure": name, "median": median, "max": max(y for _, y in points), "last": points[-1][1],
        "growth": growth, "tolerated": tolerated, "holds": growth <= tolerated,
    }  # fmt: skip


def trends(samples):
    """samples: dicts, each with its time as "seconds". All that any of them has is judged; where it is missing, it was 0."""
    names = dict.fromkeys(name for sample in samples for name in sample if name != "seconds")
    return [judge(name, [(s["seconds"], s.get(name, 0)) for s in samples]) for name in names]


def problems(judged, true, seen, dropped):
    """Every reason why the run did not hold, as text. true, seen, dropped: name → number."""
    grown = [t for t in judged if not t["holds"]]
    found = [f"{t['measure']} grows: by {t['growth']:,.1f}, at most {t['tolerated']:,.1f} are tolerated" for t in grown]
    for name in {**true, **seen}:
        if true.get(name, 0) != seen.get(name, 0):
            found.append(f"{name}: {seen.get(name, 0):,.0f} spans of {true.get(name, 0):,.0f}")
    if not sum(true.values()):
        found.append("nothing was done")
    return found + [f"lost: {reason}: {n:,.0f}" for reason, n in dropped.items() if n and reason != OF_ANYBODY]
