"""Small record files that several tests read."""

from finetuning.data import records
from finetuning.data.features import EncodedExample

LENGTH = 4


def encoded(index, label=0):
    """An example whose first token identifies it."""
    return EncodedExample([index, 7, 3], 2, label)


def write(directory, rows, name="train.tf_record", length=LENGTH):
    """Writes encoded examples to a file; returns its `records.RecordFile`."""
    path = str(directory / name)
    return records.write_records(path, iter(rows), length)
