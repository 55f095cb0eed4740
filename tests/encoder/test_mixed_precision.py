"""Products in 16 bits: that they run in them, what stays float32, and overflow."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from encoder import mixed_precision
from finetuning import classifier
from optimization import create_train_step
from tests.support import executed, models

# TensorFlow 1.14 has no bfloat16 products on a CPU.
SHORT = [mixed_precision.FLOAT16]
if not tf.__version__.startswith("1."):
    SHORT.append(mixed_precision.BFLOAT16)
LENGTHS, LENGTH = (3, 12, 7, 9), 12


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default():
        yield


@pytest.fixture
def session(graph):
    with tf.Session() as session:
        yield session


def batch():
    rng = np.random.RandomState(0)
    features = models.random_features(rng, models.tiny_config(), LENGTHS, LENGTH)
    return {name: tf.constant(value) for name, value in features.items()}


def training(chosen, rate=1e-3):
    config = models.tiny_config(hidden_dropout_prob=0.1)
    compute = classifier.ComputeOptions(chosen)
    hyperparameters = classifier.Hyperparameters(rate, 90, 0)
    return classifier.training_graph(config, 2, batch(), 1, hyperparameters, compute)


@pytest.mark.parametrize("chosen", SHORT, ids=lambda chosen: chosen.dtype.name)
def test_products_of_the_blocks_run_in_16_bits(session, chosen):
    """As executed, after TensorFlow's rewriting; what is not a product is float32."""
    step = training(chosen)
    session.run(tf.global_variables_initializer())
    found = executed.nodes(session, step.train_op)
    # The norms' means are sums, written as products with a vector.
    blocks = [
        node
        for node in executed.products(found)
        if "/layer_" in node.name and "LayerNorm" not in node.name
    ]
    assert len(blocks) == 2 * 3 * (6 + 2)
    assert {node.dtype for node in blocks} == {chosen.dtype}
    rest = [
        n for n in found if n.op in ("Exp", "Sigmoid", "Rsqrt", "Sum", "Mean", "Mul")
    ]
    wrong = [n.name for n in rest if n.dtype in (tf.float16, tf.bfloat16)]
    assert not wrong


@pytest.mark.parametrize("chosen", SHORT, ids=lambda chosen: chosen.dtype.name)
def test_weights_and_moments_stay_float32(session, chosen):
    training(chosen)
    kinds = {v.dtype.base_dtype for v in tf.global_variables() if "bert" in v.name}
    assert kinds == {tf.float32}


@pytest.mark.parametrize("chosen", SHORT, ids=lambda chosen: chosen.dtype.name)
def test_losses_are_those_of_float32_but_for_rounding(chosen):
    def losses(kind):
        with tf.Graph().as_default(), tf.Session() as session:
            tf.set_random_seed(1)
            step = training(kind)
            session.run(tf.global_variables_initializer())
            rng = np.random.RandomState(2)
            for variable in tf.trainable_variables():
                if "LayerNorm" not in variable.name:
                    shape = variable.shape.as_list()
                    variable.load(rng.randn(*shape) * 0.2, session)
            return [session.run([step.loss, step.train_op])[0] for _ in range(20)]

    found, expected = losses(chosen), losses(mixed_precision.FLOAT32)
    assert np.abs(np.subtract(found, expected)).max() < 0.02
    assert expected[0] - expected[-1] > 0.2


def scaled_step(session):
    """A training step on one weight with a loss that can be made to overflow."""
    weight = tf.get_variable("weight", initializer=[1.0, 2.0])
    factor = tf.placeholder(tf.float32, [])
    loss = tf.reduce_sum(weight) * factor
    scale = mixed_precision.LossScale()
    step = create_train_step(loss, 0.1, 10, 0, scale)
    session.run(tf.global_variables_initializer())
    return weight, factor, scale, step


def test_a_step_that_overflows_changes_no_weight(session):
    """It is counted, the scale is halved, and the step counts as done."""
    weight, factor, scale, step = scaled_step(session)
    everything = [v for v in tf.global_variables() if "loss_scale" not in v.name]
    moments = [v for v in everything if "adam" in v.name]
    session.run(step.train_op, {factor: 1.0})
    before = session.run([weight] + moments)
    for done in (1, 2):
        _, skipped = session.run([step.train_op, step.skipped_steps], {factor: np.inf})
        assert skipped == done
        assert session.run(scale.scale) == mixed_precision.INITIAL_SCALE / 2**done
    for found, expected in zip(session.run([weight] + moments), before):
        np.testing.assert_array_equal(found, expected)
    assert session.run(tf.train.get_global_step()) == 3
    session.run(step.train_op, {factor: 1.0})
    assert np.all(session.run(weight) < before[0])
    assert session.run(scale.skipped_steps) == 2


def test_the_scale_changes_no_number(session):
    """A power of 2 comes and goes without rounding."""
    weight, factor, scale, step = scaled_step(session)
    for _ in range(3):
        norm = session.run([step.gradient_norm, step.train_op], {factor: 3.0})[0]
        assert norm == pytest.approx(3 * np.sqrt(2), rel=1e-6)
    with tf.Graph().as_default(), tf.Session() as other:
        same = tf.get_variable("weight", initializer=[1.0, 2.0])
        unscaled = create_train_step(tf.reduce_sum(same) * 3.0, 0.1, 10, 0)
        other.run(tf.global_variables_initializer())
        for _ in range(3):
            other.run(unscaled.train_op)
        expected = other.run(same)
    np.testing.assert_array_equal(session.run(weight), expected)


def test_the_scale_doubles_after_a_run_of_good_steps(session, monkeypatch):
    monkeypatch.setattr(mixed_precision, "STEPS_TO_DOUBLE", 3)
    _, factor, scale, step = scaled_step(session)
    scales = []
    for _ in range(7):
        session.run(step.train_op, {factor: 1.0})
        scales.append(session.run(scale.scale) / mixed_precision.INITIAL_SCALE)
    assert scales == [1, 1, 2, 2, 2, 4, 4]


@pytest.mark.parametrize("scaled", [True, False])
def test_the_scale_saves_gradients_that_vanish_in_float16(session, scaled):
    """What it is for: 1e-8 is 0 in float16."""
    weight = tf.get_variable("weight", initializer=[1.0, 2.0])
    lowered = tf.cast(tf.cast(weight, tf.float16), tf.float32)
    scale = mixed_precision.LossScale() if scaled else None
    step = create_train_step(tf.reduce_sum(lowered) * 1e-8, 0.1, 10, 0, scale)
    session.run(tf.global_variables_initializer())
    norm = session.run(step.gradient_norm)
    assert norm == pytest.approx(2**0.5 * 1e-8 if scaled else 0.0, rel=1e-2)
