"""Predictions as the GLUE server reads them: https://gluebenchmark.com/faq.

A file for each test set, a line for each example: its number from 0, and its label, or
for STS-B its score within 0 and 5 with three decimals.
"""

import numpy as np

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
