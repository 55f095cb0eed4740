"""The scores, worked out by hand, and on arrays for which they are undefined."""

import math
import warnings

import numpy as np
import pytest

from finetuning.evaluation import metrics

TWO_LABELS = ("accuracy", "f1_precision_recall", "matthews_correlation")
TWO_LABELS += ("confusion_counts",)


@pytest.fixture(autouse=True)
def _warnings_are_errors():
    with warnings.catch_warnings(), np.errstate(all="raise"):
        warnings.simplefilter("error")
        yield


def compute(gold, predicted, names=TWO_LABELS):
    return metrics.compute(names, np.array(gold), np.array(predicted))


def test_two_labels():
    # 3 true positives, 1 false negative, 2 false positives, 4 true negatives.
    gold = [1, 1, 1, 1, 0, 0, 0, 0, 0, 0]
    predicted = [1, 1, 1, 0, 1, 1, 0, 0, 0, 0]
    scores = compute(gold, predicted)
    assert scores == {
        "accuracy": 0.7,
        "precision": pytest.approx(3 / 5),
        "recall": pytest.approx(3 / 4),
        "f1": pytest.approx(6 / 9),
        "matthews_correlation": pytest.approx(10 / math.sqrt(5 * 4 * 6 * 5)),
        "true_positives": 3,
        "false_negatives": 1,
        "false_positives": 2,
        "true_negatives": 4,
    }
    # Plain numbers, which JSON can hold.
    assert {type(value) for value in scores.values()} == {int, float}


@pytest.mark.parametrize(
    "gold, predicted, accuracy, f1, precision, recall",
    [
        ([0, 0], [0, 0], 1.0, 0.0, 0.0, 0.0),
        ([0, 0], [1, 1], 0.0, 0.0, 0.0, 0.0),
        ([1, 1], [0, 0], 0.0, 0.0, 0.0, 0.0),
        ([1, 1], [1, 1], 1.0, 1.0, 1.0, 1.0),
        ([0, 1], [0, 0], 0.5, 0.0, 0.0, 0.0),
        ([0, 1], [1, 1], 0.5, 2 / 3, 0.5, 1.0),
        ([0], [0], 1.0, 0.0, 0.0, 0.0),
        ([1], [1], 1.0, 1.0, 1.0, 1.0),
    ],
)
def test_one_label_alone(gold, predicted, accuracy, f1, precision, recall):
    """Undefined scores are 0, without a warning."""
    scores = compute(gold, predicted)
    assert (scores["accuracy"], scores["precision"]) == (accuracy, precision)
    assert (scores["f1"], scores["recall"]) == (pytest.approx(f1), recall)
    assert scores["matthews_correlation"] == 0.0


def test_three_labels():
    # Label 0: one right, one too many, one missed; label 1: one too many; 2: none.
    gold, predicted = [0, 0, 1, 2], [0, 1, 1, 0]
    scores = compute(gold, predicted, ["accuracy", "macro_f1", "matthews_correlation"])
    assert scores["accuracy"] == 0.5
    assert scores["macro_f1"] == pytest.approx((1 / 2 + 2 / 3 + 0) / 3)
    # (4 * 2 - 6) / sqrt((16 - 8) * (16 - 6)), as Gorodkin generalised it.
    assert scores["matthews_correlation"] == pytest.approx(2 / math.sqrt(80))


@pytest.mark.parametrize(
    "gold, predicted, expected",
    [
        ([0, 0], [0, 0], 1.0),
        ([0, 0], [1, 1], 0.0),
        ([0, 1], [0, 0], 1 / 3),
        ([0, 1, 2], [2, 2, 2], 1 / 6),
    ],
)
def test_macro_f1_of_few_labels(gold, predicted, expected):
    scores = compute(gold, predicted, ["macro_f1"])
    assert scores == {"macro_f1": pytest.approx(expected)}


@pytest.mark.parametrize(
    "gold, predicted, pearson, spearman",
    [
        ([1, 2, 3], [0, 3, 6], 1.0, 1.0),
        ([1, 2, 3], [3, 2, 1], -1.0, -1.0),
        # Deviations -1, 0, 1 and -3, 5, -2; ranks 1, 3, 2: 1 - 6 * 2 / (3 * 8).
        ([1, 2, 3], [1.0, 9.0, 2.0], 1 / math.sqrt(2 * 38), 0.5),
        # Tied ranks, as between people's scores: 1.5, 1.5, 3 and 1, 2.5, 2.5.
        ([1, 1, 2], [1, 2, 2], 0.5, 0.5),
        ([1, 2], [5, 9], 1.0, 1.0),
        # Constants do not correlate.
        ([1.0, 2.0, 3.0], [2.5, 2.5, 2.5], 0.0, 0.0),
        ([2.5, 2.5, 2.5], [1.0, 2.0, 3.0], 0.0, 0.0),
        ([1.0], [2.0], 0.0, 0.0),
        # Their squares are no float32.
        (np.float32([1, 2, 3]), np.float32([1e30, 2e30, 3e30]), 1.0, 1.0),
    ],
)
def test_correlations(gold, predicted, pearson, spearman):
    scores = compute(gold, predicted, ["pearson_spearman"])
    assert scores["pearson"] == pytest.approx(pearson)
    assert scores["spearman"] == pytest.approx(spearman)


@pytest.mark.parametrize("spread", [1e-30, 1e-17, 1e-13, 1e-8])
def test_correlations_of_nearly_constant_numbers(spread):
    """No warning, and a number from -1 to 1, whatever rounding leaves."""
    gold = np.array([1.0, 2.0, 3.0, 4.0])
    for predicted in (2.0 + spread * gold, spread * gold):
        for value in compute(gold, predicted, ["pearson_spearman"]).values():
            assert -1.0 <= value <= 1.0


@pytest.mark.parametrize(
    "gold, expected", [([0, 1, 1, 1], 0.75), ([2, 2, 0, 1], 0.5), ([1], 1.0)]
)
def test_majority_accuracy(gold, expected):
    assert metrics.majority_accuracy(np.array(gold)) == pytest.approx(expected)


@pytest.mark.parametrize(
    "gold, predicted", [([], []), ([0, 1], [0]), ([[0, 1]], [[0, 1]]), (0, 0)]
)
def test_arrays_that_do_not_match(gold, predicted):
    with pytest.raises(ValueError, match="arrays of the same length"):
        compute(gold, predicted)
