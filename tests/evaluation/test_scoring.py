"""From predictions to the figures of an evaluation, by hand."""

import dataclasses

import numpy as np
import pytest

from finetuning.data import tasks
from finetuning.evaluation import metrics, scoring
from finetuning.evaluation.inference import Predictions


def predictions(gold, predicted, losses, labels=2):
    """Classes as one-hot probabilities that are not quite sure."""
    one_hot = np.eye(labels, dtype=np.float32)[np.array(predicted)]
    probabilities = one_hot * 0.7 + 0.3 / labels
    return Predictions(probabilities, np.float32(losses), np.int32(gold))


def numbers(gold, predicted, losses):
    rows = np.float32(predicted)[:, None]
    return Predictions(rows, np.float32(losses), np.float32(gold))


def test_likeliest_labels():
    probabilities = np.float32([[0.2, 0.3, 0.5], [0.4, 0.4, 0.2], [0.1, 0.8, 0.1]])
    found = scoring.predicted_labels(tasks.find_task("MNLI"), probabilities)
    assert found.tolist() == [2, 0, 1]


def test_numbers_of_a_regression():
    probabilities = np.float32([[2.5], [-1.0], [7.0]])
    found = scoring.predicted_labels(tasks.find_task("STS-B"), probabilities)
    assert found.tolist() == [2.5, -1.0, 7.0]


def test_one_set():
    found = scoring.evaluate(
        tasks.find_task("MRPC"),
        [("", predictions([1, 1, 1, 0], [1, 1, 0, 1], [0.25, 0.5, 1.0, 0.75]))],
        343,
    )
    assert found.figures == {
        "eval_accuracy": 0.5,
        "eval_f1": pytest.approx(2 / 3),
        "eval_precision": pytest.approx(2 / 3),
        "eval_recall": pytest.approx(2 / 3),
        "eval_true_positives": 2,
        "eval_false_positives": 1,
        "eval_false_negatives": 1,
        "eval_true_negatives": 0,
        "eval_loss": 0.625,
        "loss": 0.625,
        "global_step": 343,
        "eval_main_score": pytest.approx((0.5 + 2 / 3) / 2),
    }
    assert found.majority_accuracy == 0.75
    # Always 1: accuracy 3/4, precision 3/4, recall 1.
    assert found.majority_score == pytest.approx((0.75 + 6 / 7) / 2)
    assert found.one_class is False


def test_mrpcs_majority_is_what_glue_has():
    """279 of 408 are positive: accuracy 68.4, F1 81.2."""
    gold = [1] * 279 + [0] * 129
    found = scoring.evaluate(
        tasks.find_task("MRPC"), [("", predictions(gold, [1] * 408, [0.6] * 408))], 1
    )
    assert round(100 * found.figures["eval_accuracy"], 1) == 68.4
    assert round(100 * found.figures["eval_f1"], 1) == 81.2
    assert found.main_score == found.figures["eval_main_score"]
    assert found.only_labels == ("1",)
    assert found.figures["eval_main_score"] == pytest.approx(found.majority_score)
    assert found.one_class is True


def test_the_loss_is_a_mean_in_double_precision():
    losses = np.full(3000, 0.1, np.float32)
    found = scoring.evaluate(
        tasks.find_task("RTE"),
        [("", predictions([0, 1] * 1500, [0] * 3000, losses))],
        1,
    )
    assert found.figures["eval_loss"] == float(np.float32(0.1))


def test_two_halves():
    """The first half's under the plain names; each half's under its own."""
    matched = predictions([0, 1, 2, 2], [0, 1, 2, 0], [1.0] * 4, 3)
    mismatched = predictions([0, 0, 1], [0, 1, 2], [3.0] * 3, 3)
    found = scoring.evaluate(
        tasks.find_task("MNLI"), [("matched", matched), ("mismatched", mismatched)], 7
    )
    assert found.figures == {
        "eval_accuracy": 0.75,
        "eval_loss": 1.0,
        "eval_matched_accuracy": 0.75,
        "eval_matched_loss": 1.0,
        "eval_mismatched_accuracy": pytest.approx(1 / 3),
        "eval_mismatched_loss": 3.0,
        "eval_main_score": pytest.approx((0.75 + 1 / 3) / 2),
        "loss": 1.0,
        "global_step": 7,
    }
    assert found.shown == (
        "eval_matched_accuracy",
        "eval_matched_loss",
        "eval_mismatched_accuracy",
        "eval_mismatched_loss",
        "eval_main_score",
    )
    assert found.majority_accuracy == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert found.majority_score == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert found.one_class is False


def test_a_half_alone():
    half = predictions([0, 1], [0, 0], [1.0] * 2, 3)
    found = scoring.evaluate(tasks.find_task("MNLI"), [("matched", half)], 0)
    assert found.figures["eval_accuracy"] == 0.5
    assert found.figures["eval_matched_accuracy"] == 0.5
    assert found.figures["eval_main_score"] == 0.5


def test_regression():
    found = scoring.evaluate(
        tasks.find_task("STS-B"),
        [("", numbers([1, 2, 3, 4], [2, 4, 6, 7], [1.0, 4.0, 9.0, 9.0]))],
        12,
    )
    # Deviations -1.5 ... 1.5 and -2.75 ... 2.25: 8.5 / sqrt(5 * 14.75).
    pearson = 8.5 / np.sqrt(5 * 14.75)
    assert found.figures == {
        "eval_pearson": pytest.approx(pearson),
        "eval_spearman": pytest.approx(1.0),
        "eval_main_score": pytest.approx((pearson + 1.0) / 2),
        "eval_loss": 5.75,
        "loss": 5.75,
        "global_step": 12,
    }
    assert found.majority_accuracy is None
    assert found.majority_score == 0.0
    assert found.one_class is False


def test_one_number_for_all_is_told():
    found = scoring.evaluate(
        tasks.find_task("STS-B"), [("", numbers([1, 2, 3], [2, 2, 2], [1.0] * 3))], 1
    )
    assert found.figures["eval_main_score"] == 0.0
    assert found.one_class is True
    assert found.only_labels == ("2",)


@pytest.mark.parametrize(
    "gold, predicted, one_class",
    [
        ([0, 1], [0, 0], True),
        ([0, 1], [1, 1], True),
        ([0, 1], [1, 0], False),
        ([0, 0], [0, 0], False),  # There is nothing else to say.
        ([0, 0], [1, 1], False),
    ],
)
def test_predictions_of_one_class(gold, predicted, one_class):
    found = scoring.evaluate(
        tasks.find_task("RTE"), [("", predictions(gold, predicted, [1.0] * 2))], 1
    )
    assert found.one_class is one_class


def test_both_halves_must_be_of_one_class():
    same = predictions([0, 1], [1, 1], [1.0] * 2, 3)
    other = predictions([0, 1], [0, 1], [1.0] * 2, 3)
    task = tasks.find_task("MNLI")
    for halves, one_class in [((same, same), True), ((same, other), False)]:
        pairs = list(zip(("matched", "mismatched"), halves))
        assert scoring.evaluate(task, pairs, 1).one_class is one_class


def test_the_labels_of_halves_that_are_each_of_one_class():
    halves = [
        ("matched", predictions([0, 1], [1, 1], [1.0] * 2, 3)),
        ("mismatched", predictions([0, 1], [2, 2], [1.0] * 2, 3)),
    ]
    found = scoring.evaluate(tasks.find_task("MNLI"), halves, 1)
    assert found.only_labels == ("entailment", "neutral")
    other = ("mismatched", predictions([0, 1], [0, 1], [1.0] * 2, 3))
    found = scoring.evaluate(tasks.find_task("MNLI"), [halves[0], other], 1)
    assert found.only_labels == ()


def test_colas_main_score_is_the_correlation():
    gold, predicted = [1, 1, 0, 0, 1], [1, 0, 0, 0, 1]
    found = scoring.evaluate(
        tasks.find_task("CoLA"), [("", predictions(gold, predicted, [1.0] * 5))], 1
    )
    expected = metrics.matthews_correlation(gold, predicted)["matthews_correlation"]
    assert found.figures["eval_main_score"] == pytest.approx(expected)
    assert found.majority_score == 0.0


def test_an_evaluation_is_plain_numbers():
    """They go into JSON."""
    found = scoring.evaluate(
        tasks.find_task("MRPC"), [("", predictions([1, 0], [1, 1], [1.0] * 2))], 1
    )
    values = list(found.figures.values())
    values += [found.majority_accuracy, found.majority_score, found.one_class]
    assert {type(value) for value in values} <= {int, float, bool}
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.one_class = True
