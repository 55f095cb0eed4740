"""Finds workers that would do something else than worker 0."""

_MAX_SHOWN = 60
_NOT_GIVEN = "not given"


def differences(facts, addresses, optional=()):
    """Compares the facts of all workers with those of worker 0.

    Args:
      facts: for each worker, in order, a list of pairs of label and JSON value.
      addresses: `WorkerAddresses`.
      optional: labels that are not compared with a worker where they are None.

    Returns:
      Dictionary from the index of each worker that differs to one line about it.
    """
    expected = dict(facts[0])
    lines = {}
    for index, own in enumerate(facts[1:], start=1):
        found = dict(own)
        labels = list(expected) + [label for label in found if label not in expected]
        wrong = [
            label
            for label in labels
            if found.get(label) != expected.get(label)
            and not (label in optional and found.get(label) is None)
        ]
        if wrong:
            lines[index] = _line(wrong, found, expected, index, addresses)
    return lines


def _line(wrong, found, expected, index, addresses):
    more = ""
    if len(wrong) > 1:
        more = " (%s differ%s, too)" % (", ".join(wrong[1:]), "s" * (len(wrong) == 2))
    return (
        "%s differs: %s on %s, %s on %s%s; make it the same on all workers and start "
        "them again"
        % (
            wrong[0],
            _shown(found.get(wrong[0])),
            addresses.name(index),
            _shown(expected.get(wrong[0])),
            addresses.name(0),
            more,
        )
    )


def _shown(value):
    text = _NOT_GIVEN if value is None else str(value)
    return text if len(text) <= _MAX_SHOWN else text[: _MAX_SHOWN - 3] + "..."
