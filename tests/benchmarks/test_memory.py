"""Memory that does not grow with the files."""

import sys

import pytest

from benchmarks import memory

MEGABYTE = 1e6
FEW, MANY = 10000, 50000
LENGTH = 512  # A record takes 1.6 KB, so that the further rows take 64 MB.


@pytest.mark.slow
@pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="peaks of Linux are compared"
)
def test_training_on_five_times_the_rows_takes_no_more_memory(tmp_path):
    peaks = []
    for rows in (FEW, MANY):
        directory = tmp_path / str(rows)
        directory.mkdir()
        flags, _ = memory.write_inputs(str(directory), rows)
        peak, _ = memory.measure(flags + memory.run_flags(rows, 64, 10, LENGTH))
        peaks.append(peak)
    assert peaks[1] - peaks[0] < 20 * MEGABYTE
