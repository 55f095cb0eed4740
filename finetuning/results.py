"""The result files, and the table of scores on the screen. Formatting is pure."""

import os

import numpy as np

from finetuning import files

EVAL_TEXT = "eval_results.txt"
EVAL_JSON = "eval_results.json"
PREDICTIONS = "test_results.tsv"


def evaluation(scores, loss, global_step):
    """All figures of an evaluation under the names that the result files give them.

    Args:
      scores: dictionary of `metrics.compute`.
      loss: mean cross-entropy over the examples, in nats.
      global_step: optimiser steps that the weights have seen.

    Returns:
      Dictionary: `eval_<score>`, `eval_loss`, `loss` (the same), `global_step`.
    """
    figures = {"eval_" + name: value for name, value in scores.items()}
    figures.update(eval_loss=loss, loss=loss, global_step=global_step)
    return figures


def evaluation_text(figures):
    """`key = value` lines, sorted by key; floats with the digits of a float32."""
    lines = []
    for key in sorted(figures):
        value = figures[key]
        shown = str(np.float32(value)) if isinstance(value, float) else str(value)
        lines.append("%s = %s\n" % (key, shown))
    return "".join(lines)


def predictions_text(probabilities):
    """One line an example: the probability of each label, separated by tabs.

    Args:
      probabilities: float32 array [examples, L].
    """
    return "".join("\t".join(map(str, row)) + "\n" for row in probabilities)


def table(title, rows):
    """Lines of a two-column table under a title.

    Args:
      title: heading.
      rows: pairs of a name and a value; floats are shown with four decimals.
    """
    width = max(len(name) for name, _ in rows)
    shown = [("%.4f" % v if isinstance(v, float) else str(v)) for _, v in rows]
    right = max(map(len, shown))
    return [title] + [
        "  %-*s  %*s" % (width, name, right, value)
        for (name, _), value in zip(rows, shown)
    ]


def write_predictions(output_dir, probabilities):
    """Writes `test_results.tsv`; returns its path."""
    path = os.path.join(output_dir, PREDICTIONS)
    files.write_text(path, predictions_text(probabilities))
    return path


def write_evaluation(output_dir, figures):
    """Writes `eval_results.txt`; returns its path."""
    path = os.path.join(output_dir, EVAL_TEXT)
    files.write_text(path, evaluation_text(figures))
    return path
