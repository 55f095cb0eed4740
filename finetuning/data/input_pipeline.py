"""The `tf.data` pipelines that make batches of a record file."""

import numpy as np
import tensorflow.compat.v1 as tf

from finetuning.data.record_reader import RecordReader

# Memory for this many at a time: 25 MB at a length of 128.
_SORTED_EXAMPLES = 4096
_ENDLESS = 2**63 - 1


def training_batches(examples, batch_size, seed, first_step):
    """Endless full batches; every epoch is the whole set in an order of its own.

    What an epoch leaves over begins the next one's first batch. A batch is a function
    of seed and step alone (see `input_pipeline.Order`), and its records are read where they
    stand in the file: a resumed training starts at once, and of the file no more than
    an index is in memory (see `record_reader.RecordReader`).

    Args:
      examples: `RecordFile`.
      batch_size: B.
      seed: governs the orders of all epochs.
      first_step: the number of the first batch, counted from 0.

    Returns:
      Dictionary of int32 tensors: `input_ids`, `input_mask`, `segment_ids` [B, S] and
      `label_ids` [B] of the file's label type.

    Raises:
      InputError: the file does not hold what was written; later it reaches the session
        as an error of TensorFlow's, see `failures.tensorflow_errors`.
    """
    reader = RecordReader(examples.path, examples.count)
    order = Order(seed, examples.count)

    def read(step):
        places = order.places(int(step), batch_size)
        return np.array(reader.read(places), dtype=object)

    def serialized(step):
        records = tf.numpy_function(read, [step], tf.string)
        records.set_shape([batch_size])
        return records

    dataset = tf.data.Dataset.range(first_step, _ENDLESS).map(serialized)
    # Not several at a time: deterministic operations allow it to none, and say so.
    dataset = dataset.map(_batch_parser(examples)).prefetch(2)
    return tf.data.make_one_shot_iterator(dataset).get_next()


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


class Order:
    """An endless sequence of epochs, each the whole set in an order of its own.

    The order of an epoch follows from seed, epoch and number of examples, whatever the
    batches are. One epoch's is in memory at a time: 4 bytes an example.
    """

    def __init__(self, seed, count):
        """Takes the seed, 0 to 2^32 - 1, and the number of examples, at least 1."""
        self._seed, self._count = seed, count
        self._epoch, self._places = None, None

    def places(self, step, batch_size):
        """Where in the file the examples of a batch stand.

        Args:
          step: number of the batch, counted from 0.
          batch_size: B; may be more than there are examples.

        Returns:
          Int array [B]: B * step to B * (step + 1) of the sequence.
        """
        parts, left = [], batch_size
        epoch, first = divmod(step * batch_size, self._count)
        while left:
            parts.append(self._of_epoch(epoch)[first : first + left])
            left -= len(parts[-1])
            epoch, first = epoch + 1, 0
        return np.concatenate(parts)

    def _of_epoch(self, epoch):
        if epoch != self._epoch:
            self._places = epoch_order(self._seed, epoch, self._count)
            self._epoch = epoch
        return self._places


def epoch_order(seed, epoch, count):
    """A permutation of 0 to count - 1, as an array of unsigned ints [count].

    It comes from the Mersenne Twister, whose numbers no release of numpy changes
    (https://numpy.org/neps/nep-0019-rng-policy.html).
    """
    places = np.arange(count, dtype=np.uint32 if count < 2**32 else np.uint64)
    np.random.RandomState([seed, epoch]).shuffle(places)
    return places
