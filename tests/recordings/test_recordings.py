# SPDX-License-Identifier: Apache-2.0
"""Each recording gives the spans beside it, byte for byte, without root. What shall differ: tests/recordings/make --spans."""

import pytest

import recordings
from harness import BINARY


def test_all_there():
    assert len(recordings.NAMES) >= 15


@pytest.mark.parametrize("name", recordings.NAMES)
def test_same_spans(name):
    got, want = recordings.spans(BINARY, name).splitlines(), recordings.read(name).splitlines()
    assert len(got) == len(want)
    for ours, theirs in zip(got, want):
        assert ours == theirs
