"""Which files a run reads: those of the task, or those that flags name."""

import os

from finetuning import custom, files, reading, tasks
from finetuning.errors import InputError
from finetuning.settings import FILE_FLAGS
from finetuning.tasks import Source


def find(settings):
    """Finds the files of every set that the run needs.

    Args:
      settings: `settings.Settings`.

    Returns:
      Tuple of `Source`, in the order train, dev, test; and lines about what is missing
      but not needed, as a list.

    Raises:
      InputError: a file is missing, or no file.
    """
    if settings.data_dir and not files.is_directory(settings.data_dir):
        raise InputError("--data_dir=%s is not a directory" % settings.data_dir)
    found, notes = [], []
    for kind, given in settings.files.items():
        if given:
            files.require_file("--%s=%s" % (FILE_FLAGS[kind], given), given)
            found.append(Source(kind, _layout(settings, kind, given), given))
        elif custom.is_custom(settings):
            path = custom.find_file(settings, kind)
            found.append(Source(kind, _layout(settings, kind, path), path))
        else:
            task = tasks.find_task(settings.task_name)
            found += _of_task(settings.data_dir, task, kind, notes)
    return tuple(found), notes


def _of_task(data_dir, task, kind, notes):
    """The official files of a set; of two halves the second may be missing."""
    found = []
    for split in task.splits(kind):
        path = os.path.join(data_dir, split.file)
        suffix = "_" + split.part if found else ""
        if found and not files.exists(path):
            notes.append(
                "%s is missing in --data_dir=%s: the results lack the %s half"
                % (split.file, data_dir, split.part)
            )
            continue
        if not files.exists(path):
            raise InputError(
                "--data_dir=%s: %s is missing; %s needs it"
                % (data_dir, split.file, task.name)
            )
        if files.is_directory(path):
            raise InputError(
                "--data_dir=%s: %s is a directory, expected a file"
                % (data_dir, split.file)
            )
        if kind == "test" and task.dev and _is_labelled(task, path):
            raise InputError(
                "--data_dir=%s: %s has labels, expected GLUE's test file, which has "
                "none; to predict examples with labels give --predict_file"
                % (data_dir, split.file)
            )
        found.append(Source(kind, split, path, suffix))
    return found


def _layout(settings, kind, path):
    """The `Split` of a file that a flag names, or that is the user's own."""
    if custom.is_custom(settings):
        return custom.read_layout(settings, kind, path)
    task = tasks.find_task(settings.task_name)
    if kind == "test" and task.dev and _is_labelled(task, path):
        return tasks.unofficial(task.split("dev"))
    return tasks.unofficial(task.split(kind))


def _is_labelled(task, path):
    """Whether a file has the columns of the labelled sets, by its first line."""
    split = task.split("dev")
    columns = reading.first_columns(path, split.quoted)
    if len(columns) <= max(split.label, 0):
        return False
    found = columns[split.label]
    return found == split.label_name if split.header else found in task.labels
