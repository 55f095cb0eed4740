"""The order of the labels, saved beside the weights that were trained with it."""

import json
import os

from finetuning.utils import files
from finetuning.utils.errors import InputError

FILE = "labels.json"


def save(directory, task):
    """Writes the map of a task beside its checkpoints."""
    content = {"task": task.name, "labels": list(task.labels)}
    path = os.path.join(directory, FILE)
    files.write_text(path, json.dumps(content, indent=2) + "\n")


def load(directory):
    """The labels that a directory's weights were trained with, in the order of ids.

    Returns:
      Tuple of str, empty for a regression; None where nothing is saved.

    Raises:
      InputError: the file is damaged.
    """
    path = os.path.join(directory, FILE)
    if not files.exists(path):
        return None
    try:
        labels = json.loads(files.read_text(path))["labels"]
        is_list = isinstance(labels, list)
        if not is_list or not all(isinstance(label, str) for label in labels):
            raise ValueError
        return tuple(labels)
    except (ValueError, KeyError, TypeError, RecursionError):
        raise InputError(
            "%s is damaged: expected a JSON object with a list of labels; restore it, "
            'or write one such as {"labels": ["no", "yes"]} in the order that the '
            "model was trained with" % path
        ) from None


def check(directory, saved, task):
    """Refuses weights that were trained with other labels, or in another order.

    Args:
      directory: where the weights are.
      saved: what `load` returned for it.
      task: `tasks.Task`.

    Raises:
      InputError: the saved labels are not those of the task.
    """
    if saved is not None and saved != task.labels:
        raise InputError(
            "%s: the weights there were trained with the labels %s, in this order, "
            "and this run has %s; give the same --task_name or --labels, or other "
            "weights"
            % (os.path.join(directory, FILE), shown(saved), shown(task.labels))
        )


def shown(labels):
    """Labels for people, in order."""
    return ", ".join(map(quoted, labels)) if labels else "(a number)"


def quoted(label):
    """A label for people: within quotes where it has what stands between labels."""
    return repr(label) if "," in label or "=" in label else label
