"""Memory that does not grow with the files."""

import os
import sys

import pytest

from tests.support.paths import ROOT

MEGABYTE = 1e6
FEW, MANY = 10000, 50000
LENGTH = 512  # A record takes 1.6 KB.


def test_a_training_on_five_times_the_rows_takes_no_more_memory(tmp_path, monkeypatch):
    """From the text to the last step; the records of the further rows are 64 MB."""
    if not sys.platform.startswith("linux"):
        pytest.skip("peaks are compared where they are the kernel's own count")
    monkeypatch.syspath_prepend(os.path.join(ROOT, "benchmarks"))
    import memory

    peaks = []
    for rows in (FEW, MANY):
        directory = tmp_path / str(rows)
        directory.mkdir()
        flags = memory.write_inputs(str(directory), rows)
        flags += memory.flags_of(str(directory), rows, 64, 10, LENGTH)
        peaks.append(memory.peak(flags)[0])
    (records,) = directory.glob("*/train.tf_record")
    assert records.stat().st_size > 75 * MEGABYTE
    assert peaks[1] - peaks[0] < 20 * MEGABYTE
