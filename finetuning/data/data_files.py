"""Which files a run reads: those of the task, or those that flags name."""

import os

from finetuning.data import custom_task, reading, tasks
from finetuning.data.tasks import DataFile
from finetuning.flags.settings import FILE_FLAGS
from finetuning.utils import files
from finetuning.utils.errors import InputError


def find(settings):
    """Finds the files of every set that the run needs.

    Args:
      settings: `settings.Settings`.

    Returns:
      Tuple of `DataFile`, in the order train, dev, test; and lines about what is missing
      but not needed, as a list.

    Raises:
      InputError: a file is missing, or no file.
    """
    if settings.data_dir and not files.is_directory(settings.data_dir):
        raise InputError("--data_dir=%s is not a directory" % settings.data_dir)
    found, notes = [], []
    for split, given in settings.files.items():
        if given:
            files.require_file("--%s=%s" % (FILE_FLAGS[split], given), given)
            found.append(DataFile(split, _layout(settings, split, given), given))
        elif custom_task.is_custom(settings):
            path = custom_task.find_file(settings, split)
            found.append(DataFile(split, _layout(settings, split, path), path))
        else:
            task = tasks.find_task(settings.task_name)
            found += _of_task(settings.data_dir, task, split, notes)
    return tuple(found), notes


def _of_task(data_dir, task, split, notes):
    """The official files of a set; of two halves the second may be missing."""
    found = []
    for layout in task.layouts(split):
        path = os.path.join(data_dir, layout.file)
        suffix = "_" + layout.part if found else ""
        if found and not files.exists(path):
            notes.append(
                "%s is missing in --data_dir=%s: the results lack the %s half"
                % (layout.file, data_dir, layout.part)
            )
            continue
        if not files.exists(path):
            raise InputError(
                "--data_dir=%s: %s is missing; %s needs it"
                % (data_dir, layout.file, task.name)
            )
        if files.is_directory(path):
            raise InputError(
                "--data_dir=%s: %s is a directory, expected a file"
                % (data_dir, layout.file)
            )
        if split == "test" and task.dev and _is_labelled(task, path):
            raise InputError(
                "--data_dir=%s: %s has labels, expected GLUE's test file, which has "
                "none; to predict examples with labels give --predict_file"
                % (data_dir, layout.file)
            )
        found.append(DataFile(split, layout, path, suffix))
    return found


def _layout(settings, split, path):
    """The `FileLayout` of a file that a flag names, or that is the user's own."""
    if custom_task.is_custom(settings):
        return custom_task.read_layout(settings, split, path)
    task = tasks.find_task(settings.task_name)
    if split == "test" and task.dev and _is_labelled(task, path):
        return tasks.unofficial(task.layout("dev"))
    return tasks.unofficial(task.layout(split))


def _is_labelled(task, path):
    """Whether a file has the columns of the labelled sets, by its first line."""
    layout = task.layout("dev")
    columns = reading.first_columns(path, layout.quoted)
    if len(columns) <= max(layout.label, 0):
        return False
    found = columns[layout.label]
    return found == layout.label_name if layout.header else found in task.labels
