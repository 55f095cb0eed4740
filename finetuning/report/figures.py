"""The numbers behind the charts, as functions of arrays."""

from typing import NamedTuple

import numpy as np


class Calibration(NamedTuple):
    """How often the model is right, by how sure it is.

    Attributes:
      edges: float64 [bins + 1].
      counts: int [bins].
      confidence: float64 [bins], the mean confidence; NaN in an empty bin.
      accuracy: float64 [bins], the fraction that is right; NaN in an empty bin.
      error: the expected calibration error.
    """

    edges: np.ndarray
    counts: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray
    error: float


class Group(NamedTuple):
    """Examples of similar length: `low` to `high` tokens, and their indices."""

    low: int
    high: int
    indices: np.ndarray


def calibration(confidence, is_right, bins=15):
    """Compares confidence with accuracy in bins of equal width.

    Guo et al. 2017, https://arxiv.org/abs/1706.04599, equations 2, 3 and 5. The bins
    are open at their lower edge.

    Args:
      confidence: float64 [examples], the probability of the predicted label.
      is_right: bool [examples].
      bins: their number.

    Returns:
      `Calibration`.
    """
    edges = np.linspace(0.0, 1.0, bins + 1)
    places = np.clip(np.searchsorted(edges, confidence, "left") - 1, 0, bins - 1)
    counts = np.bincount(places, minlength=bins)
    with np.errstate(invalid="ignore"):
        mean = np.bincount(places, confidence, bins) / counts
        accuracy = np.bincount(places, is_right, bins) / counts
    gaps = np.abs(np.nan_to_num(accuracy) - np.nan_to_num(mean))
    error = float(np.sum(counts * gaps) / len(confidence))
    return Calibration(edges, counts, mean, accuracy, error)


def length_groups(lengths, count=6):
    """Cuts examples into at most `count` groups of similar length and similar size.

    Args:
      lengths: int [examples], in tokens.
      count: the number of groups, if lengths are different enough.

    Returns:
      List of `Group`, the shortest first.
    """
    last = np.ceil(len(lengths) * np.arange(1, count + 1) / count).astype(int) - 1
    uppers = np.unique(np.sort(lengths)[last])
    places = np.searchsorted(uppers, lengths)
    members = [np.flatnonzero(places == place) for place in range(len(uppers))]
    return [
        Group(int(lengths[indices].min()), int(upper), indices)
        for upper, indices in zip(uppers, members)
    ]


def score(errors, is_regression):
    """Accuracy, or for a regression the mean absolute error, of `Examples.errors`."""
    mean = float(np.mean(np.abs(errors)))
    return mean if is_regression else 1.0 - mean


def worst_errors(examples, count=20):
    """The indices of the worst errors, the worst first.

    In a classification, these are the wrong answers whose true label was the least
    probable; in a regression, the largest differences.

    Args:
      examples: `facts.Examples`.
      count: their maximum number.
    """
    sizes = np.abs(examples.errors)
    if examples.probabilities.shape[1]:
        sizes = np.where(sizes > 0, 1.0 - examples.gold_probabilities, -1.0)
    order = np.argsort(-sizes, kind="mergesort")[:count]
    return [int(index) for index in order if sizes[index] > 0]


def thinned(points, count):
    """At most `count` of a list's items at equal distances, the first and the last."""
    if len(points) <= count:
        return list(points)
    places = np.linspace(0, len(points) - 1, count).round().astype(int)
    return [points[place] for place in places]
