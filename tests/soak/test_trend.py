# SPDX-License-Identifier: Apache-2.0
"""A soak fails on what grows, is lost or miscounted, and on nothing else."""

import os
import random
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from trend import judge, problems, slope, trends  # noqa: E402

RSS_KB = 20000


def series(value, seconds=1800, every=10):
    return [(t, value(t)) for t in range(0, seconds + 1, every)]


def noisy(value, spread, seed=1):
    noise = random.Random(seed)
    return lambda t: value(t) + noise.uniform(-spread, spread)


def test_slope():
    assert slope([(x, 2 * x + 1) for x in range(10)] + [(10, 1000)]) == 2


@pytest.mark.parametrize("name", ["rss_kb", "map_bytes", "fds", "threads", "connections", "map targets"])
def test_flat(name):
    assert judge(name, series(lambda t: RSS_KB))["holds"]


@pytest.mark.parametrize("seed", range(20))
def test_flat_but_noisy(seed):
    assert judge("rss_kb", series(noisy(lambda t: RSS_KB, 1000, seed)))["holds"]


@pytest.mark.parametrize("seed", range(20))
def test_leak_in_noise(seed):
    """A byte for each request at 1,000 requests/s: 1.3 MB after the warm-up."""
    assert not judge("rss_kb", series(noisy(lambda t: RSS_KB + t, 1000, seed)))["holds"]


def test_one_descriptor_in_five_minutes():
    assert not judge("fds", series(lambda t: 30 + t // 300))["holds"]


def test_a_thread_in_20_minutes():
    assert judge("threads", series(lambda t: 4 + (t == 900)))["holds"]
    assert not judge("threads", series(lambda t: 4 + t // 1200 + t // 600))["holds"]


def test_entries_of_a_map():
    assert judge("map targets", series(lambda t: 20 + t % 30))["holds"]
    assert not judge("map targets", series(lambda t: 20 + t // 20))["holds"]


def test_growth_of_the_warm_up_is_none():
    assert judge("rss_kb", series(lambda t: min(RSS_KB, 5000 + 40 * t)))["holds"]


def test_growth_that_slows_down_is_one():
    assert not judge("rss_kb", series(lambda t: RSS_KB + 50 * t**0.5))["holds"]


def test_a_peak_is_no_trend():
    assert judge("rss_kb", series(lambda t: RSS_KB + 50000 * (1700 < t < 1760)))["holds"]


def test_what_shrinks_holds():
    assert judge("rss_kb", series(lambda t: RSS_KB - t))["holds"]


def test_too_few_samples_are_not_judged():
    with pytest.raises(ValueError):
        judge("rss_kb", series(lambda t: RSS_KB, seconds=100))


def test_measured_only_at_times():
    """A map that has entries later is judged as one that had none."""
    samples = [{"seconds": t, "map late": t} if t > 100 else {"seconds": t} for t in range(0, 1000, 10)]
    (judged,) = trends(samples)
    assert judged["measure"] == "map late" and not judged["holds"]


def test_a_run_that_holds():
    judged = trends([{"seconds": t, "fds": 30} for t in range(100)])
    assert problems(judged, {"nginx": 5}, {"nginx": 5.0}, {"kernel ring_full": 0}) == []


@pytest.mark.parametrize(
    "true, seen, dropped, says",
    [
        ({"nginx": 5}, {"nginx": 4}, {}, "nginx: 4 spans of 5"),
        ({"nginx": 5}, {"nginx": 6}, {}, "nginx: 6 spans of 5"),
        ({"nginx": 5}, {}, {}, "nginx: 0 spans of 5"),
        ({"nginx": 5}, {"nginx": 5, "redis": 1}, {}, "redis: 1 spans of 0"),
        ({"nginx": 5}, {"nginx": 5}, {"kernel ring_full": 1}, "lost: kernel ring_full: 1"),
        ({}, {}, {}, "nothing was done"),
    ],
)
def test_a_run_that_does_not_hold(true, seen, dropped, says):
    assert problems([], true, seen, dropped) == [says]


def test_what_was_missed_of_others_is_no_problem():
    missed = {"kernel hook_busy": 7}
    assert problems([], {"nginx": 5}, {"nginx": 5}, missed) == []
    assert problems([], {"nginx": 5}, {"nginx": 4}, missed) == ["nginx: 4 spans of 5"]


def test_a_trend_is_a_problem():
    (said,) = problems(trends([{"seconds": t, "fds": t} for t in range(100)]), {"nginx": 5}, {"nginx": 5}, {})
    assert said.startswith("fds grows: by 7")
