"""Scores as pure functions over labels. Every value is defined: 0 where a
denominator is 0, and no warning.

Each function takes arrays `gold` and `predicted` of one length [examples], of label ids
or of a regression's numbers, and returns a dictionary from a metric's name to a float,
or to an int for counts. Label 1 is the positive one.
"""

import warnings

import numpy as np
from scipy import stats
from sklearn import metrics as sklearn_metrics


def compute(names, gold, predicted):
    """The scores of the named rows of `METRICS`, in their order.

    Raises:
      KeyError: a name is unknown.
      ValueError: the arrays differ in length or are empty.
    """
    gold, predicted = np.asarray(gold), np.asarray(predicted)
    if gold.shape != predicted.shape or gold.ndim != 1 or not gold.size:
        raise ValueError(
            "expected two arrays of one length, got %s and %s"
            % (gold.shape, predicted.shape)
        )
    scores = {}
    for name in names:
        scores.update(METRICS[name](gold, predicted))
    return scores


def accuracy(gold, predicted):
    return {"accuracy": float(np.mean(gold == predicted))}


def f1_precision_recall(gold, predicted):
    """F1, precision and recall of label 1."""
    with warnings.catch_warnings():
        # Label 1 nowhere in gold or predicted: scikit-learn warns and returns 0.
        warnings.simplefilter("ignore")
        precision, recall, f1, _ = sklearn_metrics.precision_recall_fscore_support(
            gold, predicted, labels=[1], average="macro"
        )
    return {"f1": float(f1), "precision": float(precision), "recall": float(recall)}


def matthews_correlation(gold, predicted):
    """Matthews correlation; 0 where either side has one label only."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        value = sklearn_metrics.matthews_corrcoef(gold, predicted)
    return {"matthews_correlation": float(np.nan_to_num(value))}


def confusion_counts(gold, predicted):
    """The four counts of a two-label task."""
    matrix = sklearn_metrics.confusion_matrix(gold, predicted, labels=[0, 1])
    names = ("true_negatives", "false_positives", "false_negatives", "true_positives")
    return dict(zip(names, map(int, matrix.ravel())))


def macro_f1(gold, predicted):
    """The mean of each label's F1, over the labels that occur on either side."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        value = sklearn_metrics.f1_score(gold, predicted, average="macro")
    return {"macro_f1": float(value)}


def pearson_spearman(gold, predicted):
    """Pearson's and Spearman's correlation; 0 where either side is constant."""
    return {
        "pearson": _correlation(stats.pearsonr, gold, predicted),
        "spearman": _correlation(stats.spearmanr, gold, predicted),
    }


def _correlation(function, gold, predicted):
    gold, predicted = np.asarray(gold, np.float64), np.asarray(predicted, np.float64)
    if np.ptp(gold) == 0.0 or np.ptp(predicted) == 0.0:
        return 0.0
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # Numbers that are nearly constant.
        value = function(gold, predicted)[0]
    return float(np.nan_to_num(value))


def majority_accuracy(gold):
    """The accuracy of always giving the commonest label: what a score has to beat."""
    return float(np.bincount(gold).max() / len(gold))


METRICS = {
    "accuracy": accuracy,
    "f1_precision_recall": f1_precision_recall,
    "matthews_correlation": matthews_correlation,
    "confusion_counts": confusion_counts,
    "macro_f1": macro_f1,
    "pearson_spearman": pearson_spearman,
}
