"""Every bad input of the table: one line, at once, nothing of the user's changed."""

import os
import time

import pytest
import tensorflow.compat.v1 as tf

from tests.support import bad_inputs
from tests.support.bad_input_cases import CASES, ODD

_MOST_SECONDS = 30
ALL = CASES + ODD
# Their answers hold words of TensorFlow's, which differ between versions.
_TENSORFLOWS_OWN_WORDS = {"Checkpoint"}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    return bad_inputs.trained_user(str(tmp_path_factory.mktemp("user") / "trained"))


def contents(directory):
    """Path -> bytes and time of change of all that lies below a directory."""
    found = {}
    for place, directories, names in os.walk(directory):
        for name in names:
            path = os.path.join(place, name)
            if os.path.islink(path):
                found[path] = os.readlink(path)
                continue
            if not os.path.isfile(path):  # A pipe, whose reading has no end.
                found[path] = None
                continue
            with open(path, "rb") as file:
                found[path] = (file.read(), os.stat(path).st_mtime)
        found.update((os.path.join(place, each), None) for each in directories)
    return found


@pytest.mark.parametrize("case", CASES, ids=lambda c: "%s-%s" % (c.group, c.given))
def test_bad_input(case, trained, tmp_path, monkeypatch):
    def build(*args, **kwargs):
        raise AssertionError("a graph is built")

    directory = str(tmp_path / "user")
    user = bad_inputs.prepare(case, directory, trained)
    before = contents(directory)
    monkeypatch.setattr("finetuning.classifier.training_graph", build)
    monkeypatch.setattr("finetuning.classifier.inference_graph", build)
    started = time.monotonic()
    run, said = bad_inputs.run(case, user)
    assert time.monotonic() - started < _MOST_SECONDS
    assert run.err.startswith("ERROR: ") and run.err.count("\n") == 1
    assert "Traceback" not in run.out + run.err
    after = contents(directory)
    changed = [path for path in before if after.get(path) != before[path]]
    # The log is the one file that is added to, also by a run that is refused.
    assert [os.path.basename(path) for path in changed] in ([], ["run.log"])
    _compare_with_page(case, said)


@pytest.mark.parametrize("case", ODD, ids=lambda c: c.given)
def test_odd_input(case, trained, tmp_path):
    user = bad_inputs.prepare(case, str(tmp_path / "user"), trained)
    run, said = bad_inputs.run(case, user)
    assert run.err == ""
    _compare_with_page(case, said)


def _compare_with_page(case, said):
    with open(bad_inputs.PAGE, encoding="utf-8") as file:
        rows = file.read().splitlines()
    if case.group in _TENSORFLOWS_OWN_WORDS and tf.__version__.startswith("1."):
        return
    wanted = bad_inputs.row(case, said)
    assert wanted in rows, "docs/ERRORS.md is old: make errors"


def test_the_page_has_every_case_and_no_other():
    with open(bad_inputs.PAGE, encoding="utf-8") as file:
        text = file.read()
    assert text == bad_inputs.page(ALL, bad_inputs.answers_on_the_page(ALL, text))


def test_cases_differ():
    assert len({(case.group, case.given) for case in ALL}) == len(ALL)


def test_the_same_input_unspoilt_is_accepted(trained, tmp_path):
    unspoilt = bad_inputs.Case("", "", trained=True)
    user = bad_inputs.prepare(unspoilt, str(tmp_path / "user"), trained)
    run = user.run("--check=true")
    assert run.status == 0, run.out + run.err
