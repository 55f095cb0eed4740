"""Every bad input of the table gets one line, at once, and changes no file."""

import os

import pytest
import tensorflow.compat.v1 as tf

from tests.support import bad_inputs
from tests.support.bad_input_cases import CASES
from tests.support.running import contents

# The line that answered each of the cases that have been run.
ANSWERS = {}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    return bad_inputs.trained_user(str(tmp_path_factory.mktemp("user") / "trained"))


@pytest.fixture
def no_graph(monkeypatch):
    def build(*args, **kwargs):
        raise AssertionError("a graph is built")

    monkeypatch.setattr("finetuning.classifier.training_graph", build)
    monkeypatch.setattr("finetuning.classifier.inference_graph", build)


@pytest.mark.parametrize("case", CASES, ids=lambda c: "%s-%s" % (c.group, c.given))
def test_bad_input(case, trained, tmp_path, no_graph):
    directory = str(tmp_path / "user")
    user = bad_inputs.prepare(case, directory, trained)
    before = contents(directory)
    run, ANSWERS[case] = bad_inputs.run(case, user)
    assert "Traceback" not in run.out + run.err
    if case.is_accepted:
        assert run.err == ""
    else:
        assert run.err.startswith("ERROR: ") and run.err.count("\n") == 1
    after = contents(directory)
    changed = [path for path in before if after.get(path) != before[path]]
    # Only the lock and the log of the output directory are the program's to write.
    assert {os.path.basename(path) for path in changed} <= {".lock", "run.log"}


@pytest.mark.skipif(
    tf.__version__.startswith("1."), reason="the page quotes errors of TensorFlow 2"
)
def test_the_page_is_up_to_date(trained, tmp_path):
    for index, case in enumerate(CASES):
        if case not in ANSWERS:
            user = bad_inputs.prepare(case, str(tmp_path / str(index)), trained)
            ANSWERS[case] = bad_inputs.run(case, user)[1]
    expected = bad_inputs.page(CASES, [ANSWERS[case] for case in CASES])
    with open(bad_inputs.PAGE, encoding="utf-8") as file:
        assert file.read() == expected, "docs/ERRORS.md is out of date: run make errors"


def test_the_unchanged_input_is_accepted(trained, tmp_path):
    unchanged = bad_inputs.Case("", "", trained=True)
    user = bad_inputs.prepare(unchanged, str(tmp_path / "user"), trained)
    run = user.run("--check=true")
    assert run.status == 0, run.out + run.err
