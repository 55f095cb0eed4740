"""What a killed run leaves half-written, and what is left alone."""

import os
import subprocess
import sys

import pytest

from finetuning.checkpoints import cleanup
from finetuning.data import label_map, preparation, tasks
from finetuning.evaluation import history, result_files
from finetuning.flags import flag_file
from finetuning.run_info import saved_run

# By then a file counts as one that nobody is writing.
_LONG_AGO = 10**9


@pytest.fixture(scope="module")
def dead():
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def written_names():
    """Of every file that a run writes whole or not at all, for any task."""
    found = {"train.tf_record", label_map.FILE, history.FILE, flag_file.FILE}
    found.add(saved_run.SETTINGS_FILE)
    for task in tasks.TASKS.values():
        for split in [*task.dev, *task.test]:
            for suffix in ("", "_" + split.part if split.part else ""):
                found |= result_files.names(suffix, split.submission)
                found |= {each % suffix for each in preparation._RECORD_FILES.values()}
    return sorted(found)


@pytest.mark.parametrize("name", written_names())
def test_a_dead_runs_temporary_file_is_removed(tmp_path, dead, name):
    mine = tmp_path / ("%s.%d.tmp" % (name, dead))
    running = tmp_path / ("%s.%d.tmp" % (name, os.getpid()))
    for path in (mine, running, tmp_path / name):
        path.write_text("x")
        os.utime(str(path), (_LONG_AGO, _LONG_AGO))
    assert cleanup.remove_leftovers(str(tmp_path)) == [mine.name]
    assert sorted(os.listdir(str(tmp_path))) == sorted([running.name, name])


def test_a_users_temporary_file_stays(tmp_path, dead):
    mine = tmp_path / ("notes.tsv.%d.tmp" % dead)
    mine.write_text("x")
    os.utime(str(mine), (_LONG_AGO, _LONG_AGO))
    assert cleanup.remove_leftovers(str(tmp_path)) == []
