"""The `tf.data` pipelines that read batches from a record file."""

from typing import NamedTuple

import numpy as np
import tensorflow.compat.v1 as tf

# Examples that are sorted by length at a time: 25 MB at a length of 128.
_SORTED_EXAMPLES = 4096
_MAX_STEP = 2**63 - 1


class Share(NamedTuple):
    """What one worker reads of each batch, and in how many steps.

    Attributes:
      index: number of the worker, counted from 0.
      count: number of workers.
      accumulate_steps: number of parts in which each worker reads its share.
    """

    index: int = 0
    count: int = 1
    accumulate_steps: int = 1

    @property
    def num_parts(self):
        """The number of parts of a batch, of all workers."""
        return self.count * self.accumulate_steps

    def part(self, number):
        """The part of a batch that is the worker's `number`-th, counted from 0."""
        return self.index * self.accumulate_steps + number % self.accumulate_steps


WHOLE_BATCHES = Share()


def training_batches(examples, batch_size, seed, first_step, share=WHOLE_BATCHES):
    """Makes an endless sequence of full batches, shuffled again in every epoch.

    The examples left over at the end of an epoch begin the first batch of the next.
    A batch depends on seed and step only (see `ShuffledOrder`), and its records are
    read at random positions of the file. So a resumed run starts immediately, and
    only an index of the file is kept in memory (see `record_reader.RecordReader`). If
    a record is changed meanwhile, the session raises an error of TensorFlow's, see
    `failures.tensorflow_errors`.

    Args:
      examples: `RecordFile`.
      batch_size: B.
      seed: determines the order of every epoch.
      first_step: the number of the first batch, counted from 0.
      share: `Share`, whose `num_parts` divides B. Each element of the sequence is then
        one part of a batch, of equal size, in the order of the batch.

    Returns:
      Dictionary of int32 tensors: `input_ids`, `input_mask`, `segment_ids` [B, S] and
      `label_ids` [B] of the file's label type; and if the batch has several parts,
      `part` [], the number of this one.
    """
    order = ShuffledOrder(seed, examples.count)
    size = batch_size // share.num_parts

    def positions(number):
        number = int(number)
        step = number // share.accumulate_steps
        return order.positions(step * share.num_parts + share.part(number), size)

    def serialized(number):
        return _read_records(examples, positions, number, size)

    numbers = tf.data.Dataset.range(first_step * share.accumulate_steps, _MAX_STEP)
    # No parallel calls: TensorFlow rejects them if operations must be deterministic.
    dataset = numbers.map(serialized).map(_batch_parser(examples))
    if share.num_parts > 1:
        parts = numbers.map(lambda number: tf.cast(share.part(number), tf.int32))
        dataset = tf.data.Dataset.zip((dataset, parts))
        dataset = dataset.map(lambda rows, part: dict(rows, part=part))
    return tf.data.make_one_shot_iterator(dataset.prefetch(2)).get_next()


def _read_records(examples, positions, number, count=None):
    """A string tensor of the records at `positions(number)`.

    Args:
      examples: `RecordFile`.
      positions: function from an int to the positions of the records in the file.
      number: int64 scalar tensor.
      count: the number of records, if it is known.
    """

    def read(number):
        return np.array(examples.reader.read(positions(number)), dtype=object)

    records = tf.numpy_function(read, [number], tf.string)
    records.set_shape([count])
    return records


def inference_batches(examples, batch_size, equal_sizes=False, share=WHOLE_BATCHES):
    """Makes batches of all examples, each with examples of similar length.

    The file is sorted by length in blocks, longest first, so that the batch that needs
    the most memory comes first and few tokens are padding. Batches of short examples
    are larger, see `batch_bounds`.

    Args:
      examples: `RecordFile`.
      batch_size: how many examples of S tokens may be in memory at once.
      equal_sizes: whether all batches have `batch_size` examples, of mixed lengths and
        about as many tokens as any other, so that there are few different shapes. The
        last one of the file is filled up with an example that is in another, too.
      share: `Share` of the batches that this worker makes.

    Returns:
      Dictionary as from `training_batches`, and `position`, int64 [B]: the index in the
      file of each example.
    """
    dataset = _inference_dataset(examples, batch_size, equal_sizes, share)
    return tf.data.make_one_shot_iterator(dataset).get_next()


def switched_batches(record_files, batch_size, equal_sizes=False, share=WHOLE_BATCHES):
    """Makes `inference_batches` of one of several files at a time, as often as needed.

    Args:
      record_files: sequence of `RecordFile` of the same length and label type.
      batch_size: as for `inference_batches`.
      equal_sizes: as for `inference_batches`.
      share: as for `inference_batches`.

    Returns:
      The batch, and for each file an op that starts it from its first example.
    """
    datasets = [
        _inference_dataset(record_file, batch_size, equal_sizes, share)
        for record_file in record_files
    ]
    iterator = tf.data.Iterator.from_structure(
        tf.data.get_output_types(datasets[0]), tf.data.get_output_shapes(datasets[0])
    )
    initializers = [iterator.make_initializer(dataset) for dataset in datasets]
    return iterator.get_next(), initializers


def _inference_dataset(examples, batch_size, equal_sizes, share):
    block = max(_SORTED_EXAMPLES // batch_size, 1) * batch_size
    parse = _batch_parser(examples)

    def positions(start):
        return np.arange(start, min(start + block, examples.count))

    def batches(start):
        records = _read_records(examples, positions, start)
        rows = parse(records)
        rows["position"] = start + tf.range(tf.size(records, out_type=tf.int64))
        return by_length(rows, batch_size, examples.sequence_length, equal_sizes)

    starts = tf.data.Dataset.range(0, examples.count, block)
    dataset = starts.flat_map(batches)
    if share.count > 1:
        dataset = dataset.shard(share.count, share.index)
    return dataset.prefetch(2)


def by_length(rows, batch_size, sequence_length, equal_sizes=False):
    """Splits one block of examples into batches of similar length.

    Args:
      rows: dictionary of tensors [examples, ...], among them `input_mask`.
      batch_size: as for `inference_batches`.
      sequence_length: S.
      equal_sizes: as for `inference_batches`.

    Returns:
      `tf.data.Dataset` of batches, see `inference_batches`.
    """

    def bounds_of(lengths):
        return batch_bounds(lengths, batch_size, sequence_length)

    lengths = tf.reduce_sum(rows["input_mask"], axis=1)
    order = tf.argsort(-lengths, stable=True)
    if equal_sizes:
        order = _mixed(order, batch_size)
    rows = {name: tf.gather(values, order) for name, values in rows.items()}
    if equal_sizes:
        dataset = tf.data.Dataset.from_tensor_slices(rows)
        return dataset.batch(batch_size, drop_remainder=True)
    bounds = tf.numpy_function(bounds_of, [tf.gather(lengths, order)], tf.int64)
    bounds.set_shape([None])
    spans = tf.data.Dataset.from_tensor_slices((bounds[:-1], bounds[1:]))
    return spans.map(lambda i, j: {name: rows[name][i:j] for name in rows})


def _mixed(order, batch_size):
    """Distributes sorted examples over batches, so that each has long and short ones.

    Args:
      order: int32 [examples], at least one.
      batch_size: B.

    Returns:
      Int32 [batches * B], the batches one after the other.
    """
    count = tf.size(order)
    batches = (count + batch_size - 1) // batch_size
    missing = tf.fill([batches * batch_size - count], order[-1])
    ranks = tf.reshape(tf.concat([order, missing], 0), [batch_size, batches])
    # The batch that gets the longest of one rank gets the shortest of the next.
    is_odd = tf.range(batch_size)[:, tf.newaxis] % 2 > 0
    is_odd = tf.broadcast_to(is_odd, [batch_size, batches])
    ranks = tf.where(is_odd, tf.reverse(ranks, [1]), ranks)
    return tf.reshape(tf.transpose(ranks), [-1])


def batch_bounds(lengths, batch_size, sequence_length):
    """Splits examples into batches no larger than `batch_size` examples of S tokens.

    A batch takes as many examples as possible while their number times the longest
    length is at most `batch_size` * S. So no batch but the last has fewer than
    `batch_size` examples, and the memory of attention, which is proportional to that
    product times the longest length, is bounded too.

    Args:
      lengths: ints [examples], in tokens, sorted in descending order.
      batch_size: how many examples of S tokens fit.
      sequence_length: S.

    Returns:
      Int64 [batches + 1]: the index of the first example of each batch, and the end.
    """
    bounds = [0]
    while bounds[-1] < len(lengths):
        longest = max(int(lengths[bounds[-1]]), 1)
        end = bounds[-1] + batch_size * sequence_length // longest
        bounds.append(min(end, len(lengths)))
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


class ShuffledOrder:
    """An endless sequence of epochs, each a random permutation of all examples.

    The permutation depends on seed, epoch and number of examples, not on the batch
    size. One epoch's is kept in memory: 4 bytes per example.
    """

    def __init__(self, seed, count):
        """Takes the seed, 0 to 2^32 - 1, and the number of examples, at least 1."""
        self._seed, self._count = seed, count
        self._epoch, self._permutation = None, None

    def positions(self, step, batch_size):
        """The indices in the file of the examples of a batch.

        Args:
          step: number of the batch, counted from 0.
          batch_size: B; may exceed the number of examples.

        Returns:
          Int array [B]: elements B * step to B * (step + 1) of the sequence.
        """
        parts, missing = [], batch_size
        epoch, start = divmod(step * batch_size, self._count)
        while missing:
            parts.append(self._permutation_of(epoch)[start : start + missing])
            missing -= len(parts[-1])
            epoch, start = epoch + 1, 0
        return np.concatenate(parts)

    def _permutation_of(self, epoch):
        if epoch != self._epoch:
            self._permutation = epoch_order(self._seed, epoch, self._count)
            self._epoch = epoch
        return self._permutation


def epoch_order(seed, epoch, count):
    """A random permutation of 0 to count - 1, as an array of unsigned ints [count].

    It is drawn with numpy's Mersenne Twister, whose numbers are the same in every
    release (https://numpy.org/neps/nep-0019-rng-policy.html).
    """
    positions = np.arange(count, dtype=np.uint32 if count < 2**32 else np.uint64)
    np.random.RandomState([seed, epoch]).shuffle(positions)
    return positions
