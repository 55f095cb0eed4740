"""The features' TFRecord files: what stands in them, and how they are written."""

import functools
import struct
from typing import NamedTuple

import tensorflow.compat.v1 as tf

from finetuning.utils import files


class RecordFile(NamedTuple):
    """A TFRecord file of features.

    Attributes:
      path: the file.
      count: records in it.
      sequence_length: S.
      label_type: of `label_ids`: int32 ids, or float32 numbers.
    """

    path: str
    count: int
    sequence_length: int
    label_type: tf.DType = tf.int32


def write_records(path, features):
    """Writes features as a TFRecord file, whole or not at all.

    Each record is a `tf.train.Example` with int64 lists `input_ids`, `input_mask`,
    `segment_ids` ([S] each), `label_ids` [1] and `is_real_example` [1]; a label that is
    a number, a Python float, makes `label_ids` a list of floats.

    Args:
      path: the file.
      features: iterable of `features.InputFeatures`.

    Returns:
      The number of records, and how many of them were truncated.
    """
    return _write(path, features, _serialize)


def write_packed_records(path, packed, sequence_length):
    """`write_records` of the `features.PackedExample` of an iterable, padded to S."""
    serialize = functools.partial(_serialize_packed, sequence_length)
    return _write(path, packed, serialize)


def _write(path, rows, serialize):
    """Writes the records that `serialize` makes of rows; see `write_records`."""
    count = truncated = 0
    temporary = files.temporary_path(path)
    try:
        with tf.io.TFRecordWriter(temporary) as writer:
            for row in rows:
                writer.write(serialize(row))
                count += 1
                truncated += row.truncated
        files.rename(temporary, path)
    except BaseException:
        files.remove_if_there(temporary)
        raise
    return count, truncated


def _serialize(feature):
    """The record of `InputFeatures`."""
    return _example(
        _packed(feature.input_ids),
        _packed(feature.input_mask),
        _packed(feature.segment_ids),
        feature.label_id,
        int(feature.is_real_example),
    )


def _serialize_packed(sequence_length, row):
    """The record of a `PackedExample`; a 0 or a 1 is packed as that very byte."""
    length = len(row.token_ids)
    padding = bytes(sequence_length - length)
    second_segment = b"\1" * (length - row.first_segment)
    return _example(
        b"".join(map(_VARINTS.__getitem__, row.token_ids)) + padding,
        b"\1" * length + padding,
        bytes(row.first_segment) + second_segment + padding,
        row.label_id,
        1,
    )


_FLOAT_LIST, _INT64_LIST = 2, 3  # Fields of tf.train.Feature.


def _example(input_ids, input_mask, segment_ids, label_id, is_real_example):
    """The bytes of a `tf.train.Example`, from three packed lists and two ints."""
    entries = (
        _entry_head("input_ids", len(input_ids)),
        input_ids,
        _entry_head("input_mask", len(input_mask)),
        input_mask,
        _entry_head("segment_ids", len(segment_ids)),
        segment_ids,
        _entries_of_one(label_id, is_real_example),
    )
    return _field(1, b"".join(entries))  # Example.features


def _entries_of_one(label_id, is_real_example):
    """The two entries with lists of one number."""
    # Told apart here: the cache takes 1 and 1.0 for one key.
    if isinstance(label_id, float):
        return _label_entry_of_float(label_id) + _entry_of_int(
            "is_real_example", is_real_example
        )
    return _entry_of_int("label_ids", label_id) + _entry_of_int(
        "is_real_example", is_real_example
    )


@functools.lru_cache(maxsize=1 << 10)
def _entry_of_int(name, value):
    varint = _varint(value)
    return _entry_head(name, len(varint)) + varint


def _label_entry_of_float(value):
    packed = struct.pack("<f", value)
    return _entry_head("label_ids", len(packed), _FLOAT_LIST) + packed


@functools.lru_cache(maxsize=1 << 13)
def _entry_head(name, size, kind=_INT64_LIST):
    """What comes before the `size` bytes of a packed list in `tf.train.Features`."""
    numbers = _field(1, bytes(size))  # FloatList.value, Int64List.value
    value = _field(kind, numbers)
    entry = _field(1, name.encode("ascii")) + _field(2, value)  # a map's key and value
    field = _field(1, entry)  # Features.feature
    return field[: len(field) - size]


def _field(number, payload):
    """A length-delimited field (wire type 2): its tag, the payload's length, and it."""
    return _VARINTS[number << 3 | 2] + _VARINTS[len(payload)] + payload


def _packed(values):
    """The varints of ints, joined; raises ValueError for one that int64 does not hold.

    Args:
      values: sequence of ints; passed through twice.
    """
    try:
        packed = bytes(list(values))
        if packed.isascii():  # The varint of a number below 128 is that byte.
            return packed
    except ValueError:
        pass
    return b"".join(map(_VARINTS.__getitem__, values))


class _Varints(dict):
    """int -> bytes of its varint; filled as numbers are met, a vocabulary's ids."""

    def __missing__(self, number):
        self[number] = varint = _varint(number)
        return varint


def _varint(number):
    """Groups of seven bits, the lowest first; all but the last have the top bit set."""
    if not -(1 << 63) <= number < 1 << 63:
        raise ValueError("not an int64: %d" % number)
    rest = number & ((1 << 64) - 1)  # A negative one is written as its complement.
    groups = bytearray()
    while rest > 127:
        groups.append(rest & 127 | 128)
        rest >>= 7
    groups.append(rest)
    return bytes(groups)


_VARINTS = _Varints()
