"""The record files: what stands in them, byte for byte."""

import os

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from finetuning.data import records
from finetuning.data.features import InputFeatures, EncodedExample
from tests.support.record_files import feature, write


def parsed(path):
    """Each record's fields and values, as anyone can read them."""
    rows = []
    for record in tf.python_io.tf_record_iterator(path):
        fields = tf.train.Example.FromString(record).features.feature
        assert all(f.WhichOneof("kind") == "int64_list" for f in fields.values())
        rows.append({name: list(f.int64_list.value) for name, f in fields.items()})
    return rows


# The file


def test_fields_of_a_record(tmp_path):
    examples = write(tmp_path, [feature(5, label=2), feature(6)])
    assert examples.count == 2
    assert parsed(examples.path) == [
        {
            "input_ids": [5, 7, 3, 0],
            "input_mask": [1, 1, 1, 0],
            "segment_ids": [0, 0, 1, 0],
            "label_ids": [2],
            "is_real_example": [1],
        },
        {
            "input_ids": [6, 7, 3, 0],
            "input_mask": [1, 1, 1, 0],
            "segment_ids": [0, 0, 1, 0],
            "label_ids": [0],
            "is_real_example": [1],
        },
    ]


def test_examples_that_are_not_real(tmp_path):
    row = InputFeatures([0] * 4, [0] * 4, [0] * 4, 0, is_real_example=False)
    assert parsed(write(tmp_path, [row]).path)[0]["is_real_example"] == [0]


def test_counts(tmp_path):
    path = str(tmp_path / "x")
    rows = [feature(n, truncated=n in (1, 2)) for n in range(5)]
    assert records.write_records(path, rows) == (5, 2)
    assert records.write_records(path, []) == (0, 0)


def test_failing_conversion_leaves_no_half_file(tmp_path):
    def failing():
        yield feature(1)
        raise ValueError("a bad row")

    path = str(tmp_path / "eval.tf_record")
    with pytest.raises(ValueError, match="a bad row"):
        records.write_records(path, failing())
    assert os.listdir(str(tmp_path)) == []


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_failing_conversion_keeps_the_older_file(tmp_path, error):
    def failing():
        yield feature(1)
        raise error

    examples = write(tmp_path, [feature(9)])
    with pytest.raises(error):
        records.write_records(examples.path, failing())
    assert os.listdir(str(tmp_path)) == ["train.tf_record"]
    assert [row["input_ids"][0] for row in parsed(examples.path)] == [9]


def test_an_older_file_is_replaced(tmp_path):
    write(tmp_path, [feature(n) for n in range(8)])
    examples = write(tmp_path, [feature(9)])
    assert [row["input_ids"][0] for row in parsed(examples.path)] == [9]
    assert os.listdir(str(tmp_path)) == ["train.tf_record"]


def test_file_by_a_path_of_tensorflows_file_layer(tmp_path):
    path = "file://" + str(tmp_path / "eval.tf_record")
    records.write_records(path, [feature(3), feature(4)])
    assert [row["input_ids"][0] for row in parsed(path)] == [3, 4]
    assert os.listdir(str(tmp_path)) == ["eval.tf_record"]


# The bytes


def example_of(row):
    """The `tf.train.Example` that a record is to hold, by TensorFlow's own classes."""
    values = {
        "input_ids": row.input_ids,
        "input_mask": row.input_mask,
        "segment_ids": row.segment_ids,
        "label_ids": [row.label_id],
        "is_real_example": [int(row.is_real_example)],
    }
    lists = {k: tf.train.Int64List(value=list(v)) for k, v in values.items()}
    fields = {k: tf.train.Feature(int64_list=v) for k, v in lists.items()}
    return tf.train.Example(features=tf.train.Features(feature=fields))


def written(tmp_path, rows):
    path = write(tmp_path, rows).path
    records_read = list(tf.python_io.tf_record_iterator(path))
    return [tf.train.Example.FromString(record) for record in records_read]


@pytest.mark.parametrize("length", [0, 1, 3, 63, 64, 111, 127, 128, 129, 16384, 70000])
def test_records_of_any_length(tmp_path, length):
    """Lengths at which the sizes before the parts take one more byte, and others."""
    rng = np.random.RandomState(length)
    rows = [
        InputFeatures(
            rng.randint(0, limit, length).tolist(),
            rng.randint(0, 2, length).tolist(),
            rng.randint(0, 2, length).tolist(),
            label_id=int(rng.randint(0, 300)),
            is_real_example=bool(rng.randint(0, 2)),
        )
        for limit in (1, 128, 256, 30522, 1 << 62)
    ]
    assert written(tmp_path, rows) == [example_of(row) for row in rows]


def test_records_of_any_int64(tmp_path):
    numbers = [(1 << bits) + more for bits in range(63) for more in (-1, 0)]
    numbers += [(1 << 63) - 1, -1, -128, -(1 << 63)]
    rows = [InputFeatures([n, 0], [1, n], [n, 1], n) for n in numbers]
    assert written(tmp_path, rows) == [example_of(row) for row in rows]


def test_records_of_arrays(tmp_path):
    row = InputFeatures(
        np.array([300, 5]), np.array([1, 0]), np.array([1, 127], np.int32), np.int64(2)
    )
    assert written(tmp_path, [row]) == [example_of(row)]


@pytest.mark.parametrize("number", [1 << 63, -(1 << 63) - 1])
def test_records_hold_int64_and_nothing_else(tmp_path, number):
    with pytest.raises(ValueError, match="not an int64"):
        write(tmp_path, [InputFeatures([number], [1], [0], 0)])
    with pytest.raises(TypeError):
        write(tmp_path, [InputFeatures(["7"], [1], [0], 0)])


@pytest.mark.parametrize("length", [4, 127, 128, 300])
def test_packed_records_are_those_of_the_features(tmp_path, length):
    rng = np.random.RandomState(length)
    rows = [
        EncodedExample(rng.randint(0, 30522, n).tolist(), first, label, truncated)
        for n in (2, 3, length - 1, length)
        for first in (2, n)
        for label, truncated in ((0, False), (200, True))
    ]
    path = str(tmp_path / "packed")
    assert records.write_records(path, iter(rows), length) == (16, 8)
    padded = write(tmp_path, [row.padded(length) for row in rows]).path
    packed = list(tf.python_io.tf_record_iterator(path))
    assert packed == list(tf.python_io.tf_record_iterator(padded))
    assert [tf.train.Example.FromString(record) for record in packed] == [
        example_of(row.padded(length)) for row in rows
    ]


# Labels that are numbers

NUMBERS = [0.0, 1.0, -0.0, 5.0, 3.8, 0.1, 1 / 3, -2.5e-30, 3.4e38, 127.0, 1e-46]


def scored(label):
    return InputFeatures([5, 300], [1, 1], [0, 1], label)


@pytest.mark.parametrize("label", NUMBERS)
def test_records_of_numbers(tmp_path, label):
    """As TensorFlow's own classes write them, byte for byte of the label's list."""
    (example,) = written(tmp_path, [scored(label)])
    expected = example_of(scored(0))
    del expected.features.feature["label_ids"]
    expected.features.feature["label_ids"].float_list.value.append(label)
    assert example == expected
    assert example.SerializeToString(deterministic=True) == (
        expected.SerializeToString(deterministic=True)
    )
    (raw,) = tf.python_io.tf_record_iterator(str(tmp_path / "train.tf_record"))
    assert len(raw) == expected.ByteSize()


def test_a_number_is_not_taken_for_the_id_that_equals_it(tmp_path):
    """1 and 1.0 are one key of a dictionary, and of a cache."""
    rows = [scored(label) for label in (1, 1.0, 1, 0.0, 0)]
    kinds = [
        example.features.feature["label_ids"].WhichOneof("kind")
        for example in written(tmp_path, rows)
    ]
    assert " ".join(kinds) == ("int64_list float_list int64_list float_list int64_list")


def test_packed_records_of_numbers(tmp_path):
    rows = [EncodedExample([2, 300, 3], 3, label, False) for label in NUMBERS]
    path = str(tmp_path / "packed")
    records.write_records(path, iter(rows), 8)
    padded = write(tmp_path, [row.padded(8) for row in rows]).path
    assert list(tf.python_io.tf_record_iterator(path)) == list(
        tf.python_io.tf_record_iterator(padded)
    )
