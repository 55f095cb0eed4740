"""Multi-head attention in few, large ops, for GPUs, where the host issues each op.

The same function as `attention.attend`: one product gives query, key and value, one
gather their heads, and all sequences share one rectangle.

Shapes: see modeling.py. L is the length of the longest sequence.
"""

from typing import Any, NamedTuple

import numpy as np
import tensorflow.compat.v1 as tf

from encoder.compiling import on_host
from encoder.mixed_precision import FLOAT32, to_float32

_MASKED = -1e9


class Heads(NamedTuple):
    """The indices between the rows of tokens and the rectangle of their heads.

    Attributes:
      row_indices: int32 [3, B, N, L], the indices into [T * 3 * N] of the heads of
        query, key and value at each position.
      query_indices: int32 [B, N, L], the indices into [T * N].
      head_indices: int32 [T, N], the indices into [B * N * L].
      joint_indices: int32 [T, 3 * N], the same into three such rectangles.
      key_bias: float32 [B, 1, 1, L], 0 where attention may look, else a large negative
        number.
      query_mask: float32 [B, 1, L, 1], 1 up to the sequence's end, then 0.
      scores_shape: int32 [4], B, N, L and L.
    """

    row_indices: Any
    query_indices: Any
    head_indices: Any
    joint_indices: Any
    key_bias: Any
    query_mask: Any
    scores_shape: Any


def compute_heads(unpadding):
    """The `Heads` of an `unpadding.Unpadding` with one group."""
    (group,) = unpadding.groups
    num_heads = unpadding.head_indices.shape.as_list()[-1]
    with on_host():
        rows = [
            indices + indices // num_heads * (2 * num_heads) + part * num_heads
            for part, indices in enumerate(
                [group.query_indices, group.key_indices, group.key_indices]
            )
        ]
        size = tf.size(group.query_indices)
        joint = [unpadding.head_indices + part * size for part in range(3)]
        return Heads(
            row_indices=tf.stack(rows),
            query_indices=group.query_indices,
            head_indices=unpadding.head_indices,
            joint_indices=tf.concat(joint, 1),
            key_bias=(1.0 - group.key_mask) * _MASKED,
            query_mask=group.query_mask,
            scores_shape=group.scores_shape,
        )


def keep_mask(heads, drop, rate):
    """What the attention probabilities of a layer are multiplied by.

    Args:
      heads: `Heads`.
      drop: `dropout.DropoutStream`.
      rate: fraction 0-1 that dropout drops.

    Returns:
      Float32 [B, N, L, L]: 0 for what is dropped, and for the queries behind a
      sequence's end; else 1 / (1 - rate). None if nothing is dropped.
    """
    mask, keep_prob = drop.keep_mask(heads.scores_shape, rate)
    return None if mask is None else mask * (heads.query_mask / keep_prob)


def join(parts, scale):
    """Joins the weights of query, key and value, so that one product gives all three.

    Args:
      parts: for each layer a list of the three kernels [H, H], or biases [H].
      scale: float that multiplies those of the query.

    Returns:
      List of [H, 3 * H], or [3 * H], one for each layer.
    """
    width = parts[0][0].shape.as_list()[-1]
    factors = np.tile(np.repeat([scale, 1.0, 1.0], width), len(parts))
    factors = factors.astype(np.float32)

    @tf.custom_gradient
    def compute(*weights):
        joined = tf.split(tf.concat(weights, -1) * factors, len(parts), -1)

        def gradient(*d_joined):
            return tf.split(tf.concat(d_joined, -1) * factors, len(weights), -1)

        return joined, gradient

    return compute(*(weight for layer in parts for weight in layer))


def attend(joint, heads, keep_mask, precision=FLOAT32):
    """Averages the values, weighted by the softmax of the query-key products.

    Args:
      joint: [T, 3 * H] in the type of `precision`: the query, already scaled by
        1/sqrt(D), the key and the value.
      heads: `Heads`.
      keep_mask: see `keep_mask`.
      precision: `mixed_precision.Precision` of the products.

    Returns:
      Float32 [T, H], the heads' contexts side by side.
    """
    matmul, num_heads = precision.matmul, heads.head_indices.shape.as_list()[-1]
    width = joint.shape.as_list()[-1] // (3 * num_heads)

    def split(hidden, indices):
        return tf.gather(tf.reshape(hidden, [-1, width]), indices)

    def merge(rectangle, indices):
        rows = tf.gather(tf.reshape(rectangle, [-1, width]), indices)
        return tf.reshape(rows, [-1, width * indices.shape.as_list()[-1]])

    @tf.custom_gradient
    def compute(joint):
        # Three times [B, N, L, D]
        query, key, value = tf.unstack(split(joint, heads.row_indices), 3)
        scores = to_float32(matmul(query, key, transpose_b=True)) + heads.key_bias
        probs = tf.nn.softmax(scores)  # [B, N, L, L]
        weights = probs if keep_mask is None else probs * keep_mask
        context = to_float32(matmul(weights, value))

        def gradient(d_outputs):
            d_context = split(d_outputs, heads.query_indices)
            if keep_mask is None:  # Else `weights` are 0 where a sequence has ended.
                d_context *= heads.query_mask
            along = tf.reduce_sum(d_context * context, axis=-1, keepdims=True)
            d_weights = to_float32(matmul(d_context, value, transpose_b=True))
            d_scores = weights * d_weights - probs * along
            parts = [
                matmul(d_scores, key),
                matmul(d_scores, query, transpose_a=True),
                matmul(weights, d_context, transpose_a=True),
            ]
            return merge(tf.stack(parts), heads.joint_indices)

        return merge(context, heads.head_indices), gradient

    return compute(joint)
