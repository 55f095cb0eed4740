"""The features' TFRecord files, and the `tf.data` pipelines that read them."""

from typing import NamedTuple

import tensorflow.compat.v1 as tf

from finetuning import files


class RecordFile(NamedTuple):
    """A TFRecord file of features.

    Attributes:
      path: the file.
      count: records in it.
      sequence_length: S.
    """

    path: str
    count: int
    sequence_length: int


def write_records(path, features):
    """Writes features as a TFRecord file, whole or not at all.

    Each record is a `tf.train.Example` with int64 lists `input_ids`, `input_mask`,
    `segment_ids` ([S] each), `label_ids` [1] and `is_real_example` [1].

    Args:
      path: the file.
      features: iterable of `features.InputFeatures`.

    Returns:
      The number of records, and how many of them were truncated.
    """
    count = truncated = 0
    temporary = files.temporary_path(path)
    try:
        with tf.io.TFRecordWriter(temporary) as writer:
            for feature in features:
                writer.write(_serialize(feature))
                count += 1
                truncated += feature.truncated
        files.rename(temporary, path)
    except BaseException:
        files.remove_if_there(temporary)
        raise
    return count, truncated


def _serialize(feature):
    values = {
        "input_ids": feature.input_ids,
        "input_mask": feature.input_mask,
        "segment_ids": feature.segment_ids,
        "label_ids": [feature.label_id],
        "is_real_example": [int(feature.is_real_example)],
    }
    example = tf.train.Example(
        features=tf.train.Features(
            feature={
                name: tf.train.Feature(int64_list=tf.train.Int64List(value=value))
                for name, value in values.items()
            }
        )
    )
    return example.SerializeToString()


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
      `label_ids` [B].
    """
    dataset = tf.data.TFRecordDataset(examples.path)
    dataset = dataset.shuffle(examples.count, seed=seed, reshuffle_each_iteration=True)
    dataset = dataset.repeat().skip(first_step * batch_size)
    dataset = dataset.batch(batch_size, drop_remainder=True)
    return _next_batch(dataset, examples.sequence_length)


def inference_batches(examples, batch_size):
    """The whole set once, in file order; the last batch may be smaller.

    Returns:
      Dictionary as of `training_batches`.
    """
    # A batch takes its memory before it is full.
    batch_size = min(batch_size, examples.count)
    dataset = tf.data.TFRecordDataset(examples.path).batch(batch_size)
    return _next_batch(dataset, examples.sequence_length)


def _next_batch(dataset, sequence_length):
    parse = _batch_parser(sequence_length)
    dataset = dataset.map(parse, num_parallel_calls=2).prefetch(2)
    return tf.data.make_one_shot_iterator(dataset).get_next()


def _batch_parser(sequence_length):
    row = tf.FixedLenFeature([sequence_length], tf.int64)
    spec = {
        "input_ids": row,
        "input_mask": row,
        "segment_ids": row,
        "label_ids": tf.FixedLenFeature([], tf.int64),
    }

    def parse(serialized):
        parsed = tf.parse_example(serialized, spec)
        return {name: tf.cast(value, tf.int32) for name, value in parsed.items()}

    return parse
