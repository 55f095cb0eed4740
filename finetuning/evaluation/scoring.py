"""From what the model says of the development set to the figures of the results."""

from dataclasses import dataclass
from typing import Dict, Optional, Tuple

import numpy as np

from finetuning.evaluation import metrics

MAIN_SCORE = "eval_main_score"


@dataclass(frozen=True)
class Evaluation:
    """All that is known of an evaluation.

    Attributes:
      figures: name in the result files -> number: `eval_<score>`, `eval_loss`, `loss`
        (the same) and `global_step`. Of a set in two halves these are the first
        half's, as the original has them, and each half's stand under
        `eval_<half>_<score>` as well. `eval_main_score` is the task's main score, a
        fraction: the mean of the scores that GLUE averages, over the halves.
      shown: names of the figures for people, in order: of a set in two halves those of
        each half alone, and the main score last.
      majority_accuracy: the accuracy of always giving the commonest label, the mean
        over the halves; None for a regression.
      majority_score: the main score of always giving that label, or for a regression
        any one number.
      one_class: whether all predictions are the same though the labels are not.
      only_labels: if so, which label it is, or number, of each half.
    """

    figures: Dict[str, float]
    shown: Tuple[str, ...]
    majority_accuracy: Optional[float]
    majority_score: float
    one_class: bool
    only_labels: Tuple[str, ...] = ()

    @property
    def main_score(self):
        return self.figures[MAIN_SCORE]


def predicted_labels(task, probabilities):
    """Ids of the likeliest labels, int [examples]; of a regression its numbers.

    Args:
      task: `tasks.Task`.
      probabilities: of `inference.Predictions`.
    """
    if task.is_regression:
        return probabilities[:, 0]
    return np.argmax(probabilities, axis=1)


def evaluate(task, sets, step):
    """Scores a development set.

    Args:
      task: `tasks.Task`.
      sets: pairs of the name of a half, or "", and its `inference.Predictions`.
      step: optimiser steps that the weights have seen.

    Returns:
      `Evaluation`.
    """
    figures, shown, main, baseline, same = {}, [], [], [], []
    for part, predictions in sets:
        gold = predictions.label_ids
        predicted = predicted_labels(task, predictions.probabilities)
        scores = metrics.compute(task.metrics, gold, predicted)
        scores["loss"] = float(np.mean(predictions.per_example_loss, dtype=np.float64))
        if not figures:
            figures.update(_named("eval_", scores))
        named = _named("eval_%s_" % part if part else "eval_", scores)
        figures.update(named)
        shown += named
        main.append(_main_score(task, scores))
        baseline.append(_main_score(task, _majority_scores(task, gold)))
        if np.ptp(predicted) == 0 and np.ptp(gold) > 0:
            same.append(_shown(task, predicted[0]))
    figures[MAIN_SCORE] = float(np.mean(main))
    figures.update(loss=figures["eval_loss"], global_step=step)
    return Evaluation(
        figures,
        tuple(shown) + (MAIN_SCORE,),
        _majority_accuracy(task, [predictions.label_ids for _, predictions in sets]),
        float(np.mean(baseline)),
        len(same) == len(sets),
        tuple(dict.fromkeys(same)) if len(same) == len(sets) else (),
    )


def _shown(task, predicted):
    """A prediction for people."""
    return "%g" % predicted if task.is_regression else task.labels[predicted]


def _named(prefix, scores):
    return {prefix + name: value for name, value in scores.items()}


def _majority_accuracy(task, golds):
    if task.is_regression:
        return None
    return float(np.mean([metrics.majority_accuracy(gold) for gold in golds]))


def _main_score(task, scores):
    return float(np.mean([scores[name] for name in task.main]))


def _majority_scores(task, gold):
    # Of a regression any number will do: no constant correlates with anything.
    commonest = 0 if task.is_regression else np.bincount(gold).argmax()
    return metrics.compute(task.metrics, gold, np.full_like(gold, commonest))
