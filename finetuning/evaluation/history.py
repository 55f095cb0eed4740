"""The evaluations of a training run by step, and which of them was the best."""

import os
import re

from finetuning.evaluation.scoring import MAIN_SCORE
from finetuning.utils import files
from finetuning.utils.errors import InputError

FILE = "eval_history.tsv"
_SET_ASIDE = "eval_history_until_%s.tsv"
_STEP = "step"
_NAMES = re.compile(r"eval_history(_until_\d+)?\.tsv$")


class History:
    """Evaluations by step, kept in `eval_history.tsv`."""

    def __init__(self, directory, resumed):
        """Reads the evaluations of a run that is resumed.

        Args:
          directory: output directory of the run.
          resumed: whether to read the file that is there; otherwise the first
            evaluation replaces it.

        Raises:
          InputError: the file is corrupt.
        """
        self._path = os.path.join(directory, FILE)
        self._rows = {}
        if resumed and files.exists(self._path):
            self._rows = _parse(self._path, files.read_text(self._path))

    def add(self, step, figures):
        """Adds an evaluation and writes the file; replaces one of the same step.

        Args:
          step: global step of the weights.
          figures: dictionary from name to number, `eval_main_score` among them.
        """
        self._rows[step] = dict(figures)
        files.write_text(self._path, self._text())

    @property
    def rows(self):
        """The figures of each evaluation by step, in the order of the steps."""
        return {step: self._rows[step] for step in sorted(self._rows)}

    def score(self, step):
        """The main score of the evaluation at a step; None if there was none."""
        return self._rows[step][MAIN_SCORE] if step in self._rows else None

    def best(self, step):
        """The step of the best evaluation up to a step, the first of equals."""
        steps = [past for past in self._rows if past <= step]
        return max(steps, key=lambda past: (self.score(past), -past), default=None)

    def since_best(self, step):
        """The number of evaluations up to a step that came after the best of them."""
        best = self.best(step)
        return sum(1 for past in self._rows if best is not None and best < past <= step)

    def _text(self):
        # The rows may differ in their scores if half of a dev set was added later.
        names = list(dict.fromkeys(name for row in self._rows.values() for name in row))
        lines = ["\t".join([_STEP] + names)]
        for step in sorted(self._rows):
            row = self._rows[step]
            values = [repr(row[name]) if name in row else "" for name in names]
            lines.append("\t".join([str(step)] + values))
        return "\n".join(lines) + "\n"


def is_history(name):
    """Whether a file is called like a history, the current one or one set aside."""
    return _NAMES.match(name) is not None


def set_aside(directory, step):
    """Renames the file, so that the next evaluation starts a new one.

    Args:
      directory: output directory of the run.
      step: the step up to which the file goes.

    Returns:
      The new path; None if there was no file.
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
            "%s is corrupt: expected the table of evaluations of the run that is "
            "resumed; restore it, or remove it to start a new one" % path
        ) from None
    return rows


def _number(text):
    """Reads a count as an int and a score as a float."""
    return int(text) if text.isdigit() else float(text)
