"""The metrics of GLUE, as pure functions.

Each takes arrays `gold` and `predicted` [examples] of label ids, or of numbers for a
regression, and returns a dictionary from the name of a score to a float, or to an int
for counts. Label 1 is the positive one. Scores with a denominator of 0 are 0.

Example:
  >>> compute(["accuracy"], gold=[0, 1, 1, 1], predicted=[0, 1, 1, 0])
  {'accuracy': 0.75}
"""

import warnings

import numpy as np


def sklearn_metrics():
    """scikit-learn's metrics, imported late: they take a second of a run's start."""
    from sklearn import metrics

    return metrics


def compute(names, gold, predicted):
    """Computes the named metrics of `METRICS`, in this order.

    Raises:
      KeyError: a name is unknown.
      ValueError: the arrays differ in length or are empty.
    """
    gold, predicted = np.asarray(gold), np.asarray(predicted)
    if gold.shape != predicted.shape or gold.ndim != 1 or not gold.size:
        raise ValueError(
            "expected two arrays of the same length, got %s and %s"
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
        # scikit-learn warns that it returns 0 if label 1 does not occur.
        warnings.simplefilter("ignore")
        precision, recall, f1, _ = sklearn_metrics().precision_recall_fscore_support(
            gold, predicted, labels=[1], average="macro"
        )
    return {"f1": float(f1), "precision": float(precision), "recall": float(recall)}


def matthews_correlation(gold, predicted):
    """Matthews correlation; 0 if either side has a single label."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        value = sklearn_metrics().matthews_corrcoef(gold, predicted)
    return {"matthews_correlation": float(np.nan_to_num(value))}


def confusion_counts(gold, predicted):
    """The four counts of a two-label task."""
    matrix = sklearn_metrics().confusion_matrix(gold, predicted, labels=[0, 1])
    names = ("true_negatives", "false_positives", "false_negatives", "true_positives")
    return dict(zip(names, map(int, matrix.ravel())))


def macro_f1(gold, predicted):
    """The mean F1 of all labels that occur on either side."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        value = sklearn_metrics().f1_score(gold, predicted, average="macro")
    return {"macro_f1": float(value)}


def pearson_spearman(gold, predicted):
    """Pearson and Spearman correlation; 0 if either side is constant."""
    from scipy import stats  # Imported late, too.

    return {
        "pearson": _correlation(stats.pearsonr, gold, predicted),
        "spearman": _correlation(stats.spearmanr, gold, predicted),
    }


def _correlation(function, gold, predicted):
    gold, predicted = np.asarray(gold, np.float64), np.asarray(predicted, np.float64)
    if np.ptp(gold) == 0.0 or np.ptp(predicted) == 0.0:
        return 0.0
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # The numbers may be nearly constant.
        value = function(gold, predicted)[0]
    return float(np.nan_to_num(value))


def majority_accuracy(gold):
    """The accuracy of always predicting the most frequent label: the baseline."""
    return float(np.bincount(gold).max() / len(gold))


METRICS = {
    "accuracy": accuracy,
    "f1_precision_recall": f1_precision_recall,
    "matthews_correlation": matthews_correlation,
    "confusion_counts": confusion_counts,
    "macro_f1": macro_f1,
    "pearson_spearman": pearson_spearman,
}
