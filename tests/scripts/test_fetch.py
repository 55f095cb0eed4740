"""Fetching from servers that misbehave, and unpacking damaged or malicious zips."""

import dataclasses
import errno
import hashlib
import io
import json
import os
import resource
import signal
import socket
import stat
import subprocess
import sys
import tracemalloc
import zipfile
import zlib
from unittest import mock

import pytest

from finetuning.data import tasks
from finetuning.utils.errors import InputError
from scripts import fetch
from scripts.fetching import archive, download, glue, sources, workspace
from tests.support import servers
from tests.support.paths import ROOT

SCRIPT = os.path.join(ROOT, "scripts", "fetch.py")
TABLE = b"index\tsentence\n0\tOne .\n1\tTwo .\n"
PATH = "/glue/data/RTE.zip"


def zipped(members):
    """The bytes of a zip of [(name or ZipInfo, bytes)]."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, content in members:
            opened.writestr(name, content)
    return buffer.getvalue()


ROWS = {"train.tsv": 3, "dev.tsv": 2, "test.tsv": 2}
TABLES = {"train.tsv": TABLE + b"2\tThree .", "dev.tsv": TABLE, "test.tsv": TABLE}
RTE = zipped([("RTE/" + name, content) for name, content in TABLES.items()])


def glue_task(name, body, rows, path=PATH[1:]):
    """A `GlueTask` with one remote file of these bytes and tables of so many rows."""
    sha256 = hashlib.sha256(body).hexdigest()
    remote = sources.RemoteFile("https://nowhere.invalid", path, len(body), sha256)
    layouts = [
        tasks.FileLayout(file, 1, None, None, rows=n) for file, n in rows.items()
    ]
    return sources.GlueTask(name, (remote,), tuple(layouts))


def files_in(folder):
    """{path: bytes} of all files in a folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.glob("**/*")
        if path.is_file()
    }


@pytest.fixture
def server():
    running = servers.Server()
    yield running
    running.close()


@pytest.fixture(autouse=True)
def small_task(monkeypatch):
    """Makes RTE a small task, and shortens the waits."""
    monkeypatch.setitem(sources.GLUE_TASKS, "RTE", glue_task("RTE", RTE, ROWS))
    monkeypatch.setattr("pooch.core.time.sleep", lambda _: None)
    monkeypatch.setattr(download, "TIMEOUT", 0.3)


@pytest.fixture
def command(server, tmp_path, capsys):
    """A function that fetches into tmp_path/got; returns status and output.

    If the command fails, the output is its one error line, and no file has changed.
    """

    def run(kind, *arguments, url=server.url):
        folder = "--glue_dir=" if kind == "data" else "--checkpoint_dir="
        flags = [folder + str(tmp_path / "got"), "--base_url=" + url, *arguments]
        before = files_in(tmp_path)
        status = fetch.main([kind, *flags])
        printed = capsys.readouterr()
        errors = [n for n in printed.err.splitlines() if n.startswith("ERROR: ")]
        assert len(errors) == bool(status)
        if status:
            assert files_in(tmp_path) == before
        return status, errors[0] if status else printed.out

    return run


# ---- Names and flags ----


@pytest.mark.parametrize(
    "kind, given, suggestion",
    [
        ("data", "MRCP", "MRPC"),
        ("checkpoint", "bert-base-uncased", "uncased_L-12_H-768_A-12"),
        ("checkpoint", "wwm_cased_L24", "wwm_cased_L-24_H-1024_A-16"),
        ("checkpoint", "uncased_L-12", "uncased_L-12_H-768_A-12"),
        ("checkpoint", "chinese", "chinese_L-12_H-768_A-12?"),
        ("checkpoint", "tiny", "uncased_L-2_H-128_A-2?"),
        ("checkpoint", "large cased", "cased_L-24_H-1024_A-16 or wwm_cased"),
        ("data", "sst2", "SST-2?"),
    ],
)
def test_an_unknown_name_suggests_the_closest(command, kind, given, suggestion):
    status, line = command(kind, given)
    assert status == 2
    assert repr(given) in line and "did you mean %s" % suggestion in line


def test_a_mirror_without_a_scheme(command):
    status, line = command("data", "RTE", url="mirror.example")
    assert (status, "--base_url=mirror.example must" in line) == (2, True)


@pytest.mark.parametrize("start", [SCRIPT, "-mscripts.fetch"])
def test_it_starts_by_path_and_as_a_module_without_tensorflow(start, tmp_path):
    (tmp_path / "tensorflow.py").write_text("raise SystemExit('imported')")
    path = os.pathsep.join([str(tmp_path), ROOT])
    listed = subprocess.run(
        [sys.executable, start, "checkpoint"],
        env=dict(os.environ, PYTHONPATH=path),
        cwd=str(tmp_path),
        stdout=subprocess.PIPE,
        check=True,
    )
    assert b"uncased_L-12_H-768_A-12       -           BERT-Base" in listed.stdout


# ---- Data ----


def test_a_task_is_fetched_once(command, server, tmp_path):
    server.answers[PATH] = [servers.send(RTE)]
    assert "RTE    -  " in command("data")[1]
    status, printed = command("data", "rte")
    assert (status, os.listdir(str(tmp_path / "got"))) == (0, ["RTE"])
    assert files_in(tmp_path / "got" / "RTE") == TABLES
    assert "train.tsv" in printed and "3 rows" in printed
    status, printed = command("data", "RTE")
    assert (status, "nothing was downloaded" in printed) == (0, True)
    assert server.requested == [PATH]
    assert "RTE    complete  " in command("data")[1]


def test_a_zip_without_folders_and_a_wrong_count(
    command, server, tmp_path, monkeypatch
):
    flat = zipped([(name, TABLE) for name in ROWS])
    monkeypatch.setitem(sources.GLUE_TASKS, "RTE", glue_task("RTE", flat, ROWS))
    (tmp_path / "got" / "RTE").mkdir(parents=True)
    server.answers[PATH] = [servers.send(flat)]
    status, printed = command("data", "RTE")
    assert status == 0
    assert "WARNING: RTE: train.tsv has 2 rows, not 3" in printed
    assert (tmp_path / "got" / "RTE" / "dev.tsv").read_bytes() == TABLE


def test_rows_that_lack_columns_do_not_count(tmp_path):
    (tmp_path / "train.tsv").write_bytes(b"a\tb\n1\t2\n3\n\n4\t5\n")
    layout = tasks.FileLayout("train.tsv", 0, None, None)
    assert glue.count_rows(layout, str(tmp_path)) == 2
    headless = dataclasses.replace(layout, header=False)
    assert glue.count_rows(headless, str(tmp_path)) == 3


@pytest.mark.parametrize("missing", [True, False])
def test_an_existing_folder_is_left_alone(command, server, tmp_path, missing):
    folder = tmp_path / "got" / "RTE"
    folder.mkdir(parents=True)
    for name in ROWS:
        (folder / name).write_bytes(TABLE)
    if missing:
        (folder / "train.tsv").unlink()
    status, line = command("data", "RTE")
    assert status == 2
    assert "train.tsv " + ("is missing" if missing else "has 2 rows, not 3") in line
    assert server.requested == []
    assert "RTE    incomplete" in command("data")[1]


def test_all_tasks_but_those_refused_unless_there_is_no_network(
    server, monkeypatch, tmp_path
):
    for name in list(sources.GLUE_TASKS):
        monkeypatch.delitem(sources.GLUE_TASKS, name)
    for name in ("A", "B", "C"):
        row = glue_task(name, RTE, ROWS, path=name)
        monkeypatch.setitem(sources.GLUE_TASKS, name, row)
    flags = ["data", "all", "--base_url=" + server.url, "--glue_dir=" + str(tmp_path)]
    server.answers = {"/A": [servers.status(403)], "/C": [servers.send(RTE)]}
    assert fetch.main(flags) == 1
    assert server.requested == ["/A", "/B", "/C"]
    assert os.listdir(str(tmp_path)) == ["C"]
    server.answers = {"/A": [servers.status(500)]}
    assert fetch.main(flags) == 1
    assert set(server.requested[3:]) == {"/A"}


# ---- Servers that misbehave ----

OK = "HTTP/1.0 200 OK"
CHUNKED = [OK, "Transfer-Encoding: chunked"]
WRONG = {
    "cut off": (servers.send(RTE[:100], announced=len(RTE)), "100"),
    "cut off, length unknown": (servers.send(RTE[:100], announced=-1), "hash"),
    "wrong bytes": (servers.send(b"x" * len(RTE)), "hash"),
    "too long": (servers.send(RTE + b"x"), "announces %d bytes" % (len(RTE) + 1)),
    "too long, length unknown": (
        servers.send(RTE + b"x", announced=-1),
        "sends more than",
    ),
    "too long, in chunks": (
        servers.raw(CHUNKED, b"%x\r\n%s\r\n0\r\n\r\n" % (2 * len(RTE), 2 * RTE)),
        "sends more than",
    ),
    "an endless chunk length": (
        servers.raw(CHUNKED, b"1" * 10**6),
        "could not be downloaded",
    ),
    "cut off in a chunk": (
        servers.raw(CHUNKED, b"fff\r\n" + RTE[:50]),
        "IncompleteRead",
    ),
    "server error": (servers.status(500), "answered 500"),
    "too many requests": (servers.status(429), "answered 429"),
    "no answer": (servers.hang(), "sent nothing for 0.3 seconds"),
    "stops in the middle": (
        servers.hang(RTE[:50], len(RTE)),
        "sent nothing for 0.3 seconds",
    ),
}


@pytest.mark.parametrize("name", sorted(WRONG))
def test_a_failed_download_is_retried(command, server, name):
    answer, reason = WRONG[name]
    server.answers[PATH] = [answer] * 4 + [answer, servers.send(RTE)]
    status, line = command("data", "RTE")
    assert (status, server.requested) == (1, [PATH] * 4)
    assert reason in line and server.url + PATH in line
    assert "(make: BASE_URL=URL)" in line and "(make: FROM=DIR)" in line
    assert command("data", "RTE")[0] == 0
    assert server.requested == [PATH] * 6


@pytest.mark.parametrize("code", [401, 404])
def test_a_refused_download_is_not_retried(command, server, code):
    server.answers[PATH] = [servers.status(code)]
    status, line = command("data", "RTE")
    assert (status, server.requested) == (1, [PATH])
    assert "answered %d" % code in line and "(make: FROM=DIR)" in line


BOMB = zlib.compress(bytes(2**26))  # 65 kB that would become 67 MB.


def encoded(*encodings):
    """An answer that would become large if it were decompressed."""
    return servers.raw([OK, "Content-Encoding: " + ", ".join(encodings)], BOMB)


def found(*locations):
    """An answer that redirects, with a body that nobody should read."""
    head = ["HTTP/1.0 302 Found", *("Location: " + to for to in locations)]
    return servers.raw([*head, "Content-Encoding: deflate"], BOMB)


ESCAPES = "\x1b[31m\x1b]0;title\x07\x9b"
REFUSED = {
    "compressed": (encoded("deflate"), "compressed (Content-Encoding: deflate)"),
    "compressed in a chain": (encoded(*["deflate"] * 1000), "Encoding: deflate, defl"),
    "a negative length": (servers.raw([OK, "Content-Length: -5"], RTE), "of '-5'"),
    "a length in words": (servers.raw([OK, "Content-Length: ten"], RTE), "of 'ten'"),
    "a length without end": (
        servers.raw([OK, "Content-Length: " + "9" * 9999], RTE),
        "of '999",
    ),
    "escape codes": (servers.raw(["HTTP/1.0 404 " + ESCAPES]), "404 \\x1b[31m"),
    "an endless reason": (servers.raw(["HTTP/1.0 404 " + "no" * 9999]), "nono..."),
    "a part": (servers.raw(["HTTP/1.0 206 Partial"], RTE), "206 Partial"),
    "no content": (servers.raw(["HTTP/1.0 204 None"]), "answered 204 None"),
    "a login page": (servers.send(b"\n<!DOCTYPE html>"[: len(RTE)]), "want a login?"),
    "another scheme": (found("file:///etc/passwd"), "redirects to file:///etc/"),
    "a redirect with escape codes": (found("ftp://a/" + ESCAPES), "ftp://a/\\x1b[31m"),
    "a redirect to itself": (found(PATH), "redirects more than 5 times"),
    "two redirects": (found("/a", "/b"), "answered 404"),
    "a redirect to nowhere": (servers.raw(["HTTP/1.0 302 Found"]), "302 Found"),
}


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_answers_that_are_refused_and_not_repeated(command, server, name):
    answer, reason = REFUSED[name]
    server.answers[PATH] = [answer]
    tracemalloc.start()
    status, line = command("data", "RTE")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (status, reason in line) == (1, True), line
    assert line.isprintable() and len(line) < 1000 and peak < 2**24
    assert len(server.requested) in (1, 2, 6)
    assert set(server.requested[1:]) <= {PATH, "/a,%20/b", "/a"}


def test_answers_that_are_accepted(command, server, tmp_path):
    head = [OK, "Content-Encoding: identity"]
    head += ["Content-Length: %d" % len(RTE)] * 2
    server.answers = {PATH: [found("/moved")], "/moved": [servers.raw(head, RTE)]}
    assert command("data", "RTE")[0] == 0
    assert server.requested == [PATH, "/moved"]
    assert files_in(tmp_path / "got" / "RTE") == TABLES


def test_no_redirect_leaves_https():
    session, answer = mock.Mock(), mock.Mock(headers={"Location": "http://a"})
    session.get.return_value = answer
    with pytest.raises(download.RefusedError, match="redirects to http://a"):
        download._open(session, "https://a/b")


def test_no_network(command):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = "http://127.0.0.1:%d" % unused.getsockname()[1]
        status, line = command("data", "RTE", url=url)
    assert (status, "Connection refused; try again later" in line) == (1, True)


# ---- Disks and folders ----


def start_fetching_mrpc(server, answer, folder, **options):
    server.answers["/" + sources.GLUE_TASKS["MRPC"].remotes[0].path] = [answer]
    flags = ["--base_url=" + server.url, "--glue_dir=" + str(folder)]
    return subprocess.Popen(
        [sys.executable, SCRIPT, "data", "MRPC", *flags],
        stderr=subprocess.PIPE,
        **options,
    )


def test_a_disk_that_fills_up_during_a_download(server, tmp_path):
    running = start_fetching_mrpc(
        *(server, servers.send(b"x" * 10**6), tmp_path / "a" / "b"),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (10**5, 10**5)),
    )
    line = running.communicate()[1].decode().splitlines()[-1]
    assert running.returncode == 2
    assert line.startswith("ERROR: %s: File too large" % (tmp_path / "a" / "b"))
    assert os.listdir(str(tmp_path / "a" / "b")) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_download_leaves_no_files(server, tmp_path, number):
    running = start_fetching_mrpc(server, servers.hang(b"x" * 2**17), tmp_path)
    assert server.was_asked.wait(60)
    running.send_signal(number)
    printed = running.communicate()[1]
    assert b"ERROR: interrupted; no unfinished files were left\n" in printed
    assert (running.returncode, os.listdir(str(tmp_path))) == (130, [])


def test_a_disk_with_too_little_space(command, server, monkeypatch):
    usage = workspace.shutil.disk_usage("/")._replace(free=10)
    monkeypatch.setattr(workspace.shutil, "disk_usage", lambda _: usage)
    status, line = command("data", "RTE")
    assert (status, server.requested) == (2, [])
    assert "only 0.0 kB are free" in line


@pytest.mark.parametrize(
    "function, error, reason",
    [
        ("tempfile.mkdtemp", OSError(errno.EACCES, "", ".fetching-1"), "permission"),
        ("zipfile.ZipFile.extractall", OSError(errno.ENOSPC, "No space"), "No space"),
    ],
)
def test_a_folder_that_cannot_be_written(
    command, server, tmp_path, monkeypatch, function, error, reason
):
    monkeypatch.setattr(function, mock.Mock(side_effect=error))
    server.answers[PATH] = [servers.send(RTE)]
    status, line = command("data", "RTE")
    assert status == 2
    assert line.startswith("ERROR: %s: %s" % (tmp_path / "got", reason))


def test_a_file_where_the_folder_should_be(command, server, tmp_path):
    (tmp_path / "got").write_bytes(b"mine")
    status, line = command("data", "RTE")
    assert (status, server.requested) == (2, [])
    assert str(tmp_path / "got") in line


# ---- Zips ----


def link(name):
    info = zipfile.ZipInfo(name)
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


@pytest.mark.parametrize(
    "name", ["../evil", "a/../../evil", "/tmp/evil", "..\\evil", link("evil")]
)
def test_nothing_is_written_outside_the_folder(tmp_path, name):
    (tmp_path / "a.zip").write_bytes(zipped([("good", b""), (name, b"/etc/passwd")]))
    inside = tmp_path / "inside"
    inside.mkdir()
    archive.unpack(str(tmp_path / "a.zip"), str(inside), needed=["good"])
    assert sorted(os.listdir(str(tmp_path))) == ["a.zip", "inside"]
    assert not os.path.exists("/tmp/evil")
    assert not any(path.is_symlink() for path in inside.glob("**/*"))


DAMAGED = RTE[:50] + bytes([RTE[50] ^ 1]) + RTE[51:]


@pytest.mark.parametrize(
    "content, reason",
    [
        (b"", "not an intact zip"),
        (b"<html>Please log in</html>", "not an intact zip"),
        (RTE[:-30], "not an intact zip"),
        (RTE[30:], "not an intact zip"),
        (DAMAGED, "not an intact zip"),
        (zipped([("a", b"\0" * 2**22)]), "4,194,304"),
        (zipped([("%d/" % i, b"") for i in range(1001)]), "1001 files"),
        (zipped([("a", b""), ("\x1b[31m", b"")]), r"x1b\[31m' in it has control"),
        (zipped([("1/a", b""), ("2/a", b"")]), "but contains 2"),
        (zipped([("1/b", b"")]), "but contains 0"),
    ],
    ids=[
        "empty",
        "page",
        "end",
        "start",
        "damaged",
        "bomb",
        "many",
        "escape codes",
        "twice",
        "lacks",
    ],
)
def test_zips_that_are_refused(tmp_path, content, reason):
    (tmp_path / "a.zip").write_bytes(content)
    (tmp_path / "inside").mkdir()
    with pytest.raises(InputError, match=reason):
        archive.unpack(str(tmp_path / "a.zip"), str(tmp_path / "inside"), ["a"])


# ---- MRPC, and other files of the user's ----

MRPC_HEADER = "\ufeffQuality\t#1 ID\t#2 ID\t#1 String\t#2 String\r\n"
MRPC_FILES = {
    "msr_paraphrase_train.txt": MRPC_HEADER
    + '1\t10\t11\tHe said " yes .\tShe said " no .\r\n'
    + "0\t12\t13\tÀ la carte .\tNothing .\r\n"
    + "1\t14\t15\tThree .\tDrei .\r\n",
    "msr_paraphrase_test.txt": MRPC_HEADER + "0\t20\t21\tFour .\tVier .",
    "mrpc_dev_ids.tsv": "12\t13\r\n",
}
TRAIN, TEST, IDS = MRPC_FILES


@pytest.fixture
def mrpc_files(tmp_path, monkeypatch):
    """A folder with the three files of a small MRPC."""
    folder = tmp_path / "given"
    folder.mkdir()
    for name, text in MRPC_FILES.items():
        (folder / name).write_bytes(text.encode("utf-8"))
    mrpc = sources.GLUE_TASKS["MRPC"]
    rows = {"train.tsv": 2, "dev.tsv": 1, "test.tsv": 1}
    small = dataclasses.replace(mrpc, layouts=glue_task("", b"", rows).layouts)
    monkeypatch.setitem(sources.GLUE_TASKS, "MRPC", small)
    return folder


def test_mrpc_is_made_from_the_files_given(command, mrpc_files, server, tmp_path):
    status, printed = command("data", "MRPC", "--from", str(mrpc_files))
    assert (status, printed.count("is not the published file")) == (0, 3)
    assert server.requested == []
    dev_rows = (tmp_path / "got" / "MRPC" / "dev.tsv").read_bytes().splitlines()[1:]
    assert dev_rows == ["0\t12\t13\tÀ la carte .\tNothing .".encode()]


def test_mrpc_is_made_without_the_ids_of_the_dev_set(
    command, mrpc_files, server, tmp_path
):
    """Microsoft's installer has the other two files."""
    ids = (mrpc_files / IDS).read_bytes()
    (mrpc_files / IDS).unlink()
    status, line = command("data", "MRPC", "--from", str(mrpc_files))
    assert (status, "mrpc_dev_ids.tsv: the server answered 404" in line) == (1, True)
    remote = dataclasses.replace(sources.GLUE_TASKS["MRPC"].remotes[2])
    known = {"size": len(ids), "sha256": hashlib.sha256(ids).hexdigest()}
    small = dataclasses.replace(remote, **known)
    mrpc = sources.GLUE_TASKS["MRPC"]
    remotes = (*mrpc.remotes[:2], small)
    sources.GLUE_TASKS["MRPC"] = dataclasses.replace(mrpc, remotes=remotes)
    server.answers["/" + small.path] = [servers.send(ids)]
    assert command("data", "MRPC", "--from", str(mrpc_files))[0] == 0
    assert (tmp_path / "got" / "MRPC" / "dev.tsv").exists()


@pytest.mark.parametrize(
    "name, old, new, reason",
    [
        (TRAIN, "1\t14\t15\tThree .\tDrei .\r\n", "", "has 1 rows, not 2"),
        (TRAIN, "0\t12", "2\t12", "line 3: the label is '2'"),
        (TRAIN, "\tNothing", " Nothing", "line 3: expected 5 columns"),
        (TRAIN, "#1 ID\t", "ID\t", "line 1: expected the header"),
        (IDS, "13", "14", "lacks 1 pairs that"),
        (IDS, "\t", " ", "line 1: expected 2 columns"),
    ],
)
def test_malformed_mrpc_files(command, mrpc_files, name, old, new, reason):
    text = MRPC_FILES[name]
    assert old in text
    (mrpc_files / name).write_bytes(text.replace(old, new).encode("utf-8"))
    status, line = command("data", "MRPC", "--from", str(mrpc_files))
    assert (status, reason in line) == (2, True), line


def test_the_real_mrpc_equals_glues_byte_for_byte(command, shared_dir, tmp_path):
    folder = os.path.join(shared_dir, "data", "glue", "MRPC")
    status, printed = command("data", "MRPC", "--from=" + os.path.join(folder, "raw"))
    assert (status, "WARNING" in printed) == (0, False)
    for name, content in files_in(tmp_path / "got" / "MRPC").items():
        with open(os.path.join(folder, name), "rb") as file:
            assert content == file.read(), name


@pytest.mark.parametrize("name", ["CoLA", "MRPC", "STS-B", "WNLI", "AX"])
def test_the_real_tables_have_the_official_number_of_rows(shared_dir, name):
    folder = os.path.join(shared_dir, "data", "glue", name)
    assert glue.problem(sources.GLUE_TASKS[name], folder) is None


@pytest.mark.parametrize("task, name", [("RTE", "RTE.zip"), ("AX", "AX.tsv")])
def test_files_given_must_be_the_published_ones(command, tmp_path, task, name):
    given = tmp_path / "given"
    given.mkdir()
    status, line = command("data", task, "--from", str(given))
    assert (status, str(given / name) + " is missing" in line) == (2, True)
    (given / name).write_bytes(b"other")
    status, line = command("data", task, "--from", str(given))
    assert (status, "is not the published file" in line) == (2, True)


@pytest.mark.parametrize("folder", ["given", "given/RTE", "given/rte"])
def test_tables_that_are_unpacked_already(command, server, tmp_path, folder):
    (tmp_path / folder).mkdir(parents=True)
    for name, content in TABLES.items():
        (tmp_path / folder / name).write_bytes(content)
    assert command("data", "RTE", "--from", str(tmp_path / "given"))[0] == 0
    assert server.requested == []
    assert files_in(tmp_path / "got" / "RTE") == TABLES
    assert files_in(tmp_path / folder) == TABLES


def test_unpacked_tables_of_another_task(command, tmp_path):
    for name in ROWS:
        (tmp_path / name).write_bytes(TABLE)
    status, line = command("data", "RTE", "--from", str(tmp_path))
    assert (status, "not the published RTE: train.tsv has 2 rows" in line) == (2, True)
    assert "--data_dir=%s reads it as it is" % tmp_path in line


def test_a_folder_without_the_files(command, tmp_path):
    status, line = command("data", "RTE", "--from", str(tmp_path / "none"))
    assert (status, "none: no such directory" in line) == (2, True)
    (tmp_path / "train.tsv").write_bytes(TABLE)
    status, line = command("data", "RTE", "--from", str(tmp_path))
    assert (status, "RTE.zip is missing, and neither this folder nor" in line) == (
        2,
        True,
    )
    assert "a folder RTE in it has train.tsv, dev.tsv, test.tsv; download" in line


def test_a_zip_in_the_folder_of_the_task(command, tmp_path):
    (tmp_path / "given" / "RTE").mkdir(parents=True)
    (tmp_path / "given" / "RTE" / "RTE.zip").write_bytes(RTE)
    assert command("data", "RTE", "--from", str(tmp_path / "given"))[0] == 0


# ---- Checkpoints ----

TINY = "uncased_L-2_H-128_A-2"
TINY_PATH = "/2020_02_20/%s.zip" % TINY
FILES = {
    "bert_model.ckpt.data-00000-of-00001": b"weights",
    "bert_model.ckpt.index": b"index",
    "vocab.txt": b"[PAD]\n[UNK]\n",
    "bert_config.json": json.dumps(
        {"num_hidden_layers": 2, "hidden_size": 128, "num_attention_heads": 2}
    ).encode(),
}


@pytest.fixture
def tiny(monkeypatch):
    """Gives BERT-Tiny two vocabulary entries; a function that sets known hashes."""

    def set_hashes(**sha256):
        row = sources.CHECKPOINTS[TINY]
        row = dataclasses.replace(row, vocab_size=2, sha256=sha256)
        monkeypatch.setitem(sources.CHECKPOINTS, TINY, row)

    set_hashes()
    return set_hashes


@pytest.mark.parametrize("folder", ["", TINY + "/", "another/"])
def test_a_checkpoint_is_fetched_once(command, server, tiny, tmp_path, folder):
    body = zipped([(folder + name, content) for name, content in FILES.items()])
    # Even without a known size and hash, a cut-off zip is downloaded again.
    cut_off = servers.send(body[:200], announced=len(body))
    server.answers[TINY_PATH] = [cut_off, servers.send(body)]
    status, printed = command("checkpoint", TINY)
    assert status == 0
    assert files_in(tmp_path / "got" / TINY) == FILES
    assert "no SHA-256 is published" in printed and "2 vocabulary entries" in printed
    status, printed = command("checkpoint", TINY)
    assert (status, "nothing was downloaded" in printed) == (0, True)
    assert server.requested == [TINY_PATH] * 2


@pytest.mark.parametrize("folder", ["given", "given/" + TINY])
def test_a_checkpoint_that_is_unpacked_already(command, server, tiny, tmp_path, folder):
    (tmp_path / folder).mkdir(parents=True)
    for name, content in FILES.items():
        (tmp_path / folder / name).write_bytes(content)
    given = str(tmp_path / "given")
    assert command("checkpoint", TINY, "--from", given)[0] == 0
    assert server.requested == []
    assert files_in(tmp_path / "got" / TINY) == FILES
    tiny(**{"vocab.txt": "0" * 64})
    other = ["--checkpoint_dir=" + str(tmp_path / "other"), "--from", given]
    status, line = command("checkpoint", TINY, *other)
    assert (status, "SHA-256 of its vocab.txt is not" in line) == (2, True)
    assert "--init_checkpoint=%s/bert_model.ckpt" % (tmp_path / folder) in line


def test_known_hashes_of_files_are_compared(command, server, tiny, tmp_path):
    server.answers[TINY_PATH] = [servers.send(zipped(FILES.items()))]
    vocabulary = hashlib.sha256(FILES["vocab.txt"]).hexdigest()
    tiny(**{"vocab.txt": vocabulary, "bert_model.ckpt.index": "0" * 64})
    status, line = command("checkpoint", TINY)
    assert status == 2
    assert "the SHA-256 of its bert_model.ckpt.index is not the published one" in line
    tiny(**{"vocab.txt": vocabulary})
    status, printed = command("checkpoint", TINY)
    assert (status, "Verified: SHA-256" in printed) == (0, True)
    (tmp_path / "got" / TINY / "vocab.txt").write_bytes(b"[UNK]\n[PAD]\n")
    status, line = command("checkpoint", TINY)
    assert (status, "exists, but the SHA-256 of its vocab.txt" in line) == (2, True)


@pytest.mark.parametrize(
    "change, reason",
    [
        ({"vocab.txt": b"[UNK]\n"}, "vocab.txt has 1 entries, not 2"),
        ({"bert_config.json": b'{"hidden_size": 9}'}, "(None, 9, None)"),
        ({"bert_config.json": b"["}, "its bert_config.json is not JSON: "),
    ],
)
def test_a_zip_with_another_checkpoint(command, server, tiny, change, reason):
    server.answers[TINY_PATH] = [servers.send(zipped(dict(FILES, **change).items()))]
    status, line = command("checkpoint", TINY)
    assert (status, reason in line) == (2, True), line
