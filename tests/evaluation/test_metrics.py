"""The scores against hand counts and scikit-learn, and on degenerate arrays."""

import math
import warnings

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as sklearn_metrics

from finetuning.evaluation import metrics

ALL = ("accuracy", "f1_precision_recall", "matthews_correlation", "confusion_counts")


@pytest.fixture(autouse=True)
def _warnings_are_errors():
    with warnings.catch_warnings(), np.errstate(all="raise"):
        warnings.simplefilter("error")
        yield


def compute(gold, predicted, names=ALL):
    return metrics.compute(names, np.array(gold), np.array(predicted))


def test_by_hand():
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


def test_order_and_choice_of_scores():
    assert list(compute([0, 1], [0, 1])) == [
        "accuracy",
        "f1",
        "precision",
        "recall",
        "matthews_correlation",
        "true_negatives",
        "false_positives",
        "false_negatives",
        "true_positives",
    ]
    assert compute([0, 1], [0, 1], ["accuracy"]) == {"accuracy": 1.0}
    assert list(compute([0, 1], [1, 1], ["matthews_correlation", "accuracy"])) == [
        "matthews_correlation",
        "accuracy",
    ]


def test_values_are_plain_numbers():
    for name, value in compute([0, 1, 1], [0, 1, 0]).items():
        counted = name.endswith(("positives", "negatives"))
        assert type(value) is (int if counted else float), name


@pytest.mark.parametrize("seed", range(20))
def test_two_labels_against_scikit_learn(seed):
    rng = np.random.RandomState(seed)
    size = rng.randint(2, 200)
    gold = (rng.uniform(size=size) < rng.uniform(0.1, 0.9)).astype(np.int32)
    predicted = np.where(rng.uniform(size=size) < 0.3, 1 - gold, gold)
    gold[:2] = predicted[:2] = [0, 1]  # So that all scores are defined.
    scores = compute(gold, predicted)
    assert scores["accuracy"] == pytest.approx(
        sklearn_metrics.accuracy_score(gold, predicted)
    )
    assert scores["f1"] == pytest.approx(sklearn_metrics.f1_score(gold, predicted))
    assert scores["precision"] == pytest.approx(
        sklearn_metrics.precision_score(gold, predicted)
    )
    assert scores["recall"] == pytest.approx(
        sklearn_metrics.recall_score(gold, predicted)
    )
    assert scores["matthews_correlation"] == pytest.approx(
        sklearn_metrics.matthews_corrcoef(gold, predicted)
    )
    assert scores["true_positives"] == np.sum((gold == 1) & (predicted == 1))
    assert scores["true_negatives"] == np.sum((gold == 0) & (predicted == 0))
    assert scores["false_positives"] == np.sum((gold == 0) & (predicted == 1))
    assert scores["false_negatives"] == np.sum((gold == 1) & (predicted == 0))


@pytest.mark.parametrize("seed", range(5))
def test_accuracy_of_three_labels_against_scikit_learn(seed):
    rng = np.random.RandomState(seed)
    gold, predicted = rng.randint(0, 3, [2, 100])
    assert compute(gold, predicted, ["accuracy"])["accuracy"] == pytest.approx(
        sklearn_metrics.accuracy_score(gold, predicted)
    )


@pytest.mark.parametrize(
    "gold, predicted, accuracy, f1, precision, recall, counts",
    [
        ([0, 0], [0, 0], 1.0, 0.0, 0.0, 0.0, (2, 0, 0, 0)),
        ([0, 0], [1, 1], 0.0, 0.0, 0.0, 0.0, (0, 2, 0, 0)),
        ([1, 1], [0, 0], 0.0, 0.0, 0.0, 0.0, (0, 0, 2, 0)),
        ([1, 1], [1, 1], 1.0, 1.0, 1.0, 1.0, (0, 0, 0, 2)),
        ([0, 1], [0, 0], 0.5, 0.0, 0.0, 0.0, (1, 0, 1, 0)),
        ([0, 1], [1, 1], 0.5, 2 / 3, 0.5, 1.0, (0, 1, 0, 1)),
        ([1, 1], [0, 1], 0.5, 2 / 3, 1.0, 0.5, (0, 0, 1, 1)),
        ([0, 0], [0, 1], 0.5, 0.0, 0.0, 0.0, (1, 1, 0, 0)),
        ([0], [0], 1.0, 0.0, 0.0, 0.0, (1, 0, 0, 0)),
        ([1], [1], 1.0, 1.0, 1.0, 1.0, (0, 0, 0, 1)),
    ],
)
def test_degenerate_arrays_have_scores_and_no_warning(
    gold, predicted, accuracy, f1, precision, recall, counts
):
    scores = compute(gold, predicted)
    assert scores["accuracy"] == accuracy
    assert scores["f1"] == pytest.approx(f1)
    assert scores["precision"] == precision
    assert scores["recall"] == recall
    assert scores["matthews_correlation"] == 0.0
    assert counts == (
        scores["true_negatives"],
        scores["false_positives"],
        scores["false_negatives"],
        scores["true_positives"],
    )


@pytest.mark.parametrize("predicted, expected", [([0, 1, 1], 1.0), ([1, 0, 0], -1.0)])
def test_matthews_correlation_at_its_ends(predicted, expected):
    scores = compute([0, 1, 1], predicted, ["matthews_correlation"])
    assert scores["matthews_correlation"] == pytest.approx(expected)


@pytest.mark.parametrize(
    "gold, expected",
    [([0, 1, 1, 1], 0.75), ([0, 0, 1], 2 / 3), ([2, 2, 0, 1], 0.5), ([1], 1.0)],
)
def test_majority_accuracy(gold, expected):
    assert metrics.majority_accuracy(np.array(gold)) == pytest.approx(expected)
    assert type(metrics.majority_accuracy(np.array(gold))) is float


@pytest.mark.parametrize(
    "gold, predicted",
    [([], []), ([0, 1], [0]), ([0], [0, 1]), ([[0, 1]], [[0, 1]]), (0, 0)],
)
def test_arrays_that_do_not_match_are_refused(gold, predicted):
    with pytest.raises(ValueError, match="^expected two arrays of one length, got"):
        compute(gold, predicted)


def test_unknown_score():
    with pytest.raises(KeyError, match="rouge"):
        compute([0, 1], [0, 1], ["rouge"])


def test_the_arrays_are_not_changed():
    gold, predicted = np.array([0, 1, 1]), np.array([1, 1, 0])
    compute(gold, predicted)
    assert gold.tolist() == [0, 1, 1]
    assert predicted.tolist() == [1, 1, 0]


# Correlations, and other scores of many labels or of numbers


@pytest.mark.parametrize("seed", range(20))
def test_correlations_against_scipy(seed):
    rng = np.random.RandomState(seed)
    size = rng.randint(3, 200)
    gold = (5 * rng.uniform(size=size)).astype(np.float32)
    predicted = (gold + rng.normal(size=size) * rng.uniform(0, 3)).astype(np.float32)
    if seed % 2:  # Ties, as between people's scores.
        gold, predicted = np.round(gold), np.round(predicted)
    gold[:2], predicted[:2] = [1, 2], [2, 1]  # Nothing is constant.
    scores = compute(gold, predicted, ["pearson_spearman"])
    exact = [np.asarray(values, np.float64) for values in (gold, predicted)]
    assert list(scores) == ["pearson", "spearman"]
    assert scores["pearson"] == pytest.approx(stats.pearsonr(*exact)[0], abs=1e-12)
    assert scores["spearman"] == pytest.approx(stats.spearmanr(*exact)[0], abs=1e-12)
    assert {type(value) for value in scores.values()} == {float}


def test_correlations_by_hand():
    # Deviations -1, 0, 1 and -3, 0, 3; then ranks 1, 3, 2: 1 - 6 * 2 / (3 * 8).
    assert compute([1, 2, 3], [0, 3, 6], ["pearson_spearman"]) == {
        "pearson": pytest.approx(1.0),
        "spearman": pytest.approx(1.0),
    }
    scores = compute([1, 2, 3], [1.0, 9.0, 2.0], ["pearson_spearman"])
    assert scores["spearman"] == pytest.approx(0.5)
    assert compute([1, 2, 3], [3, 2, 1], ["pearson_spearman"]) == {
        "pearson": pytest.approx(-1.0),
        "spearman": pytest.approx(-1.0),
    }


@pytest.mark.parametrize(
    "gold, predicted",
    [
        ([1.0, 2.0, 3.0], [2.5, 2.5, 2.5]),
        ([2.5, 2.5, 2.5], [1.0, 2.0, 3.0]),
        ([1.0, 1.0], [1.0, 1.0]),
        ([1.0], [2.0]),
    ],
)
def test_constants_do_not_correlate(gold, predicted):
    assert compute(gold, predicted, ["pearson_spearman"]) == {
        "pearson": 0.0,
        "spearman": 0.0,
    }


@pytest.mark.parametrize("spread", [1e-30, 1e-17, 1e-13, 1e-8])
def test_numbers_that_are_nearly_constant(spread):
    """No warning, and a number within -1 and 1, whatever rounding leaves."""
    gold = np.array([1.0, 2.0, 3.0, 4.0])
    for predicted in (2.0 + spread * gold, spread * gold):
        for value in compute(gold, predicted, ["pearson_spearman"]).values():
            assert -1.0 <= value <= 1.0


def test_two_examples_correlate_fully():
    assert compute([1, 2], [5, 9], ["pearson_spearman"]) == {
        "pearson": pytest.approx(1.0),
        "spearman": pytest.approx(1.0),
    }


def test_numbers_of_a_float32_too_large_to_be_squared_in_it():
    gold, predicted = np.float32([1, 2, 3]), np.float32([1e30, 2e30, 3e30])
    scores = metrics.compute(["pearson_spearman"], gold, predicted)
    assert scores["pearson"] == pytest.approx(1.0)


@pytest.mark.parametrize("seed", range(10))
def test_three_labels_against_scikit_learn(seed):
    rng = np.random.RandomState(seed)
    gold = rng.randint(0, 3, 60)
    predicted = np.where(rng.uniform(size=60) < 0.5, gold, rng.randint(0, 3, 60))
    scores = compute(gold, predicted, ["macro_f1", "matthews_correlation"])
    assert scores["macro_f1"] == pytest.approx(
        sklearn_metrics.f1_score(gold, predicted, average="macro")
    )
    assert scores["matthews_correlation"] == pytest.approx(
        sklearn_metrics.matthews_corrcoef(gold, predicted)
    )


def test_macro_f1_by_hand():
    # Label 0: one right, one too many, one missed; label 1: one too many; 2: none.
    scores = compute([0, 0, 1, 2], [0, 1, 1, 0], ["macro_f1"])
    assert scores == {"macro_f1": pytest.approx((1 / 2 + 2 / 3 + 0) / 3)}


@pytest.mark.parametrize(
    "gold, predicted, expected",
    [
        ([1, 1], [1, 1], 1.0),
        ([0, 0], [0, 0], 1.0),
        ([0, 0], [1, 1], 0.0),
        ([0, 1], [0, 0], 1 / 3),
        ([0, 1, 2], [2, 2, 2], 1 / 6),
        ([5], [5], 1.0),
    ],
)
def test_macro_f1_of_degenerate_arrays(gold, predicted, expected):
    assert compute(gold, predicted, ["macro_f1"]) == {
        "macro_f1": pytest.approx(expected)
    }


@pytest.mark.parametrize("gold, predicted", [([2, 2, 2], [0, 1, 2]), ([0, 1], [1, 1])])
def test_correlation_of_one_label_is_zero(gold, predicted):
    scores = compute(gold, predicted, ["matthews_correlation"])
    assert scores == {"matthews_correlation": 0.0}
