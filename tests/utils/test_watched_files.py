"""Files that change while they are read."""

import os

import pytest

from finetuning.utils.errors import InputError
from finetuning.utils.watched_files import WatchedFiles


def test_what_counts_as_a_change(tmp_path):
    def replace(path):
        other = tmp_path / "other"
        other.write_text("abd")
        os.utime(str(other), ns=(0, os.stat(str(path)).st_mtime_ns + 1))
        os.replace(str(other), str(path))

    for change in (replace, os.remove, lambda path: os.truncate(str(path), 1)):
        path = tmp_path / "dev.tsv"
        path.write_text("abc")
        watched = WatchedFiles()
        watched.add(str(path))
        watched.add(str(tmp_path / "missing"))
        path.read_text()
        watched.require_unchanged()
        change(path)
        watched.add(str(path))  # The first state counts.
        with pytest.raises(InputError, match="dev.tsv was changed or removed"):
            watched.require_unchanged()
