"""Multi-head attention over unpadded hidden states, with a hand-written gradient.

Vaswani et al. 2017, https://arxiv.org/abs/1706.03762, sections 3.2.1 and 3.2.2. As in
Dao et al. 2022, https://arxiv.org/abs/2205.14135, section 3.1 and appendix B, the
softmax is normalised only after the product with the values, where fewer numbers have
to be divided, and its gradient sums over the context instead of the scores.

Shapes: see modeling.py. B and L are those of one `unpadding.Group`.
"""

import tensorflow.compat.v1 as tf

from encoder.mixed_precision import FLOAT32, to_float32
from encoder.unpadding import attended_positions


def attend(query, key, value, unpadding, drop, rate, precision=FLOAT32):
    """Averages the values, weighted by the softmax of the query-key products.

    Args:
      query: [T, H] in the type of `precision`, already scaled by 1/sqrt(D).
      key: [T, H], not scaled.
      value: [T, H].
      unpadding: `unpadding.Unpadding`.
      drop: `layers.DropoutStream`.
      rate: fraction 0-1 of the attention probabilities that dropout drops.
      precision: `mixed_precision.Precision` of the products.

    Returns:
      Float32 [T, H], the heads' contexts side by side.
    """
    groups = [_Attention(group, drop, rate, precision) for group in unpadding.groups]
    num_heads = unpadding.head_indices.shape.as_list()[-1]

    @tf.custom_gradient
    def compute(query, key, value):
        heads = [_split(x, num_heads) for x in (query, key, value)]
        contexts = [group.forward(*heads) for group in groups]

        def gradient(d_outputs):
            d_outputs = _split(d_outputs, num_heads)
            # Three lists, for query, key and value, of each group's [B, N, L, D].
            by_input = zip(*(group.backward(d_outputs) for group in groups))
            return tuple(_merge(parts, unpadding.head_indices) for parts in by_input)

        return _merge(contexts, unpadding.head_indices), gradient

    return compute(query, key, value)


def attention_probs(query, key, input_mask, unpadding, num_heads, precision=FLOAT32):
    """The probabilities that `attend` weights the values by, before dropout.

    They are computed again, over padded sequences: `attend` itself never needs them
    normalised.

    Args:
      query: as for `attend`.
      key: as for `attend`.
      input_mask: int32 [B, S], from which `unpadding` was computed.
      unpadding: `unpadding.Unpadding`.
      num_heads: N.
      precision: as for `attend`.

    Returns:
      Float32 [B, N, S, S], with zeros in the rows and columns of padding.
    """
    size = tf.concat(
        [unpadding.shape, [num_heads, query.shape.as_list()[-1] // num_heads]], 0
    )

    def split(hidden):
        padded = tf.reshape(unpadding.pad(to_float32(hidden)), size)
        return tf.transpose(padded, [0, 2, 1, 3])  # [B, N, S, D]

    scores = precision.matmul(split(query), split(key), transpose_b=True)
    mask = tf.cast(attended_positions(input_mask), tf.float32)  # [B, S]
    columns = mask[:, tf.newaxis, tf.newaxis, :]
    scores = to_float32(scores) + (columns - 1.0) * 1e9
    return tf.nn.softmax(scores) * columns * mask[:, tf.newaxis, :, tf.newaxis]


class _Attention:
    """One group's attention; `forward` saves the tensors that `backward` needs."""

    def __init__(self, group, drop, rate, precision):
        self._group, self._matmul = group, precision.matmul
        self._keep_mask, self._keep_prob = drop.keep_mask(group.scores_shape, rate)

    def forward(self, query, key, value):
        """[T * N, D] three times -> the context, float32 [B, N, L, D]."""
        self._query = tf.gather(query, self._group.query_indices)
        self._key = tf.gather(key, self._group.key_indices)
        self._value = tf.gather(value, self._group.key_indices)
        scores = to_float32(self._matmul(self._query, self._key, transpose_b=True))
        exps = tf.exp(scores - tf.reduce_max(scores, axis=-1, keepdims=True))
        self._exps = exps * self._group.key_mask  # [B, N, L, L]
        sums = tf.reduce_sum(self._exps, axis=-1, keepdims=True)
        self._scale = self._group.query_mask / (self._keep_prob * sums)  # [B, N, L, 1]
        self._weights = self._exps  # [B, N, L, L], not normalised
        if self._keep_mask is not None:
            self._weights = self._exps * self._keep_mask
        context = to_float32(self._matmul(self._weights, self._value))
        self._context = context * self._scale
        return self._context

    def backward(self, d_outputs):
        """[T * N, D] -> gradients of query, key and value, [B, N, L, D] each."""
        d_context = tf.gather(d_outputs, self._group.query_indices) * self._scale
        along = tf.reduce_sum(d_context * self._context, axis=-1, keepdims=True)
        d_weights = to_float32(self._matmul(d_context, self._value, transpose_b=True))
        d_scores = self._weights * d_weights - self._exps * (self._keep_prob * along)
        return (
            self._matmul(d_scores, self._key),
            self._matmul(d_scores, self._query, transpose_a=True),
            self._matmul(self._weights, d_context, transpose_a=True),
        )


def _split(hidden, num_heads):
    """[T, H] -> [T * N, D], of which one gather makes [B, N, L, D]."""
    return tf.reshape(hidden, [-1, hidden.shape.as_list()[-1] // num_heads])


def _merge(parts, head_indices):
    """Each group's [B, N, L, D] -> [T, H]."""
    width = parts[0].shape.as_list()[-1]
    flat = [tf.reshape(part, [-1, width]) for part in parts]
    flat = flat[0] if len(flat) == 1 else tf.concat(flat, 0)
    num_heads = head_indices.shape.as_list()[-1]
    return tf.reshape(tf.gather(flat, head_indices), [-1, num_heads * width])
