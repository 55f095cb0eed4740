"""Weights of the labels in the training loss, for sets in which some are rare."""

import math

from finetuning.utils.errors import InputError

BALANCED = "balanced"


def parse(spec, labels):
    """The weights that `--class_weights` gives.

    Args:
      spec: "balanced", or such as "yes=2,no=0.5" with every label once; None: none.
      labels: the task's, in the order of their ids.

    Returns:
      Tuple of floats in the order of the labels; None for None and "balanced".

    Raises:
      InputError: it is neither, or the labels are numbers.
    """
    if spec is None:
        return None
    if not labels:
        raise InputError(
            "--class_weights=%s: the labels are numbers and have no weights; leave the "
            "flag out" % spec
        )
    if spec == BALANCED:
        return None
    given = dict(part.rsplit("=", 1) for part in spec.split(",") if "=" in part)
    weights = {label.strip(): _weight(text) for label, text in given.items()}
    whole = len(given) == len(spec.split(",")) and set(weights) == set(labels)
    if not whole or None in weights.values():
        raise InputError(
            "--class_weights=%s: expected balanced, or each label with a number above "
            "0, such as %s" % (spec, ",".join(label + "=1" for label in labels))
        )
    return tuple(weights[label] for label in labels)


def _weight(text):
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 < value < math.inf else None


def balanced(counts):
    """The weight n / (k n_i) for label i of k, where n_i of n examples have it.

    So every label has the same weight in all, and an example 1 on average, as in
    https://scikit-learn.org/stable/modules/generated/sklearn.utils.class_weight.compute_class_weight.html

    Args:
      counts: how many examples have each label, in the order of their ids.

    Returns:
      Tuple of floats; 0 for a label that no example has.
    """
    whole = sum(counts) / len(counts)
    return tuple(whole / count if count else 0.0 for count in counts)
