"""Runs of `run_classifier.py`, in a process of their own or within the test's.

`Run` is for nearly all tests: it takes no time to start. Runs that are already trained
are found in `shared_runs`.
"""

import contextlib
import io
import os
import subprocess
import sys

import run_classifier
from tests.support import corpus

PHASES = ["--do_train", "--do_eval", "--do_predict"]
# On one thread the same command gives the same bytes.
ONE_THREAD = {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}


class Finished:
    """A run in a process of its own that has ended; `driver` replaces the program."""

    def __init__(self, root, arguments, cwd=None, env=None, driver=None):
        program = os.path.join(root, "run_classifier.py")
        process = subprocess.run(
            [sys.executable, driver or program] + list(arguments),
            capture_output=True,
            check=False,
            cwd=cwd,
            env=dict(os.environ, **(env or {})),
            timeout=300,
        )
        self.status = process.returncode
        self.out = process.stdout.decode("utf-8")
        self.err = process.stderr.decode("utf-8")


class Run:
    """A run in the test's own process, which has ended.

    Args:
      arguments: the command line's.
      when: a text; `do` is called as soon as a line of standard output holds it.
      do: a function without arguments.
    """

    def __init__(self, arguments, when=None, do=None):
        out, err = _Screen(when, do), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            self.status = run_classifier.main(["run_classifier.py"] + list(arguments))
        self.out, self.err = out.getvalue(), err.getvalue()


class _Screen(io.StringIO):
    """Standard output that is kept, and watched for one text."""

    def __init__(self, text, action):
        super().__init__()
        self._text, self._action = text, action

    def write(self, text):
        count = super().write(text)
        if self._text is not None and self._text in text:
            self._text = None
            self._action()
        return count


def succeed(arguments):
    """A `Run` that must succeed, with nothing on standard error."""
    run = Run(arguments)
    assert run.status == 0, run.out + run.err
    assert run.err == ""
    return run


def refused(arguments):
    """The one line with which a run must refuse its input."""
    run = Run(arguments)
    assert run.status == 2, run.out + run.err
    assert run.err.count("\n") == 1
    assert "Traceback" not in run.out + run.err
    return run.err


def without(flags, *names):
    """The flags except those with these names."""
    return [flag for flag in flags if flag[2:].split("=")[0] not in names]


def value(flags, name):
    """The value of the first of the flags whose name begins so."""
    return next(flag.split("=", 1)[1] for flag in flags if flag.startswith("--" + name))


def text(*path):
    with open(os.path.join(*path), encoding="utf-8") as file:
        return file.read()


def contents(directory, *left_out):
    """Path below a directory -> bytes of a file, target of a link; else None.

    Args:
      directory: the directory, with all that is below it.
      left_out: names of files that may change.
    """
    found = {}
    for folder, folders, names in os.walk(str(directory)):
        for name in {*folders, *names} - set(left_out):
            path = os.path.join(folder, name)
            found[os.path.relpath(path, str(directory))] = _content(path)
    return found


def _content(path):
    if os.path.islink(path):
        return os.readlink(path)
    if not os.path.isfile(path):  # A pipe, say, whose reading would never end.
        return None
    with open(path, "rb") as file:
        return file.read()


def rows(*path):
    """The cells of a TSV file, line by line, with its heading."""
    content = text(*path)
    assert content.endswith("\n")
    return [line.split("\t") for line in content[:-1].split("\n")]


def table(*path):
    """The rows of a TSV file with a heading, as dictionaries of strings."""
    heading, *lines = rows(*path)
    for line in lines:
        assert len(line) == len(heading), line
    return [dict(zip(heading, line)) for line in lines]


def scores(directory):
    """`eval_results.txt` as a dictionary of floats."""
    lines = text(directory, "eval_results.txt").splitlines()
    return {name: float(number) for name, number in (s.split(" = ") for s in lines)}


def saved_json(directory, name):
    return corpus.read_json(os.path.join(directory, name))
