"""The result files, and the tables on the screen. Formatting is pure."""

import os
import re

import numpy as np

from finetuning.utils import console, files

EVAL_TEXT = "eval_results.txt"
EVAL_JSON = "eval_results.json"
PREDICT_JSON = "predict_results.json"
# These take a suffix before the ending, for the second half of a set.
PROBABILITIES = "test_results%s.tsv"
PREDICTIONS = "predictions%s.tsv"
EVAL_PREDICTIONS = "eval_predictions%s.tsv"
SUBMISSION = "%s.tsv"
# What a quoted field of a CSV file may hold, and a cell of a TSV file may not.
_LINE_PARTS = re.compile("[\t\r\n]+")


def names(suffix, submission):
    """Names of all result files of a set.

    Args:
      suffix: of the names of a set's second half, or "".
      submission: name of the file for GLUE's server, without its ending, or None.
    """
    found = {EVAL_TEXT, EVAL_JSON, PREDICT_JSON}
    found |= {each % suffix for each in (PROBABILITIES, PREDICTIONS, EVAL_PREDICTIONS)}
    return found | ({SUBMISSION % submission} if submission else set())


def evaluation_text(figures):
    """`key = value` lines, sorted by key; floats with the digits of a float32."""
    lines = []
    for key in sorted(figures):
        value = figures[key]
        shown = str(np.float32(value)) if isinstance(value, float) else str(value)
        lines.append("%s = %s\n" % (key, shown))
    return "".join(lines)


def probabilities_lines(probabilities):
    """Yields a line an example: the probability of each label, separated by tabs.

    Args:
      probabilities: float32 array [examples, L].
    """
    for row in probabilities:
        yield "\t".join(map(str, row)) + "\n"


def predictions_lines(task, examples, probabilities, predicted, has_labels):
    """Yields the lines of a table of predictions for people, with a heading.

    Its columns: `id`, `label` (the predicted one, or the number of a regression),
    `probability_<label>` for each label; and where the file has labels `gold`, and
    `right` (yes or no) or for a regression `error`, the difference.

    Args:
      task: `tasks.Task`.
      examples: iterable of `tasks.InputExample`, in file order.
      probabilities: array [examples, L].
      predicted: array [examples] of `scoring.predicted_labels`.
      has_labels: whether the examples' labels are true.
    """
    heading = ["id", "label"] + ["probability_" + label for label in task.labels]
    if has_labels:
        heading += ["gold", "error" if task.is_regression else "right"]
    yield "\t".join(heading) + "\n"
    for example, row, label in zip(examples, probabilities, predicted):
        cells = [example.guid.split("-", 1)[1]]
        if task.is_regression:
            cells.append(str(label))
        else:
            cells += [task.labels[label]] + [str(value) for value in row]
        if has_labels:
            cells += [example.label, _verdict(task, label, example.label)]
        yield "\t".join(_LINE_PARTS.sub(" ", cell) for cell in cells) + "\n"


def _verdict(task, label, gold):
    if task.is_regression:
        return str(np.float32(label - float(gold)))
    return "yes" if task.labels[label] == gold else "no"


def write(output_dir, name, lines):
    """Writes an iterable of lines, each with its end; returns the path."""
    path = os.path.join(output_dir, name)
    files.write_lines(path, lines)
    return path


def table(title, rows):
    """Lines of a two-column table under a title.

    Args:
      title: heading.
      rows: pairs of a name and a value; floats are shown with four decimals.
    """
    shown = [(name, "%.4f" % v if isinstance(v, float) else str(v)) for name, v in rows]
    return [title] + ["  " + line for line in console.align_columns(shown)]


def write_evaluation(output_dir, figures):
    """Writes `eval_results.txt`; returns its path."""
    return write(output_dir, EVAL_TEXT, [evaluation_text(figures)])
