"""GLUE's tasks: fetched, made where they must be made, counted, put in their place."""

import os
import shutil
from dataclasses import dataclass
from typing import Optional

from fetching import download, mrpc, unpack, workspace

from finetuning.utils.errors import InputError


@dataclass(frozen=True)
class Count:
    """What a table holds, and what it should.

    Attributes:
      table: its file's name.
      rows: examples in it; None where there is no such file.
      short: further rows that lack columns.
      known: how many examples it is known to hold.
    """

    table: str
    rows: Optional[int]
    short: int
    known: int

    @property
    def right(self):
        return self.rows == self.known


def count(task, folder):
    """Counts a task's tables.

    Args:
      task: `sources.GlueTask`.
      folder: the task's folder.

    Returns:
      A list of `Count`, in the order of the task's row.
    """
    counts = []
    for table, known in task.rows.items():
        path = os.path.join(folder, table)
        rows, short = None, 0
        if os.path.isfile(path):
            rows, short = _count_rows(path, table not in task.headless)
        counts.append(Count(table, rows, short, known))
    return counts


def _count_rows(path, has_header):
    """(whole rows, short rows), as the known counts were made.

    A carriage return ends a line, too; QQP has pairs that line ends break in two, and
    neither half counts.
    """
    rows = short = columns = 0
    with open(path, encoding="utf-8", errors="replace") as file:
        for number, line in enumerate(file):
            found = line.count("\t") + 1
            if number == 0:
                columns = found
                if has_header:
                    continue
            if found < columns:
                short += line != "\n"
            else:
                rows += 1
    return rows, short


def show(counts):
    """The counts as lines of text, right ones and wrong ones."""
    width = max(len(item.table) for item in counts)
    lines = ["  %s %9s %9s" % ("file".ljust(width), "rows", "known")]
    for item in counts:
        rows = "missing" if item.rows is None else format(item.rows, ",")
        line = "  %s %9s %9s" % (
            item.table.ljust(width),
            rows,
            format(item.known, ","),
        )
        if not item.right:
            line += "  WRONG"
        if item.short:
            line += "  and %d that lack columns" % item.short
        lines.append(line)
    return "\n".join(lines)


def state(task, glue_dir):
    """One word for a list: "there", "incomplete" or "-"."""
    folder = os.path.join(glue_dir, task.name)
    if not workspace.in_the_way(folder):
        return "-"
    right = all(item.right for item in count(task, folder))
    return "there" if right else "incomplete"


def fetch_task(task, glue_dir, options):
    """Puts a task's tables into <glue_dir>/<task>, unless they are there.

    Args:
      task: `sources.GlueTask`.
      glue_dir: folder of the tasks' folders.
      options: `download.Options`.

    Raises:
      InputError: something else is there, or what was fetched or given is not right;
        nothing is left in the task's place then.
      download.NetworkError: a file could not be fetched.
    """
    target = os.path.join(glue_dir, task.name)
    if workspace.in_the_way(target):
        _look_at(task, target)
        return
    download.check_source(task.remotes, options)
    with workspace.beside(target) as work:
        made = _MAKERS.get(task.name, _from_zip)(task, work, options)
        counts = count(task, made)
        if not all(item.right for item in counts):
            # The hashes were right: what is known of the rows may be wrong.
            print("Warning: %s: %s" % (task.name, _difference(counts)), flush=True)
        workspace.place(made, target)
    print("%s is in %s" % (task.name, target))
    print(show(counts), flush=True)


def _look_at(task, target):
    counts = count(task, target)
    if not all(item.right for item in counts):
        raise InputError(
            "%s is there, but %s; it was left as it is: move it away, or choose "
            "another folder" % (target, _difference(counts))
        )
    print("%s is in %s already; nothing was fetched" % (task.name, target))
    print(show(counts), flush=True)


def _difference(counts):
    wrong = [
        "%s is missing" % item.table
        if item.rows is None
        else "%s has %d rows, not %d" % (item.table, item.rows, item.known)
        for item in counts
        if not item.right
    ]
    return ", ".join(wrong)


def _from_zip(task, work, options):
    (remote,) = task.remotes
    archive = _fetch_known(remote, work, options)
    unpacked = os.path.join(work, "unpacked")
    os.mkdir(unpacked)
    unpack.unpack(archive, unpacked)
    try:
        return workspace.folder_with(unpacked, task.rows)
    except InputError as error:
        raise InputError("%s is not as expected: %s" % (remote.name, error)) from None


def _from_table(task, work, options):
    (remote,) = task.remotes
    path = _fetch_known(remote, work, options)
    made = os.path.join(work, "made")
    os.mkdir(made)
    shutil.copyfile(path, os.path.join(made, remote.name))
    return made


def _fetch_known(remote, work, options):
    path = download.fetch(remote, work, options)
    if options.source and not download.is_known(remote, path):
        raise InputError(
            "%s is not the published file: its sha256 is not %s; get it anew from %s"
            % (path, remote.sha256, remote.url(options.base_url))
        )
    return path


def _from_mrpc_files(task, work, options):
    paths = [download.fetch(remote, work, options) for remote in task.remotes]
    for remote, path in zip(task.remotes, paths):
        if options.source and not download.is_known(remote, path):
            print(
                "Warning: %s is not the published file (its sha256 differs); MRPC is "
                "made from it all the same" % path,
                flush=True,
            )
    made = os.path.join(work, "made")
    os.mkdir(made)
    mrpc.make(*paths, folder=made)
    counts = count(task, made)
    if not all(item.right for item in counts):
        raise InputError(
            "%s do not make MRPC: %s; get them anew"
            % (" and ".join(paths), _difference(counts))
        )
    return made


_MAKERS = {"MRPC": _from_mrpc_files, "AX": _from_table}
