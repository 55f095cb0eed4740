"""Where the tokens of a padded batch stand, so that padding is not computed.

The encoder runs on rows of tokens alone, [T, H]; attention alone needs rectangles. The
maps between the two are worked out once a step, as integers on the host: a GPU computes
on int32 no faster, and mostly not at all.

Attention's work grows with the square of the length, so a large batch is cut into
groups of sequences of like length, each with a rectangle of its own.

Shapes: see modeling.py; of one group, B is its sequences and L its longest.
"""

from dataclasses import dataclass
from typing import Any, Tuple

import tensorflow.compat.v1 as tf

# Fewer sequences than this are not worth the further ops of a group.
_LEAST_OF_GROUP = 8
_MOST_GROUPS = 4


@dataclass(frozen=True)
class Group:
    """Sequences that attend in one rectangle; its slots hold rows.

    Slots behind a sequence's end repeat its last row.

    Attributes:
      query_slots: int32 [B, N, L], which of the heads of all rows, [T * N], asks in
        each slot.
      key_slots: the same of what is asked; where a position is masked, another of the
        same sequence that is not.
      asks: float32 [B, 1, L, 1], 1 in slots before the sequence's end, else 0.
      is_asked: float32 [B, 1, 1, L], 1 in slots that are not masked, else 0.
    """

    query_slots: Any
    key_slots: Any
    asks: Any
    is_asked: Any


@dataclass(frozen=True)
class Packing:
    """The maps of one batch; all are tensors.

    A sequence's rows are its positions up to the last that is not masked (or more of
    them, see `pad_to` of `pack_batch`): what is masked before that still asks, though
    nobody asks it. A sequence that is masked whole keeps all of its positions. There
    is at least one sequence.

    Attributes:
      shape: int32 [2], B and S.
      cells: int32 [T], where each row stands in [B * S].
      first_rows: int32 [B], the row of each sequence's first token.
      positions: int32 [T], each row's position in its sequence.
      groups: tuple of `Group`.
      head_slots: int32 [T, N], where the heads of each row stand in the groups'
        [B * N * L] one after the other.
    """

    shape: Any
    cells: Any
    first_rows: Any
    positions: Any
    groups: Tuple[Group, ...]
    head_slots: Any

    def pack(self, padded):
        """Int32 [B, S] -> [T]."""
        with tf.device("/cpu:0"):
            return tf.gather(tf.reshape(padded, [-1]), self.cells)

    def unpack(self, rows):
        """[T, H] -> [B, S, H], with zeros where no row is."""
        width = rows.shape.as_list()[-1]
        with tf.device("/cpu:0"):
            flat = tf.stack([tf.reduce_prod(self.shape), width])
            cells = tf.expand_dims(self.cells, 1)
            shape = tf.concat([self.shape, [width]], 0)
        return tf.reshape(tf.scatter_nd(cells, rows, flat), shape)

    def first_tokens(self, rows):
        """[T, H] -> [B, H]."""
        return take_rows(rows, self.first_rows)


def pack_batch(input_mask, heads, pad_to=None):
    """Works out the maps of a batch.

    Args:
      input_mask: int32 [B, S], 0 for padding.
      heads: N.
      pad_to: int; all sequences get the rows of the longest one's length rounded up to
        a multiple of this, so that few shapes occur. None: each its own length.

    Returns:
      `Packing`.
    """
    with tf.device("/cpu:0"):
        is_asked = _asked_positions(input_mask)  # bool [B, S]
        shape = tf.shape(is_asked)
        steps = tf.range(1, shape[1] + 1)
        lengths = tf.reduce_max(tf.cast(is_asked, tf.int32) * steps, axis=1)  # [B]
        static_batch = None if pad_to else input_mask.shape.as_list()[0]
        order, bounds = _by_length(lengths, static_batch)
        lengths = tf.gather(lengths, order)
        extents = _padded(lengths, pad_to, shape[1]) if pad_to else lengths
        ends = tf.cumsum(extents)
        parts = lengths, extents, ends, tf.gather(is_asked, order)
        groups = tuple(
            _group(heads, *(part[first:last] for part in parts))
            for first, last in zip(bounds[:-1], bounds[1:])
        )
        rows = tf.cast(tf.where(tf.sequence_mask(extents)), tf.int32)
        sequence, positions = tf.unstack(rows, axis=1)
        places = tf.math.invert_permutation(order)
        return Packing(
            shape=shape,
            cells=tf.gather(order, sequence) * shape[1] + positions,
            first_rows=tf.gather(ends - extents, places),
            positions=positions,
            groups=groups,
            head_slots=_head_slots(groups, heads),
        )


def _padded(lengths, pad_to, most):
    longest = (tf.reduce_max(lengths) + pad_to - 1) // pad_to * pad_to
    return tf.fill(tf.shape(lengths), tf.minimum(longest, most))


def _asked_positions(input_mask):
    """What the mask leaves; all of a sequence that it leaves nothing of."""
    is_token = tf.not_equal(input_mask, 0)
    nothing_left = tf.logical_not(tf.reduce_any(is_token, axis=1, keepdims=True))
    return tf.logical_or(is_token, nothing_left)


def _by_length(lengths, batch):
    """The order of the sequences, int32 [B], and the bounds of their groups."""
    count = min((batch or 1) // _LEAST_OF_GROUP, _MOST_GROUPS)
    if count <= 1:
        size = tf.size(lengths)
        return tf.range(size), [0, size]
    order = tf.argsort(lengths, stable=True)
    return order, [batch * index // count for index in range(count + 1)]


def _group(heads, lengths, extents, ends, is_asked):
    """`Group` of sequences [B] with so many rows each, which end before `ends`."""
    longest = tf.reduce_max(extents)
    position = tf.expand_dims(tf.range(longest), 0)  # [1, L]
    asks = tf.sequence_mask(extents, longest)  # [B, L]
    is_asked = is_asked[:, :longest]
    first_rows, last_rows = (tf.expand_dims(r, 1) for r in (ends - extents, ends - 1))
    query_rows = tf.minimum(first_rows + position, last_rows)
    # A sequence's last row before the padding is never masked, unless all of them are.
    repeated = tf.broadcast_to(
        first_rows + tf.expand_dims(lengths - 1, 1), tf.shape(query_rows)
    )
    return Group(
        query_slots=_by_head(query_rows, heads),
        key_slots=_by_head(tf.where(is_asked, query_rows, repeated), heads),
        asks=tf.cast(asks[:, tf.newaxis, :, tf.newaxis], tf.float32),
        is_asked=tf.cast(is_asked[:, tf.newaxis, tf.newaxis, :], tf.float32),
    )


def _by_head(rows, heads):
    """Int32 [B, L], of [T], to [B, N, L], of [T * N]."""
    head = tf.reshape(tf.range(heads), [1, heads, 1])
    return tf.expand_dims(rows, 1) * heads + head


def _head_slots(groups, heads):
    """Int32 [T, N]: where rows have their heads in the groups' [B * N * L]."""
    slots = [_head_slots_of_group(group, heads) for group in groups]
    for index in range(1, len(groups)):
        slots[index] += sum(tf.size(group.query_slots) for group in groups[:index])
    return slots[0] if len(groups) == 1 else tf.concat(slots, 0)


def _head_slots_of_group(group, heads):
    asks = tf.not_equal(group.asks[:, 0, :, 0], 0.0)  # [B, L]
    sequence, position = tf.unstack(tf.cast(tf.where(asks), tf.int32), axis=1)
    longest = tf.shape(asks)[1]
    first = sequence * (heads * longest) + position
    return tf.expand_dims(first, 1) + tf.range(heads) * longest


def take_rows(rows, chosen):
    """Rows [K, ...] of [T, ...] by int32 [K], all different: nothing is added up."""

    @tf.custom_gradient
    def take(rows):
        def gradient(d_taken):
            return tf.scatter_nd(tf.expand_dims(chosen, 1), d_taken, tf.shape(rows))

        return tf.gather(rows, chosen), gradient

    return take(rows)
