"""Resolves the task of a run and its files: the task's own, or those of flags."""

import os
import shlex

from finetuning.data import custom_task, reading, tasks
from finetuning.data.tasks import DataFile
from finetuning.flags.settings import FILE_FLAGS
from finetuning.utils import files
from finetuning.utils.errors import InputError
from finetuning.utils.watched_files import WatchedFiles


def find(settings, find_weights_directory=lambda: None, watched=None):
    """Looks up the task and the files of every split that the run reads.

    Args:
      settings: `settings.Settings`.
      find_weights_directory: function without arguments that returns the directory of
        the weights that will be resumed or used, or None for a new classifier. Called
        for --task_name=custom only, whose labels are saved there.
      watched: `WatchedFiles`, to which the files are added before they are read.

    Returns:
      `tasks.Task`; tuple of `DataFile`, in the order train, dev, test; and notes about
      optional files that are missing, a list of str.

    Raises:
      InputError: the task is unknown, a file is missing or is a directory, or the
        columns or labels of the user's own data are wrong.

    Example:
      task, data_files, notes = find(Settings(task_name="MRPC", data_dir=..., ...))
    """
    task = None if settings.is_custom else tasks.find_task(settings.task_name)
    if settings.data_dir and not files.exists(settings.data_dir):
        hint = files.missing_hint(settings.data_dir)
        raise InputError(
            "--data_dir=%s: no such directory%s" % (settings.data_dir, hint)
        )
    if settings.data_dir and not files.is_directory(settings.data_dir):
        raise InputError(
            "--data_dir=%s is a file, expected a directory" % settings.data_dir
        )
    watched = watched or WatchedFiles()
    data_files, notes = [], []
    for split, path in settings.files.items():
        if path:
            files.require_file("--%s=%s" % (FILE_FLAGS[split], path), path)
            watched.add(path)
        if settings.is_custom:
            path = path or custom_task.find_file(settings, split)
            watched.add(path)
            layout = custom_task.read_layout(settings, split, path)
            data_files.append(DataFile(split, layout, path))
        elif path:
            data_files.append(DataFile(split, _layout(task, split, path), path))
        else:
            data_files += _official_files(
                settings.data_dir, task, split, notes, watched
            )
    if settings.is_custom:
        directory = find_weights_directory()
        task = custom_task.create_task(settings, data_files, directory)
    return task, tuple(data_files), notes


def _official_files(data_dir, task, split, notes, watched):
    """The task's own files of a split; the second of two halves may be missing."""
    data_files = []
    for layout in task.layouts(split):
        path = os.path.join(data_dir, layout.file)
        is_second = bool(data_files)
        if is_second and not files.exists(path):
            notes.append(
                "--data_dir=%s: %s is missing; there will be no results for the %s half"
                % (data_dir, layout.file, layout.part)
            )
            continue
        if not files.exists(path):
            raise InputError(
                "--data_dir=%s: %s is missing, which %s requires%s"
                % (data_dir, layout.file, task.name, _where(data_dir, task, layout))
            )
        if files.is_directory(path):
            raise InputError(
                "--data_dir=%s: %s is a directory, expected a file"
                % (data_dir, layout.file)
            )
        watched.add(path)
        if split == "test" and task.dev and _has_labels(task, path):
            raise InputError(
                "--data_dir=%s: %s has labels, expected GLUE's test file, which has "
                "none; to predict labelled examples pass --predict_file"
                % (data_dir, layout.file)
            )
        suffix = "_" + layout.part if is_second else ""
        data_files.append(DataFile(split, layout, path, suffix))
    return data_files


def _where(data_dir, task, layout):
    """Where a missing file is, or what it is made from, to append to the message."""
    names = files.list_directory(data_dir)
    raw = [name for name in names if _is_raw(name, task)]
    if raw:
        return "; it is made from %s by: make data TASK=%s FROM=%s" % (
            " and ".join(raw),
            task.name,
            shlex.quote(data_dir),
        )
    directories = files.directories_with(layout.file, data_dir)
    named = [path for path in directories if _is_named(path, task)]
    if named or len(directories) == 1:
        return "; it is in %s: pass that directory" % (named or directories)[0]
    return ""


def _is_raw(name, task):
    """Whether a file is one that the task's files are made from."""
    if task.name == "MRPC" and name.startswith("msr_paraphrase_"):
        return True
    return name.lower() == task.name.lower() + ".zip"


def _is_named(directory, task):
    return os.path.basename(directory).lower() == task.name.lower()


def _layout(task, split, path):
    """The layout of a file that a flag names."""
    if split == "test" and task.dev:
        dev = task.layout("dev")
        # A label in place of the header is then an error: without one, the file could
        # be mistaken for an unlabelled one with other columns.
        cell = _first_label(dev, path)
        if cell is not None and (cell == dev.label_name or cell in task.labels):
            return tasks.unofficial(dev)
    return tasks.unofficial(task.layout(split))


def _has_labels(task, path):
    """Whether the first line of a file looks like that of the task's dev set."""
    layout = task.layout("dev")
    cell = _first_label(layout, path)
    if cell is None:
        return False
    return cell == layout.label_name if layout.header else cell in task.labels


def _first_label(layout, path):
    """The cell of the first line in the column of the label; None: it is too short."""
    columns = reading.first_columns(path, layout.quoted)
    return columns[layout.label] if len(columns) > max(layout.label, 0) else None
