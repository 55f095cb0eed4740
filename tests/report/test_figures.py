"""The figures of the report, compared with scikit-learn and numpy."""

import numpy as np
import pytest

from finetuning.report import figures
from finetuning.report.facts import Examples


@pytest.fixture
def rng():
    return np.random.RandomState(3)


def test_calibration_bin_by_bin(rng):
    confidence = np.concatenate([rng.rand(300), [0.0, 1.0, 1 / 15, 2 / 15]])
    is_right = rng.rand(len(confidence)) < confidence
    found = figures.calibration(confidence, is_right)
    assert len(found.counts) == 15 and found.counts.sum() == len(confidence)
    error = 0.0
    for place in range(15):
        low, high = place / 15, (place + 1) / 15
        inside = (confidence > low) & (confidence <= high)
        if place == 0:
            inside |= confidence == 0.0
        assert found.counts[place] == inside.sum()
        assert found.confidence[place] == pytest.approx(confidence[inside].mean())
        assert found.accuracy[place] == pytest.approx(is_right[inside].mean())
        gap = abs(is_right[inside].mean() - confidence[inside].mean())
        error += inside.mean() * gap
    assert found.error == pytest.approx(error, abs=1e-12)


def test_calibration_curve_equals_scikit_learns(rng):
    from sklearn.calibration import calibration_curve

    confidence = rng.uniform(0.5, 1.0, 400)
    is_right = rng.rand(400) < confidence
    found = figures.calibration(confidence, is_right)
    right, mean = calibration_curve(is_right, confidence, n_bins=15)
    filled = found.counts > 0
    np.testing.assert_allclose(found.accuracy[filled], right)
    np.testing.assert_allclose(found.confidence[filled], mean)


@pytest.mark.parametrize("lengths", [[7], [5] * 40, list(range(3, 90)), [3, 3, 3, 99]])
def test_groups_of_similar_length(rng, lengths):
    lengths = rng.permutation(lengths)
    groups = figures.length_groups(lengths)
    indices = np.concatenate([group.indices for group in groups])
    assert sorted(indices) == list(range(len(lengths)))
    for group in groups:
        assert lengths[group.indices].min() == group.low
        assert lengths[group.indices].max() == group.high
    highs = [group.high for group in groups]
    assert highs == sorted(set(highs)) and len(groups) <= 6
    if len(lengths) == 87:
        assert {len(group.indices) for group in groups} == {14, 15}


def test_worst_errors_are_the_most_wrongly_sure():
    probabilities = np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8], [0.95, 0.05]])
    examples = Examples(
        ("a", "b", "c", "d"),
        gold=np.array([1, 0, 1, 1]),
        predicted=probabilities.argmax(axis=1),
        probabilities=probabilities,
    )
    assert figures.worst_errors(examples) == [3, 0, 1]
    assert figures.worst_errors(examples, 1) == [3]
    assert figures.score(examples.errors, is_regression=False) == 0.25


def test_worst_errors_of_a_regression_are_the_largest_differences():
    examples = Examples(
        ("a", "b", "c"),
        gold=np.array([1.0, 2.0, 3.0]),
        predicted=np.array([1.5, 2.0, 1.0]),
        probabilities=np.zeros((3, 0)),
    )
    assert figures.worst_errors(examples) == [2, 0]
    assert figures.score(examples.errors, is_regression=True) == 2.5 / 3
