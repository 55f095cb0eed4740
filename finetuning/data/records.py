"""The TFRecord files of features: their content, and writing them."""

import array
import zlib
from typing import NamedTuple, Optional

import tensorflow.compat.v1 as tf

from finetuning.data.record_reader import RecordReader
from finetuning.utils import files


class RecordFile(NamedTuple):
    """A TFRecord file of features.

    Attributes:
      path: the file.
      count: number of records.
      sequence_length: S, in tokens.
      label_type: type of `label_ids`: int32 for ids, float32 for numbers.
      reader: `RecordReader` of the records that were written, whatever another run
        writes to `path` meanwhile; None if nothing was written.
    """

    path: str
    count: int
    sequence_length: int
    label_type: tf.DType = tf.int32
    reader: Optional[RecordReader] = None


def write_records(path, examples, sequence_length, label_type=tf.int32):
    """Writes encoded examples as a TFRecord file, completely or not at all.

    Each record is a `tf.train.Example` with int64 lists `input_ids`, `input_mask`,
    `segment_ids` ([S] each), `label_ids` [1] and `is_real_example` [1]. A float label
    is written as a float list.

    Args:
      path: the file.
      examples: iterable of `features.EncodedExample`.
      sequence_length: S, to which they are padded.
      label_type: see `RecordFile`.

    Returns:
      `RecordFile`.
    """
    lengths, checksums = array.array("Q"), array.array("I")
    with files.replacing(path) as temporary:
        with tf.io.TFRecordWriter(temporary) as writer:
            for example in examples:
                record = _serialize(example.padded(sequence_length))
                writer.write(record)
                lengths.append(len(record))
                checksums.append(zlib.crc32(record))
        # While only this process knows the file: others write to `path`, too.
        reader = RecordReader(temporary, lengths, checksums, name=path)
    return RecordFile(path, len(lengths), sequence_length, label_type, reader)


def _serialize(features):
    example = tf.train.Example()
    feature = example.features.feature
    for name in ("input_ids", "input_mask", "segment_ids"):
        feature[name].int64_list.value.extend(getattr(features, name))
    if isinstance(features.label_id, float):
        feature["label_ids"].float_list.value.append(features.label_id)
    else:
        feature["label_ids"].int64_list.value.append(features.label_id)
    feature["is_real_example"].int64_list.value.append(features.is_real_example)
    # The order of a map's entries is not specified otherwise.
    return example.SerializeToString(deterministic=True)
