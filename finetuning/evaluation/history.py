"""The evaluations of a training, step by step: which was the best, and for how long."""

import os

from finetuning.evaluation.scoring import MAIN_SCORE
from finetuning.utils import files
from finetuning.utils.errors import InputError

FILE = "eval_history.tsv"
_SET_ASIDE = "eval_history_until_%s.tsv"
_STEP = "step"


class History:
    """Evaluations by step; what is added is written to `eval_history.tsv` at once."""

    def __init__(self, directory, resumed):
        """Reads what a training that goes on has left.

        Args:
          directory: the training's.
          resumed: whether it goes on; else an older file there is not looked at, and
            the first evaluation takes its place.

        Raises:
          InputError: the file is damaged.
        """
        self._path = os.path.join(directory, FILE)
        self._rows = {}
        if resumed and files.exists(self._path):
            self._rows = _parse(self._path, files.read_text(self._path))

    def add(self, step, figures):
        """Takes note of an evaluation; one at the same step is replaced.

        Args:
          step: optimiser steps that the weights have seen.
          figures: dictionary from name to number, `eval_main_score` among them.
        """
        self._rows[step] = dict(figures)
        files.write_text(self._path, self._text())

    def score(self, step):
        """The main score of the evaluation at a step; None where there was none."""
        return self._rows[step][MAIN_SCORE] if step in self._rows else None

    def best(self, step):
        """The step of the best evaluation up to a step, the first of equals."""
        steps = [each for each in self._rows if each <= step]
        return max(steps, key=lambda each: (self.score(each), -each), default=None)

    def since_best(self, step):
        """How many evaluations up to a step have come after the best of them."""
        best = self.best(step)
        return sum(1 for each in self._rows if best is not None and best < each <= step)

    def _text(self):
        # In one order; a half of a set may have come or gone since an earlier row.
        names = list(dict.fromkeys(name for row in self._rows.values() for name in row))
        lines = ["\t".join([_STEP] + names)]
        for step in sorted(self._rows):
            row = self._rows[step]
            values = [repr(row[name]) if name in row else "" for name in names]
            lines.append("\t".join([str(step)] + values))
        return "\n".join(lines) + "\n"


def set_aside(directory, step):
    """Gives the table another name, so that a new one begins.

    Args:
      directory: the training's.
      step: up to which the table goes.

    Returns:
      Where it is now; None where there was none.
    """
    path = os.path.join(directory, FILE)
    if not files.exists(path):
        return None
    target = os.path.join(directory, _SET_ASIDE % step)
    files.rename(path, target)
    return target


def _parse(path, text):
    lines = text.splitlines()
    rows = {}
    try:
        first, *names = lines[0].split("\t")
        if first != _STEP or MAIN_SCORE not in names:
            raise ValueError
        for line in lines[1:]:
            step, *values = line.split("\t")
            if len(values) != len(names):
                raise ValueError
            row = {n: _number(value) for n, value in zip(names, values) if value}
            if MAIN_SCORE not in row:
                raise ValueError
            rows[int(step)] = row
    except (ValueError, IndexError):
        raise InputError(
            "%s is damaged, and with it the table of evaluations that this training "
            "goes on with; restore it, or remove it to begin a new one" % path
        ) from None
    return rows


def _number(text):
    """As it was written: a count stays whole."""
    return int(text) if text.isdigit() else float(text)
