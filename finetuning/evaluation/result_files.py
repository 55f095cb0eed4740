"""Names and contents of the result files."""

import contextlib
import hashlib
import os

import numpy as np

from finetuning.data import tasks
from finetuning.evaluation import training_history
from finetuning.utils import console, files, json_files, locking

EVAL_TEXT = "eval_results.txt"
EVAL_JSON = "eval_results.json"
PREDICT_JSON = "predict_results.json"
LEARNING_CURVE = "learning_curve.png"
REPORT = "report.html"
# These take a suffix, such as "_mismatched", for the second half of a split.
PROBABILITIES = "test_results%s.tsv"
PREDICTIONS = "predictions%s.tsv"
EVAL_PREDICTIONS = "eval_predictions%s.tsv"
SUBMISSION = "%s.tsv"


def names(suffix, submission):
    """The names of all result files that belong to one data file.

    Args:
      suffix: the suffix of the data file, "" for all but the second half of a split.
      submission: name of the file for GLUE's server, without its ending, or None.
    """
    names = {EVAL_TEXT, EVAL_JSON, PREDICT_JSON, REPORT, LEARNING_CURVE}
    names.add(training_history.FILE)
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


def predictions_lines(
    task, ids_and_labels, probabilities, predicted, has_labels, text_names=()
):
    """Yields the lines of the readable table of predictions, with a header.

    The columns are `id`, `label` (the predicted label or number) and
    `probability_<label>` for each label. If the data file has labels, `gold` follows,
    and `right` (yes or no) or, for a regression, `error` (the difference). The texts
    are last.

    Args:
      task: `tasks.Task`.
      ids_and_labels: iterable of (id, label, *texts) of each example, in file order.
      probabilities: array [examples, L].
      predicted: array [examples] of `scoring.predicted_labels`.
      has_labels: whether the examples' labels are true.
      text_names: names of the texts.
    """
    heading = ["id", "label"] + ["probability_" + label for label in task.labels]
    if has_labels:
        heading += ["gold", "error" if task.is_regression else "right"]
    yield files.tsv_line([*heading, *text_names])
    for (id_, gold, *texts), row, label in zip(
        ids_and_labels, probabilities, predicted
    ):
        cells = [id_]
        if task.is_regression:
            cells.append(str(label))
        else:
            cells += [task.labels[label]] + [str(value) for value in row]
        if has_labels:
            cells += [gold, _verdict(task, label, gold)]
        yield files.tsv_line(cells + texts)


def _verdict(task, label, gold):
    if task.is_regression:
        return str(np.float32(label - float(gold)))
    return "yes" if task.labels[label] == gold else "no"


class ResultSet(contextlib.ExitStack):
    """The files of one evaluation or prediction, which replace older ones together.

    They are written as temporary files. A lock keeps other runs from publishing theirs
    at the same moment, so that all files of one name are those of one run, which the
    JSON file describes; it has their SHA-256 under `sha256`. After a kill in between,
    there is no JSON file.

    Example:
      with ResultSet(output_dir) as results:
          results.write(EVAL_TEXT, lines)
          results.publish(EVAL_JSON, content)
    """

    def __init__(self, output_dir):
        super().__init__()
        self._output_dir = output_dir
        self._temporaries, self._digests = {}, {}

    def write(self, name, lines):
        """Writes an iterable of lines, each with its end.

        Raises:
          OSError: the file cannot be written; `filename` is set.
        """
        path = os.path.join(self._output_dir, name)
        temporary = self.enter_context(files.temporary_beside(path))
        digest = hashlib.sha256()
        with files.open_write(temporary) as file:
            for line in lines:
                file.write(line)
                digest.update(line.encode("utf-8"))
        files.sync(temporary)
        self._temporaries[name] = temporary
        self._digests[name] = digest.hexdigest()

    def publish(self, json_name, content):
        """Gives all files their names.

        Args:
          json_name: name of the JSON file that describes them.
          content: its content, without `files` and `sha256`.
        """
        content = dict(content, files=list(self._digests), sha256=dict(self._digests))
        self.write(json_name, [json_files.as_text(content)])
        log_file = os.path.join(self._output_dir, console.LOG_FILE)
        with locking.held_briefly(log_file):
            files.remove_if_exists(os.path.join(self._output_dir, json_name))
            for name, temporary in self._temporaries.items():
                files.rename(temporary, os.path.join(self._output_dir, name))
            files.sync_directory(self._output_dir)


def table(title, rows):
    """Lines of a two-column table under a title.

    Args:
      title: heading.
      rows: pairs of a name and a value; floats are shown with four decimals.
    """
    shown = [(name, "%.4f" % v if isinstance(v, float) else str(v)) for name, v in rows]
    return [title] + ["  " + line for line in console.align_columns(shown)]
