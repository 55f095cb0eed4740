"""The order of a training's examples: fixed numbers, whole epochs, no seams."""

import numpy as np
import pytest

from finetuning.data.input_pipeline import Order, epoch_order


@pytest.mark.parametrize(
    "seed, epoch, expected",
    [
        (0, 0, [3, 7, 6, 4, 1, 0, 2, 8, 5, 9]),
        (0, 1, [9, 4, 0, 8, 1, 5, 3, 2, 6, 7]),
        (1, 0, [2, 9, 8, 3, 6, 7, 1, 4, 0, 5]),
        (2**31 - 1, 5, [0, 9, 1, 8, 4, 2, 3, 6, 5, 7]),
    ],
)
def test_the_numbers_are_the_same_with_every_numpy(seed, epoch, expected):
    assert epoch_order(seed, epoch, 10).tolist() == expected


def test_large_sets_too():
    """Beyond what one byte or two count."""
    order = epoch_order(7, 3, 100000)
    assert order[:5].tolist() == [2395, 1848, 59026, 33695, 49364]
    assert order[-5:].tolist() == [2364, 45807, 27391, 35050, 89616]
    assert np.array_equal(np.sort(order), np.arange(100000))


def test_an_epoch_takes_four_bytes_an_example():
    assert epoch_order(1, 0, 1000).nbytes == 4000


@pytest.mark.parametrize("count, batch_size", [(10, 3), (10, 10), (3, 10), (1, 4)])
def test_batches_cut_the_endless_sequence(count, batch_size):
    epochs = [epoch_order(5, epoch, count) for epoch in range(50)]
    sequence = np.concatenate(epochs)
    order = Order(5, count)
    for step in range(50 * count // batch_size):
        places = order.places(step, batch_size)
        start = step * batch_size
        assert places.tolist() == sequence[start : start + batch_size].tolist()


def test_a_batch_does_not_depend_on_those_before():
    steps = [7, 0, 1234567890, 3, 7]
    order = Order(1, 12)
    jumping = [order.places(step, 5).tolist() for step in steps]
    fresh = [Order(1, 12).places(step, 5).tolist() for step in steps]
    assert jumping == fresh


def test_seeds_and_epochs_have_orders_of_their_own():
    """Also where seed and epoch are swapped or add up to the same."""
    pairs = [(seed, epoch) for seed in range(5) for epoch in range(5)]
    pairs += [(2**31 - 1, 0), (0, 2**31 - 1)]
    orders = {tuple(epoch_order(seed, epoch, 30).tolist()) for seed, epoch in pairs}
    assert len(orders) == len(pairs)
