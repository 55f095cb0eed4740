"""Names and contents of the result files."""

import os
import re

import numpy as np

from finetuning.data import tasks
from finetuning.utils import console, files

EVAL_TEXT = "eval_results.txt"
EVAL_JSON = "eval_results.json"
PREDICT_JSON = "predict_results.json"
# These take a suffix, such as "_mismatched", for the second half of a split.
PROBABILITIES = "test_results%s.tsv"
PREDICTIONS = "predictions%s.tsv"
EVAL_PREDICTIONS = "eval_predictions%s.tsv"
SUBMISSION = "%s.tsv"
# Quoted fields of a CSV file may contain these; cells of a TSV file must not.
_LINE_PARTS = re.compile("[\t\r\n]+")


def names(suffix, submission):
    """The names of all result files that belong to one data file.

    Args:
      suffix: the suffix of the data file, "" for all but the second half of a split.
      submission: name of the file for GLUE's server, without its ending, or None.
    """
    names = {EVAL_TEXT, EVAL_JSON, PREDICT_JSON}
    names |= {name % suffix for name in (PROBABILITIES, PREDICTIONS, EVAL_PREDICTIONS)}
    return names | ({SUBMISSION % submission} if submission else set())


def all_names():
    """The names of the result files of all tasks."""
    found = set()
    for task in tasks.TASKS.values():
        for layout in task.dev + task.test:
            found |= names("", layout.submission)
            found |= names("_" + layout.part if layout.part else "", None)
    return found


def evaluation_text(figures):
    """Formats `key = value` lines, sorted by key; floats with the digits of float32."""
    lines = []
    for key in sorted(figures):
        value = figures[key]
        shown = str(np.float32(value)) if isinstance(value, float) else str(value)
        lines.append("%s = %s\n" % (key, shown))
    return "".join(lines)


def probabilities_lines(probabilities):
    """Yields a line for each example: the probabilities of the labels, with tabs.

    Args:
      probabilities: float32 array [examples, L].
    """
    for row in probabilities:
        yield "\t".join(map(str, row)) + "\n"


def predictions_lines(task, examples, probabilities, predicted, has_labels):
    """Yields the lines of the readable table of predictions, with a header.

    The columns are `id`, `label` (the predicted label or number) and
    `probability_<label>` for each label. If the data file has labels, `gold` follows,
    and `right` (yes or no) or, for a regression, `error` (the difference).

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
