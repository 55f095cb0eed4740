"""The saved labels: written, read and compared."""

import json
import os

import pytest

from finetuning.data import label_map, tasks
from finetuning.utils.errors import InputError


def task_of(*labels):
    return tasks.Task("own", labels, (), ())


@pytest.mark.parametrize("labels", [("yes", "no", "caf\u00e9"), ()])
def test_saved_labels_are_loaded_in_their_order(tmp_path, labels):
    directory = str(tmp_path)
    label_map.save(directory, task_of(*labels))
    assert os.listdir(directory) == ["labels.json"]
    assert label_map.load(directory) == labels
    content = json.loads((tmp_path / "labels.json").read_text())
    assert content == {"task": "own", "labels": list(labels)}


@pytest.mark.parametrize("name", ["", "none"])
def test_nothing_saved(tmp_path, name):
    assert label_map.load(str(tmp_path / name)) is None


@pytest.mark.parametrize(
    "content",
    ["{", "[]", "{}"]
    + ['{"labels": %s}' % v for v in ("null", "3", '"yes"', '{"no": 1}', '["a", 1]')],
)
def test_a_corrupt_file(tmp_path, content):
    path = tmp_path / "labels.json"
    path.write_text(content)
    with pytest.raises(InputError) as caught:
        label_map.load(str(tmp_path))
    message = str(caught.value)
    assert message.startswith("%s is not " % path)
    # The content that the message proposes is valid.
    path.write_text(message[message.index("{") : message.index("}") + 1])
    assert label_map.load(str(tmp_path)) == ("no", "yes")


def test_a_config_with_other_labels(tmp_path):
    """Of two orders, one is not that of the weights."""
    label_map.save(str(tmp_path), task_of("yes", "no"))
    (tmp_path / "model.safetensors").write_text("")
    config = tmp_path / "config.json"
    for names in (["yes", "no"], ["LABEL_0", "LABEL_1"]):
        config.write_text(json.dumps({"id2label": dict(enumerate(names))}))
        assert label_map.load(str(tmp_path)) == ("yes", "no")
    config.write_text(json.dumps({"id2label": {"0": "no", "1": "yes"}}))
    with pytest.raises(InputError) as caught:
        label_map.load(str(tmp_path))
    message = str(caught.value)
    assert message.startswith("%s has the labels yes, no" % (tmp_path / "labels.json"))
    assert "id2label in %s has no, yes" % config in message


@pytest.mark.parametrize(
    "saved, labels, parts",
    [
        (("yes", "no"), ("no", "yes"), ["labels yes, no, in this order", "no, yes;"]),
        (("yes", "no"), (), ["labels yes, no, in this order", "(a number)"]),
        ((), ("0", "1"), ["(a number), in this order", "0, 1;"]),
        (("a,b", "c"), ("c", "a=b"), ["labels 'a,b', c, in", "c, 'a=b';"]),
    ],
)
def test_different_labels(tmp_path, saved, labels, parts):
    label_map.require_same(str(tmp_path), saved, task_of(*saved))
    label_map.require_same(str(tmp_path), None, task_of(*saved))
    with pytest.raises(InputError) as caught:
        label_map.require_same(str(tmp_path), saved, task_of(*labels))
    message = str(caught.value)
    assert message.startswith("%s: " % (tmp_path / "labels.json"))
    for part in [*parts, "--task_name", "--labels"]:
        assert part in message
