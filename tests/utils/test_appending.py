"""Files that are opened by name for writing are the program's own, and no links."""

import os

import pytest

from finetuning.utils import appending
from finetuning.utils.errors import InputError


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_appending(tmp_path, scheme):
    path = scheme + str(tmp_path / "log")
    for text in ("one \u00e9\n", "two\n"):
        stream = appending.open_append(path)
        stream.write(text)
        stream.close()
    assert (tmp_path / "log").read_bytes() == b"one \xc3\xa9\ntwo\n"


@pytest.mark.parametrize(
    "make, problem",
    [
        (lambda path: os.symlink("other", path), "is a symbolic link to other"),
        (lambda path: os.symlink("none", path), "is a symbolic link to none"),
        (lambda path: os.link(os.path.dirname(path) + "/other", path), "hard link"),
        (os.mkfifo, "is a pipe"),
        (os.mkdir, "is a directory"),
    ],
)
def test_only_a_file_of_its_own_is_appended_to(tmp_path, make, problem):
    (tmp_path / "other").write_bytes(b"mine")
    path = str(tmp_path / "log")
    make(path)
    names = os.listdir(str(tmp_path))
    with pytest.raises(InputError, match=problem):
        appending.open_append(path)
    assert (tmp_path / "other").read_bytes() == b"mine"
    assert os.listdir(str(tmp_path)) == names
