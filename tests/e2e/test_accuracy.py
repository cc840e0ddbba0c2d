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


@pytest.mark.skipif(not os.path.exists(f"{BUILD}/workload"), reason="build/workload is not built")
@pytest.mark.parametrize("name", WORKLOADS)
def test_no_parent_is_wrong(name, tmp_path):
    out = tmp_path / "results.json"
    argv = [f"{ACCURACY}/run", "--only", name, "--open", "8", "--requests", str(REQUESTS), "--json", str(out)]
    run = subprocess.run(argv, capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    result = json.loads(out.read_text())[f"{name}, 8 open"]
    if "skipped" in result:
        pytest.skip(result["skipped"])
    assert result["spans"] == result["spans_true"] >= 2 * REQUESTS
    assert result["wrong"] == 0, run.stdout
