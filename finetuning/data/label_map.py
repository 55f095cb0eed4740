"""The labels in the order of their ids, saved next to the weights."""

import json
import os

from finetuning.utils import files, huggingface, json_files
from finetuning.utils.errors import InputError

FILE = "labels.json"


def save(directory, task):
    """Writes the labels of a task next to its checkpoints."""
    content = {"task": task.name, "labels": list(task.labels)}
    path = os.path.join(directory, FILE)
    files.write_text(path, json.dumps(content, indent=2) + "\n")


def load(directory):
    """Reads the labels that the weights in a directory were trained with.

    The config of a model in Hugging Face format names them, too.

    Returns:
      Tuple of str in the order of the ids, empty for a regression; None if there is no
      file, or the config has only placeholders.

    Raises:
      InputError: the file is corrupt, or it and the config differ.
    """
    weights = huggingface.find_weights(directory)
    in_config = None
    if weights is not None:
        in_config = huggingface.labels(huggingface.read_config(weights))
    path = os.path.join(directory, FILE)
    if not files.exists(path):
        return in_config
    labels = _read(path)
    if in_config not in (None, labels):
        config = os.path.join(directory, huggingface.CONFIG_FILE)
        raise InputError(
            "%s has the labels %s, in this order, and id2label in %s has %s; remove "
            "the file that the weights were not trained with, or correct it"
            % (path, as_text(labels), config, as_text(in_config))
        )
    return labels


def _read(path):
    return json_files.read(
        path,
        "a JSON object with a list of labels",
        'restore it, or write one such as {"labels": ["no", "yes"]} in the order that '
        "the model was trained with",
        _parse,
    )


def _parse(content):
    labels = content["labels"]
    if not isinstance(labels, list) or not all(isinstance(n, str) for n in labels):
        raise TypeError
    return tuple(labels)


def require_same(directory, saved, task):
    """Checks that weights were trained with the task's labels, in the same order.

    Args:
      directory: directory of the weights.
      saved: what `load` returned for it.
      task: `tasks.Task`.

    Raises:
      InputError: the saved labels are not those of the task.
    """
    if saved is not None and saved != task.labels:
        raise InputError(
            "%s: the weights there were trained with the labels %s, in this order, "
            "and this run has %s; use the same --task_name or --labels, or other "
            "weights"
            % (os.path.join(directory, FILE), as_text(saved), as_text(task.labels))
        )


def as_text(labels):
    """Formats labels for a message."""
    return ", ".join(map(quoted, labels)) if labels else "(a number)"


def quoted(label):
    """Formats a label for a message; in quotes if it contains a separator."""
    return repr(label) if "," in label or "=" in label else label
