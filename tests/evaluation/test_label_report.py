"""Scores of each label and the confusion matrix, counted by hand."""

import numpy as np
import pytest

from finetuning.evaluation import label_report

LABELS = ("contradiction", "entailment", "neutral", "never")


def report(gold, predicted, labels=LABELS):
    return label_report.compute(labels, "matched", np.array(gold), np.array(predicted))


def test_scores_of_each_label():
    found = report([0, 0, 0, 1, 1, 2], [0, 0, 1, 1, 2, 2])
    assert found["part"] == "matched"
    assert found["confusion_matrix"] == [
        [2, 1, 0, 0],
        [0, 1, 1, 0],
        [0, 0, 1, 0],
        [0, 0, 0, 0],
    ]
    expected = [(1.0, 2 / 3, 0.8, 3), (0.5, 0.5, 0.5, 2), (0.5, 1.0, 2 / 3, 1)]
    for row, label, scores in zip(found["labels"], LABELS, [*expected, (0, 0, 0, 0)]):
        assert row["label"] == label
        names = ("precision", "recall", "f1", "examples")
        assert [row[name] for name in names] == pytest.approx(scores)


def test_lines_fit_into_the_terminal():
    found = report([0, 0, 0, 1, 1, 2], [0, 0, 1, 1, 2, 2], LABELS[:3])
    shown = label_report.lines(found, 80)
    assert max(map(len, shown)) <= 80
    assert shown[2].split() == ["contradiction", "1.0000", "0.6667", "0.8000", "3"]
    assert [line.split() for line in shown[6:]] == [
        list(LABELS[:3]),
        ["contradiction", *"210"],
        ["entailment", *"011"],
        ["neutral", *"001"],
    ]
    assert label_report.lines(found, 50) == shown[:5]


def test_many_labels_are_only_in_the_file():
    found = report([0], [1], [str(n) for n in range(21)])
    assert label_report.lines(found, 80) == ["Scores of 21 labels: eval_results.json"]
