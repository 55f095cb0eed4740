"""The features' TFRecord files, and the `tf.data` pipelines that read them."""

import functools
import struct
from typing import NamedTuple

import numpy as np
import tensorflow.compat.v1 as tf

from finetuning import files

# Memory for this many at a time: 25 MB at a length of 128.
_SORTED_EXAMPLES = 4096


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


# What tf.train.Example and its parts write is put together here by hand, because they
# take most of the time of a conversion: the format is that of
# https://protobuf.dev/programming-guides/encoding/, and the numbers of the fields are
# those of tensorflow/core/example/{example,feature}.proto.


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


def training_batches(examples, batch_size, seed, first_step):
    """Endless full batches; every epoch is the whole set in an order of its own.

    What an epoch leaves over begins the next one's first batch.

    Args:
      examples: `RecordFile`.
      batch_size: B.
      seed: governs the orders of all epochs.
      first_step: how many batches to pass over, so that a resumed training goes on
        where it stopped.

    Returns:
      Dictionary of int32 tensors: `input_ids`, `input_mask`, `segment_ids` [B, S] and
      `label_ids` [B] of the file's label type.
    """
    dataset = tf.data.TFRecordDataset(examples.path)
    dataset = dataset.shuffle(examples.count, seed=seed, reshuffle_each_iteration=True)
    dataset = dataset.repeat().skip(first_step * batch_size)
    dataset = dataset.batch(batch_size, drop_remainder=True)
    return _next_batch(dataset, examples)


def inference_batches(examples, batch_size, equal_sizes=False):
    """The whole set once; examples of like length share a batch.

    Within stretches of the file they are sorted by length, the longest first: so the
    batch that takes the most memory comes first, and few tokens are padding. Short
    examples go many at a time, see `batch_bounds`.

    Args:
      examples: `RecordFile`.
      batch_size: how many examples of S tokens may be in memory at once.
      equal_sizes: whether all batches but the last have `batch_size` examples, whatever
        their lengths, so that few shapes occur.

    Returns:
      Dictionary as of `training_batches`, and `position`, int64 [B]: where in the file
      each example stands.
    """
    dataset = _inference_dataset(examples, batch_size, equal_sizes)
    return tf.data.make_one_shot_iterator(dataset).get_next()


def switched_batches(sets, batch_size, equal_sizes=False):
    """`inference_batches` of one of several sets at a time, as often as is asked.

    Args:
      sets: sequence of `RecordFile` of one length and label type.
      batch_size: as of `inference_batches`.
      equal_sizes: as of `inference_batches`.

    Returns:
      The batch, and an op for each set that starts it from its first example.
    """
    datasets = [_inference_dataset(each, batch_size, equal_sizes) for each in sets]
    iterator = tf.data.Iterator.from_structure(
        tf.data.get_output_types(datasets[0]), tf.data.get_output_shapes(datasets[0])
    )
    return iterator.get_next(), [iterator.make_initializer(each) for each in datasets]


def _inference_dataset(examples, batch_size, equal_sizes):
    # A batch takes its memory before it is full.
    at_once = min(batch_size, examples.count)
    stretch = max(_SORTED_EXAMPLES // at_once, 1) * at_once
    parse = _batch_parser(examples)

    def batches(serialized, position):
        rows = dict(parse(serialized), position=position)
        return by_length(rows, batch_size, examples.sequence_length, equal_sizes)

    dataset = tf.data.TFRecordDataset(examples.path)
    dataset = tf.data.Dataset.zip((dataset, tf.data.Dataset.range(examples.count)))
    return dataset.batch(stretch).flat_map(batches).prefetch(2)


def by_length(rows, batch_size, sequence_length, equal_sizes=False):
    """The batches of one stretch, a `tf.data.Dataset`; see `inference_batches`.

    Args:
      rows: dictionary of tensors [examples, ...] with `input_mask`.
      batch_size: as of `inference_batches`.
      sequence_length: S.
      equal_sizes: as of `inference_batches`.
    """

    def bounds_of(tokens):
        if equal_sizes:
            tokens = np.full_like(tokens, sequence_length)
        return batch_bounds(tokens, batch_size, sequence_length)

    tokens = tf.reduce_sum(rows["input_mask"], axis=1)
    order = tf.argsort(-tokens, stable=True)
    rows = {name: tf.gather(values, order) for name, values in rows.items()}
    bounds = tf.numpy_function(bounds_of, [tf.gather(tokens, order)], tf.int64)
    bounds.set_shape([None])
    spans = tf.data.Dataset.from_tensor_slices((bounds[:-1], bounds[1:]))
    return spans.map(lambda i, j: {name: rows[name][i:j] for name in rows})


def batch_bounds(tokens, batch_size, sequence_length):
    """Cuts examples into batches no larger than `batch_size` examples of S tokens.

    A batch takes as many as it can so that their number times the longest is at most
    `batch_size` * S: never fewer than `batch_size`, but for the last. Attention, whose
    memory is that product times the longest, is bounded with it.

    Args:
      tokens: ints [examples], each example's length, sorted: the longest first.
      batch_size: how many examples of S tokens fit.
      sequence_length: S.

    Returns:
      Int64 [batches + 1]: where each batch begins, and the end.
    """
    bounds = [0]
    while bounds[-1] < len(tokens):
        longest = max(int(tokens[bounds[-1]]), 1)
        end = bounds[-1] + batch_size * sequence_length // longest
        bounds.append(min(end, len(tokens)))
    return np.array(bounds, np.int64)


def _next_batch(dataset, examples):
    parse = _batch_parser(examples)
    dataset = dataset.map(parse, num_parallel_calls=2).prefetch(2)
    return tf.data.make_one_shot_iterator(dataset).get_next()


def _batch_parser(examples):
    row = tf.FixedLenFeature([examples.sequence_length], tf.int64)
    label_type = tf.float32 if examples.label_type.is_floating else tf.int64
    spec = {
        "input_ids": row,
        "input_mask": row,
        "segment_ids": row,
        "label_ids": tf.FixedLenFeature([], label_type),
    }

    def parse(serialized):
        parsed = tf.parse_example(serialized, spec)
        return {
            name: value if value.dtype.is_floating else tf.cast(value, tf.int32)
            for name, value in parsed.items()
        }

    return parse
