"""Random access to records, and detecting a file that changes meanwhile."""

import os
import zlib

import pytest
import tensorflow.compat.v1 as tf

from finetuning.data import input_pipeline
from finetuning.data.record_reader import RecordReader
from finetuning.device import failures
from finetuning.utils.errors import InputError
from tests.support.record_files import encoded, write

RECORDS = [b"", b"one", b"\0\1\0", bytes(300), b"last" * 70000]


@pytest.fixture
def path(tmp_path):
    path = str(tmp_path / "train.tf_record")
    with tf.io.TFRecordWriter(path) as writer:
        for record in RECORDS:
            writer.write(record)
    return path


def open_reader(path):
    checksums = [zlib.crc32(record) for record in RECORDS]
    return RecordReader(path, [len(record) for record in RECORDS], checksums)


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_any_record_in_any_order(path, scheme):
    reader = open_reader(scheme + path)
    assert reader.read(range(5)) == RECORDS
    assert reader.read([4, 1, 1, 0]) == [RECORDS[4], RECORDS[1], RECORDS[1], RECORDS[0]]
    assert reader.read([]) == []


def overwrite(path, place, content):
    with open(path, "r+b") as file:
        file.seek(place)
        file.write(content)


# Offsets of the second record's first and last byte.
@pytest.mark.parametrize("place", [28, 30])
def test_a_record_that_changed(path, place):
    reader = open_reader(path)
    assert reader.read([1]) == [b"one"]
    overwrite(path, place, b"?")
    with pytest.raises(InputError, match="changed while in use, at record 1: "):
        reader.read([1])
    assert reader.read([0, 2]) == [RECORDS[0], RECORDS[2]]


def test_a_file_that_was_emptied(path):
    reader = open_reader(path)
    os.truncate(path, 0)
    with pytest.raises(InputError, match="changed while in use"):
        reader.read([1])


def test_a_file_that_was_replaced(path):
    """As a second run in the same directory does it: the open file stays readable."""
    reader = open_reader(path)
    with open(path + ".new", "wb") as file:
        file.write(b"another")
    os.replace(path + ".new", path)
    assert reader.read([4, 1]) == [RECORDS[4], RECORDS[1]]


def test_the_file_is_closed(path):
    reader = open_reader(path)
    number = reader._file.fileno()
    del reader
    with pytest.raises(OSError):
        os.fstat(number)


def test_training_reports_the_change_in_one_line(tmp_path):
    """TensorFlow wraps what a function in the graph raises."""
    examples = write(tmp_path, [encoded(n) for n in range(10)])

    def train():
        batch = input_pipeline.training_batches(examples, 10, 1, 0)
        with tf.Session() as session, failures.tensorflow_errors():
            session.run(batch)
            overwrite(examples.path, 200, b"?????")
            for _ in range(10):
                session.run(batch)

    with tf.Graph().as_default(), pytest.raises(InputError) as caught:
        train()
    message = str(caught.value)
    assert message.startswith(examples.path + " was changed while in use")
    assert "\n" not in message
