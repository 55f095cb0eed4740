"""The directory of an export appears completely or not at all."""

import errno
import os
import signal
import subprocess
import sys

import pytest

from finetuning.export import output
from finetuning.utils.errors import InputError
from tests.support.paths import ROOT


def write(path):
    with output.new_directory(path) as directory:
        with open(os.path.join(directory, "file"), "w") as file:
            file.write("content")
        assert not os.path.exists(os.path.join(path, "file"))


@pytest.mark.parametrize("name", ["new", "new/", "above/new", "empty", "link"])
def test_a_new_or_empty_directory_is_filled(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to("elsewhere")
    write(name)
    assert os.listdir(name) == ["file"]
    assert os.path.islink("link")
    assert not [n for n in os.listdir(".") if n.endswith(".tmp")]


def test_nothing_of_the_users_is_changed(tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").touch()
    (tmp_path / "file").touch()
    (tmp_path / "dangling").symlink_to("nowhere")
    for name in ("full", "file", "dangling"):
        with pytest.raises(InputError, match="--output=.*%s exists and is not" % name):
            write(str(tmp_path / name))
    assert sorted(os.listdir(str(tmp_path))) == ["dangling", "file", "full"]
    assert os.listdir(str(tmp_path / "full")) == ["mine"]
    with pytest.raises(InputError, match="expected a local directory"):
        write("gs://bucket/export")


def test_what_appears_meanwhile_is_kept(tmp_path):
    path = str(tmp_path / "export")

    def write_when_another_does():
        with output.new_directory(path):
            (tmp_path / "export").mkdir()
            (tmp_path / "export" / "mine").touch()

    with pytest.raises(InputError, match="exists"):
        write_when_another_does()
    assert os.listdir(path) == ["mine"]
    assert os.listdir(str(tmp_path)) == ["export"]


FULL = OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize(
    "error, expected, message",
    [
        (KeyboardInterrupt(), KeyboardInterrupt, None),
        (InputError("reason"), InputError, "reason"),
        (FULL, InputError, "cannot write .*/export: No space left on device"),
    ],
)
def test_a_failure_leaves_nothing(tmp_path, error, expected, message):
    def fail():
        with output.new_directory(str(tmp_path / "export")) as directory:
            open(os.path.join(directory, "file"), "w").close()
            raise error

    with pytest.raises(expected, match=message):
        fail()
    assert os.listdir(str(tmp_path)) == []


def test_errors_name_the_directory_that_was_given(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError) as caught:
        write(str(tmp_path / "file" / "export"))
    assert caught.value.filename == str(tmp_path / "file" / "export")


# Kills itself at the latest moment, when everything is written.
KILLED = """
import os, signal, sys
from scripts import export
os.rename = lambda *_: os.kill(os.getpid(), getattr(signal, sys.argv[1]))
signal.signal(signal.SIGTERM, signal.default_int_handler)
sys.exit(export.main(sys.argv[2:]))
"""


@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM"])
def test_a_kill_leaves_no_export(finished_run, tmp_path, name):
    path = str(tmp_path / "export")
    arguments = ["--format=huggingface", finished_run.directory, "--output=" + path]
    done = subprocess.run(
        [sys.executable, "-c", KILLED, name, *arguments],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    left = os.listdir(str(tmp_path))
    assert not os.path.exists(path)
    if name == "SIGKILL":
        assert done.returncode == -signal.SIGKILL
        assert [entry[-15:] for entry in left] == [".finetuning.tmp"]
    else:
        assert (done.returncode, left) == (130, [])
        assert done.stderr.decode().endswith(
            "interrupted; nothing unfinished was left\n"
        )
