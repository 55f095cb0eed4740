"""The primitives, against numbers worked out by hand or by numpy."""

import math

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from encoder import layers


@pytest.fixture
def session():
    with tf.Graph().as_default(), tf.Session() as session:
        yield session


def run(session, tensor):
    session.run(tf.global_variables_initializer())
    return session.run(tensor)


def test_gelu_is_the_tanh_approximation(session):
    # At 1: 0.5 * (1 + tanh(sqrt(2 / pi) * 1.044715)); the exact form gives 0.841345.
    values = run(session, layers.gelu(tf.constant([0.0, 1.0, -1.0, 10.0, -10.0])))
    expected = [0.0, 0.841192, -0.158808, 10.0, 0.0]
    np.testing.assert_allclose(values, expected, atol=1e-6)


@pytest.mark.parametrize("name", [None, "", "linear"])
def test_no_activation(name):
    assert layers.get_activation(name) is None


def test_activations(session):
    assert layers.get_activation("GELU") is layers.gelu
    assert layers.get_activation("relu") is tf.nn.relu
    assert layers.get_activation("tanh") is tf.tanh
    assert layers.get_activation(math.cos) is math.cos
    with pytest.raises(ValueError, match="known: gelu, linear, relu, tanh"):
        layers.get_activation("gelu_new")


def test_layer_norm(session):
    inputs = np.random.RandomState(0).randn(2, 3, 8).astype("f") * 5 + 3
    normed = run(session, layers.layer_norm(tf.constant(inputs)))
    mean = inputs.mean(axis=-1, keepdims=True)
    deviation = inputs.std(axis=-1, keepdims=True)
    np.testing.assert_allclose(normed, (inputs - mean) / deviation, atol=1e-5)
    names = {v.op.name for v in tf.global_variables()}
    assert names == {"LayerNorm/beta", "LayerNorm/gamma"}


def test_layer_norm_scales_and_shifts(session):
    normed = layers.layer_norm(tf.constant([[1.0, -1.0]]), name="here")
    session.run(tf.global_variables_initializer())
    beta, gamma = sorted(tf.global_variables(), key=lambda v: v.op.name)
    beta.load([1.0, 1.0], session)
    gamma.load([3.0, 2.0], session)
    np.testing.assert_allclose(session.run(normed), [[4.0, -1.0]], atol=1e-6)


def test_layer_norm_of_equal_values_is_finite(session):
    assert np.all(run(session, layers.layer_norm(tf.fill([1, 4], 7.0))) == 0)


def test_dense(session):
    ones = tf.ones_initializer()
    outputs = layers.dense(tf.constant([[1.0, 2.0]]), 3, ones, tf.square)
    np.testing.assert_allclose(run(session, outputs), [[9.0, 9.0, 9.0]])
    names = {v.op.name for v in tf.global_variables()}
    assert names == {"dense/kernel", "dense/bias"}


@pytest.mark.parametrize("seed", [None, [7, 8]])
@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_dropout_drops_its_rate_and_keeps_the_mean(session, rate, seed):
    tf.set_random_seed(0)
    seed = None if seed is None else tf.constant(seed)
    dropped = run(session, layers.dropout(tf.ones([200, 200]), rate, seed))
    kept = dropped != 0
    assert np.mean(~kept) == pytest.approx(rate, abs=0.01)
    np.testing.assert_allclose(dropped[kept], 1 / (1 - rate), rtol=1e-6)


@pytest.mark.parametrize("rate", [None, 0.0])
def test_no_dropout(session, rate):
    inputs = tf.ones([2])
    assert layers.dropout(inputs, rate) is inputs


def test_initializer_is_a_truncated_normal(session):
    drawn = run(session, layers.create_initializer(0.5)([100, 100]))
    assert np.abs(drawn).max() <= 1.0
    # Cut at two deviations, a normal keeps 0.88 of its own.
    assert drawn.std() == pytest.approx(0.44, abs=0.01)


def test_shape_list(session):
    assert layers.get_shape_list(tf.ones([2, 3])) == [2, 3]
    partly = tf.placeholder(tf.float32, [None, 3])
    batch, width = layers.get_shape_list(partly, expected_rank=[2, 3])
    assert width == 3
    assert session.run(batch, {partly: np.zeros((5, 3))}) == 5
    with pytest.raises(ValueError, match=r"'here' has shape \(2, 3\), expected rank 1"):
        layers.get_shape_list(tf.ones([2, 3]), expected_rank=1, name="here")


@pytest.mark.parametrize("dtype", [tf.float32, tf.float16])
def test_dropout_keeps_the_type(session, dtype):
    dropped = session.run(layers.dropout(tf.ones([1000], dtype), 0.5, [1, 2]))
    assert dropped.dtype == dtype.as_numpy_dtype
    assert set(dropped) == {0.0, 2.0}


def test_a_rate_just_below_1_drops_nearly_all(session):
    kept = session.run(layers.random_keep_mask([10000], 0.999999, [1, 2]))
    assert kept.mean() < 0.01


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_the_dropped_fraction_is_the_rate(session, rate):
    """Of any number of places, also where the last random number is used in part."""
    kept = session.run(layers.random_keep_mask([3, 33337], rate, [1, 2]))
    assert kept.shape == (3, 33337)
    assert 1 - kept.mean() == pytest.approx(rate, abs=0.005)
    assert abs(np.corrcoef(kept.reshape(-1)[:-1], kept.reshape(-1)[1:])[0, 1]) < 0.01
