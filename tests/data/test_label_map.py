"""The saved order of the labels: what is written, read, refused."""

import json
import os

import pytest

from finetuning.data import label_map, tasks
from finetuning.utils.errors import InputError


def task_of(*labels):
    return tasks.Task("own", labels, (), (), (), (), (), "0")


def test_what_is_saved_is_loaded_in_its_order(tmp_path):
    directory = str(tmp_path)
    label_map.save(directory, task_of("yes", "no", "caf\u00e9"))
    assert os.listdir(directory) == ["labels.json"]
    assert label_map.load(directory) == ("yes", "no", "caf\u00e9")
    content = json.loads((tmp_path / "labels.json").read_text())
    assert content == {"task": "own", "labels": ["yes", "no", "caf\u00e9"]}


def test_a_regression_has_an_empty_map(tmp_path):
    label_map.save(str(tmp_path), tasks.find_task("STS-B"))
    assert label_map.load(str(tmp_path)) == ()


def test_nothing_saved(tmp_path):
    assert label_map.load(str(tmp_path)) is None
    assert label_map.load(str(tmp_path / "none")) is None
    label_map.require_same(str(tmp_path), task_of("a", "b"))


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "3",
        "null",
        "{}",
        '{"labels": null}',
        '{"labels": 3}',
        '{"labels": "yes"}',
        '{"labels": {"yes": 0, "no": 1}}',
        '{"labels": ["yes", 1]}',
        '{"labels": [["yes"]]}',
    ],
)
def test_damaged_map(tmp_path, content):
    path = tmp_path / "labels.json"
    path.write_text(content)
    with pytest.raises(InputError) as caught:
        label_map.load(str(tmp_path))
    assert str(caught.value) == (
        "%s is damaged: expected a JSON object with a list of labels; restore it, or "
        'write one such as {"labels": ["no", "yes"]} in the order that the model was '
        "trained with" % path
    )


def test_the_map_that_the_message_proposes_is_read(tmp_path):
    (tmp_path / "labels.json").write_text('{"labels": ["no", "yes"]}')
    assert label_map.load(str(tmp_path)) == ("no", "yes")


@pytest.mark.parametrize(
    "labels, shown",
    [(("no", "yes"), "no, yes"), (("yes",), "yes"), ((), "(a number)")],
)
def test_other_labels_are_refused(tmp_path, labels, shown):
    label_map.save(str(tmp_path), task_of("yes", "no"))
    with pytest.raises(InputError) as caught:
        label_map.require_same(str(tmp_path), task_of(*labels))
    assert str(caught.value) == (
        "%s: the weights there were trained with the labels yes, no, in this order, "
        "and this run has %s; give the same --task_name or --labels, or other weights"
        % (tmp_path / "labels.json", shown)
    )
    label_map.require_same(str(tmp_path), task_of("yes", "no"))


def test_a_number_is_not_a_label(tmp_path):
    label_map.save(str(tmp_path), task_of())
    label_map.require_same(str(tmp_path), task_of())
    with pytest.raises(InputError, match=r"with the labels \(a number\), in this"):
        label_map.require_same(str(tmp_path), task_of("0", "1"))
