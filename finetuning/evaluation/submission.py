"""Predictions in the format of GLUE's server: https://gluebenchmark.com/faq.

There is one file for each test set and one line for each example: its index, from 0,
and its label, or for STS-B a score from 0 to 5 with three decimals.
"""

import numpy as np

from finetuning.data import reading
from finetuning.utils import files
from finetuning.utils.errors import InputError

HEADER = "index\tprediction"


def text(task, predicted):
    """Formats the file of one test set.

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
    """The second column of the file: labels or numbers, as strings."""
    if task.is_regression:
        numbers = np.asarray(predicted, np.float64)
        if task.bounds:
            numbers = np.clip(numbers, *task.bounds) + 0.0  # No "-0.000".
        return ["%.3f" % number for number in numbers]
    return [task.labels[label] for label in predicted]


def read(task, layout, path):
    """Reads a file, and refuses one that GLUE's server would refuse or score wrongly.

    Args:
      task: `tasks.Task`.
      layout: `tasks.FileLayout` of the test set.
      path: the file.

    Returns:
      The text that was checked.

    Raises:
      InputError: the heading, the numbering, a value or the number of lines is wrong.
    """
    count, lines = 0, []
    for line, content in files.read_text_lines(path):
        lines.append(content)
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
            "%s has %d predictions, but GLUE's test set has %d rows; predict the "
            "official %s of %s again"
            % (path, count, layout.rows, layout.file, task.name)
        )
    return "\n".join(lines) + "\n"


def _is_value(task, value):
    if not task.is_regression:
        return value in task.labels
    least, most = task.bounds
    number = reading.number(value)
    return number is not None and least <= number <= most


def _wanted(task):
    if task.is_regression:
        return "a number from %g to %g" % task.bounds
    return "one of " + ", ".join(task.labels)
