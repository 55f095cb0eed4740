"""From predictions to the figures of an evaluation, worked out by hand."""

import numpy as np
import pytest

from finetuning.data import tasks
from finetuning.evaluation import scoring
from finetuning.evaluation.inference import Predictions


def predictions(gold, predicted, losses=None, labels=2):
    """Classes as one-hot probabilities that are not quite certain."""
    one_hot = np.eye(labels, dtype=np.float32)[np.array(predicted)]
    probabilities = one_hot * 0.7 + 0.3 / labels
    losses = [1.0] * len(gold) if losses is None else losses
    return Predictions(probabilities, np.float32(losses), np.int32(gold))


def numbers(gold, predicted, losses):
    rows = np.float32(predicted)[:, None]
    return Predictions(rows, np.float32(losses), np.float32(gold))


def evaluate(task, *halves, step=1):
    """The evaluation of a set, or of its matched and mismatched halves."""
    names = ("matched", "mismatched") if task == "MNLI" else ("",)
    return scoring.evaluate(tasks.find_task(task), list(zip(names, halves)), step)


@pytest.mark.parametrize(
    "task, probabilities, expected",
    [
        ("MNLI", [[0.2, 0.3, 0.5], [0.4, 0.4, 0.2], [0.1, 0.8, 0.1]], [2, 0, 1]),
        ("STS-B", [[2.5], [-1.0], [7.0]], [2.5, -1.0, 7.0]),
    ],
)
def test_predicted_labels(task, probabilities, expected):
    task = tasks.find_task(task)
    found = scoring.predicted_labels(task, np.float32(probabilities))
    assert found.tolist() == expected


def test_one_set():
    losses = [0.25, 0.5, 1.0, 0.75]
    found = evaluate("MRPC", predictions([1, 1, 1, 0], [1, 1, 0, 1], losses), step=343)
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
    # Plain numbers, which JSON can hold.
    values = [*found.figures.values(), found.majority_accuracy, found.majority_score]
    assert {type(value) for value in values} == {int, float}


def test_the_majority_of_mrpc_scores_as_glue_says():
    """279 of 408 are positive: accuracy 68.4, F1 81.2."""
    found = evaluate("MRPC", predictions([1] * 279 + [0] * 129, [1] * 408))
    assert round(100 * found.figures["eval_accuracy"], 1) == 68.4
    assert round(100 * found.figures["eval_f1"], 1) == 81.2
    assert found.main_score == found.figures["eval_main_score"]
    assert found.main_score == pytest.approx(found.majority_score)
    assert (found.one_class, found.only_labels) == (True, ("1",))


def test_the_loss_is_a_mean_in_double_precision():
    losses = np.full(3000, 0.1, np.float32)
    found = evaluate("RTE", predictions([0, 1] * 1500, [0] * 3000, losses))
    assert found.figures["eval_loss"] == float(np.float32(0.1))


def test_two_halves():
    """The first half has the plain names too; each has names of its own."""
    matched = predictions([0, 1, 2, 2], [0, 1, 2, 0], [1.0] * 4, 3)
    mismatched = predictions([0, 0, 1], [0, 1, 2], [3.0] * 3, 3)
    found = evaluate("MNLI", matched, mismatched, step=7)
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
    assert "eval_accuracy" not in found.shown
    assert "eval_matched_accuracy" in found.shown
    assert found.majority_accuracy == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert found.majority_score == pytest.approx((1 / 2 + 2 / 3) / 2)
    alone = evaluate("MNLI", matched).figures
    assert alone["eval_main_score"] == alone["eval_matched_accuracy"] == 0.75


def test_regression():
    found = evaluate("STS-B", numbers([1, 2, 3, 4], [2, 4, 6, 7], [1.0, 4.0, 9.0, 9.0]))
    # Deviations -1.5 ... 1.5 and -2.75 ... 2.25: 8.5 / sqrt(5 * 14.75).
    pearson = 8.5 / np.sqrt(5 * 14.75)
    assert found.figures == {
        "eval_pearson": pytest.approx(pearson),
        "eval_spearman": pytest.approx(1.0),
        "eval_main_score": pytest.approx((pearson + 1.0) / 2),
        "eval_loss": 5.75,
        "loss": 5.75,
        "global_step": 1,
    }
    assert (found.majority_accuracy, found.majority_score) == (None, 0.0)
    assert found.one_class is False
    constant = evaluate("STS-B", numbers([1, 2, 3], [2, 2, 2], [1.0] * 3))
    assert constant.figures["eval_main_score"] == 0.0
    assert (constant.one_class, constant.only_labels) == (True, ("2",))


def test_the_main_score_of_cola_is_the_correlation():
    found = evaluate("CoLA", predictions([1, 1, 0, 0, 1], [1, 0, 0, 0, 1]))
    assert found.main_score == pytest.approx(4 / 6)  # (2 * 2 - 0) / sqrt(2 * 3 * 2 * 3)
    assert found.majority_score == 0.0


@pytest.mark.parametrize(
    "gold, predicted, one_class",
    [
        ([0, 1], [0, 0], True),
        ([0, 1], [1, 0], False),
        ([0, 0], [0, 0], False),  # There is nothing else to predict.
        ([0, 0], [1, 1], False),
    ],
)
def test_predictions_of_one_class(gold, predicted, one_class):
    assert evaluate("RTE", predictions(gold, predicted)).one_class is one_class


@pytest.mark.parametrize(
    "mismatched, only_labels",
    [([1, 1], ("entailment",)), ([2, 2], ("entailment", "neutral")), ([0, 1], ())],
)
def test_both_halves_must_be_of_one_class(mismatched, only_labels):
    halves = [predictions([0, 1], ids, labels=3) for ids in ([1, 1], mismatched)]
    found = evaluate("MNLI", *halves)
    assert (found.one_class, found.only_labels) == (bool(only_labels), only_labels)
