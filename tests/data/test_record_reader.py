"""Reading records where they stand, and noticing a file that changes meanwhile."""

import os
import struct

import pytest
import tensorflow.compat.v1 as tf

from finetuning.data import input_pipeline
from finetuning.data.record_reader import RecordReader
from finetuning.device import failures
from finetuning.utils.errors import InputError
from tests.support.record_files import feature, write

RECORDS = [b"", b"one", b"\0\1\0", bytes(300), b"last" * 70000]


@pytest.fixture
def path(tmp_path):
    path = str(tmp_path / "train.tf_record")
    with tf.io.TFRecordWriter(path) as writer:
        for record in RECORDS:
            writer.write(record)
    return path


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_any_record_in_any_order(path, scheme):
    reader = RecordReader(scheme + path, len(RECORDS))
    assert reader.read(range(5)) == RECORDS
    assert reader.read([4, 1, 1, 0]) == [RECORDS[4], RECORDS[1], RECORDS[1], RECORDS[0]]
    assert reader.read([]) == []


def test_an_empty_file(tmp_path):
    path = str(tmp_path / "empty")
    with open(path, "wb"):
        pass
    assert RecordReader(path, 0).read([]) == []


@pytest.mark.parametrize("count", [0, 4, 6])
def test_another_number_of_records(path, count):
    with pytest.raises(InputError, match="holds 5 records where %d were" % count):
        RecordReader(path, count)


@pytest.mark.parametrize("missing", [1, 4, 5, 300, 280001, 280010])
def test_a_file_that_was_cut(path, missing):
    os.truncate(path, os.path.getsize(path) - missing)
    with pytest.raises(InputError, match="train.tf_record ends within a record"):
        RecordReader(path, len(RECORDS))


@pytest.mark.parametrize("length", [2**62, 2**64 - 1, 10**9])
def test_a_length_that_no_file_has(path, length):
    overwrite(path, 0, struct.pack("<Q", length))
    with pytest.raises(InputError, match="ends within a record"):
        RecordReader(path, len(RECORDS))


def overwrite(path, place, content):
    with open(path, "r+b") as file:
        file.seek(place)
        file.write(content)


# Where the second record stands, its length, its text and its checksum.
@pytest.mark.parametrize("place", [16, 24, 28, 30, 31])
def test_a_record_that_changed_under_the_run(path, place):
    reader = RecordReader(path, len(RECORDS))
    assert reader.read([1]) == [b"one"]
    overwrite(path, place, b"?")
    with pytest.raises(InputError, match="changed while it was read, at record 1: "):
        reader.read([1])
    assert reader.read([0, 2]) == [RECORDS[0], RECORDS[2]]


def test_a_file_that_was_emptied_under_the_run(path):
    reader = RecordReader(path, len(RECORDS))
    os.truncate(path, 0)
    with pytest.raises(InputError, match="changed while it was read"):
        reader.read([1])


def test_a_file_that_was_replaced_under_the_run(path):
    """As a second run in the same place does it: what was opened is read on."""
    reader = RecordReader(path, len(RECORDS))
    with open(path + ".new", "wb") as file:
        file.write(b"another")
    os.replace(path + ".new", path)
    assert reader.read([4, 1]) == [RECORDS[4], RECORDS[1]]


def test_the_file_is_closed(path):
    reader = RecordReader(path, len(RECORDS))
    number = reader._file.fileno()
    del reader
    with pytest.raises(OSError):
        os.fstat(number)


def test_a_training_says_it_in_one_line(tmp_path):
    """What a function within the graph raises comes out as it was."""
    examples = write(tmp_path, [feature(n) for n in range(10)])

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
    assert message.startswith(examples.path + " was changed while it was read")
    assert message.endswith("start the same command again")
    assert "\n" not in message
