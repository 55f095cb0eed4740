"""Unpadding: the encoder computes the tokens of a batch, not its padding.

The hidden states of all tokens are stacked as [T, H]; only attention needs rectangles
of sequences. All indices between the two forms are computed once a step, on the host,
because GPUs are no faster at int32 and lack many of its kernels.

Attention's cost grows with the square of the length, so a large batch is cut into
groups of sequences of similar length, each with a rectangle of its own.

Shapes: see modeling.py. Within a group, B is its number of sequences and L the length
of the longest one.
"""

from dataclasses import dataclass
from typing import Any, Tuple

import tensorflow.compat.v1 as tf

from encoder.compiling import on_host

# A smaller group saves less than its extra ops cost.
_MIN_GROUP_SIZE = 8
# At most a third of the rows is padding, except where seven eighths of a batch are.
_SIXTEENTHS = (2, 3, 4, 6, 8, 12, 16)
MAX_GROUPS = 4


@dataclass(frozen=True)
class Group:
    """Sequences that attend in one rectangle, padded to the longest of them.

    Attributes:
      query_indices: int32 [B, N, L], the indices into [T * N] of the heads of each
        query; positions behind a sequence's end repeat its last token.
      key_indices: int32 [B, N, L], the same for keys and values; a masked position
        repeats another one of its sequence that is not masked.
      query_mask: float32 [B, 1, L, 1], 1 up to the sequence's end, then 0.
      key_mask: float32 [B, 1, 1, L], 1 where attention may look, else 0.
      scores_shape: int32 [4], B, N, L and L.
    """

    query_indices: Any
    key_indices: Any
    query_mask: Any
    key_mask: Any
    scores_shape: Any


@dataclass(frozen=True)
class Unpadding:
    """The indices that take the padding out of one batch and put it back.

    A sequence keeps its positions up to the last one that is not masked. Masked
    positions before that one are computed, but not attended to. A sequence without any
    token keeps all of its positions.

    Attributes:
      shape: B and S, a list of ints if they are known, else int32 [2].
      indices: int32 [T], where each token is in [B * S].
      first_indices: int32 [B], where each sequence's first token is in [T].
      positions: int32 [T], each token's position in its sequence.
      groups: tuple of `Group`.
      head_indices: int32 [T, N], where each token's heads are in the concatenation of
        all groups' [B * N * L].
    """

    shape: Any
    indices: Any
    first_indices: Any
    positions: Any
    groups: Tuple[Group, ...]
    head_indices: Any

    def unpad(self, padded):
        """Int32 [B, S] -> [T]."""
        with on_host():
            return tf.gather(tf.reshape(padded, [-1]), self.indices)

    def pad(self, hidden):
        """[T, H] -> [B, S, H], with zeros at positions that were removed."""
        width = hidden.shape.as_list()[-1]
        with on_host():
            inverse = _inverse(self.indices, tf.reduce_prod(self.shape))
        with tf.device("/cpu:0"):
            shape = tf.concat([self.shape, [width]], 0)
        return tf.reshape(_spread(hidden, self.indices, inverse), shape)

    def first_tokens(self, hidden):
        """[T, H] -> [B, H]."""
        with on_host():
            inverse = _inverse(self.first_indices, tf.size(self.indices))
        return _gather(hidden, self.first_indices, inverse)


def compute_unpadding(input_mask, num_heads, num_rows=None, max_groups=MAX_GROUPS):
    """Computes the indices of a batch of at least one sequence.

    Args:
      input_mask: int32 [B, S], 0 for padding.
      num_heads: N.
      num_rows: int32 scalar, T, for XLA, which compiles again for each shape: padding
        follows the tokens up to this number, and all sequences attend in one rectangle
        of length S. See `rounded_rows`. None: all padding is removed.
      max_groups: the largest number of groups.

    Returns:
      `Unpadding`.
    """
    with on_host():
        key_mask = attended_positions(input_mask)  # bool [B, S]
        shape = key_mask.shape.as_list()
        if None in shape:
            shape = tf.shape(key_mask)
        lengths = _lengths(key_mask)
        static_batch = input_mask.shape.as_list()[0] if num_rows is None else None
        order, bounds = _sort_by_length(lengths, static_batch, max_groups)
        lengths = tf.gather(lengths, order)
        ends = tf.cumsum(lengths)
        sequences = lengths, ends, tf.gather(key_mask, order)
        length = None if num_rows is None else shape[1]
        parts = [
            [values[first:last] for values in sequences]
            for first, last in zip(bounds[:-1], bounds[1:])
        ]
    groups = tuple(_group(num_heads, length, *part) for part in parts)
    with on_host():
        is_token = tf.sequence_mask(lengths, length)
        sequence, positions = _tokens(is_token, num_rows)
        inverse_order = tf.math.invert_permutation(order)
        return Unpadding(
            shape=shape,
            indices=tf.gather(order, sequence) * shape[1] + positions,
            first_indices=tf.gather(ends - lengths, inverse_order),
            positions=positions,
            groups=groups,
            head_indices=_head_indices(groups, num_heads, num_rows),
        )


def rounded_rows(input_mask):
    """A number of rows for all tokens of a batch, one of few, so that XLA compiles few.

    Args:
      input_mask: int32 [B, S].

    Returns:
      Int32 scalar: the smallest of the `_SIXTEENTHS` of B * S that is large enough.
    """
    with on_host():
        lengths = _lengths(attended_positions(input_mask))
        sizes = (tf.size(input_mask) * tf.constant(_SIXTEENTHS) + 15) // 16
        is_enough = sizes >= tf.reduce_sum(lengths)
        return tf.reduce_min(tf.boolean_mask(sizes, is_enough))


def attended_positions(input_mask):
    """Bool [B, S]: the positions not masked; all of them if a sequence has none."""
    is_token = tf.not_equal(input_mask, 0)
    is_empty = tf.logical_not(tf.reduce_any(is_token, axis=1, keepdims=True))
    return tf.logical_or(is_token, is_empty)


def _lengths(key_mask):
    """Up to the last position that is not masked, int32 [B]."""
    counts = tf.range(1, tf.shape(key_mask)[1] + 1)
    return tf.reduce_max(tf.cast(key_mask, tf.int32) * counts, axis=1)


def _sort_by_length(lengths, batch_size, max_groups):
    """The sequences in the order of their groups, int32 [B], and the groups' bounds."""
    count = min((batch_size or 1) // _MIN_GROUP_SIZE, max_groups)
    if count <= 1:
        size = tf.size(lengths)
        return tf.range(size), [0, size]
    order = tf.argsort(lengths, stable=True)
    return order, [batch_size * index // count for index in range(count + 1)]


def _tokens(is_token, num_rows):
    """The sequence and the position of each token, int32 [T] each.

    Padding follows, up to `num_rows` rows, if that is not None. It contributes nothing:
    attention ignores it, as it does in the rectangle, and nothing else mixes rows.
    """
    tokens = tf.where(is_token)
    if num_rows is not None:
        padding = tf.where(tf.logical_not(is_token))
        tokens = tf.concat([tokens, padding[: num_rows - tf.shape(tokens)[0]]], 0)
    return tf.unstack(tf.cast(tokens, tf.int32), axis=1)


def _group(num_heads, length, lengths, ends, key_mask):
    """The `Group` of sequences of `lengths` [B] that end before `ends` [B].

    L is `length`; None: the longest one's.
    """
    with on_host():
        if length is None:
            length = tf.reduce_max(lengths)
        positions = tf.expand_dims(tf.range(length), 0)  # [1, L]
        query_mask = tf.sequence_mask(lengths, length)  # [B, L]
        key_mask = key_mask[:, :length]
        first, last = (tf.expand_dims(x, 1) for x in (ends - lengths, ends - 1))
        queries = tf.minimum(first + positions, last)
        # The last position before the padding is never masked, unless all of them are.
        keys = tf.where(key_mask, queries, tf.broadcast_to(last, tf.shape(queries)))
        queries, keys = (_split_heads(x, num_heads) for x in (queries, keys))
        query_mask = tf.cast(query_mask[:, tf.newaxis, :, tf.newaxis], tf.float32)
        key_mask = tf.cast(key_mask[:, tf.newaxis, tf.newaxis, :], tf.float32)
    with tf.device("/cpu:0"):  # Not outside of a cluster, where shapes are known.
        shape = tf.shape(queries)
        shape = tf.concat([shape, shape[-1:]], 0)
    return Group(queries, keys, query_mask, key_mask, scores_shape=shape)


def _split_heads(indices, num_heads):
    """Int32 [B, L] into [T] -> [B, N, L] into [T * N]."""
    heads = tf.reshape(tf.range(num_heads), [1, num_heads, 1])
    return tf.expand_dims(indices, 1) * num_heads + heads


def _head_indices(groups, num_heads, num_rows):
    """See `Unpadding.head_indices`."""
    indices = [_head_indices_in_group(group, num_heads, num_rows) for group in groups]
    for index in range(1, len(groups)):
        indices[index] += sum(tf.size(group.query_indices) for group in groups[:index])
    return indices[0] if len(groups) == 1 else tf.concat(indices, 0)


def _head_indices_in_group(group, num_heads, num_rows):
    is_token = tf.not_equal(group.query_mask[:, 0, :, 0], 0.0)  # [B, L]
    sequence, position = _tokens(is_token, num_rows)
    longest = tf.shape(is_token)[1]
    first_head = sequence * (num_heads * longest) + position
    return tf.expand_dims(first_head, 1) + tf.range(num_heads) * longest


def _inverse(indices, size):
    """Where each of `size` rows is among the rows that distinct indices choose.

    Returns:
      Int32 [size]; for a row that is not chosen, the number of indices.
    """
    count = tf.size(indices)
    places = tf.range(count) - count
    return tf.scatter_nd(tf.expand_dims(indices, 1), places, [size]) + count


# TensorFlow's gradient of a gather is a sum over rows with equal indices, and with
# deterministic ops a scatter on a GPU goes through the host. Here all indices are
# distinct, so either direction is a gather.


@tf.custom_gradient
def _gather(rows, indices, inverse):
    """Gathers rows of [T, H] by distinct indices [K]; see `_inverse`."""

    def gradient(d_gathered):
        return tf.gather(_with_zeros(d_gathered), inverse), None, None

    return tf.gather(rows, indices), gradient


@tf.custom_gradient
def _spread(rows, indices, inverse):
    """The opposite: rows [K, H] at these indices, zeros elsewhere."""

    def gradient(d_spread):
        return tf.gather(d_spread, indices), None, None

    return tf.gather(_with_zeros(rows), inverse), gradient


def _with_zeros(rows):
    return tf.pad(rows, [[0, 1], [0, 0]])
