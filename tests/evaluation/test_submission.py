"""The files for GLUE's server, as text; the zip of all: test_make_submission.py."""

import numpy as np
import pytest

from finetuning.data import tasks
from finetuning.evaluation import submission


@pytest.mark.parametrize(
    "name, ids, shown",
    [
        ("MRPC", [1, 0, 1], "1 0 1"),
        ("CoLA", [0], "0"),
        ("WNLI", [1, 0], "1 0"),
        ("RTE", [0, 1], "entailment not_entailment"),
        ("QNLI", [1, 0], "not_entailment entailment"),
        ("MNLI", [0, 1, 2], "contradiction entailment neutral"),
        ("AX", [2, 1, 0], "neutral entailment contradiction"),
    ],
)
def test_labels_stand_by_name(name, ids, shown):
    lines = ["%d\t%s" % pair for pair in enumerate(shown.split())]
    assert submission.text(tasks.find_task(name), np.array(ids)) == (
        "index\tprediction\n" + "\n".join(lines) + "\n"
    )


def test_scores_are_clipped_and_have_three_decimals():
    predicted = np.array(
        [2.34567, 0.0, 5.0, -0.3, 7.25, -0.0, -1e-9, 4.9996, 0.0004, 3], np.float32
    )
    found = submission.values(tasks.find_task("STS-B"), predicted)
    assert " ".join(found) == (
        "2.346 0.000 5.000 0.000 5.000 0.000 0.000 5.000 0.000 3.000"
    )
    text = submission.text(tasks.find_task("STS-B"), predicted[:2])
    assert text == "index\tprediction\n0\t2.346\n1\t0.000\n"


def test_numbers_without_bounds_are_not_clipped():
    own = tasks.Task("own", (), (), ())
    found = submission.values(own, np.array([-3.5, 1e4], np.float32))
    assert found == ["-3.500", "10000.000"]
