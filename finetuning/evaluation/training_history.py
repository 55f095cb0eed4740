"""The loss, the learning rate and the time of each training step, in a table."""

import os
import time
from typing import NamedTuple

from finetuning.utils import appending, files

FILE = "training_history.tsv"
# Rows are written together, because object stores rewrite the whole file each time.
_WRITE_SECONDS = 60.0
# The final loss is the mean of this fraction of the steps.
_FINAL = 0.1


class Row(NamedTuple):
    """A training step.

    Attributes:
      step: the global step after it.
      loss: that of its batch.
      learning_rate: the rate that it was trained with.
      seconds: training time so far, without evaluations and without what the run did
        when it was not running.
    """

    step: int
    loss: float
    learning_rate: float
    seconds: float


class TrainingHistory:
    """Appends the steps of a run to `training_history.tsv`.

    The rows up to a checkpoint must be written before it, so that a run that resumes
    from it lacks none; rows of later steps are removed then.
    """

    def __init__(self, directory, first_step):
        """Prepares to write; `first_step` is that of the checkpoint, or 0."""
        self._directory = directory
        self._path = os.path.join(directory, FILE)
        self._first_step = first_step
        self._kept = []
        self._pending = []
        self._is_new = True
        self._started = self._written = None

    def start(self):
        """Reads the rows that stay; the time counts from here."""
        if self._first_step:
            rows = read(self._directory)
            self._kept = [row for row in rows if row.step <= self._first_step]
        self._written = time.monotonic()
        before = self._kept[-1].seconds if self._kept else 0.0
        self._started = self._written - before

    def add(self, step, loss, learning_rate, finished):
        """Adds a step, which is written within a minute.

        Args:
          step: see `Row`.
          loss: see `Row`.
          learning_rate: see `Row`.
          finished: when it ended, by `time.monotonic`, since the last pause.
        """
        seconds = round(finished - self._started, 3)
        self._pending.append(Row(step, loss, learning_rate, seconds))
        if finished - self._written >= _WRITE_SECONDS:
            self.write()

    def leave_out(self, seconds):
        """Excludes a pause from the training time."""
        self._started += seconds

    def write(self):
        """Writes what has been added.

        Raises:
          OSError: the file cannot be written.
        """
        self._written = time.monotonic()
        if not self._pending:
            return
        if self._is_new:
            rows = [Row._fields, *self._kept, *self._pending]
            files.write_lines(self._path, map(_line, rows))
        else:
            with appending.open_append(self._path) as file:
                file.write("".join(map(_line, self._pending)))
        self._is_new, self._kept, self._pending = False, [], []


def _line(cells):
    return files.tsv_line([format(cell, "") for cell in cells])


def read(directory):
    """The `Row`s of an output directory, in the order of their steps.

    Lines that are no rows are left out, such as one that a kill has cut.
    """
    path = os.path.join(directory, FILE)
    if not files.exists(path):
        return []
    rows = []
    with files.open_binary(path) as file:
        for line in file:
            cells = line.decode("utf-8", "replace").split("\t")
            try:
                step, *numbers = cells
                rows.append(Row(int(step), *map(float, numbers)))
            except (TypeError, ValueError):
                continue
    return rows


def summary(rows, step, batch_size):
    """How a training run went up to a step.

    Args:
      rows: what `read` returned.
      step: global step of the weights.
      batch_size: examples per step; None: unknown.

    Returns:
      Dictionary: `training_seconds`; `training_examples_per_second`, without the first
      step, which takes the longest; and `final_training_loss`, the mean of the last
      tenth of the steps. Each is None where the rows do not show it.
    """
    rows = [row for row in rows if row.step <= step]
    seconds = speed = loss = None
    if rows and rows[-1].step == step:
        first, last = rows[0], rows[-1]
        loss = _mean_loss(rows[-max(1, int(_FINAL * step)) :])
        seconds = last.seconds if first.step == 1 else None
        if batch_size and last.seconds > first.seconds:
            speed = (
                batch_size * (last.step - first.step) / (last.seconds - first.seconds)
            )
    return {
        "training_seconds": seconds,
        "training_examples_per_second": speed,
        "final_training_loss": loss,
    }


def _mean_loss(rows):
    return sum(row.loss for row in rows) / len(rows)
