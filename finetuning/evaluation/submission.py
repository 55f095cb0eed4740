"""Predictions as the GLUE server reads them: https://gluebenchmark.com/faq.

A file for each test set, a line for each example: its number from 0, and its label, or
for STS-B its score within 0 and 5 with three decimals.
"""

import numpy as np

from finetuning.data import reading
from finetuning.utils import files
from finetuning.utils.errors import InputError

HEADER = "index\tprediction"


def text(task, predicted):
    """The whole file.

    Args:
      task: `tasks.Task`.
      predicted: array [examples] of `scoring.predicted_labels`, in file order.
    """
    lines = [HEADER]
    lines += [
        "%d\t%s" % (index, value) for index, value in enumerate(values(task, predicted))
    ]
    return "\n".join(lines) + "\n"


def values(task, predicted):
    """What stands in the second column, as strings."""
    if task.is_regression:
        numbers = np.asarray(predicted, np.float64)
        if task.bounds:
            numbers = np.clip(numbers, *task.bounds) + 0.0  # No "-0.000".
        return ["%.3f" % number for number in numbers]
    return [task.labels[label] for label in predicted]


def check(task, layout, path):
    """Refuses a file that GLUE's server would, or would score wrongly.

    Args:
      task: `tasks.Task`.
      split: its test `FileLayout` that the predictions are of.
      path: the file.

    Raises:
      InputError: the heading, the numbering, a value or the number of lines is wrong.
    """
    count = 0
    for line, content in files.read_text_lines(path):
        if line == 1:
            if content != HEADER:
                raise InputError(
                    "%s, line 1: expected %r, found %r" % (path, HEADER, content)
                )
            continue
        index, _, value = content.partition("\t")
        if index != str(count) or not _is_value(task, value):
            raise InputError(
                "%s, line %d: %r, expected the index %d, a tab and %s"
                % (path, line, content, count, _wanted(task))
            )
        count += 1
    if count != layout.rows:
        raise InputError(
            "%s has %d predictions, and GLUE's test set %d; predict the official %s "
            "of %s anew" % (path, count, layout.rows, layout.file, task.name)
        )


def _is_value(task, value):
    if not task.is_regression:
        return value in task.labels
    least, most = task.bounds
    found = reading.number(value)
    return found is not None and least <= found <= most


def _wanted(task):
    if task.is_regression:
        return "a number of %g to %g" % task.bounds
    return "one of " + ", ".join(task.labels)
