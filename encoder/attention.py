"""Multi-head attention over packed rows, with its gradient written out.

Vaswani et al. 2017, https://arxiv.org/abs/1706.03762, sections 3.2.1 and 3.2.2. As in
Dao et al. 2022, https://arxiv.org/abs/2205.14135, section 3.1 and appendix B, the
softmax is divided by its sum only after the product with the values, where there is
less to divide, and its gradient takes sums over the context instead of the scores.

Shapes: see modeling.py; of one group of `unpadding.Packing`, B is its sequences and L its
longest.
"""

import tensorflow.compat.v1 as tf

from encoder.mixed_precision import FLOAT32, to_float32


def attend(query, key, value, packing, drop, rate, precision=FLOAT32):
    """Mixes the values by the softmax of the products of queries and keys.

    Args:
      query: [T, H] in the precision's type, scaled by 1/sqrt(D).
      key: the same, not scaled.
      value: the same.
      packing: `unpadding.Packing`.
      drop: `layers.DropoutStream` or `layers.NO_DROPOUT`.
      rate: fraction 0-1 of the probabilities that dropout drops.
      precision: `mixed_precision.Precision` of the products.

    Returns:
      Float32 [T, H], the heads' contexts side by side.
    """
    groups = [_Attention(group, drop, rate, precision) for group in packing.groups]

    @tf.custom_gradient
    def compute(query, key, value):
        contexts = [group.forward(query, key, value) for group in groups]

        def gradient(d_rows):
            # One list of parts for each of query, key and value.
            parts = zip(*(group.backward(d_rows) for group in groups))
            return tuple(_join(part, packing.head_slots) for part in parts)

        return _join(contexts, packing.head_slots), gradient

    return compute(query, key, value)


class _Attention:
    """One group's attention; `forward` leaves what `backward` needs."""

    def __init__(self, group, drop, rate, precision):
        self._group, self._product = group, precision.product
        with tf.device("/cpu:0"):
            shape = tf.shape(group.query_slots)
            shape = tf.concat([shape, shape[-1:]], 0)  # [B, N, L, L]
        self._kept, self._keep_prob = drop.kept(shape, rate)

    def forward(self, query, key, value):
        """[T, H] thrice -> the context, float32 [B, N, L, D]."""
        self._query = _split(query, self._group.query_slots)
        self._key = _split(key, self._group.key_slots)
        self._value = _split(value, self._group.key_slots)
        scores = to_float32(self._product(self._query, self._key, transpose_b=True))
        exps = tf.exp(scores - tf.reduce_max(scores, axis=-1, keepdims=True))
        self._exps = exps * self._group.is_asked  # [B, N, L, L]
        sums = tf.reduce_sum(self._exps, axis=-1, keepdims=True)
        self._scale = self._group.asks / (self._keep_prob * sums)  # [B, N, L, 1]
        self._mix = self._exps if self._kept is None else self._exps * self._kept
        self._context = to_float32(self._product(self._mix, self._value)) * self._scale
        return self._context

    def backward(self, d_rows):
        """[T, H] -> gradients of query, key and value, [B, N, L, D] each."""
        d_context = _split(d_rows, self._group.query_slots) * self._scale
        along = tf.reduce_sum(d_context * self._context, axis=-1, keepdims=True)
        d_mix = to_float32(self._product(d_context, self._value, transpose_b=True))
        d_scores = self._mix * d_mix - self._exps * (self._keep_prob * along)
        return (
            self._product(d_scores, self._key),
            self._product(d_scores, self._query, transpose_a=True),
            self._product(self._mix, d_context, transpose_a=True),
        )


def _split(rows, slots):
    """[T, H] -> [B, N, L, D]: one movement does what reshapes and transposes would."""
    width = rows.shape.as_list()[-1] // slots.shape.as_list()[1]
    return tf.gather(tf.reshape(rows, [-1, width]), slots)


def _join(parts, head_slots):
    """The groups' [B, N, L, D] -> [T, H]."""
    width = parts[0].shape.as_list()[-1]
    flat = [tf.reshape(part, [-1, width]) for part in parts]
    flat = flat[0] if len(flat) == 1 else tf.concat(flat, 0)
    heads = head_slots.shape.as_list()[-1]
    return tf.reshape(tf.gather(flat, head_slots), [-1, heads * width])
