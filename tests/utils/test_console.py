"""The log on the screen and in a file."""

import io
import logging
import os
import re
import sys
import threading

import pytest

from finetuning.utils import console
from finetuning.utils.console import log


@pytest.fixture
def screen(capsys):
    with console.screen():
        yield capsys


def lines_of(path):
    return [line.split("  ", 1)[1] for line in path.read_text("utf-8").splitlines()]


def test_levels(screen):
    log.debug("detail")
    log.info("100 %")
    log.info("%s", "50 % \u535a")
    log.warning("odd: %d", 3)
    log.error("bad")
    shown = screen.readouterr()
    assert shown.out == "100 %\n50 % \u535a\nWARNING: odd: 3\n"
    assert shown.err == "ERROR: bad\n"


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_the_log_file_gets_the_lines_of_the_screen(screen, tmp_path, scheme):
    log.info("before")
    for text in ("one \u00e9", "two"):
        with console.log_file(scheme + str(tmp_path)):
            log.warning(text)
    log.info("after")
    assert screen.readouterr().out.splitlines() == [
        "before",
        "WARNING: one \u00e9",
        "WARNING: two",
        "after",
    ]
    content = (tmp_path / "run.log").read_text("utf-8")
    assert re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d  WARNING: one \u00e9\n", content)
    assert lines_of(tmp_path / "run.log") == ["WARNING: one \u00e9", "WARNING: two"]


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_the_log_file_separates_runs_by_their_commands(screen, tmp_path, scheme):
    for number in (1, 2):
        command = ["run_classifier.py", "--data_dir=a b", "--seed=%d" % number]
        with console.log_file(scheme + str(tmp_path), command=command):
            log.info("line")
    content = re.sub(r"(?m)^[-\d]+ [:\d]+  ", "", (tmp_path / "run.log").read_text())
    line = "$ python run_classifier.py '--data_dir=a b' --seed=%d\nline\n"
    assert content == line % 1 + "\n" + line % 2
    assert screen.readouterr().out == "line\nline\n"


def test_no_warning_twice(screen, tmp_path):
    with console.log_file(str(tmp_path)):
        for text in ("odd", "odd", "other", "odd"):
            log.warning("%s", text)
            log.info("odd")
    expected = ["WARNING: odd", "odd", "odd", "WARNING: other", "odd", "odd"]
    assert screen.readouterr().out.splitlines() == expected
    assert lines_of(tmp_path / "run.log") == expected


def test_lines_for_the_file_only(screen, tmp_path):
    with console.log_file(str(tmp_path)):
        log.info("detail", extra={"only_in_file": True})
    assert screen.readouterr().out == ""
    assert lines_of(tmp_path / "run.log") == ["detail"]


@pytest.mark.parametrize(
    "columns, sizes, expected",
    [
        ("100", [120, 120], 100),
        ("", [120, 90], 120),
        ("0", [0, 90], 90),
        ("wide", [OSError, 90], 90),
        ("", [OSError, OSError], 80),
    ],
)
def test_width(monkeypatch, columns, sizes, expected):
    """Of standard error's terminal, then of standard output's."""

    def get_terminal_size(descriptor):
        size = {2: sizes[0], 1: sizes[1]}[descriptor]
        if size is OSError:
            raise OSError
        return os.terminal_size((size, 24))

    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setattr(console.os, "get_terminal_size", get_terminal_size)
    assert console.width() == expected


def test_a_line_is_written_to_the_file_at_once(screen, tmp_path):
    with console.log_file(str(tmp_path)):
        log.info("one")
        assert lines_of(tmp_path / "run.log") == ["one"]


def test_tracebacks_are_always_written_to_the_file(screen, tmp_path):
    with console.log_file(str(tmp_path)):
        try:
            raise ValueError
        except ValueError:
            log.exception("bad")
    assert screen.readouterr().err == "ERROR: bad\n"
    assert "in test_tracebacks" in (tmp_path / "run.log").read_text()


class Full:
    """A stream that cannot be written to."""

    def write(self, *_):
        raise OSError(28, "No space left on device")

    flush = close = write


def test_a_log_file_that_cannot_be_written_is_given_up(screen, tmp_path, monkeypatch):
    monkeypatch.setattr(console.appending, "open_append", lambda _: Full())
    with console.log_file(str(tmp_path)):
        log.info("one")
        log.info("two")
    expected = "No longer writing to %s: No space left" % (tmp_path / "run.log")
    assert screen.readouterr().out.count(expected) == 1


def test_a_screen_that_is_gone_is_given_up(tmp_path, monkeypatch):
    with console.screen(), console.log_file(str(tmp_path)):
        monkeypatch.setattr("sys.stdout", Full())
        log.info("one")
        log.info("two")
    assert lines_of(tmp_path / "run.log") == ["one", "two"]


def test_the_log_is_left_as_it_was(capsys, tmp_path):
    root_lines = []
    handler = logging.Handler()
    handler.emit = root_lines.append
    logging.getLogger().addHandler(handler)
    before = list(log.handlers), log.level, log.propagate

    @console.screen()
    @console.log_file(str(tmp_path))
    def fail():
        log.info("one")
        raise ValueError

    try:
        with pytest.raises(ValueError):
            fail()
    finally:
        logging.getLogger().removeHandler(handler)
    assert capsys.readouterr().out == "one\n"
    assert root_lines == []
    assert (log.handlers, log.level, log.propagate) == before


class InterruptedStream(io.StringIO):
    def write(self, text):
        raise KeyboardInterrupt(text)


def test_other_threads_can_log_after_an_interrupted_line(screen, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", InterruptedStream())
        with pytest.raises(KeyboardInterrupt):
            log.info("interrupted")
    thread = threading.Thread(target=log.info, args=["a line"], daemon=True)
    thread.start()
    thread.join(10)
    assert not thread.is_alive()
    assert screen.readouterr().out == "a line\n"


def test_only_warnings(capfd):
    with console.screen():
        with console.only_warnings():
            console.log.info("said by another worker")
            console.log.warning("of this machine")
        console.log.info("again")
    assert capfd.readouterr().out == "WARNING: of this machine\nagain\n"
