"""Weights of the labels in the training loss, for imbalanced data."""

from finetuning.flags.settings import MAX_FLOAT, MIN_FLOAT
from finetuning.utils import characters
from finetuning.utils.errors import InputError

BALANCED = "balanced"


def parse(spec, labels):
    """Parses the value of `--class_weights`.

    Args:
      spec: "balanced", or a list such as "yes=2,no=0.5" with every label once; or None.
      labels: the task's labels in the order of their ids.

    Returns:
      Tuple of floats in the order of the labels; None for None and "balanced".

    Raises:
      InputError: the value is neither, or the labels are numbers.

    Example:
      >>> parse("yes=2,no=0.5", ("no", "yes"))
      (0.5, 2.0)
    """
    if spec is None:
        return None
    if not labels:
        raise InputError(
            "--class_weights=%s: the labels are numbers and have no weights; omit the "
            "flag" % spec
        )
    if spec == BALANCED:
        return None
    given = dict(part.rsplit("=", 1) for part in spec.split(",") if "=" in part)
    weights = {label.strip(): _weight(text) for label, text in given.items()}
    complete = len(given) == len(spec.split(",")) and set(weights) == set(labels)
    if not complete or None in weights.values():
        raise InputError(
            "--class_weights=%s: expected balanced, or every label with a number from "
            "%g to %g, such as %s%s"
            % (
                spec,
                MIN_FLOAT,
                MAX_FLOAT,
                ",".join(label + "=1" for label in labels),
                characters.hint(spec),
            )
        )
    return tuple(weights[label] for label in labels)


def _weight(text):
    try:
        value = float(text)
    except ValueError:
        return None
    return value if MIN_FLOAT <= value <= MAX_FLOAT else None


def balanced(counts):
    """The weights n / (k n_i) of k labels, if n_i of n examples have label i.

    All labels then have the same total weight, and examples have weight 1 on average:
    https://scikit-learn.org/stable/modules/generated/sklearn.utils.class_weight.compute_class_weight.html

    Args:
      counts: number of examples of each label, in the order of their ids.

    Returns:
      Tuple of floats; 0 for a label without examples.
    """
    mean = sum(counts) / len(counts)
    return tuple(mean / count if count else 0.0 for count in counts)
