"""Fetching from a server that misbehaves, and unpacking what means harm."""

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
import time
import zipfile

import pytest

from tests.support.paths import ROOT

SCRIPTS = os.path.join(ROOT, "scripts")
sys.path.insert(0, SCRIPTS)

import fetch  # noqa: E402
from fetching import sources, unpack, workspace  # noqa: E402

from finetuning.utils.errors import InputError  # noqa: E402
from tests.support import servers  # noqa: E402

TABLE = b"index\tsentence\n0\tOne .\n1\tTwo .\n"
PATH = "/glue/data/RTE.zip"


def zipped(members):
    """The bytes of a zip of {name: bytes}, or of [(name or ZipInfo, bytes)]."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in dict(members).items():
            archive.writestr(name, content)
    return buffer.getvalue()


RTE = zipped(
    {
        "RTE/train.tsv": TABLE + b"2\tThree .",
        "RTE/dev.tsv": TABLE,
        "RTE/test.tsv": TABLE,
        "RTE/original/notes.txt": b"notes",
        "__MACOSX/RTE/._dev.tsv": b"\0",
    }
)
ROWS = {"train.tsv": 3, "dev.tsv": 2, "test.tsv": 2}


def remote(path, body):
    return sources.Remote(
        "https://nowhere.invalid", path, len(body), hashlib.sha256(body).hexdigest()
    )


@pytest.fixture
def server():
    running = servers.Server()
    yield running
    running.close()


@pytest.fixture(autouse=True)
def small_table(monkeypatch):
    """The table's RTE is a small one of our own, and nobody waits between tries."""
    task = sources.GlueTask("RTE", (remote(PATH[1:], RTE),), ROWS)
    monkeypatch.setitem(sources.GLUE_TASKS, "RTE", task)
    monkeypatch.setattr("pooch.core.time.sleep", lambda _: None)


class Command:
    """Runs the command; it must leave the folder as it was unless it succeeds."""

    def __init__(self, server, folder, capsys):
        self.server = server
        self.folder = folder
        self.capsys = capsys

    def __call__(self, kind, *arguments):
        flag = {"data": "--glue_dir=", "checkpoint": "--checkpoint_dir="}[kind]
        before = tree(self.folder)
        status = fetch.main(
            [kind, flag + str(self.folder / "got"), "--timeout=5", *arguments]
            + ([] if "--from" in str(arguments) else ["--base_url", self.server.url])
        )
        said = self.capsys.readouterr()
        if status:
            assert tree(self.folder) == before
            assert len(said.err.splitlines()) == 1
            assert said.err.startswith("ERROR: ")
        else:
            assert said.err == ""
            assert not [name for name in tree(self.folder) if ".fetching" in name]
        return status, said.out, said.err


@pytest.fixture
def command(server, tmp_path, capsys):
    return Command(server, tmp_path, capsys)


def tree(folder):
    """{path: bytes, or None for a folder} of all that is in a folder."""
    found = {}
    for path in folder.glob("**/*"):
        name = str(path.relative_to(folder))
        found[name] = None if path.is_dir() else path.read_bytes()
    return found


# ---- The table ----


def test_the_table_is_whole():
    assert len(sources.GLUE_TASKS) == 10
    assert len(sources.CHECKPOINTS) == 33
    remotes = [c.remote for c in sources.CHECKPOINTS.values()]
    remotes += [r for task in sources.GLUE_TASKS.values() for r in task.remotes]
    assert len({r.url() for r in remotes}) == 33 + 12
    hashes = [r.sha256 for r in remotes if r.sha256]
    hashes += [h for c in sources.CHECKPOINTS.values() for h in c.sha256.values()]
    assert all(len(h) == 64 and int(h, 16) for h in hashes)
    assert len(hashes) == 12 + 7 * 3
    base = sources.CHECKPOINTS["uncased_L-12_H-768_A-12"]
    assert base.remote.url() == (
        "https://storage.googleapis.com/bert_models/2018_10_18/"
        "uncased_L-12_H-768_A-12.zip"
    )


@pytest.mark.parametrize(
    "given, near",
    [
        ("bert-base-uncased", "uncased_L-12_H-768_A-12"),
        ("uncased_L12_H768_A12", "uncased_L-12_H-768_A-12"),
        ("wwm_cased_L24", "wwm_cased_L-24_H-1024_A-16"),
    ],
)
def test_an_unknown_name_suggests_the_nearest(command, given, near):
    status, _, line = command("checkpoint", given)
    assert status == 2
    assert repr(given) in line
    assert "did you mean %s?" % near in line


def test_an_unknown_task(command):
    status, _, line = command("data", "MRCP")
    assert (status, "did you mean MRPC?" in line) == (2, True)


@pytest.mark.parametrize("flag", ["--timeout=0", "--retries=-1", "--base_url=ftp://a"])
def test_flags_that_make_no_sense(flag, capsys):
    assert fetch.main(["data", "RTE", flag]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("ERROR: argument " + flag.split("=")[0])


def test_tensorflow_is_not_imported():
    code = "import sys, fetch; sys.exit('tensorflow' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=SCRIPTS, check=True)


def test_rows_are_those_of_the_task_table():
    rows = {name: task.rows for name, task in sources.GLUE_TASKS.items()}
    # dataset_infos.json counts QQP's carriage returns as line ends.
    qqp = {"train.tsv": 363846, "dev.tsv": 40430, "test.tsv": 390965}
    assert rows["QQP"] == qqp
    assert rows["AX"] == {"AX.tsv": 1104}
    assert rows["MNLI"]["dev_mismatched.tsv"] == 9832


@pytest.mark.parametrize(
    "count, words", [(6222, "6.2 kB"), (376971, "377.0 kB"), (2 * 10**9, "2,000.0 MB")]
)
def test_sizes_for_people(count, words):
    assert sources.size_in_words(count) == words


@pytest.mark.parametrize(
    "error, status, message",
    [
        (OSError("odd"), 1, "ERROR: odd\n"),
        (OSError(errno.EIO, "Input error", "a.tsv"), 2, "ERROR: a.tsv: Input error; "),
    ],
)
def test_an_error_of_the_disk_is_a_line(monkeypatch, capsys, error, status, message):
    def fail(*_):
        raise error

    monkeypatch.setattr(fetch, "fetch_all", fail)
    assert fetch.main(["data", "RTE"]) == status
    shown = capsys.readouterr().err
    assert shown.startswith(message) and shown.count("\n") == 1


# ---- Data ----


def test_a_task_is_fetched_once(command, server, tmp_path):
    server.answers[PATH] = [servers.send(RTE)]
    status, said, _ = command("data", "rte")
    assert status == 0
    assert sorted(tree(tmp_path / "got")) == [
        "RTE",
        "RTE/dev.tsv",
        "RTE/original",
        "RTE/original/notes.txt",
        "RTE/test.tsv",
        "RTE/train.tsv",
    ]
    assert "train.tsv         3         3\n" in said
    status, said, _ = command("data", "RTE")
    assert status == 0
    assert "already; nothing was fetched" in said
    assert server.asked == [PATH]


def test_the_list_says_what_is_there(command, server):
    server.answers[PATH] = [servers.send(RTE)]
    assert "RTE    -  " in command("data")[1]
    assert command("data", "RTE")[0] == 0
    assert "RTE    there  " in command("data", "--list")[1]


def test_a_flat_zip_and_an_empty_folder_will_do(command, server, tmp_path, monkeypatch):
    flat = zipped(dict.fromkeys(ROWS, TABLE))
    task = sources.GlueTask("RTE", (remote(PATH[1:], flat),), dict.fromkeys(ROWS, 2))
    monkeypatch.setitem(sources.GLUE_TASKS, "RTE", task)
    (tmp_path / "got" / "RTE").mkdir(parents=True)
    server.answers[PATH] = [servers.send(flat)]
    assert command("data", "RTE")[0] == 0
    assert (tmp_path / "got" / "RTE" / "dev.tsv").read_bytes() == TABLE


def test_rows_that_differ_from_the_known_are_a_warning(command, server, monkeypatch):
    task = sources.GLUE_TASKS["RTE"]
    wrong = dataclasses.replace(task, rows=dict(ROWS, **{"dev.tsv": 4}))
    monkeypatch.setitem(sources.GLUE_TASKS, "RTE", wrong)
    server.answers[PATH] = [servers.send(RTE)]
    status, said, _ = command("data", "RTE")
    assert status == 0
    assert "Warning: RTE: dev.tsv has 2 rows, not 4" in said
    assert "WRONG" in said


def test_short_rows_are_counted_apart(tmp_path):
    path = tmp_path / "train.tsv"
    path.write_bytes(b"a\tb\n1\t2\n3\n4\t5\n")
    task = sources.GlueTask("QQP", (), {"train.tsv": 2})
    (found,) = fetch.glue.count(task, str(tmp_path))
    assert (found.rows, found.short, found.right) == (2, 1, True)
    assert "and 1 that lack columns" in fetch.glue.show([found])


@pytest.mark.parametrize("missing", [True, False])
def test_what_is_the_users_is_left_alone(command, server, tmp_path, missing):
    folder = tmp_path / "got" / "RTE"
    folder.mkdir(parents=True)
    for name in ROWS:
        (folder / name).write_bytes(TABLE)
    if missing:
        (folder / "train.tsv").unlink()
    status, _, line = command("data", "RTE")
    assert status == 2
    wrong = "is missing" if missing else "has 2 rows, not 3"
    assert "train.tsv " + wrong in line
    assert server.asked == []


def test_all_goes_on_after_a_refusal_and_ends_without_a_network(
    command, server, monkeypatch
):
    rte = sources.GLUE_TASKS["RTE"]
    for name in list(sources.GLUE_TASKS):
        monkeypatch.delitem(sources.GLUE_TASKS, name)
    for name in ("A", "B", "C"):
        row = dataclasses.replace(rte, name=name, remotes=(remote(name, RTE),))
        monkeypatch.setitem(sources.GLUE_TASKS, name, row)
    server.answers = {"/A": [servers.status(403)], "/C": [servers.send(RTE)]}
    flags = ["data", "all", "--base_url", server.url, "--retries=1"]
    flags += ["--glue_dir", str(command.folder)]
    assert fetch.main(flags) == 1
    assert server.asked == ["/A", "/B", "/C"]
    assert sorted(os.listdir(str(command.folder))) == ["C"]
    server.answers = {"/A": [servers.status(500)]}
    assert fetch.main(flags) == 1
    assert server.asked[3:] == ["/A", "/A"]


# ---- A server that misbehaves ----

WRONG = {
    "cut off": (servers.send(RTE[:100], announced=len(RTE)), "bytes came"),
    "cut off unannounced": (servers.send(RTE[:100], announced=-1), "bytes came"),
    "wrong bytes": (servers.send(b"x" * len(RTE)), "sha256"),
    "too long": (servers.send(RTE + b"x"), "sends more than"),
    "server error": (servers.status(500), "answers 500"),
    "too many requests": (servers.status(429), "answers 429"),
    "never answers": (servers.hang(), "in time"),
    "stops in the middle": (servers.hang(RTE[:50]), "in time"),
}


@pytest.mark.parametrize("name", sorted(WRONG))
def test_a_failed_download_is_tried_again(command, server, name):
    answer, reason = WRONG[name]
    server.answers[PATH] = [answer, servers.send(RTE)]
    status, said, _ = command("data", "RTE", "--timeout=0.3")
    assert status == 0
    (retried,) = [line for line in said.splitlines() if "try 2 of 4" in line]
    assert reason in retried


@pytest.mark.parametrize("name", sorted(WRONG))
def test_a_download_that_fails_every_time(command, server, name):
    answer, reason = WRONG[name]
    server.answers[PATH] = [answer]
    begun = time.monotonic()
    status, _, line = command("data", "RTE", "--timeout=0.3", "--retries=1")
    assert time.monotonic() - begun < 15
    assert status == 1
    assert reason in line
    assert "(make: BASE_URL=URL)" in line and "(make: FROM=DIR)" in line
    assert server.url + PATH in line
    assert server.asked == [PATH] * 2


@pytest.mark.parametrize("code", [401, 403, 404, 410])
def test_a_refusal_is_not_asked_again(command, server, code):
    server.answers[PATH] = [servers.status(code)]
    status, _, line = command("data", "RTE")
    assert (status, server.asked) == (1, [PATH])
    assert "answers %d" % code in line
    assert "(make: BASE_URL=URL)" in line and "(make: FROM=DIR)" in line


def test_redirects(command, server):
    server.answers[PATH] = [servers.redirect("/elsewhere")]
    server.answers["/elsewhere"] = [servers.redirect(PATH)]
    status, _, line = command("data", "RTE")
    assert (status, "in a circle" in line) == (1, True)
    server.answers["/elsewhere"] = [servers.send(RTE)]
    assert command("data", "RTE")[0] == 0


def test_no_network(command):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        command.server.url = "http://127.0.0.1:%d" % unused.getsockname()[1]
        status, said, line = command("data", "RTE", "--retries=1")
    assert status == 1
    assert "Connection refused" in line
    assert "try 2 of 2" in said


# ---- A disk that is full, a folder that is closed ----


def test_a_disk_that_fills_while_a_file_comes(server, tmp_path):
    train = sources.GLUE_TASKS["MRPC"].remotes[0]
    server.answers["/" + train.path] = [servers.send(b"x" * train.size)]
    ended = subprocess.run(
        [sys.executable, os.path.join(SCRIPTS, "fetch.py"), "data", "MRPC"]
        + ["--glue_dir", str(tmp_path / "a" / "b"), "--base_url", server.url],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (10**5, 10**5)),
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
    )
    assert ended.returncode == 2
    assert ended.stderr.startswith(b"ERROR: MRPC: No space to write in ")
    assert len(ended.stderr.splitlines()) == 1
    assert tree(tmp_path) == {}


def test_a_disk_that_fills_while_unpacking(command, server, monkeypatch):
    def fail(*arguments):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(unpack.shutil, "copyfileobj", fail)
    server.answers[PATH] = [servers.send(RTE)]
    status, _, line = command("data", "RTE")
    assert (status, "No space to write" in line) == (2, True)


def test_a_disk_with_too_little_room(command, server, monkeypatch):
    usage = workspace.shutil.disk_usage("/")._replace(free=10)
    monkeypatch.setattr(workspace.shutil, "disk_usage", lambda _: usage)
    status, _, line = command("data", "RTE")
    assert (status, server.asked) == (2, [])
    assert "0.0 kB are free" in line


def test_a_file_where_the_folder_should_be(command, server, tmp_path):
    (tmp_path / "got").write_bytes(b"mine")
    status, _, line = command("data", "RTE")
    assert (status, server.asked) == (2, [])
    assert str(tmp_path / "got") in line


def test_a_folder_that_must_not_be_written_to(command, server, tmp_path, monkeypatch):
    def refuse(**folder):
        raise PermissionError(errno.EACCES, "Permission denied", folder["dir"])

    monkeypatch.setattr(workspace.tempfile, "mkdtemp", refuse)
    status, _, line = command("data", "RTE")
    assert (status, server.asked) == (2, [])
    assert "Permission denied" in line


def test_what_comes_to_stand_there_meanwhile_is_kept(tmp_path):
    made, target = tmp_path / "made", tmp_path / "target"
    made.mkdir()
    target.mkdir()
    (target / "mine").write_bytes(b"mine")
    with pytest.raises(InputError, match="meanwhile"):
        workspace.place(str(made), str(target))
    assert tree(target) == {"mine": b"mine"}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_download_leaves_nothing(server, tmp_path, number):
    train = sources.GLUE_TASKS["MRPC"].remotes[0]
    server.answers["/" + train.path] = [servers.hang(b"x" * 2**17)]
    running = subprocess.Popen(
        [sys.executable, os.path.join(SCRIPTS, "fetch.py"), "data", "MRPC"]
        + ["--glue_dir", str(tmp_path / "a"), "--base_url", server.url],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        # A suite that runs in the background ignores it, and so would the command.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    deadline = time.monotonic() + 60
    while not server.asked and time.monotonic() < deadline:
        server.closing.wait(0.02)
    running.send_signal(number)
    _, said = running.communicate(timeout=60)
    assert running.returncode == 130
    assert said == b"ERROR: stopped; nothing half-written was left\n"
    assert tree(tmp_path) == {}


# ---- Archives that mean harm ----


def link(name):
    info = zipfile.ZipInfo(name)
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


HARMFUL = {
    "above": ({"../evil": b"x"}, "outside"),
    "above from within": ({"a/../../evil": b"x"}, "outside"),
    "absolute": ({"/tmp/evil": b"x"}, "path"),
    "backslash": ({"..\\evil": b"x"}, "path"),
    "drive": ({"C:evil": b"x"}, "path"),
    "link": ([(link("evil"), b"/etc/passwd")], "link"),
    "twice": ([("a", b"x"), (zipfile.ZipInfo("a"), b"y")], "twice"),
    "bomb": ({"a": b"\0" * 2**22}, "would become"),
}


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("name", sorted(HARMFUL))
def test_a_harmful_archive_is_not_unpacked(tmp_path, name):
    members, reason = HARMFUL[name]
    inside = tmp_path / "inside"
    inside.mkdir()
    archive = tmp_path / "a.zip"
    archive.write_bytes(zipped(members))
    with pytest.raises(InputError, match=reason) as raised:
        unpack.unpack(str(archive), str(inside))
    assert str(raised.value).startswith("a.zip ")
    assert sorted(tree(tmp_path)) == ["a.zip", "inside"]


def damaged(content):
    """A zip whose member's bytes no longer fit its checksum."""
    body = bytearray(content)
    body[50] ^= 1
    return bytes(body)


@pytest.mark.parametrize(
    "content",
    [b"", b"<html>Please log in</html>", RTE[:-30], RTE[30:], damaged(RTE)],
    ids=["empty", "a page", "cut at the end", "cut at the start", "damaged"],
)
def test_a_broken_archive(tmp_path, content):
    archive = tmp_path / "a.zip"
    archive.write_bytes(content)
    (tmp_path / "inside").mkdir()
    with pytest.raises(InputError, match="is no whole zip"):
        unpack.unpack(str(archive), str(tmp_path / "inside"))


# ---- MRPC ----

MRPC_HEADER = "\ufeffQuality\t#1 ID\t#2 ID\t#1 String\t#2 String\r\n"
MRPC_TRAIN = MRPC_HEADER + (
    '1\t10\t11\tHe said " yes .\tShe said " no .\r\n'
    "0\t12\t13\tÀ la carte .\tNothing .\r\n"
    "1\t14\t15\tThree .\tDrei .\r\n"
)
MRPC_TEST = MRPC_HEADER + "0\t20\t21\tFour .\tVier ."
MRPC_IDS = "12\t13\r\n"
MRPC_NAMES = ("msr_paraphrase_train.txt", "msr_paraphrase_test.txt", "mrpc_dev_ids.tsv")


@pytest.fixture
def given(tmp_path, monkeypatch):
    """A folder of the user's with the three files of a small MRPC."""
    folder = tmp_path / "given"
    folder.mkdir()
    for name, text in zip(MRPC_NAMES, (MRPC_TRAIN, MRPC_TEST, MRPC_IDS)):
        (folder / name).write_bytes(text.encode("utf-8"))
    task = dataclasses.replace(
        sources.GLUE_TASKS["MRPC"],
        rows={"train.tsv": 2, "dev.tsv": 1, "test.tsv": 1},
    )
    monkeypatch.setitem(sources.GLUE_TASKS, "MRPC", task)
    return folder


def test_mrpc_is_made_from_files_that_are_there(command, given, tmp_path):
    status, said, _ = command("data", "MRPC", "--from", str(given))
    assert status == 0
    header = MRPC_HEADER.replace("\r", "")
    assert tree(tmp_path / "got" / "MRPC") == {
        "train.tsv": (
            header + '1\t10\t11\tHe said " yes .\tShe said " no .\n'
            "1\t14\t15\tThree .\tDrei .\n"
        ).encode("utf-8"),
        "dev.tsv": (header + "0\t12\t13\tÀ la carte .\tNothing .\n").encode("utf-8"),
        "test.tsv": (
            b"index\t#1 ID\t#2 ID\t#1 String\t#2 String\n0\t20\t21\tFour .\tVier .\n"
        ),
    }
    assert said.count("is not the published file") == 3
    assert command.server.asked == []


@pytest.mark.parametrize("name", MRPC_NAMES)
def test_a_missing_mrpc_file_names_itself_and_the_fix(command, given, name):
    (given / name).unlink()
    status, _, line = command("data", "MRPC", "--from", str(given))
    assert status == 2
    assert str(given / name) + " is missing; get it from https://dl.fb" in line


@pytest.mark.parametrize(
    "name, old, new, reason",
    [
        (MRPC_NAMES[0], "1\t14\t15\tThree .\tDrei .\r\n", "", "has 1 rows, not 2"),
        (MRPC_NAMES[0], "0\t12", "2\t12", "line 3: the label is '2'"),
        (MRPC_NAMES[0], "\tNothing", " Nothing", "line 3: 4 columns, expected 5"),
        (MRPC_NAMES[0], "#1 ID\t", "ID\t", "line 1: expected the header"),
        (MRPC_NAMES[2], "13", "14", "lacks 1 pairs that"),
        (MRPC_NAMES[2], "\t", " ", "line 1: 1 columns, expected 2"),
    ],
)
def test_mrpc_files_that_are_not_right(command, given, name, old, new, reason):
    text = (given / name).read_bytes().decode("utf-8")
    assert old in text
    (given / name).write_bytes(text.replace(old, new).encode("utf-8"))
    status, _, line = command("data", "MRPC", "--from", str(given))
    assert (status, reason in line) == (2, True), line


def test_the_real_mrpc_is_byte_for_byte_glues(command, shared_dir, tmp_path):
    folder = os.path.join(shared_dir, "data", "glue", "MRPC")
    raw = os.path.join(folder, "raw")
    status, said, _ = command("data", "MRPC", "--from=" + raw)
    assert (status, "Warning" in said) == (0, False)
    for name, content in tree(tmp_path / "got" / "MRPC").items():
        with open(os.path.join(folder, name), "rb") as file:
            assert content == file.read(), name


def test_the_real_tables_have_the_known_rows(shared_dir):
    known = ("CoLA", "MRPC", "STS-B", "WNLI", "AX")
    for name in known:
        folder = os.path.join(shared_dir, "data", "glue", name)
        counts = fetch.glue.count(sources.GLUE_TASKS[name], folder)
        assert all(item.right and not item.short for item in counts), counts


def test_a_zip_and_a_table_of_the_users_must_be_the_published(command, tmp_path):
    folder = tmp_path / "given"
    folder.mkdir()
    (folder / "RTE.zip").write_bytes(RTE[:-1])
    (folder / "AX.tsv").write_bytes(TABLE)
    for task in ("RTE", "AX"):
        status, _, line = command("data", task, "--from", str(folder))
        assert (status, "is not the published file" in line) == (2, True)
    (folder / "RTE.zip").write_bytes(RTE)
    assert command("data", "RTE", "--from", str(folder))[0] == 0
    assert sorted(os.listdir(str(folder))) == ["AX.tsv", "RTE.zip"]


# ---- Checkpoints ----

TINY = "uncased_L-2_H-128_A-2"
FILES = {
    "bert_model.ckpt.data-00000-of-00001": b"weights",
    "bert_model.ckpt.index": b"index",
    "vocab.txt": b"[PAD]\n[UNK]\n",
    "bert_config.json": json.dumps(
        {"num_hidden_layers": 2, "hidden_size": 128, "num_attention_heads": 2}
    ).encode(),
}
TINY_PATH = "/2020_02_20/%s.zip" % TINY


@pytest.fixture
def tiny(monkeypatch):
    """The table's BERT-Tiny has a small vocabulary; a function that adds hashes."""

    def set_hashes(hashes):
        row = dataclasses.replace(
            sources.CHECKPOINTS[TINY], vocabulary=2, sha256=hashes
        )
        monkeypatch.setitem(sources.CHECKPOINTS, TINY, row)

    set_hashes({})
    return set_hashes


def sha256_of(name):
    return {name: hashlib.sha256(FILES[name]).hexdigest()}


@pytest.mark.parametrize("folder", ["", TINY + "/", "another/"])
def test_a_checkpoint_is_fetched_once(command, server, tiny, tmp_path, folder):
    members = {folder + name: content for name, content in FILES.items()}
    server.answers[TINY_PATH] = [servers.send(zipped(members))]
    status, said, _ = command("checkpoint", TINY)
    assert status == 0
    assert tree(tmp_path / "got" / TINY) == FILES
    assert "No checksum is published" in said
    assert "2 entries" in said
    status, said, _ = command("checkpoint", TINY)
    assert (status, server.asked) == (0, [TINY_PATH])
    assert "already; nothing was fetched" in said
    assert TINY + "         there" in command("checkpoint", "--list")[1]


def test_known_hashes_of_the_files_are_compared(command, server, tiny, tmp_path):
    server.answers[TINY_PATH] = [servers.send(zipped(FILES))]
    tiny(dict(sha256_of("vocab.txt"), **{"bert_model.ckpt.index": "0" * 64}))
    status, _, line = command("checkpoint", TINY)
    assert status == 2
    assert "the sha256 of its bert_model.ckpt.index is not the published one" in line
    tiny(sha256_of("vocab.txt"))
    status, said, _ = command("checkpoint", TINY)
    assert (status, "Checked: sha256" in said) == (0, True)
    (tmp_path / "got" / TINY / "vocab.txt").write_bytes(b"[UNK]\n[PAD]\n")
    status, _, line = command("checkpoint", TINY)
    assert (status, "is there, but the sha256 of its vocab.txt" in line) == (2, True)


@pytest.mark.parametrize(
    "change, reason",
    [
        ({"vocab.txt": b"[UNK]\n"}, "vocab.txt has 1 entries, not 2"),
        ({"bert_config.json": b'{"hidden_size": 9}'}, "(None, 9, None)"),
        ({"bert_config.json": b"<"}, "(None, None, None)"),
        ({"other/" + name: FILES[name] for name in FILES}, "more than one folder"),
    ],
)
def test_a_zip_with_something_else_in_it(command, server, tiny, change, reason):
    server.answers[TINY_PATH] = [servers.send(zipped(dict(FILES, **change)))]
    status, _, line = command("checkpoint", TINY)
    assert (status, reason in line) == (2, True), line


def test_a_zip_that_lacks_a_file(command, server, tiny):
    members = {n: content for n, content in FILES.items() if n != "vocab.txt"}
    server.answers[TINY_PATH] = [servers.send(zipped(members))]
    status, _, line = command("checkpoint", TINY)
    assert (status, "it holds no folder with" in line) == (2, True)


def test_a_page_instead_of_a_checkpoint(command, server, tiny):
    server.answers[TINY_PATH] = [servers.send(b"<html>Please log in</html>")]
    status, _, line = command("checkpoint", TINY)
    assert (status, "is no whole zip" in line) == (2, True)


def test_a_checkpoint_without_known_size_that_is_cut_off(command, server, tiny):
    body = zipped(FILES)
    server.answers[TINY_PATH] = [
        servers.send(body[:200], announced=len(body)),
        servers.send(body),
    ]
    status, said, _ = command("checkpoint", TINY)
    assert (status, "try 2 of 4" in said) == (0, True)
