# SPDX-License-Identifier: Apache-2.0
"""The sanitized agents replay the recordings, all exporters on, while others read the metrics: no finding, the same spans."""

import http.client
import os
import sys
import threading

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../recordings"))
import recordings  # noqa: E402
from harness import BUILD, free_port  # noqa: E402

PATHS = ["/metrics", "/healthz", "/", "/absent"]


def scrape(port, over, counts):
    """Reads every page again and again until the program is over."""
    while not over.is_set():
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        try:
            for path in PATHS * 50:
                connection.request("GET", path)
                connection.getresponse().read()
                counts.append(path)
        except (OSError, http.client.HTTPException):
            over.wait(0.002)  # it does not listen yet, or not any more
        finally:
            connection.close()


def replay_scraped(binary, name, log):
    port, over, counts = free_port(), threading.Event(), []
    threads = [threading.Thread(target=scrape, args=(port, over, counts)) for _ in range(2)]
    for thread in threads:
        thread.start()
    options = ["--listen", f"127.0.0.1:{port}", "--log", log, "--output", "text", "--stats"]
    try:
        process = recordings.replay(binary, name, *options, command="attach")
        _, err = process.communicate(timeout=120)
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert process.returncode == 0 and b"Sanitizer" not in err and b"runtime error" not in err, err.decode()
    return len(counts)


@pytest.mark.parametrize("variant", ["san-1", "san-thread"])
def test_replayed(variant, tmp_path):
    binary, scraped = f"{BUILD}/{variant}/spanhook", 0
    os.chmod(tmp_path, 0o777)
    for parent in tmp_path.parents[:2]:
        os.chmod(parent, 0o755)
    for name in recordings.NAMES:
        log = tmp_path / f"{name}.jsonl"
        scraped += replay_scraped(binary, name, log)
        assert log.read_bytes() == recordings.read(name)
    assert scraped > len(recordings.NAMES)
