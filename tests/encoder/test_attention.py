"""Attention, compared with the plain formula over padded sequences."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from encoder import joint_attention
from encoder.attention import attend, attention_probs
from encoder.dropout import DropoutStream
from encoder.mixed_precision import BFLOAT16, FLOAT32, to_float32
from encoder.unpadding import compute_unpadding
from tests.support import models

LENGTH, HEADS, WIDTH = 12, 4, 16
TOLERANCE = {"rtol": 1e-5, "atol": 1e-5}


def padded_attention(query, key, value, mask):
    """The formula of the original for all positions, in numpy's float64."""

    def split(x):
        x = x.astype(np.float64).reshape(len(mask), LENGTH, HEADS, WIDTH // HEADS)
        return x.transpose(0, 2, 1, 3)

    query, key, value = split(query), split(key), split(value)
    scores = query @ key.transpose(0, 1, 3, 2)
    scores -= 10000.0 * (1 - mask)[:, None, None, :]
    exps = np.exp(scores - scores.max(-1, keepdims=True))
    context = (exps / exps.sum(-1, keepdims=True)) @ value
    return context.transpose(0, 2, 1, 3).reshape(-1, WIDTH)


@pytest.mark.parametrize("batch", [1, 5, 16, 35])
@pytest.mark.parametrize("seed", range(2))
def test_attention_equals_the_padded_formula(session, batch, seed):
    rng = np.random.RandomState(seed)
    mask = models.random_masks(rng, batch, LENGTH)
    inputs = rng.randn(3, batch * LENGTH, WIDTH).astype(np.float32)
    unpadding = compute_unpadding(tf.constant(mask), HEADS)
    hidden = [tf.gather(x, unpadding.indices) for x in inputs]
    context = attend(*hidden, unpadding, DropoutStream(is_training=False), 0.0)
    indices, values = session.run([unpadding.indices, context])
    expected = padded_attention(*inputs, mask)[indices]
    np.testing.assert_allclose(values, expected, **TOLERANCE)


class RecordedDropout:
    """Stands in for a `DropoutStream` and keeps the masks that it made."""

    def __init__(self):
        self.masks = []

    def keep_mask(self, shape, rate):
        values = tf.random.stateless_uniform(shape, [len(self.masks), 5])
        self.masks.append(tf.cast(values > rate, tf.float32))
        return self.masks[-1], 1.0 - rate


@pytest.mark.parametrize("batch", [5, 17])
def test_gradients_with_dropout_equal_those_of_autodiff(session, batch):
    rng, rate = np.random.RandomState(batch), 0.3
    mask = models.random_masks(rng, batch, LENGTH)
    mask[:, -1] = 1  # All lengths are equal, so that sequences keep their order.
    inputs = rng.randn(3, batch * LENGTH, WIDTH).astype(np.float32)
    weights = rng.randn(batch * LENGTH, WIDTH).astype(np.float32)
    hidden, drop = [tf.constant(x) for x in inputs], RecordedDropout()
    unpadding = compute_unpadding(tf.constant(mask), HEADS)
    ours = attend(*hidden, unpadding, drop, rate)
    keep_mask = tf.concat(drop.masks, 0)  # [B, N, S, S]

    def split(x):
        x = tf.reshape(x, [batch, LENGTH, HEADS, WIDTH // HEADS])
        return tf.transpose(x, [0, 2, 1, 3])

    query, key, value = map(split, hidden)
    scores = tf.matmul(query, key, transpose_b=True)
    scores -= 10000.0 * tf.constant(1.0 - mask[:, None, None, :], tf.float32)
    context = tf.matmul(tf.nn.softmax(scores) * keep_mask / (1.0 - rate), value)
    plain = tf.reshape(tf.transpose(context, [0, 2, 1, 3]), [-1, WIDTH])
    values, expected = session.run(
        [
            [outputs] + tf.gradients(tf.reduce_sum(outputs * weights), hidden)
            for outputs in (ours, plain)
        ]
    )
    for left, right in zip(values, expected):
        np.testing.assert_allclose(left, right, **TOLERANCE)


@pytest.mark.parametrize("precision", [FLOAT32, BFLOAT16])
@pytest.mark.parametrize("batch", [1, 5, 35])
def test_probabilities_are_those_that_weight_the_values(session, batch, precision):
    rng = np.random.RandomState(batch)
    mask = models.random_masks(rng, batch, LENGTH)
    inputs = rng.randn(3, batch * LENGTH, WIDTH).astype(np.float32)
    unpadding = compute_unpadding(tf.constant(mask), HEADS)
    query, key, value = (
        precision.to_compute_type(tf.gather(x, unpadding.indices)) for x in inputs
    )
    drop = DropoutStream(is_training=False)
    context = attend(query, key, value, unpadding, drop, 0.0, precision)
    probs = attention_probs(query, key, tf.constant(mask), unpadding, HEADS, precision)
    probs, context, value = session.run(
        [probs, unpadding.pad(context), unpadding.pad(to_float32(value))]
    )
    tokens = np.where(mask.any(1, keepdims=True), mask, 1)
    np.testing.assert_allclose(
        probs.sum(-1), np.repeat(tokens[:, None], HEADS, 1), atol=1e-5
    )
    assert not probs[np.broadcast_to(tokens[:, None, None], probs.shape) == 0].any()
    values = value.reshape(batch, LENGTH, HEADS, -1).transpose(0, 2, 1, 3)
    averaged = (probs @ values).transpose(0, 2, 1, 3).reshape(batch, LENGTH, WIDTH)
    tolerance = 1e-5 if precision == FLOAT32 else 0.03
    np.testing.assert_allclose(
        averaged, context * tokens[:, :, None], rtol=0, atol=tolerance
    )


@pytest.mark.parametrize("rate", [0.0, 0.3])
@pytest.mark.parametrize("batch", [1, 17])
def test_joint_attention_equals_attention(session, batch, rate):
    """Outputs and gradients, with the same elements dropped."""
    rng = np.random.RandomState(batch)
    mask = models.random_masks(rng, batch, LENGTH)
    unpadding = compute_unpadding(tf.constant(mask), HEADS, max_groups=1)
    inputs = tf.constant(rng.randn(3, batch * LENGTH, WIDTH).astype(np.float32))
    inputs = tf.gather(inputs, unpadding.indices, axis=1)  # [3, T, H]
    weights = tf.random.stateless_normal(tf.shape(inputs)[1:], [3, 4])

    def drop():
        return DropoutStream([1, 2], is_training=rate > 0)

    heads = joint_attention.compute_heads(unpadding)
    keep_mask = joint_attention.keep_mask(heads, drop(), rate)
    joint = tf.concat(tf.unstack(inputs), 1)
    results = []
    for context in (
        attend(*tf.unstack(inputs), unpadding, drop(), rate),
        joint_attention.attend(joint, heads, keep_mask),
    ):
        (gradient,) = tf.gradients(tf.reduce_sum(context * weights), inputs)
        results.append(session.run([context, gradient]))
    for left, right in zip(*results):
        np.testing.assert_allclose(left, right, **TOLERANCE)


def test_joined_weights(session):
    """Those of each layer side by side, the query's scaled; so are their gradients."""
    parts = tf.constant(np.random.RandomState(0).randn(2, 3, 4, 4), tf.float32)
    weights = [tf.unstack(layer) for layer in tf.unstack(parts)]
    joined = joint_attention.join(weights, 0.5)
    upstream = np.random.RandomState(1).randn(2, 4, 12).astype(np.float32)
    (gradient,) = tf.gradients(joined, parts, list(map(tf.constant, upstream)))
    parts, joined, gradient = session.run([parts, joined, gradient])
    scaled = parts * np.array([0.5, 1, 1])[:, None, None]
    np.testing.assert_allclose(joined, [np.hstack(layer) for layer in scaled])
    expected = [np.hsplit(layer, 3) for layer in upstream]
    expected = np.array(expected) * np.array([0.5, 1, 1])[:, None, None]
    np.testing.assert_allclose(gradient, expected)
