"""The record files: their content, and how they are written."""

import os

import pytest
import tensorflow.compat.v1 as tf

from finetuning.data import records
from finetuning.data.features import EncodedExample
from tests.support.record_files import encoded, write


def parse(path):
    """Each record as a dictionary from field to its kind of list and its values."""
    rows = []
    for record in tf.python_io.tf_record_iterator(path):
        fields = tf.train.Example.FromString(record).features.feature
        kinds = {name: field.WhichOneof("kind") for name, field in fields.items()}
        rows.append(
            {
                name: (kinds[name], list(getattr(field, kinds[name]).value))
                for name, field in fields.items()
            }
        )
    return rows


def first_ids(path):
    return [row["input_ids"][1][0] for row in parse(path)]


def test_fields_of_a_record(tmp_path):
    long = EncodedExample([101, 30521, 102, 9, 102], 3, 200)
    examples = write(tmp_path, [encoded(5, label=2), long], length=6)
    assert examples.count == 2
    assert parse(examples.path) == [
        {
            "input_ids": ("int64_list", [5, 7, 3, 0, 0, 0]),
            "input_mask": ("int64_list", [1, 1, 1, 0, 0, 0]),
            "segment_ids": ("int64_list", [0, 0, 1, 0, 0, 0]),
            "label_ids": ("int64_list", [2]),
            "is_real_example": ("int64_list", [1]),
        },
        {
            "input_ids": ("int64_list", [101, 30521, 102, 9, 102, 0]),
            "input_mask": ("int64_list", [1, 1, 1, 1, 1, 0]),
            "segment_ids": ("int64_list", [0, 0, 0, 1, 1, 0]),
            "label_ids": ("int64_list", [200]),
            "is_real_example": ("int64_list", [1]),
        },
    ]


def test_numeric_labels_are_float_lists(tmp_path):
    """Even where a number equals an id."""
    labels = [1, 1.0, 0, -0.0, 3.4e38]
    path = write(tmp_path, [encoded(9, label) for label in labels]).path
    for row, label in zip(parse(path), labels):
        kind, (value,) = row["label_ids"]
        assert kind == ("float_list" if isinstance(label, float) else "int64_list")
        assert value == pytest.approx(label)


def test_the_same_examples_give_the_same_bytes(tmp_path):
    rows = [encoded(n, n % 2) for n in range(20)]
    write(tmp_path, rows, "a")
    write(tmp_path, rows, "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
@pytest.mark.parametrize("older", [[], [9]])
def test_a_failure_leaves_the_older_file_or_none(tmp_path, error, older):
    def failing():
        yield encoded(1)
        raise error

    path = str(tmp_path / "train.tf_record")
    if older:
        write(tmp_path, [encoded(n) for n in older])
    with pytest.raises(error):
        records.write_records(path, failing(), 4)
    assert os.listdir(str(tmp_path)) == ["train.tf_record"][: len(older)]
    if older:
        assert first_ids(path) == older


def test_an_older_file_is_replaced(tmp_path):
    write(tmp_path, [encoded(n) for n in range(8)])
    examples = write(tmp_path, [encoded(9)])
    assert first_ids(examples.path) == [9]
    assert os.listdir(str(tmp_path)) == ["train.tf_record"]


def test_a_path_of_tensorflows_file_layer(tmp_path):
    path = "file://" + str(tmp_path / "eval.tf_record")
    records.write_records(path, [encoded(3), encoded(4)], 4)
    assert first_ids(path) == [3, 4]
    assert os.listdir(str(tmp_path)) == ["eval.tf_record"]
