"""The weights of the labels in the loss: parsed and computed."""

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
        (" yes = 1e-3 , no = 3 ", LABELS, (3.0, 0.001)),
        ("c=3,a=1,b=2", ("a", "b", "c"), (1.0, 2.0, 3.0)),
        ("a=b=2,a=1", ("a", "a=b"), (1.0, 2.0)),
        ("balanced", LABELS, None),
        (None, LABELS, None),
        (None, (), None),
    ],
)
def test_weights_are_in_the_order_of_the_labels(spec, labels, weights):
    assert class_weights.parse(spec, labels) == weights


@pytest.mark.parametrize(
    "spec",
    ["yes=2", "yes=2,no", "yes=2,no=1,maybe=1", "yes=2,yes=3,no=1", "yes=2,No=1"]
    + ["yes=%s,no=1" % value for value in ("0", "-1", "nan", "inf", "", "two")]
    # Not numbers of float32.
    + ["yes=%s,no=1" % value for value in ("1e-50", "1e-40", "1e39")]
    + ["yes=2,no=1,", "Balanced", "2,1"],
)
def test_invalid_weights(spec):
    with pytest.raises(InputError) as caught:
        class_weights.parse(spec, LABELS)
    assert str(caught.value).startswith("--class_weights=%s: expected " % spec)
    assert str(caught.value).endswith("such as no=1,yes=1")


@pytest.mark.parametrize("spec", ["balanced", "0=1"])
def test_numeric_labels_have_no_weights(spec):
    with pytest.raises(InputError, match="^--class_weights=%s: .*omit the" % spec):
        class_weights.parse(spec, ())


def test_balanced_weights():
    assert class_weights.balanced([1, 3]) == (2.0, 2 / 3)
    assert class_weights.balanced([4, 0]) == (0.5, 0.0)
    counts = [5, 40, 12]
    gold = np.repeat(np.arange(3), counts)
    expected = class_weight.compute_class_weight(
        "balanced", classes=np.arange(3), y=gold
    )
    np.testing.assert_allclose(class_weights.balanced(counts), expected, rtol=1e-12)
