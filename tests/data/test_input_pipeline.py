"""The batches that come out of a record file, and their order."""

import functools

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from finetuning.data import input_pipeline, records
from finetuning.data.features import InputFeatures, EncodedExample
from tests.support.record_files import LENGTH, feature, write

NAMES = ("input_ids", "input_mask", "segment_ids", "label_ids")


@pytest.fixture
def ten(tmp_path):
    """Examples 0 to 9; those from 5 on have label 1."""
    return write(tmp_path, [feature(n, int(n >= 5)) for n in range(10)])


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


def training(examples, batch_size, seed=1, first_step=0, steps=1):
    return run(
        lambda: input_pipeline.training_batches(examples, batch_size, seed, first_step),
        steps,
    )


def ids(batches):
    """The examples' numbers, in the order in which they came."""
    return [int(n) for batch in batches for n in batch["input_ids"][:, 0]]


# Labels that are numbers


@pytest.fixture
def numbers(tmp_path):
    """A record file whose labels are numbers, and the numbers."""
    path = str(tmp_path / "numbers")
    labels = [0.1 * n for n in range(10)]
    rows = [EncodedExample([n, 7, 3], 3, label, False) for n, label in enumerate(labels)]
    records.write_records(path, rows, LENGTH)
    return records.RecordFile(path, 10, LENGTH, tf.float32), np.float32(labels)


def test_numbers_are_read_back_as_float32(numbers):
    examples, labels = numbers
    (batch,) = run(lambda: input_pipeline.inference_batches(examples, 10))
    assert batch["label_ids"].dtype == np.float32
    assert np.array_equal(batch["label_ids"], labels)
    assert batch["input_ids"].dtype == np.int32


def test_numbers_in_training(numbers):
    examples, labels = numbers
    batches = training(examples, 5, steps=4)
    for batch in batches:
        assert batch["label_ids"].dtype == np.float32
        assert np.array_equal(batch["label_ids"], labels[batch["input_ids"][:, 0]])


# Several sets in one graph


def test_sets_are_read_in_turn_as_often_as_is_asked(tmp_path):
    sets = []
    for name, count in (("a", 5), ("b", 3)):
        (tmp_path / name).mkdir()
        rows = [feature(n + 10 * (name == "b"), n % 2) for n in range(count)]
        sets.append(write(tmp_path / name, rows))
    found = []
    with tf.Graph().as_default(), tf.Session() as session:
        batch, starts = input_pipeline.switched_batches(sets, 2)
        for index in (0, 1, 1, 0):
            session.run(starts[index])
            found.append(fetch_all(session, batch))
    assert [ids(batches) for batches in found] == [
        [0, 1, 2, 3, 4],
        [10, 11, 12],
        [10, 11, 12],
        [0, 1, 2, 3, 4],
    ]
    for examples, batches in zip(sets, found):
        expected = run(functools.partial(input_pipeline.inference_batches, examples, 2))
        assert len(batches) == len(expected)
        for ours, theirs in zip(batches, expected):
            assert set(ours) == set(theirs)
            assert all(np.array_equal(ours[name], theirs[name]) for name in ours)


# Inference


@pytest.mark.parametrize(
    "batch_size, equal, sizes",
    [
        (1, False, [1] * 10),
        (3, False, [4, 4, 2]),  # 3 times 4 tokens hold 4 examples of 3.
        (5, False, [6, 4]),
        (32, False, [10]),
        (1, True, [1] * 10),
        (3, True, [3, 3, 3, 1]),
        (32, True, [10]),
    ],
)
def test_inference_reads_all_and_says_where_it_stood(ten, batch_size, equal, sizes):
    batches = run(lambda: input_pipeline.inference_batches(ten, batch_size, equal))
    assert [len(batch["label_ids"]) for batch in batches] == sizes
    positions = np.concatenate([batch["position"] for batch in batches])
    assert ids(batches) == positions.tolist() == list(range(10))


def test_inference_puts_like_lengths_together(tmp_path, monkeypatch):
    """The longest first, within stretches that hold whole batches."""
    monkeypatch.setattr(input_pipeline, "_SORTED_EXAMPLES", 7)
    lengths = [2, 4, 3, 4, 2, 3, 3, 4, 2]
    path = str(tmp_path / "eval.tf_record")
    rows = [
        InputFeatures([i] * n + [0] * (4 - n), [1] * n + [0] * (4 - n), [0] * 4, 0)
        for i, n in enumerate(lengths)
    ]
    records.write_records(path, rows)
    examples = records.RecordFile(path, len(rows), 4)
    batches = run(lambda: input_pipeline.inference_batches(examples, 3))
    found = [batch["position"].tolist() for batch in batches]
    assert found == [[1, 3, 2], [5, 0, 4], [7, 6, 8]]
    assert [batch["input_ids"][:, 0].tolist() for batch in batches] == found


@pytest.mark.parametrize("batch_size", [1, 3, 8, 200])
def test_inference_holds_no_more_than_a_padded_batch(tmp_path, monkeypatch, batch_size):
    """Every example once, and no batch over the budget, whatever the lengths are."""
    monkeypatch.setattr(input_pipeline, "_SORTED_EXAMPLES", 50)
    rng = np.random.RandomState(0)
    lengths = rng.randint(2, 17, 130).tolist()
    rows = [EncodedExample([7] * n, n, 0, False) for n in lengths]
    path = str(tmp_path / "eval.tf_record")
    records.write_records(path, rows, 16)
    examples = records.RecordFile(path, len(rows), 16)
    batches = run(lambda: input_pipeline.inference_batches(examples, batch_size))
    positions = np.concatenate([batch["position"] for batch in batches])
    assert sorted(positions.tolist()) == list(range(130))
    for batch in batches:
        tokens = [lengths[position] for position in batch["position"]]
        assert batch["input_mask"].sum(axis=1).tolist() == tokens
        assert tokens == sorted(tokens, reverse=True)
        assert len(tokens) * max(tokens) <= batch_size * 16


@pytest.mark.parametrize("batch_size", [1, 3, 8, 1000])
@pytest.mark.parametrize("longest", [1, 5, 16])
def test_bounds_of_batches(batch_size, longest):
    """As many as fit, never fewer than the batch size but in the last batch."""
    rng = np.random.RandomState(batch_size)
    tokens = -np.sort(-rng.randint(0, longest + 1, 300))
    bounds = input_pipeline.batch_bounds(tokens, batch_size, 16).tolist()
    assert bounds[0] == 0 and bounds[-1] == 300
    budget = batch_size * 16
    for first, last in zip(bounds[:-1], bounds[1:]):
        assert last > first
        assert (last - first) * tokens[first] <= budget
        if last < 300:
            assert last - first >= batch_size
            assert (last - first + 1) * max(tokens[first], 1) > budget


def test_bounds_of_no_examples():
    assert input_pipeline.batch_bounds([], 8, 16).tolist() == [0]


def test_inference_batch(ten):
    (batch,) = run(lambda: input_pipeline.inference_batches(ten, 10))
    assert sorted(batch) == sorted(NAMES + ("position",))
    assert all(batch[name].dtype == np.int32 for name in NAMES)
    assert batch["input_ids"].tolist() == [[n, 7, 3, 0] for n in range(10)]
    assert batch["input_mask"].tolist() == [[1, 1, 1, 0]] * 10
    assert batch["segment_ids"].tolist() == [[0, 0, 1, 0]] * 10
    assert batch["label_ids"].tolist() == [0] * 5 + [1] * 5


# Training


def test_training_batch(ten):
    (batch,) = training(ten, 3)
    assert sorted(batch) == sorted(NAMES)
    assert all(batch[name].dtype == np.int32 for name in NAMES)
    assert [batch[name].shape for name in NAMES] == [(3, 4)] * 3 + [(3,)]
    assert batch["label_ids"].tolist() == [
        int(n >= 5) for n in batch["input_ids"][:, 0]
    ]
    with tf.Graph().as_default():
        tensors = input_pipeline.training_batches(ten, 3, 1, 0)
        assert tensors["input_ids"].shape.as_list() == [3, 4]


@pytest.mark.parametrize("batch_size", [1, 4, 10])
def test_every_epoch_is_the_whole_set_and_the_remainder_is_carried_over(
    ten, batch_size
):
    """30 examples are 3 epochs, whatever the batches are: nothing is dropped."""
    batches = training(ten, batch_size, steps=-(-30 // batch_size))
    assert all(len(batch["label_ids"]) == batch_size for batch in batches)
    stream = ids(batches)
    epochs = [stream[start : start + 10] for start in (0, 10, 20)]
    for epoch in epochs:
        assert sorted(epoch) == list(range(10))
        assert epoch != list(range(10))
    assert epochs[0] != epochs[1] != epochs[2] != epochs[0]


def test_batch_larger_than_the_set(ten):
    stream = ids(training(ten, 20, steps=1))
    assert sorted(stream[:10]) == sorted(stream[10:]) == list(range(10))


def test_the_stream_does_not_depend_on_the_batch_size(ten):
    assert ids(training(ten, 2, steps=15)) == ids(training(ten, 5, steps=6))


@pytest.mark.parametrize("seed", [0, 2**31 - 1])
def test_a_seed_repeats_its_order(ten, seed):
    assert ids(training(ten, 5, seed, steps=6)) == ids(training(ten, 5, seed, steps=6))


def test_seeds_have_orders_of_their_own(ten):
    orders = {tuple(ids(training(ten, 5, seed, steps=4))) for seed in range(4)}
    assert len(orders) == 4


def test_the_order_is_repeated_beside_a_graph_seed(ten):
    def build():
        tf.set_random_seed(5)
        return input_pipeline.training_batches(ten, 5, 5, 0)

    assert ids(run(build, 6)) == ids(run(build, 6))


@pytest.mark.parametrize("batch_size", [3, 14])
def test_a_resumed_training_goes_on_where_it_stopped(ten, batch_size):
    unbroken = training(ten, batch_size, steps=9)
    for first_step in (1, 3, 4, 8):
        resumed = training(ten, batch_size, first_step=first_step, steps=9 - first_step)
        assert ids(resumed) == ids(unbroken[first_step:])


def test_a_file_sorted_by_label_is_thoroughly_mixed(tmp_path):
    """2,000 examples, all of label 0 before all of label 1."""
    count = 2000
    rows = [feature(n, int(n >= count // 2)) for n in range(count)]
    (batch,) = training(write(tmp_path, rows), count)
    places = np.argsort(batch["input_ids"][:, 0])  # Of each example, in file order.
    assert sorted(places.tolist()) == list(range(count))
    # The label's share in each tenth: 0.5 +- 4 standard errors.
    shares = batch["label_ids"].reshape(10, -1).mean(axis=1)
    assert np.all(np.abs(shares - 0.5) < 4 * 0.5 / np.sqrt(count / 10))
    # No trace of the old order: under chance the correlation is 0 +- 0.022.
    assert abs(np.corrcoef(np.arange(count), places)[0, 1]) < 0.1
    # The last examples of the file come first as often as any.
    assert np.median(places[-200:]) == pytest.approx(count / 2, abs=count / 8)
