"""The mean training loss since the last evaluation, which outlives a stop."""

import math
import os

import tensorflow.compat.v1 as tf

from finetuning.utils import files, json_files
from finetuning.utils.console import log

FILE = "training_loss.json"


class MeanLoss(tf.train.CheckpointSaverListener):
    """Sums the losses of steps; saves the sum with each checkpoint.

    The sum cannot be a variable of the checkpoint: the original's tools would find it.
    `training_loss.json` has the sum and the count at the step of each checkpoint that
    exists, because a run resumes from an earlier one if the latest is corrupt.
    """

    def __init__(self, directory):
        """Starts with no loss; `directory` is the output directory of the run."""
        self._directory = directory
        self._path = os.path.join(directory, FILE)
        self._saved = {}
        self._sum, self._count = 0.0, 0

    def add(self, loss):
        """Adds the loss of a step, a finite float."""
        self._sum += loss
        self._count += 1

    def take(self):
        """The mean loss of the steps since the last call; NaN if there was none."""
        mean = self._sum / self._count if self._count else math.nan
        self._sum, self._count = 0.0, 0
        return mean

    def restore(self, step):
        """Continues from what was saved with the checkpoint of a step.

        Raises:
          InputError: the file is corrupt.
        """
        self._saved = read(self._directory)
        if step in self._saved:
            self._sum, self._count = self._saved[step]
        else:
            log.info(
                "No training loss was saved with step %d: the training_loss of the "
                "next evaluation is the mean of the steps after it",
                step,
            )

    def before_save(self, session, global_step_value):
        """Saves the sum; the checkpoint follows, so that none is without it."""
        del session
        names = set(files.list_directory(self._directory))
        self._saved = {
            step: loss
            for step, loss in self._saved.items()
            if "model.ckpt-%d.index" % step in names
        }
        self._saved[int(global_step_value)] = (self._sum, self._count)
        content = {
            str(step): {"sum": total, "count": count}
            for step, (total, count) in self._saved.items()
        }
        json_files.write(self._path, content)


def read(directory):
    """Returns what an output directory has: step -> sum and count of the losses.

    Raises:
      InputError: the file is corrupt.
    """
    path = os.path.join(directory, FILE)
    if not files.exists(path):
        return {}
    return json_files.read(
        path,
        "the sum and the count of the training losses since the last evaluation, by "
        "step",
        "restore or remove it; without it, the next training_loss is the mean of the "
        "steps after resuming",
        _parse,
    )


def _parse(content):
    return {
        int(step): (float(loss["sum"]), int(loss["count"]))
        for step, loss in content.items()
    }
