"""Bad input of every kind: how to make it, from files that are good.

`make errors` runs the program on all of them and writes docs/ERRORS.md; test_errors.py
runs them too and asks for what the page promises.
"""

import contextlib
import os
import shutil
import tempfile
from dataclasses import dataclass
from typing import Callable, Optional, Tuple

from tests.support import corpus
from tests.support.paths import ROOT
from tests.support.running import Run

HERE = os.path.join(ROOT, "tests", "support")
PAGE = os.path.join(ROOT, "docs", "ERRORS.md")
_FLAGS = "my_flags.txt"
# What a column of the page may not hold as it is.
_ESCAPED = {"|": "\\|", "\n": " "}


@dataclass(frozen=True)
class Case:
    """One kind of bad input.

    Attributes:
      group: heading on the page.
      given: what is given, for people.
      flags: arguments that are added; those of the same name are left out.
      spoil: functions that take the directory of the user's files and change them.
      trained: whether `out` holds a finished training.
      without: names of flags that are left out.
      note: words of the line that says what is odd, where the input is accepted; None:
        it is refused.
    """

    group: str
    given: str
    flags: Tuple[str, ...] = ()
    spoil: Tuple[Callable, ...] = ()
    trained: bool = False
    without: Tuple[str, ...] = ()
    note: Optional[str] = None


# ---- What can be done to a file; all paths are below the user's directory ----


def write(path, content):
    """The file holds these bytes or this text and nothing else."""

    def spoil(directory):
        place = os.path.join(directory, path)
        os.makedirs(os.path.dirname(place), exist_ok=True)
        data = content if isinstance(content, bytes) else content.encode("utf-8")
        with open(place, "wb") as file:
            file.write(data)

    return spoil


def edit(path, change):
    """The file's bytes are what a function makes of them."""

    def spoil(directory):
        place = os.path.join(directory, path)
        with open(place, "rb") as file:
            content = file.read()
        with open(place, "wb") as file:
            file.write(change(content))

    return spoil


def replace(path, old, new):
    """The first of these words become others."""

    def change(content):
        assert old.encode("utf-8") in content, (path, old)
        return content.replace(old.encode("utf-8"), new.encode("utf-8"), 1)

    return edit(path, change)


def line(path, number, content):
    """A line, counted from 1, becomes this text or these bytes; None: it goes."""

    def change(whole):
        lines = whole.split(b"\n")
        new = content.encode("utf-8") if isinstance(content, str) else content
        lines[number - 1 : number] = [] if new is None else [new]
        return b"\n".join(lines)

    return edit(path, change)


def cut(path, most):
    """The file ends after so many bytes."""
    return edit(path, lambda content: content[:most])


def remove(path):
    def spoil(directory):
        place = os.path.join(directory, path)
        if os.path.isdir(place):
            shutil.rmtree(place)
        else:
            os.remove(place)

    return spoil


def make_directory(path):
    return lambda directory: os.makedirs(os.path.join(directory, path))


def link(target, path):
    return lambda directory: os.symlink(target, os.path.join(directory, path))


def copy(source, target):
    def spoil(directory):
        shutil.copy(os.path.join(directory, source), os.path.join(directory, target))

    return spoil


# ---- Running a case ----


class User:
    """A user's files in a directory of their own, good until a case spoils them."""

    def __init__(self, directory):
        """Takes a directory that holds what `write` makes, or a copy of it."""
        self.directory = directory

    def write(self):
        with _inside(self.directory):
            flags = [flag.replace("=./", "=") for flag in corpus.write(".")]
        flags += ["--do_train=true", "--do_eval=true", "--output_dir=out"]
        with open(os.path.join(self.directory, _FLAGS), "w") as file:
            file.write("\n".join(flags))

    @property
    def _flags(self):
        with open(os.path.join(self.directory, _FLAGS)) as file:
            return file.read().split("\n")

    def run(self, *flags, without=()):
        """Runs the program there, with paths that are relative to the directory."""
        replaced = {flag.split("=")[0].lstrip("-") for flag in flags} | set(without)
        kept = [f for f in self._flags if f[2:].split("=")[0] not in replaced]
        with _inside(self.directory):
            return Run(kept + list(flags))


@contextlib.contextmanager
def _inside(directory):
    before = os.getcwd()
    os.chdir(directory)
    try:
        yield
    finally:
        os.chdir(before)


def prepare(case, directory, trained):
    """A `User` whose files are as the case has them.

    Args:
      case: `Case`.
      directory: one that is not there.
      trained: a `User` that has trained.
    """
    shutil.copytree(trained.directory, directory)
    if not case.trained:
        shutil.rmtree(os.path.join(directory, "out"))
    for spoil in case.spoil:
        spoil(directory)
    return User(directory)


def run(case, user):
    """Runs a case; what is accepted is checked alone.

    Returns:
      The `running.Run`, and the line with which the input was answered.

    Raises:
      ValueError: the input is not answered as it should be.
    """
    flags = case.flags + (() if case.note is None else ("--check=true",))
    done = user.run(*flags, without=case.without)
    if done.status != (2 if case.note is None else 0):
        raise ValueError("%s: %s: %s" % (case.given, done.out[-999:], done.err))
    if case.note is None:
        return done, done.err.strip()
    said = [line for line in done.out.splitlines() if case.note in line]
    if not said:
        raise ValueError("%s: not said: %s" % (case.given, done.out))
    return done, said[0]


def trained_user(directory):
    """A `User` that has trained; its newest checkpoints are of the steps 12 and 15."""
    os.makedirs(directory)
    user = User(directory)
    user.write()
    run = user.run("--save_checkpoints_steps=4", "--keep_checkpoint_max=2")
    assert run.status == 0, run.out + run.err
    return user


# ---- The page ----

_HEAD = """\
# What is refused, and in which words

`make errors` wrote this page by running the program on each of these inputs; it is not
edited by hand, and `make test` runs all of them again. Each ends with exit status 2 and
one line, without a traceback (`--debug=true` shows it), before a graph is built, and
leaves the user's files as they were. `--check=true` finds them all without a run. What
is odd but legal is accepted and said: those are at the end.
"""


def page(cases, answers):
    """The page's text, from the `Case`s and the line that each was answered with."""
    parts, group = [_HEAD], None
    for case, said in zip(cases, answers):
        if case.group != group:
            group = case.group
            parts.append("\n## %s\n\n| given | answer |\n| --- | --- |\n" % group)
        parts.append(row(case, said) + "\n")
    return "".join(parts)


def row(case, said):
    """A case's line on the page."""
    return "| %s | `` %s `` |" % (_cell(case.given), _cell(said))


def _cell(text):
    for plain, escaped in _ESCAPED.items():
        text = text.replace(plain, escaped)
    return text


def answers_on_the_page(cases, text):
    """What the page gives as the answers; "" for a case that it lacks."""
    answers = {}
    for heading in text.split("\n## ")[1:]:
        group, *rows = heading.split("\n")
        for cells in (line[2:-5].split(" | `` ", 1) for line in rows):
            answers[(group,) + tuple(cells[:1])] = cells[-1].replace("\\|", "|")
    return [answers.get((case.group, _cell(case.given)), "") for case in cases]


def answers_to(cases):
    """Yields the line with which the program answers each of the cases."""
    with tempfile.TemporaryDirectory() as top:
        trained = trained_user(os.path.join(top, "trained"))
        for index, case in enumerate(cases):
            place = os.path.join(top, str(index))
            yield run(case, prepare(case, place, trained))[1]
            shutil.rmtree(place)
