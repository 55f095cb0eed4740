"""The batches that are read from a record file, and their order."""

import functools

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from finetuning.data import input_pipeline
from finetuning.data.features import EncodedExample
from finetuning.data.input_pipeline import Share, ShuffledOrder, epoch_order
from tests.support.record_files import encoded, write

NAMES = ("input_ids", "input_mask", "segment_ids", "label_ids")


@pytest.fixture
def ten(tmp_path):
    """Examples 0 to 9; those from 5 on have label 1."""
    return write(tmp_path, [encoded(n, int(n >= 5)) for n in range(10)])


def run(build, steps=None):
    """Fetches batches, `steps` of them or all there are."""
    with tf.Graph().as_default(), tf.Session() as session:
        return fetch_all(session, build(), steps)


def fetch_all(session, batch, steps=None):
    batches = []
    while steps is None or len(batches) < steps:
        try:
            batches.append(session.run(batch))
        except tf.errors.OutOfRangeError:
            break
    return batches


def inference(examples, batch_size, equal_sizes=False):
    return run(
        functools.partial(
            input_pipeline.inference_batches, examples, batch_size, equal_sizes
        )
    )


def training(examples, batch_size, seed=1, first_step=0, steps=1):
    return run(
        lambda: input_pipeline.training_batches(examples, batch_size, seed, first_step),
        steps,
    )


def ids(batches):
    """The examples' numbers, in the order of the batches."""
    return [int(n) for batch in batches for n in batch["input_ids"][:, 0]]


def with_lengths(tmp_path, lengths, sequence_length):
    """A file of examples that consist of their own index, repeated."""
    rows = [EncodedExample([i] * n, n, 0) for i, n in enumerate(lengths)]
    return write(tmp_path, rows, length=sequence_length)


def test_numeric_labels_are_float32(tmp_path):
    labels = np.float32([0.1 * n for n in range(10)])
    rows = [encoded(n, 0.1 * n) for n in range(10)]
    examples = write(tmp_path, rows)._replace(label_type=tf.float32)
    for batch in inference(examples, 10) + training(examples, 5, steps=4):
        assert batch["label_ids"].dtype == np.float32
        assert np.array_equal(batch["label_ids"], labels[batch["input_ids"][:, 0]])
        assert batch["input_ids"].dtype == np.int32


def test_files_can_be_read_in_turn(tmp_path):
    record_files = [
        write(tmp_path, [encoded(n, n % 2) for n in numbers], name)
        for name, numbers in (("a", range(5)), ("b", range(10, 13)))
    ]
    read = []
    with tf.Graph().as_default(), tf.Session() as session:
        batch, initializers = input_pipeline.switched_batches(record_files, 2)
        for index in (0, 1, 1, 0):
            session.run(initializers[index])
            read.append(fetch_all(session, batch))
    a, b = [0, 1, 2, 3, 4], [10, 11, 12]
    assert [ids(batches) for batches in read] == [a, b, b, a]
    for examples, batches in zip(record_files, read):
        expected = inference(examples, 2)
        assert len(batches) == len(expected)
        for actual, wanted in zip(batches, expected):
            assert set(actual) == set(wanted)
            assert all(np.array_equal(actual[name], wanted[name]) for name in actual)


# Inference


@pytest.mark.parametrize(
    "batch_size, equal_sizes, sizes",
    [
        (1, False, [1] * 10),
        (3, False, [4, 4, 2]),  # Three times 4 tokens are four examples of 3 tokens.
        (32, False, [10]),
        (3, True, [3, 3, 3, 3]),
        (32, True, [32]),
    ],
)
def test_inference_reads_every_example(ten, batch_size, equal_sizes, sizes):
    """Once, except for one that fills up the last of batches of equal sizes."""
    batches = inference(ten, batch_size, equal_sizes)
    assert [len(batch["label_ids"]) for batch in batches] == sizes
    positions = np.concatenate([batch["position"] for batch in batches])
    assert ids(batches) == positions.tolist()
    assert sorted(set(positions)) == list(range(10))
    assert equal_sizes or positions.tolist() == list(range(10))


def test_inference_batch(ten):
    (batch,) = inference(ten, 10)
    assert sorted(batch) == sorted(NAMES + ("position",))
    assert all(batch[name].dtype == np.int32 for name in NAMES)
    assert batch["input_ids"].tolist() == [[n, 7, 3, 0] for n in range(10)]
    assert batch["input_mask"].tolist() == [[1, 1, 1, 0]] * 10
    assert batch["segment_ids"].tolist() == [[0, 0, 1, 0]] * 10
    assert batch["label_ids"].tolist() == [0] * 5 + [1] * 5


def test_inference_sorts_blocks_by_length(tmp_path, monkeypatch):
    monkeypatch.setattr(input_pipeline, "_SORTED_EXAMPLES", 7)
    examples = with_lengths(tmp_path, [2, 4, 3, 4, 2, 3, 3, 4, 2], 4)
    positions = [batch["position"].tolist() for batch in inference(examples, 3)]
    assert positions == [[1, 3, 2], [5, 0, 4], [7, 6, 8]]


@pytest.mark.parametrize("batch_size", [1, 3, 200])
def test_no_inference_batch_exceeds_its_budget(tmp_path, monkeypatch, batch_size):
    monkeypatch.setattr(input_pipeline, "_SORTED_EXAMPLES", 50)
    lengths = np.random.RandomState(0).randint(2, 17, 130).tolist()
    batches = inference(with_lengths(tmp_path, lengths, 16), batch_size)
    positions = np.concatenate([batch["position"] for batch in batches])
    assert sorted(positions.tolist()) == list(range(130))
    for batch in batches:
        tokens = [lengths[position] for position in batch["position"]]
        assert batch["input_mask"].sum(axis=1).tolist() == tokens
        assert tokens == sorted(tokens, reverse=True)
        assert len(tokens) * max(tokens) <= batch_size * 16


@pytest.mark.parametrize("batch_size", [1, 3, 1000])
@pytest.mark.parametrize("longest", [1, 5, 16])
def test_bounds_of_batches(batch_size, longest):
    """As many as fit, and never fewer than the batch size except in the last batch."""
    rng = np.random.RandomState(batch_size)
    lengths = -np.sort(-rng.randint(0, longest + 1, 300))
    bounds = input_pipeline.batch_bounds(lengths, batch_size, 16).tolist()
    assert bounds[0] == 0 and bounds[-1] == 300
    budget = batch_size * 16
    for first, last in zip(bounds[:-1], bounds[1:]):
        assert last > first
        assert (last - first) * lengths[first] <= budget
        if last < 300:
            assert last - first >= batch_size
            assert (last - first + 1) * max(lengths[first], 1) > budget


def test_bounds_of_no_examples():
    assert input_pipeline.batch_bounds([], 8, 16).tolist() == [0]


# Training


def test_training_batch(ten):
    (batch,) = training(ten, 3)
    assert sorted(batch) == sorted(NAMES)
    assert all(batch[name].dtype == np.int32 for name in NAMES)
    assert [batch[name].shape for name in NAMES] == [(3, 4)] * 3 + [(3,)]
    numbers = batch["input_ids"][:, 0]
    assert batch["label_ids"].tolist() == [int(n >= 5) for n in numbers]
    with tf.Graph().as_default():
        tensors = input_pipeline.training_batches(ten, 3, 1, 0)
        assert tensors["input_ids"].shape.as_list() == [3, 4]


@pytest.mark.parametrize("batch_size", [1, 4, 10, 20])
def test_remainders_are_carried_into_the_next_epoch(ten, batch_size):
    """The first 30 examples are 3 epochs for any batch size: nothing is dropped."""
    batches = training(ten, batch_size, steps=-(-30 // batch_size))
    assert all(len(batch["label_ids"]) == batch_size for batch in batches)
    assert ids(batches)[:30] == ids(training(ten, 5, steps=6))
    epochs = [ids(batches)[start : start + 10] for start in (0, 10, 20)]
    assert all(sorted(epoch) == list(range(10)) for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2] != epochs[0]


def test_the_order_does_not_depend_on_the_graph_seed(ten):
    def build():
        tf.set_random_seed(5)
        return input_pipeline.training_batches(ten, 5, 1, 0)

    assert ids(run(build, 6)) == ids(training(ten, 5, steps=6))


@pytest.mark.parametrize("batch_size", [3, 14])
def test_a_resumed_run_continues_the_order(ten, batch_size):
    whole = ids(training(ten, batch_size, steps=9))
    for first_step in (1, 4, 8):
        resumed = training(ten, batch_size, first_step=first_step, steps=9 - first_step)
        assert ids(resumed) == whole[first_step * batch_size :]


@pytest.mark.parametrize("num_workers, accumulate_steps", [(1, 3), (2, 1), (2, 3)])
def test_parts_are_those_of_whole_batches(ten, num_workers, accumulate_steps):
    """In their order, worker by worker; also where a batch extends into an epoch."""
    size = 12 // (num_workers * accumulate_steps)
    steps, first_step = 4, 2
    read = [
        run(
            functools.partial(
                input_pipeline.training_batches,
                ten,
                12,
                1,
                first_step,
                Share(worker, num_workers, accumulate_steps),
            ),
            steps * accumulate_steps,
        )
        for worker in range(num_workers)
    ]
    parts = [
        batches[step * accumulate_steps + number]
        for step in range(steps)
        for batches in read
        for number in range(accumulate_steps)
    ]
    assert ids(parts) == ids(training(ten, 12, first_step=first_step, steps=steps))
    assert all(part["input_ids"].shape == (size, 4) for part in parts)
    numbers = [part["part"] for part in parts]
    assert all(number.dtype == np.int32 for number in numbers)
    assert numbers == list(range(num_workers * accumulate_steps)) * steps


# The order of the examples


@pytest.mark.parametrize(
    "seed, epoch, expected",
    [
        (0, 0, [3, 7, 6, 4, 1, 0, 2, 8, 5, 9]),
        (0, 1, [9, 4, 0, 8, 1, 5, 3, 2, 6, 7]),
        (1, 0, [2, 9, 8, 3, 6, 7, 1, 4, 0, 5]),
        (2**31 - 1, 5, [0, 9, 1, 8, 4, 2, 3, 6, 5, 7]),
    ],
)
def test_the_order_is_the_same_in_every_release_of_numpy(seed, epoch, expected):
    assert epoch_order(seed, epoch, 10).tolist() == expected


def test_the_order_of_many_examples():
    order = epoch_order(7, 3, 100000)
    assert order[:5].tolist() == [2395, 1848, 59026, 33695, 49364]
    assert np.array_equal(np.sort(order), np.arange(100000))
    assert order.nbytes == 400000
    # No correlation with the order of the file; by chance, it is 0 +- 0.003.
    assert abs(np.corrcoef(np.arange(100000), order)[0, 1]) < 0.02


@pytest.mark.parametrize("count, batch_size", [(10, 3), (10, 10), (3, 10), (1, 4)])
def test_batches_split_the_sequence_of_epochs(count, batch_size):
    sequence = np.concatenate([epoch_order(5, epoch, count) for epoch in range(50)])
    order = ShuffledOrder(5, count)
    for step in reversed(range(50 * count // batch_size)):
        start = step * batch_size
        expected = sequence[start : start + batch_size].tolist()
        assert order.positions(step, batch_size).tolist() == expected


def test_every_seed_and_epoch_has_its_own_order():
    """Also where seed and epoch are swapped, or have the same sum."""
    pairs = [(seed, epoch) for seed in range(5) for epoch in range(5)]
    pairs += [(2**31 - 1, 0), (0, 2**31 - 1)]
    orders = {tuple(epoch_order(seed, epoch, 30).tolist()) for seed, epoch in pairs}
    assert len(orders) == len(pairs)
