# SPDX-License-Identifier: Apache-2.0
"""Parents are right or unknown, never wrong: a short run of each workload of `make accuracy`."""

import json
import os
import subprocess
import sys

import pytest

from harness import BUILD, ROOT

ACCURACY = os.path.join(ROOT, "tests/accuracy")
sys.path.insert(0, ACCURACY)
from workloads import WORKLOADS  # noqa: E402

REQUESTS = 400


pytestmark = pytest.mark.skipif(not os.path.exists(f"{BUILD}/workload"), reason="build/workload is not built")


def run(name, folder, *options):
    out = folder / "results.json"
    argv = [f"{ACCURACY}/run", "--only", name, "--open", "8", "--requests", str(REQUESTS), "--json", str(out), *options]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    result = json.loads(out.read_text())[f"{name}, 8 open"]
    if "skipped" in result:
        pytest.skip(result["skipped"])
    assert result["spans"] == result["spans_true"] >= 2 * REQUESTS
    assert result["wrong"] == 0, done.stdout
    return result


@pytest.mark.parametrize("name", WORKLOADS)
def test_no_parent_is_wrong(name, tmp_path):
    run(name, tmp_path)


@pytest.mark.parametrize("name", ["6b aiohttp", "6c uvicorn, Starlette, httpx"])
def test_tasks_of_asyncio(name, tmp_path):
    """Their interpreter says in which of them a call is made; else nobody could tell."""
    assert run(name, tmp_path)["right_percent"] > 99
    assert run(name, tmp_path, "--python-contexts=off")["right_percent"] < 50


@pytest.mark.parametrize("name", ["3 event loop", "3b event loop, 4 connections"])
def test_timers_have_no_parent(name, tmp_path):
    result = run(name, tmp_path, "--exact-turns")
    assert result["timer_calls"] > 0 and result["timer_linked"] == 0
