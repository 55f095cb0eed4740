"""Memory that does not grow with the files."""

import os
import sys

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
MEGABYTE = 1e6
FEW, MANY = 10000, 50000
LENGTH = 512  # A record takes 1.6 KB.


def test_peak_memory_is_that_of_a_tenth_of_the_rows(tmp_path, monkeypatch):
    """Of all that training, evaluation and prediction read and write.

    The records of the further rows are 64 MB in each of three files.
    """
    if not sys.platform.startswith("linux"):
        pytest.skip("peaks are compared where they are the kernel's own count")
    monkeypatch.syspath_prepend(os.path.join(ROOT, "benchmarks"))
    import memory

    peaks = []
    for rows in (FEW, MANY):
        directory = tmp_path / str(rows)
        directory.mkdir()
        flags = memory.write_inputs(str(directory), rows)
        flags += memory.flags_of(str(directory), rows, 64, 10, LENGTH, infer=True)
        peaks.append(memory.peak(flags)[0])
    (records,) = directory.glob("*/train.tf_record")
    assert records.stat().st_size > 75 * MEGABYTE
    assert peaks[1] - peaks[0] < 30 * MEGABYTE
