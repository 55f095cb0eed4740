"""Dropout, and the random numbers that decide what it drops.

Srivastava et al. 2014, https://jmlr.org/papers/v15/srivastava14a.html.
"""

import tensorflow.compat.v1 as tf

from encoder.compiling import is_compiled, on_host

_INT64_RANGE = (-(2**63), 2**63 - 1)


def dropout(input_tensor, dropout_prob, seed=None):
    """Sets a random fraction of a tensor to 0 and scales the rest to keep the mean.

    Args:
      input_tensor: float tensor.
      dropout_prob: fraction 0-1 that is dropped; None or 0 returns the input.
      seed: int32 [2]; equal seeds drop the same elements. None: use the graph's own
        random stream.

    Returns:
      Tensor of the input's shape and type.
    """
    if not dropout_prob:
        return input_tensor
    mask = random_keep_mask(tf.shape(input_tensor), dropout_prob, seed)
    return _apply(input_tensor, mask * (1.0 / (1.0 - dropout_prob)))


def _apply(tensor, scaled_mask):
    return tensor * tf.cast(scaled_mask, tensor.dtype)


def random_keep_mask(shape, dropout_prob, seed=None):
    """Float32 of this shape: 0 for the fraction that is dropped, else 1.

    Random numbers are most of dropout's cost, so each element takes only 16 bits: the
    fraction is rounded to a multiple of 1/65536, and is always less than 1.
    """
    return _KeepMasks(shape, dropout_prob).draw(seed)


class _KeepMasks:
    """Draws masks of one shape and rate.

    What they share is in the graph once, because a graph with fewer ops is built, and
    its session started, faster.
    """

    def __init__(self, shape, dropout_prob):
        """See `random_keep_mask`."""
        with tf.device("/cpu:0"):
            self._shape, count = shape, tf.reduce_prod(shape)
            self._count = tf.expand_dims(count, 0)
            self._draws = (self._count + 3) // 4
            self._flat, self._first, self._stride = map(tf.constant, ([-1], [0], [1]))
            # On a GPU, the host would have to wait to read these back.
            self._range = [tf.constant(bound, tf.int64) for bound in _INT64_RANGE]
        dropped = min(int(round(dropout_prob * 2**16)), 2**16 - 1)
        # XLA of TensorFlow 1.14 has no int16.
        dtype = tf.int64 if is_compiled(count.op) else tf.int16
        self._lowest_kept = tf.constant(dropped - 2**15, dtype)

    def draw(self, seed):
        """Float32 of the shape, 0 or 1; see `random_keep_mask`."""
        least, most = self._range
        if seed is None:
            bits = tf.random.uniform(self._draws, least, most, dtype=tf.int64)
        else:
            # `tf.random.stateless_uniform` takes two ops in TensorFlow 2.
            bits = tf.raw_ops.StatelessRandomUniformInt(
                shape=self._draws, seed=seed, minval=least, maxval=most
            )
        values = tf.reshape(_quarters(bits, self._lowest_kept.dtype), self._flat)
        values = tf.strided_slice(values, self._first, self._count, self._stride)
        kept = tf.reshape(values, self._shape) >= self._lowest_kept
        return tf.cast(kept, tf.float32)


def _quarters(bits, dtype):
    """The four parts of 16 bits of each int64 [draws]: int16 or int64 [draws, 4]."""
    if dtype == tf.int16:
        return tf.bitcast(bits, tf.int16)
    shifts = tf.constant([48, 32, 16, 0], tf.int64)
    left = tf.bitwise.left_shift(tf.expand_dims(bits, 1), shifts)
    return tf.bitwise.right_shift(left, tf.constant(48, tf.int64))


class DropoutStream:
    """The dropout of a whole model: every draw has a seed of its own."""

    def __init__(self, seed=None, is_training=True, at_once=1):
        """Starts a stream.

        Args:
          seed: int32 [2], the run's seed and the step; None: use the graph's own
            random stream.
          is_training: whether anything is dropped at all.
          at_once: for how many tensors of equal shape a call draws the masks. More take
            fewer ops, and the memory of their masks before they are needed.
        """
        self._seed = seed
        self._is_training = is_training
        self._at_once = at_once
        self._drawn, self._drawn_shape = [], None
        self._draws = 0
        self._keep_masks = {}

    def __call__(self, tensor, rate):
        """Drops from a tensor as `dropout` does.

        All calls must be for tensors of the same shape, and with the same rate.
        """
        if not (rate and self._is_training):
            return tensor
        if not self._drawn:
            if self._drawn_shape is None:
                self._drawn_shape = self._repeated_shape(tensor)
            masks, keep_prob = self.keep_mask(self._drawn_shape, rate)
            self._drawn = tf.unstack(masks * (1.0 / keep_prob), self._at_once)
        return _apply(tensor, self._drawn.pop())

    def _repeated_shape(self, tensor):
        shape = tf.shape(tensor)  # On the tensor's device, or it would be copied.
        with tf.device("/cpu:0"):
            return tf.concat([[self._at_once], shape], 0)

    def keep_mask(self, shape, rate):
        """Returns a `random_keep_mask` (None if nothing is dropped) and 1 - rate.

        Calls for the same shape must be with the same tensor and rate.
        """
        if not (rate and self._is_training):
            return None, 1.0
        key = shape.name
        if key not in self._keep_masks:
            self._keep_masks[key] = _KeepMasks(shape, rate)
        return self._keep_masks[key].draw(self._next_seed()), 1.0 - rate

    def _next_seed(self):
        index = self._draws
        self._draws += 1
        return None if self._seed is None else derive_seed(self._seed, index)


def derive_seed(seed, index):
    """The seed of the `index`-th draw of a step, int32 [2]."""
    # The stride is one that no user counts seeds in, so that runs share no masks.
    with on_host():
        return seed + tf.constant([1000003 * index % 2**31, 0], dtype=tf.int32)
