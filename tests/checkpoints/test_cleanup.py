"""Temporary files of killed runs are removed, and no others."""

import os
import subprocess
import sys

import numpy as np
import pytest

from finetuning.checkpoints import cleanup
from finetuning.utils import files
from tests.support import models


@pytest.fixture(scope="module")
def dead():
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def temporary_file(directory, name, process, seconds_ago=100):
    path = directory / ("%s.%d.finetuning.tmp" % (name, process))
    path.write_text("x")
    changed = os.path.getmtime(str(path)) - seconds_ago
    os.utime(str(path), (changed, changed))
    return path.name


def test_the_files_of_dead_processes_are_removed(tmp_path, dead):
    names = ["train.tf_record", "eval_results.txt", "SST-2.tsv"]
    leftovers = [temporary_file(tmp_path, name, dead) for name in names]
    kept = [temporary_file(tmp_path, name, os.getpid()) for name in names]
    kept.append(temporary_file(tmp_path, "recent", dead, seconds_ago=0))
    for name in (*names, "notes.tsv.%d.tmp" % dead):
        (tmp_path / name).write_text("x")
        kept.append(name)
    assert cleanup.remove_leftovers(str(tmp_path)) == sorted(leftovers)
    assert sorted(os.listdir(str(tmp_path))) == sorted(kept)


@pytest.mark.parametrize("folder", ["", "best"])
def test_what_only_a_training_run_writes_is_removed_at_once(tmp_path, dead, folder):
    """The caller holds the lock, so that nobody else is writing it."""
    directory = tmp_path / folder
    directory.mkdir(exist_ok=True)
    leftovers = [
        temporary_file(directory, "checkpoint", dead, seconds_ago=0),
        "graph.pbtxt.tmp" + 32 * "0",
        "model.ckpt-5.data-00000-of-00001.tempstate123",
        "model.ckpt-5.index.tempstate123",
        "model.ckpt-5.meta.tmp" + 32 * "0",
    ]
    for name in (*leftovers, "model.ckpt-5.meta"):
        (directory / name).write_text("x")
    removed = cleanup.remove_leftovers(str(tmp_path))
    assert removed == [os.path.join(folder, name) for name in leftovers]
    assert os.listdir(str(directory)) == ["model.ckpt-5.meta"]


def test_best_weights_that_were_replaced(tmp_path):
    """A run was killed after it had saved better ones, before it removed these."""
    best = tmp_path / "best"
    for step in (3, 6, 12):
        models.save_checkpoint(str(best / ("model.ckpt-%d" % step)), {"v": np.zeros(9)})
    (best / "checkpoint").write_text('model_checkpoint_path: "model.ckpt-6"\n')
    for name in ("labels.json", "model.ckpt-3.meta", "model.ckpt-x.index"):
        (best / name).write_text("")
    before = set(os.listdir(str(best)))
    replaced = {"model.ckpt-3.index", "model.ckpt-3.data-00000-of-00001"}
    # Not if those that replaced them are corrupt.
    content = (best / "model.ckpt-6.index").read_bytes()
    (best / "model.ckpt-6.index").write_bytes(b"")
    assert cleanup.remove_leftovers(str(tmp_path)) == []
    (best / "model.ckpt-6.index").write_bytes(content)
    removed = cleanup.remove_leftovers(str(tmp_path))
    assert set(removed) == {os.path.join("best", name) for name in replaced}
    assert set(os.listdir(str(best))) == before - replaced


def test_the_name_is_that_of_files_being_written(tmp_path):
    with files.replacing(str(tmp_path / "a.b")) as temporary:
        files.write_text(temporary, "x")
        match = files.TEMPORARY_NAME.match(os.path.basename(temporary))
        assert match.group("name") == "a.b"
        assert match.group("process") == str(os.getpid())


def test_a_directory_that_does_not_exist(tmp_path):
    assert cleanup.remove_leftovers(str(tmp_path / "none")) == []
    assert cleanup.remove_leftovers("gs://bucket/out") == []
