"""Exceptions as one line in the log and an exit status."""

import errno
import os
import signal

import pytest

import run_classifier
from finetuning.utils import console, exit_status, signals
from finetuning.utils.errors import InputError, WorkerError
from scripts import entry


def os_error(number, name=None):
    return OSError(number, os.strerror(number), *([name] if name else []))


def report(error, capsys, debug=False):
    """The exit status of an exception, and what standard error shows of it."""
    with console.screen(debug):
        try:
            raise error
        except BaseException as raised:
            status = exit_status.report(raised, debug)
    return status, capsys.readouterr().err


@pytest.mark.parametrize(
    "error, status, line",
    [
        (InputError("a.tsv: bad; fix it"), 2, "a.tsv: bad; fix it"),
        (InputError("a\nb\0\ud800"), 2, r"a\nb\x00\ud800"),
        (WorkerError("worker 1 (a:1) was lost"), 1, "worker 1 (a:1) was lost"),
        (os_error(errno.EACCES, "a.tsv"), 2, "a.tsv: permission denied; fix its perm"),
        (
            os_error(errno.EIO, "a.tsv"),
            2,
            "a.tsv: Input/output error; check the path or use",
        ),
        (os_error(errno.EIO), 1, "Input/output error"),
        (OSError("odd"), 1, "odd"),
        (
            ModuleNotFoundError("No module named 'x'"),
            2,
            "No module named 'x'; this env",
        ),
        (KeyboardInterrupt(), 130, "interrupted"),
        (signals.Interrupted(signal.SIGTERM), 143, "interrupted by SIGTERM; all"),
        (ValueError("two\nlines"), 1, "ValueError: two lines; this is a bug; please"),
    ],
)
def test_one_line_and_a_status(capsys, error, status, line):
    found, shown = report(error, capsys)
    assert found == status
    assert shown.startswith("ERROR: " + line)
    assert shown.count("\n") == 1


@pytest.mark.parametrize("error", [InputError("x"), OSError("x"), ValueError("x")])
def test_debug_shows_the_traceback(capsys, error):
    shown = report(error, capsys, debug=True)[1]
    assert "Traceback" in shown and "raise error" in shown


def test_the_program_and_the_scripts_report_errors_alike(monkeypatch, capsys):
    def fail(*_):
        raise os_error(errno.EACCES, "a.tsv")

    monkeypatch.setattr(run_classifier.command_line, "parse", fail)
    assert run_classifier.main(["run_classifier.py"]) == 2
    by_program = capsys.readouterr()
    assert entry.status_of(fail) == 2
    assert capsys.readouterr() == by_program


def test_a_script_tells_failures_of_the_network_from_bugs(capsys):
    def fail():
        raise LookupError("no server")

    assert entry.status_of(fail, failures=(LookupError,)) == 1
    assert capsys.readouterr().err == "ERROR: no server\n"
    with pytest.raises(LookupError):
        entry.status_of(fail)
    assert entry.status_of(lambda: None) == 0
    assert entry.status_of(lambda: 1) == 1


def test_ctrl_c_in_a_script(capsys):
    def interrupt():
        raise KeyboardInterrupt

    assert entry.status_of(interrupt, interrupted="stopped; try again") == 130
    assert capsys.readouterr().err == "ERROR: stopped; try again\n"
