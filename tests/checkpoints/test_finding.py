"""Checkpoints are found by path, and the latest intact one of a directory."""

import os
import shutil

import numpy as np
import pytest

from finetuning.checkpoints import finding
from finetuning.utils.errors import InputError
from tests.support import models

PARTS = (".index", ".meta", ".data-00000-of-00001")


def touch(directory, *names):
    for name in names:
        open(os.path.join(str(directory), name), "w").close()


def touch_checkpoints(directory, *stems):
    for stem in stems:
        touch(directory, *(stem + part for part in PARTS))


def save_checkpoints(directory, *stems):
    os.makedirs(str(directory), exist_ok=True)
    for stem in stems:
        models.save_checkpoint(os.path.join(str(directory), stem), {"v": np.zeros(9)})
    os.remove(os.path.join(str(directory), "checkpoint"))


def write_state(directory, latest, *others):
    """Writes the `checkpoint` file that names a run's checkpoints."""
    lines = ['model_checkpoint_path: "%s"' % latest]
    for path in (*others, latest):
        lines.append('all_model_checkpoint_paths: "%s"' % path)
    with open(os.path.join(str(directory), "checkpoint"), "w") as file:
        file.write("\n".join(lines) + "\n")


# By path


@pytest.mark.parametrize("part", ["", *PARTS])
@pytest.mark.parametrize("scheme", ["", "file://"])
def test_a_prefix_or_one_of_its_files(tmp_path, part, scheme):
    touch_checkpoints(tmp_path, "bert_model.ckpt", "model.ckpt-5")
    prefix = "%s%s/bert_model.ckpt" % (scheme, tmp_path)
    assert finding.resolve(prefix + part, "init_checkpoint") == prefix


@pytest.mark.parametrize("stem", ["a.index", "a.meta.b", "a.data-b", "x.ckpt-5.0"])
@pytest.mark.parametrize("part", ["", *PARTS])
def test_awkward_names(tmp_path, stem, part):
    (tmp_path / "dir.index").mkdir()
    touch_checkpoints(tmp_path / "dir.index", stem)
    prefix = "%s/dir.index/%s" % (tmp_path, stem)
    assert finding.resolve(prefix + part, "init_checkpoint") == prefix


@pytest.mark.parametrize("scheme", ["", "file://"])
@pytest.mark.parametrize("end", ["", "/"])
def test_a_directory_with_one_checkpoint(tmp_path, scheme, end):
    touch_checkpoints(tmp_path, "bert_model.ckpt")
    touch(tmp_path, "vocab.txt", "bert_config.json")
    path = "%s%s%s" % (scheme, tmp_path, end)
    prefix = "%s%s/bert_model.ckpt" % (scheme, tmp_path)
    assert finding.resolve(path, "init_checkpoint") == prefix


def test_the_directory_of_a_run(tmp_path):
    save_checkpoints(tmp_path, "model.ckpt-0", "model.ckpt-90", "model.ckpt-100")
    write_state(tmp_path, "model.ckpt-90", "model.ckpt-100")
    latest = str(tmp_path / "model.ckpt-90")
    assert finding.resolve(str(tmp_path), "init_checkpoint") == latest


@pytest.mark.parametrize(
    "name, stems, expected",
    [
        ("model.ckpt", (), "(%s/model.ckpt.index is missing)"),
        ("none/x", (), "(%s/none/x.index is missing)"),
        ("", (), "the directory contains no checkpoint"),
        ("", ("b", "a"), "the directory contains a, b; "),
        ("", tuple("abcdefg"), "contains a, b, c, d, e and 2 more; "),
    ],
)
def test_a_path_that_names_no_checkpoint(tmp_path, name, stems, expected):
    touch(tmp_path, "model.ckpt.meta", "model.ckpt.data-00000-of-00001")
    touch_checkpoints(tmp_path, *stems)
    with pytest.raises(InputError) as caught:
        finding.resolve(str(tmp_path / name), "init_checkpoint")
    message = str(caught.value)
    assert message.startswith("--init_checkpoint=%s: " % (tmp_path / name))
    assert expected.replace("%s", str(tmp_path)) in message
    assert "pass the prefix of one" in message


# The latest of a run


def test_the_latest_is_the_first_of_the_list(tmp_path):
    assert finding.latest_in(str(tmp_path)) is None
    assert finding.latest_in(str(tmp_path / "none")) is None
    save_checkpoints(tmp_path, "model.ckpt-9", "model.ckpt-10")
    assert finding.latest_in(str(tmp_path)) is None
    write_state(tmp_path, "model.ckpt-9", "model.ckpt-10")
    assert finding.latest_in(str(tmp_path)) == str(tmp_path / "model.ckpt-9")


def test_a_moved_or_copied_directory(tmp_path):
    """The list may hold absolute paths of the original directory."""
    old, copy, moved = (str(tmp_path / name) for name in ("old", "copy", "moved"))
    save_checkpoints(old, "model.ckpt-5", "model.ckpt-9")
    write_state(old, old + "/model.ckpt-9", old + "/model.ckpt-5")
    shutil.copytree(old, copy)
    assert finding.latest_in(copy) == copy + "/model.ckpt-9"
    assert finding.latest_in(old) == old + "/model.ckpt-9"
    os.rename(old, moved)
    assert finding.latest_in(moved) == moved + "/model.ckpt-9"
    assert finding.all_in(moved) == [moved + "/model.ckpt-5", moved + "/model.ckpt-9"]


@pytest.mark.parametrize(
    "folder", ["D:\\\\out\\\\", "D:\\\\out/", "\\\\\\\\host\\\\a b\\\\"]
)
def test_a_list_that_was_written_on_windows(tmp_path, folder):
    save_checkpoints(tmp_path, "model.ckpt-300", "model.ckpt-458")
    write_state(tmp_path, folder + "model.ckpt-458", folder + "model.ckpt-300")
    found = finding.find_latest(str(tmp_path))
    assert (found.prefix, found.corrupt) == (str(tmp_path / "model.ckpt-458"), ())
    assert len(finding.all_in(str(tmp_path))) == 2


def test_listed_checkpoints_that_no_longer_exist(tmp_path):
    save_checkpoints(tmp_path, "model.ckpt-5", "model.ckpt-7")
    write_state(tmp_path, "model.ckpt-7", "model.ckpt-3", "model.ckpt-5")
    five, seven = (str(tmp_path / name) for name in ("model.ckpt-5", "model.ckpt-7"))
    assert finding.all_in(str(tmp_path)) == [five, seven]
    assert finding.all_in(str(tmp_path / "none")) == []
    for part in (PARTS[0], PARTS[2]):
        os.remove(seven + part)
    assert finding.all_in(str(tmp_path)) == [five]


@pytest.mark.parametrize(
    "runs, directory, expected",
    [
        (["out"], "out/best", "out"),
        (["out"], "out/best/.", "out"),
        (["out", "out/best"], "out/best", "out/best"),
        (["best"], "best", "best"),
        (["best"], "best/best", "best"),
        ([], "out/best", "out/best"),
        (["out"], "out/bests", "out/bests"),
    ],
)
def test_the_run_of_a_directory(tmp_path, monkeypatch, runs, directory, expected):
    """`best/` belongs to the run above it, unless it is an output directory itself."""
    monkeypatch.chdir(tmp_path)
    os.makedirs(directory)
    for run in runs:
        os.makedirs(run, exist_ok=True)
        touch(run, "run_settings.json")
    found = finding.run_directory(os.path.join(directory, "model.ckpt-3"))
    assert os.path.abspath(found) == os.path.abspath(expected)
    assert finding.belongs_to_a_run(directory) == (expected in runs)
    # Also from within it.
    monkeypatch.chdir(directory)
    found = finding.run_directory("model.ckpt-3")
    assert os.path.realpath(found) == os.path.realpath(str(tmp_path / expected))
