"""The weights of the labels in the loss: what is read, refused, and worked out."""

import numpy as np
import pytest
from sklearn.utils import class_weight

from finetuning.data import class_weights
from finetuning.utils.errors import InputError

LABELS = ("no", "yes")


@pytest.mark.parametrize(
    "spec, labels, weights",
    [
        ("yes=2,no=0.5", LABELS, (0.5, 2.0)),
        ("no=1,yes=1e-3", LABELS, (1.0, 0.001)),
        (" yes = 2 , no = 3 ", LABELS, (3.0, 2.0)),
        ("c=3,a=1,b=2", ("a", "b", "c"), (1.0, 2.0, 3.0)),
        ("a=b=2,a=1", ("a", "a=b"), (1.0, 2.0)),
        ("balanced", LABELS, None),
        (None, LABELS, None),
        (None, (), None),
    ],
)
def test_weights_in_the_order_of_the_labels(spec, labels, weights):
    assert class_weights.parse(spec, labels) == weights


@pytest.mark.parametrize(
    "spec",
    [
        "yes=2",
        "yes=2,no",
        "yes=2,no=1,maybe=1",
        "yes=2,yes=3,no=1",
        "yes=2,No=1",
        "yes=0,no=1",
        "yes=-1,no=1",
        "yes=nan,no=1",
        "yes=inf,no=1",
        "yes=,no=1",
        "yes=two,no=1",
        "yes=2,no=1,",
        "Balanced",
        "2,1",
    ],
)
def test_weights_that_are_none(spec):
    with pytest.raises(InputError) as caught:
        class_weights.parse(spec, LABELS)
    assert str(caught.value) == (
        "--class_weights=%s: expected balanced, or each label with a number above 0, "
        "such as no=1,yes=1" % spec
    )


@pytest.mark.parametrize("spec", ["balanced", "0=1"])
def test_numbers_have_no_weights(spec):
    with pytest.raises(InputError) as caught:
        class_weights.parse(spec, ())
    assert str(caught.value) == (
        "--class_weights=%s: the labels are numbers and have no weights; leave the "
        "flag out" % spec
    )


def test_balanced_by_hand():
    assert class_weights.balanced([1, 3]) == (2.0, 2 / 3)
    assert class_weights.balanced([5, 5, 5]) == (1.0, 1.0, 1.0)
    assert class_weights.balanced([4, 0]) == (0.5, 0.0)


@pytest.mark.parametrize("seed", range(5))
def test_balanced_against_scikit_learn(seed):
    rng = np.random.RandomState(seed)
    counts = rng.randint(1, 50, rng.randint(2, 6))
    gold = np.repeat(np.arange(len(counts)), counts)
    expected = class_weight.compute_class_weight(
        "balanced", classes=np.arange(len(counts)), y=gold
    )
    found = class_weights.balanced(counts.tolist())
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert np.average(found, weights=counts) == pytest.approx(1.0)
