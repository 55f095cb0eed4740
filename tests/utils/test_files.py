"""Files by local paths, and by paths of TensorFlow's file layer (file:// here)."""

import errno
import os
import subprocess
import sys

import pytest

from finetuning.utils import files
from finetuning.utils.errors import InputError


@pytest.fixture(params=["", "file://"], ids=["local", "remote"])
def place(request, tmp_path):
    """A function from a name in the test's directory to a path for `files`."""

    def path(*names):
        return request.param + os.path.join(str(tmp_path), *names)

    return path


def write_bytes(directory, name, content):
    (directory / name).write_bytes(content)


def read_bytes(directory, name):
    return (directory / name).read_bytes()


@pytest.mark.parametrize(
    "path, remote",
    [
        ("gs://bucket/file", True),
        ("s3://bucket/file", True),
        ("hdfs://host/file", True),
        ("file:///tmp/file", True),
        ("/tmp/file", False),
        ("a:b/c", False),
        ("", False),
    ],
)
def test_is_remote(path, remote):
    assert files.is_remote(path) is remote


def test_existence(place, tmp_path):
    write_bytes(tmp_path, "file", b"x")
    assert files.exists(place("file"))
    assert files.exists(place())
    assert not files.exists(place("other"))
    assert files.is_directory(place())
    assert not files.is_directory(place("file"))
    assert not files.is_directory(place("other"))


def test_make_directory(place, tmp_path):
    files.make_directory(place("a", "b"))
    assert (tmp_path / "a" / "b").is_dir()
    files.make_directory(place("a", "b"))
    files.make_directory(place("a"))
    assert os.listdir(str(tmp_path / "a")) == ["b"]


def test_list_directory(place, tmp_path):
    (tmp_path / "b").mkdir()
    write_bytes(tmp_path, "c", b"")
    write_bytes(tmp_path, "a", b"")
    assert files.list_directory(place()) == ["a", "b", "c"]


def test_remove_if_exists(place, tmp_path):
    write_bytes(tmp_path, "file", b"x")
    files.remove_if_exists(place("file"))
    assert os.listdir(str(tmp_path)) == []
    files.remove_if_exists(place("file"))


def test_rename_over_another(place, tmp_path):
    write_bytes(tmp_path, "old", b"old")
    write_bytes(tmp_path, "new", b"new")
    files.rename(place("new"), place("old"))
    assert read_bytes(tmp_path, "old") == b"new"
    assert os.listdir(str(tmp_path)) == ["old"]


# Reading


LINES = {
    b"": [],
    b"\n": [(1, "")],
    b"a": [(1, "a")],
    b"a\n": [(1, "a")],
    b"a\n\n": [(1, "a"), (2, "")],
    b"a\nb": [(1, "a"), (2, "b")],
    b"a\r\nb\r\n": [(1, "a"), (2, "b")],
    b"a\r": [(1, "a")],
    b"a\rb\n": [(1, "ab")],  # As TensorFlow's file layer, and so the original, reads.
    b"a\r\r\n": [(1, "a")],
    b"\ra\r\r b\r": [(1, "a b")],
    b"\r\n": [(1, "")],
    b" a \n": [(1, " a ")],
    b"\xef\xbb\xbfa\nb\n": [(1, "a"), (2, "b")],
    b"\xef\xbb\xbf": [(1, "")],
    b"\xef\xbb\xbf\xef\xbb\xbfa\n": [(1, "\ufeffa")],
    b"a\n\xef\xbb\xbfb\n": [(1, "a"), (2, "\ufeffb")],
    b"\xe2\x80\xa8x\xc2\x85\x0b\x0c\x1c\xc2\xa0\n": [
        (1, "\u2028x\x85\x0b\x0c\x1c\xa0")
    ],
}


@pytest.mark.parametrize("content", sorted(LINES))
def test_read_text_lines(place, tmp_path, content):
    write_bytes(tmp_path, "file", content)
    assert list(files.read_text_lines(place("file"))) == LINES[content]


def test_line_longer_than_any_buffer(place, tmp_path):
    write_bytes(tmp_path, "file", b"a" * 2000000 + b"\nb\n")
    assert list(files.read_text_lines(place("file"))) == [(1, "a" * 2000000), (2, "b")]


@pytest.mark.parametrize(
    "content, message",
    [
        (b"\xff", "line 1, byte 1: 0xff is not UTF-8"),
        (b"ok\nab\xe9c\n", "line 2, byte 3: 0xe9 is not UTF-8"),
        (b"\xc3\xa9\xe9\n", "line 1, byte 3: 0xe9 is not UTF-8"),
        (b"ab\xc3\ncd\n", "line 1, byte 3: 0xc3 is not UTF-8"),
        (b"\xed\xa0\x80\n", "line 1, byte 1: 0xed is not UTF-8"),
        (b"\xef\xbb\xbfab\xe9\n", "line 1, byte 6: 0xe9 is not UTF-8"),
        (b"\0", "line 1, byte 1: 0x00 is a NUL byte"),
        (b"ok\nab\0c\n", "line 2, byte 3: 0x00 is a NUL byte"),
        (b"\xef\xbb\xbf\0\n", "line 1, byte 4: 0x00 is a NUL byte"),
        # Files of other formats.
        (b"\x1f\x8b\x08\0", "gzip; decompress it"),
        (b"PK\x03\x04\x14\0\x06", "zip archive or a spreadsheet; unzip it"),
        ("text".encode("utf-16"), "UTF-16; save it as UTF-8"),
        (b"\xfe\xff\0t", "UTF-16; save it as UTF-8"),
    ],
)
def test_bytes_that_are_no_text(place, tmp_path, content, message):
    write_bytes(tmp_path, "file", content)
    with pytest.raises(InputError) as caught:
        list(files.read_text_lines(place("file")))
    assert str(caught.value).startswith(place("file"))
    assert message in str(caught.value)


@pytest.mark.parametrize("byte", ["e9", "00"])
def test_column_counts_carriage_returns(tmp_path, byte):
    """As an editor shows it; TensorFlow's file layer drops them before we count."""
    write_bytes(tmp_path, "file", b"a\rb\r" + bytes.fromhex(byte) + b"\n")
    with pytest.raises(InputError, match="line 1, byte 5: 0x%s is" % byte):
        files.read_text(str(tmp_path / "file"))


def test_a_file_that_may_not_be_read(tmp_path, monkeypatch):
    """Root may read everything, so the test refuses instead."""

    def refuse(path):
        raise PermissionError(errno.EACCES, "Permission denied", path)

    monkeypatch.setattr(files, "refuse_special", refuse)
    with pytest.raises(InputError, match="file cannot be read: Permission denied"):
        files.read_text(str(tmp_path / "file"))


def test_a_file_that_does_not_exist(place):
    with pytest.raises(InputError, match="file cannot be read: "):
        files.read_text(place("file"))


def test_read_text(place, tmp_path):
    write_bytes(tmp_path, "file", b"\xef\xbb\xbf{\r\n  \xc3\xa9\r\n}\r\n")
    assert files.read_text(place("file")) == "{\n  \u00e9\n}"


# Writing


def test_write_text(place, tmp_path):
    files.write_text(place("file"), "a\n\u00e9\u535a\r\nb")
    assert read_bytes(tmp_path, "file") == b"a\n\xc3\xa9\xe5\x8d\x9a\r\nb"
    assert os.listdir(str(tmp_path)) == ["file"]


def test_write_text_replaces_an_older_file(place, tmp_path):
    files.write_text(place("file"), "a long text\n")
    files.write_text(place("file"), "short\n")
    assert read_bytes(tmp_path, "file") == b"short\n"
    assert os.listdir(str(tmp_path)) == ["file"]


def test_lines_are_written_as_they_come(place, tmp_path):
    """Not all are in memory at once; Python and its buffer may hold on to a few."""
    alive, most = set(), []

    class Line(str):
        def __del__(self):
            alive.discard(self[:1])

    def lines():
        for number in range(8):
            alive.add(str(number))
            yield Line("%d%s\n" % (number, "x" * 100000))
            most.append(len(alive))

    files.write_lines(place("file"), lines())
    assert len(read_bytes(tmp_path, "file").splitlines()) == 8
    assert max(most) <= 3


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_lines_that_fail_midway_keep_the_older_file(place, tmp_path, error):
    def lines():
        yield "half\n"
        raise error

    files.write_text(place("file"), "old")
    with pytest.raises(error):
        files.write_lines(place("file"), lines())
    assert read_bytes(tmp_path, "file") == b"old"
    assert os.listdir(str(tmp_path)) == ["file"]


def test_local_files_are_utf8_in_any_locale_and_need_no_tensorflow(tmp_path, root):
    code = (
        "import sys; sys.modules['tensorflow'] = None\n"
        "from finetuning.utils import appending, files\n"
        "path = sys.argv[1] + '/a/file'\n"
        "files.make_directory(sys.argv[1] + '/a')\n"
        "files.write_text(path, '\\u535a')\n"
        "with appending.open_append(path) as stream:\n"
        "    stream.write('\\xe9')\n"
        "assert files.read_text(path) == '\\u535a\\xe9'\n"
        "assert files.list_directory(sys.argv[1] + '/a') == ['file']\n"
        "files.remove_if_exists(path)\n"
        "assert not files.exists(path) and files.is_directory(sys.argv[1])\n"
    )
    environment = dict(os.environ, LC_ALL="C", PYTHONCOERCECLOCALE="0", PYTHONUTF8="0")
    subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        cwd=root,
        env=environment,
        check=True,
    )


def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(str(tmp_path / "pipe"))
    with pytest.raises(InputError, match="is a pipe, a socket or a device"):
        files.read_text(str(tmp_path / "pipe"))


# Messages


@pytest.mark.parametrize(
    "path, hint",
    [
        ("/MRPC", " (was a shell variable before it unset?)"),
        ("/no_bert/vocab.txt", " (nor is there /no_bert: was a shell variable before"),
        ("/tmp/vocab.txt", ""),
        ("data/vocab.txt", ""),
        ("data/MRPC\u2014small", "; it contains the character \u2014 (EM DASH)"),
        ("gs://bucket/vocab.txt", ""),
    ],
)
def test_the_hint_about_a_missing_file(path, hint):
    found = files.missing_hint(path)
    assert found.startswith(hint) and bool(found) == bool(hint)
