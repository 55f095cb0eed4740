"""Scalars in event files, and the detection of files that were not written whole."""

import os

import pytest

from finetuning.utils import tensorboard


@pytest.fixture
def written(tmp_path):
    tensorboard.write(str(tmp_path), {"loss": 0.5, "accuracy": 0.75}, step=7)
    return tmp_path


def test_the_last_step(written):
    assert tensorboard.last_step(str(written)) == 7


def test_a_truncated_or_missing_file(written, tmp_path):
    (path,) = written.iterdir()
    os.truncate(str(path), os.path.getsize(str(path)) - 4)
    assert tensorboard.last_step(str(written)) is None
    path.unlink()
    assert tensorboard.last_step(str(written)) is None


def test_a_summary():
    summary = tensorboard.scalars({"loss": 0.5, "accuracy": 0.75})
    values = {value.tag: value.simple_value for value in summary.value}
    assert values == {"loss": 0.5, "accuracy": 0.75}
