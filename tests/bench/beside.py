# SPDX-License-Identifier: Apache-2.0
"""The peers that run here beside us, on one nginx, in turn."""

import figure
import peers
import rounds
from targets import nginx_static


def measure(folder, args, say):
    target = nginx_static(folder)
    try:
        found, why_not = peers.usable(folder, target, say)
        modes = ["untraced", "traced", *found]
        rate, results = rounds.run(folder, target, modes, args, say, found)
    finally:
        target.stop()
    figures = []
    for name in modes[1:]:
        title = "Spanhook" if name == "traced" else name
        own = rounds.values(results, name, "closed", "agent_ns", 1e3, "requests")
        costs = [*rounds.cost_figures(results, rate, name), figure.figure("its own CPU", "us", own)]
        figures += [{**one, "measure": f"{title}, {one['measure']}"} for one in costs]
    figures += [figure.figure(name, "", note=why) for name, why in why_not.items()]
    rounds.merge_histograms(results)
    return {"figures": figures, "rounds": results, "rate": rate, "missing": why_not}
