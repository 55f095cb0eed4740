"""The order in which a training meets its examples, as a function of the seed."""

import numpy as np


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
