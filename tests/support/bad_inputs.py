"""Bad inputs: how each is made from good files, run, and shown on docs/ERRORS.md.

`make errors` runs the program on all of them and writes the page; test_errors.py runs
them too. The cases themselves are in bad_input_cases.py.
"""

import contextlib
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, List, NamedTuple, Optional, Tuple

from tests.support import corpus
from tests.support.paths import ROOT
from tests.support.running import Run

PAGE = os.path.join(ROOT, "docs", "ERRORS.md")


class Change(NamedTuple):
    """A change to one of the user's files.

    Attributes:
      path: of the file, relative to the user's directory.
      apply: function without arguments that is called in the user's directory.
      line: number of the line that is changed, or None.
    """

    path: str
    apply: Callable
    line: Optional[int] = None


@dataclass(frozen=True)
class Case:
    """One kind of bad input.

    Attributes:
      group: heading on the page.
      given: what is given, in words.
      flags: flags that replace those of the same name.
      changes: of the user's files.
      says: texts that the answer must contain. If there are none, it must name the file
        (and line) that is changed first, or else the flags.
      trained: whether `out` holds a finished training run.
      without: names of flags that are left out.
      is_accepted: whether the run is accepted with a warning, instead of refused.
    """

    group: str
    given: str
    flags: Tuple[str, ...] = ()
    changes: Tuple[Change, ...] = ()
    says: Tuple[str, ...] = ()
    trained: bool = False
    without: Tuple[str, ...] = ()
    is_accepted: bool = False

    @property
    def expected(self):
        """Texts that the answer must contain."""
        if self.says:
            return self.says
        if self.changes:
            path, _, line = self.changes[0]
            return (path,) if line is None else (path, "line %d" % line)
        return tuple(flag.split("=")[0] for flag in self.flags)


def cases(group, *table, **options):
    """Returns a list of `Case`s.

    Args:
      group: of all of them.
      *table: tuples of what is given, in words, and of flags (strings), `Change`s and
        a dictionary of further attributes of `Case`, in any order.
      **options: attributes that all of them share.
    """
    made = []
    for given, *parts in table:
        attributes = dict(options)
        for part in parts:
            attributes.update(part if isinstance(part, dict) else {})
        attributes["flags"] = tuple(part for part in parts if isinstance(part, str))
        changes = tuple(part for part in parts if isinstance(part, Change))
        made.append(Case(group, given, changes=changes, **attributes))
    return made


# ---- Changes to a file ----


def write(path, content):
    """Replaces the content of a file, or creates it, from bytes or text."""

    def apply():
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        Path(path).write_bytes(
            content if isinstance(content, bytes) else content.encode()
        )

    return Change(path, apply)


def edit(path, change, line=None):
    """Replaces a file's bytes by what a function makes of them."""
    file = Path(path)
    return Change(path, lambda: file.write_bytes(change(file.read_bytes())), line)


def replace(path, old, new):
    """Replaces the first occurrence of a text."""

    def change(content):
        assert old.encode() in content, (path, old)
        return content.replace(old.encode(), new.encode(), 1)

    return edit(path, change)


def line(path, number, content):
    """Replaces a line, counted from 1, by text or bytes; None removes it."""

    def change(whole):
        lines = whole.split(b"\n")
        new = content.encode() if isinstance(content, str) else content
        lines[number - 1 : number] = [] if new is None else [new]
        return b"\n".join(lines)

    return edit(path, change, number)


def truncate(path, size):
    """Truncates a file to so many bytes."""
    return edit(path, lambda content: content[:size])


def remove(path):
    return Change(path, lambda: os.remove(path))


def make_directory(path):
    return Change(path, lambda: os.makedirs(path))


def link(target, path):
    return Change(path, _below(path, lambda: os.symlink(target, path)))


def hard_link(target, path):
    return Change(path, _below(path, lambda: os.link(target, path)))


def make_pipe(path):
    return Change(path, _below(path, lambda: os.mkfifo(path)))


def copy(source, target):
    return Change(target, _below(target, lambda: shutil.copy(source, target)))


def _below(path, make):
    """Makes a file after its directory, if that is missing."""

    def apply():
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        make()

    return apply


# ---- Running a case ----


class User(NamedTuple):
    """A user's files in one directory, in which the program is run.

    Attributes:
      directory: path.
      flags: list of the flags of a good run, with paths relative to the directory.
    """

    directory: str
    flags: List[str]

    def run(self, *flags, without=()):
        """Runs the program with flags that are added to, or replace, the user's."""
        replaced = {flag.split("=")[0].lstrip("-") for flag in flags} | set(without)
        kept = [flag for flag in self.flags if flag[2:].split("=")[0] not in replaced]
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


def trained_user(directory):
    """Returns a `User` that has trained; `out` has checkpoints of steps 12 and 15."""
    os.makedirs(directory)
    with _inside(directory):
        flags = [flag.replace("=./", "=") for flag in corpus.write(".")]
    phases = ["--do_train=true", "--do_eval=true", "--output_dir=out"]
    user = User(directory, flags + phases)
    run = user.run("--save_checkpoints_steps=4", "--keep_checkpoint_max=2")
    assert run.status == 0, run.out + run.err
    return user


def prepare(case, directory, trained):
    """Makes the files of a case.

    Args:
      case: `Case`.
      directory: where to, which must not exist.
      trained: a `trained_user`, whose files are copied.

    Returns:
      A `User`.
    """
    shutil.copytree(trained.directory, directory)
    if not case.trained:
        shutil.rmtree(os.path.join(directory, "out"))
    with _inside(directory):
        for change in case.changes:
            change.apply()
    return User(directory, trained.flags)


def run(case, user):
    """Runs a case; an input that is accepted is only checked (--check=true).

    Returns:
      The `Run`, and the line that answers the input.

    Raises:
      ValueError: the input is not refused or accepted as it should be.
    """
    flags = case.flags + (("--check=true",) if case.is_accepted else ())
    done = user.run(*flags, without=case.without)
    lines = done.out.splitlines() if case.is_accepted else done.err.splitlines()
    answers = [line for line in lines if all(text in line for text in case.expected)]
    if done.status != (0 if case.is_accepted else 2) or not answers:
        raise ValueError(
            "%s: status %d, expected %r in a line of:\n%s%s"
            % (case.given, done.status, case.expected, done.out, done.err)
        )
    return done, answers[0].strip()


def answers(table):
    """Yields the line that answers each of the cases."""
    with tempfile.TemporaryDirectory() as top:
        trained = trained_user(os.path.join(top, "trained"))
        for index, case in enumerate(table):
            directory = os.path.join(top, str(index))
            yield run(case, prepare(case, directory, trained))[1]
            shutil.rmtree(directory)


# ---- The page ----

_HEAD = """\
# Error messages

`make errors` wrote this page by running the program on each of these inputs; do not
edit it by hand. `make test` runs all of them again. Each ends with exit status 2 and
one line, without a traceback (`--debug=true` shows it), before the graph is built, and
leaves the user's files as they were. `--check=true` finds them all without a run.
Inputs that are unusual but allowed get a warning instead; they are at the end.
"""


def page(table, lines):
    """Returns the page's text from the `Case`s and the line that answers each."""
    parts, group = [_HEAD], None
    for case, answer in zip(table, lines):
        if case.group != group:
            group = case.group
            parts.append("\n## %s\n\n| input | answer |\n| --- | --- |\n" % group)
        parts.append("| %s | `` %s `` |\n" % (_cell(case.given), _cell(answer)))
    return "".join(parts)


def _cell(text):
    return text.replace("|", "\\|").replace("\n", " ")
