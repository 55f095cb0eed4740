"""Computes the scores of a dev set from the predictions of the model."""

from dataclasses import dataclass
from typing import Dict, Optional, Tuple

import numpy as np

from finetuning.evaluation import metrics

MAIN_SCORE = "eval_main_score"


@dataclass(frozen=True)
class Evaluation:
    """The scores of an evaluation and its baselines.

    Attributes:
      figures: name in the result files -> number: `eval_<score>`, `eval_loss`, `loss`
        (the same) and `global_step`. If the split has two halves, these are of the
        first, as in the original, and those of each are `eval_<half>_<score>`.
        `eval_main_score` is a fraction: the mean of the scores that GLUE averages, and
        of the halves.
      shown: names of the figures to display, in order; the main score is last.
      majority_accuracy: the accuracy of always predicting the most frequent label, the
        mean of the halves; None for a regression.
      majority_score: the main score of always predicting that label; for a regression,
        of any constant.
      one_class: whether all predictions are the same although the labels are not.
      only_labels: in this case, the label or number that is predicted in each half.
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
    """The ids of the most likely labels, int [examples]; for a regression, the numbers.

    Args:
      task: `tasks.Task`.
      probabilities: of `inference.Predictions`.
    """
    if task.is_regression:
        return probabilities[:, 0]
    return np.argmax(probabilities, axis=1)


def evaluate(task, parts, step):
    """Scores a dev set.

    Args:
      task: `tasks.Task`.
      parts: (half, `inference.Predictions`) pairs; half is "" if there is only one.
      step: global step of the weights.

    Returns:
      `Evaluation`.
    """
    figures, shown, main, baseline, same = {}, [], [], [], []
    for part, predictions in parts:
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
        _majority_accuracy(task, [predictions.label_ids for _, predictions in parts]),
        float(np.mean(baseline)),
        len(same) == len(parts),
        tuple(dict.fromkeys(same)) if len(same) == len(parts) else (),
    )


def _shown(task, predicted):
    """Formats a prediction for a message."""
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
    # For a regression any number will do: no constant correlates with anything.
    most_frequent = 0 if task.is_regression else np.bincount(gold).argmax()
    return metrics.compute(task.metrics, gold, np.full_like(gold, most_frequent))
