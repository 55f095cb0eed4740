"""The tables of GLUE's tasks: built from the downloaded files, and counted."""

import dataclasses
import os
import shutil

from finetuning.utils.console import log
from finetuning.utils.errors import InputError
from scripts.fetching import archive, download, given, mrpc, sources

ROWS = sources.GLUE_TASKS


def count_rows(layout, folder):
    """Counts the examples in a table as Hugging Face's copy of GLUE does.

    A carriage return ends a line, too. QQP has pairs that a line end breaks in two;
    neither half counts.

    Args:
      layout: the table's `tasks.FileLayout`.
      folder: where the table is.

    Returns:
      A number, or None if there is no such file.
    """
    path = os.path.join(folder, layout.file)
    if not os.path.isfile(path):
        return None
    with open(path, encoding="utf-8", errors="replace") as file:
        tabs = [line.count("\t") for line in file]
    rows = sum(number >= tabs[0] for number in tabs)
    return rows - 1 if layout.header and tabs else rows


def problem(task, folder):
    """Describes how a task's tables differ from the official ones.

    Args:
      task: a `sources.GlueTask`.
      folder: the task's folder.

    Returns:
      A clause, or None if nothing is wrong.
    """
    for layout in task.layouts:
        rows = count_rows(layout, folder)
        expected = layout.other_rows or layout.rows
        if rows is None:
            return "%s is missing" % layout.file
        if rows != expected:
            return "%s has %d rows, not %d" % (layout.file, rows, expected)
    return None


def summary(task, folder):
    """The row counts of a task's tables, as text."""
    return "\n".join(
        "  %-18s %9s rows" % (layout.file, format(count_rows(layout, folder) or 0, ","))
        for layout in task.layouts
    )


def build(task, work, options):
    """Fetches what a task is made from and makes its tables.

    Args:
      task: a `sources.GlueTask`.
      work: temporary folder.
      options: `download.Options`.

    Returns:
      The folder of the tables, in `work`.

    Raises:
      InputError: the files are not the published ones.
      download.NetworkError: a file could not be downloaded.
    """
    is_mrpc = task.name == "MRPC"
    folder = os.path.join(work, "made")
    needed = [layout.file for layout in task.layouts]
    if options.source:
        unpacked, options = given.locate(task, needed, options)
        if unpacked:
            return _copy_tables(task, unpacked, needed, folder)
    paths = [
        download.fetch(remote, work, _options_for(remote, options), not is_mrpc)
        for remote in task.remotes
    ]
    os.mkdir(folder)
    if is_mrpc:
        mrpc.make(*paths, folder=folder)
    elif paths[0].endswith(".zip"):
        folder = archive.unpack(paths[0], folder, needed)
    else:
        shutil.copyfile(paths[0], os.path.join(folder, task.remotes[0].name))
    trouble = problem(task, folder)
    if trouble and is_mrpc:
        raise InputError(
            "%s do not produce MRPC: %s; download them again"
            % (" and ".join(paths), trouble)
        )
    if trouble:
        log.warning("%s: %s", task.name, trouble)
    return folder


def _copy_tables(task, unpacked, needed, folder):
    trouble = problem(task, unpacked)
    if trouble:
        raise InputError(
            "%s is not the published %s: %s; --data_dir=%s reads it as it is"
            % (unpacked, task.name, trouble, unpacked)
        )
    return given.copy(unpacked, needed, folder)


def _options_for(remote, options):
    """The options for one file of several; one that the user lacks is downloaded."""
    if not options.source or os.path.isfile(os.path.join(options.source, remote.name)):
        return options
    log.info("%s has no %s, which is downloaded", options.source, remote.name)
    return dataclasses.replace(options, source=None)
