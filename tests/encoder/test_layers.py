"""The layers, compared with numbers worked out by hand or by numpy."""

import math

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from encoder import dropout, layers


def run(session, tensor):
    session.run(tf.global_variables_initializer())
    return session.run(tensor)


def variable_names():
    return {variable.op.name for variable in tf.global_variables()}


def test_gelu_is_the_tanh_approximation(session):
    # At 1: 0.5 * (1 + tanh(sqrt(2 / pi) * 1.044715)); the exact form gives 0.841345.
    values = run(session, layers.gelu(tf.constant([0.0, 1.0, -1.0, 10.0, -10.0])))
    expected = [0.0, 0.841192, -0.158808, 10.0, 0.0]
    np.testing.assert_allclose(values, expected, atol=1e-6)


def test_activations():
    for name in (None, "", "linear"):
        assert layers.get_activation(name) is None
    assert layers.get_activation("GELU") is layers.gelu
    assert layers.get_activation("relu") is tf.nn.relu
    assert layers.get_activation("tanh") is tf.tanh
    assert layers.get_activation(math.cos) is math.cos
    assert layers.get_activation("gelu_python") is layers.exact_gelu
    with pytest.raises(ValueError, match="known: gelu, .*, linear, relu, tanh"):
        layers.get_activation("quick_gelu")


@pytest.mark.parametrize("name", ["exact_gelu", "exact_gelu_by_sigmoid"])
def test_exact_gelu_and_its_gradient(session, name):
    values = np.concatenate([np.linspace(-7, 7, 1401), [-1e19, -20, 0, 20, 1e19]])
    x = tf.constant(values, tf.float32)
    y = getattr(layers, name)(x)
    (slope,) = tf.gradients(y, x)
    gate = np.array([0.5 * (1 + math.erf(v / math.sqrt(2))) for v in values])
    density = np.exp(-(values**2) / 2) / math.sqrt(2 * math.pi)
    found = run(session, y)
    np.testing.assert_allclose(found, values * gate, rtol=2e-7, atol=1e-6)
    np.testing.assert_allclose(run(session, slope), gate + values * density, atol=1e-6)


@pytest.mark.parametrize(
    "name",
    [
        "gelu_new",
        "gelu_pytorch_tanh",
        "gelu_fast",
        "gelu_python_tanh",
        "gelu_accurate",
    ],
)
def test_other_names_of_gelu(name):
    assert layers.get_activation(name) is layers.gelu


def test_layer_norm(session):
    inputs = np.random.RandomState(0).randn(2, 3, 8).astype("f") * 5 + 3
    inputs[0, 0] = 7.0  # The variance is 0, the output must be finite.
    normed = layers.layer_norm(tf.constant(inputs))
    assert variable_names() == {"LayerNorm/beta", "LayerNorm/gamma"}
    session.run(tf.global_variables_initializer())
    beta, gamma = sorted(tf.global_variables(), key=lambda v: v.op.name)
    shift, factor = np.linspace(0, 1, 8), np.linspace(2, 3, 8)
    beta.load(shift, session)
    gamma.load(factor, session)
    centred = inputs - inputs.mean(axis=-1, keepdims=True)
    expected = centred / np.sqrt(inputs.var(axis=-1, keepdims=True) + 1e-12)
    expected = expected * factor + shift
    np.testing.assert_allclose(session.run(normed), expected, atol=1e-5)


def test_dense(session):
    ones = tf.ones_initializer()
    outputs = layers.dense(tf.constant([[1.0, 2.0]]), 3, ones, tf.square)
    np.testing.assert_allclose(run(session, outputs), [[9.0, 9.0, 9.0]])
    assert variable_names() == {"dense/kernel", "dense/bias"}


@pytest.mark.parametrize("seed", [None, [7, 8]])
@pytest.mark.parametrize("dtype", [tf.float32, tf.float16])
def test_dropout_keeps_the_mean_and_the_type(session, dtype, seed):
    tf.set_random_seed(0)
    dropped = session.run(dropout.dropout(tf.ones([200, 200], dtype), 0.5, seed))
    assert dropped.dtype == dtype.as_numpy_dtype
    assert set(dropped.reshape(-1)) == {0.0, 2.0}
    assert np.mean(dropped == 0) == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("rate", [None, 0.0])
def test_no_dropout(session, rate):
    inputs = tf.ones([2])
    assert dropout.dropout(inputs, rate) is inputs


@pytest.mark.parametrize("rate", [0.1, 0.9, 0.999999])
def test_the_fraction_of_a_keep_mask(session, rate):
    """The number of elements is odd, so that the last random number is cut."""
    mask = session.run(dropout.random_keep_mask([3, 33337], rate, [1, 2]))
    assert mask.shape == (3, 33337)
    assert 1 - mask.mean() == pytest.approx(rate, abs=0.005)
    neighbours = np.corrcoef(mask.reshape(-1)[:-1], mask.reshape(-1)[1:])
    assert rate > 0.99 or abs(neighbours[0, 1]) < 0.01


def test_initializer_is_a_truncated_normal(session):
    drawn = run(session, layers.create_initializer(0.5)([100, 100]))
    assert np.abs(drawn).max() <= 1.0
    # A normal distribution cut at two deviations keeps 0.88 of its deviation.
    assert drawn.std() == pytest.approx(0.44, abs=0.01)


def test_shape_list(session):
    partly = tf.placeholder(tf.float32, [None, 3])
    batch, width = layers.get_shape_list(partly, expected_rank=[2, 3])
    assert width == 3
    assert session.run(batch, {partly: np.zeros((5, 3))}) == 5
    assert layers.get_shape_list(tf.ones([2, 3])) == [2, 3]
    with pytest.raises(ValueError, match=r"'here' has shape \(2, 3\), expected rank 1"):
        layers.get_shape_list(tf.ones([2, 3]), expected_rank=1, name="here")
