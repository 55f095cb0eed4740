"""How `run_classifier.main` tells what ended a run: one line and an exit status."""

import errno
import os

import pytest

import run_classifier
from finetuning.device import backend
from finetuning.utils.errors import InputError


def ending(monkeypatch, capsys, error, flags=()):
    """The exit status and what is on standard error if the run raises `error`."""

    def raise_it():
        raise error

    monkeypatch.setattr(backend, "start", raise_it)
    command = ["run_classifier.py", "--task_name=MRPC", "--data_dir=d", "--do_eval"]
    files = ["--vocab_file=v", "--bert_config_file=c", "--output_dir=o"]
    status = run_classifier.main([*command, *files, *flags])
    return status, capsys.readouterr().err


def of_file(number, name=None):
    return OSError(number, os.strerror(number), *([name] if name else []))


@pytest.mark.parametrize(
    "error, status, line",
    [
        (InputError("a.tsv: bad; mend it"), 2, "a.tsv: bad; mend it"),
        (
            of_file(errno.EACCES, "a.tsv"),
            2,
            "a.tsv: permission denied; give the right to it, or another path",
        ),
        (
            of_file(errno.EIO, "a.tsv"),
            2,
            "a.tsv: Input/output error; see to it, or give another path",
        ),
        (of_file(errno.EIO), 1, "a file: Input/output error; see to it, or give"),
        (OSError("odd"), 1, "a file: odd; see to it"),
        (KeyboardInterrupt(), 130, "interrupted; what was written is whole"),
        (
            ValueError("two\nlines"),
            1,
            "ValueError: two lines; this is a defect of the program",
        ),
    ],
)
def test_one_line_and_a_status(monkeypatch, capsys, error, status, line):
    found, told = ending(monkeypatch, capsys, error)
    assert found == status
    assert told.startswith("ERROR: " + line)
    assert told.count("\n") == 1


@pytest.mark.parametrize(
    "error", [InputError("x"), of_file(errno.EIO, "x"), of_file(errno.EACCES, "x")]
)
def test_debug_shows_where_it_was_raised(monkeypatch, capsys, error):
    told = ending(monkeypatch, capsys, error, flags=["--debug"])[1]
    assert "Traceback" in told and "in raise_it" in told
