"""Matrix products in 16 bits, and what the loss scale does about overflow."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from encoder import mixed_precision
from finetuning import classifier
from finetuning.checkpoints import restoring
from optimization import create_train_step
from tests.support import executed, models

# TensorFlow 1.14 has no bfloat16 products on a CPU.
TYPES = ["float16"] if tf.__version__.startswith("1.") else ["float16", "bfloat16"]


def training_graph(type_name):
    rng = np.random.RandomState(0)
    config = models.tiny_config(hidden_dropout_prob=0.1)
    features = models.random_features(rng, config, (3, 12, 7, 9), 12)
    hyperparameters = classifier.Hyperparameters(1e-3, 90, 0)
    compute = classifier.ComputeOptions(mixed_precision.get_precision(type_name))
    batch = models.constants(features)
    return classifier.training_graph(config, 2, batch, 1, hyperparameters, compute)


@pytest.mark.parametrize("type_name", TYPES)
def test_only_the_products_of_the_blocks_run_in_16_bits(session, type_name):
    step = training_graph(type_name)
    weights = [v for v in tf.global_variables() if "bert" in v.name]
    assert {v.dtype.base_dtype for v in weights} == {tf.float32}
    session.run(tf.global_variables_initializer())
    executed_nodes = executed.nodes(session, step.train_op)
    # The norms' means are products with a vector.
    blocks = [
        node
        for node in executed.products(executed_nodes)
        if "/layer_" in node.name and "LayerNorm" not in node.name
    ]
    assert len(blocks) == 2 * 3 * (6 + 2)
    assert {node.dtype.name for node in blocks} == {type_name}
    others = ("Exp", "Sigmoid", "Rsqrt", "Sum", "Mean", "Mul")
    types = {node.dtype for node in executed_nodes if node.op in others}
    assert not types & {tf.float16, tf.bfloat16}


def losses(type_name):
    with tf.Graph().as_default(), tf.Session() as session:
        step = training_graph(type_name)
        session.run(tf.global_variables_initializer())
        rng = np.random.RandomState(2)
        for variable in tf.trainable_variables():
            if "LayerNorm" not in variable.name:
                shape = variable.shape.as_list()
                variable.load(rng.randn(*shape) * 0.2, session)
        return [session.run([step.loss, step.train_op])[0] for _ in range(20)]


def test_losses_equal_those_of_float32_but_for_rounding():
    expected = losses("float32")
    assert expected[0] - expected[-1] > 0.2
    for type_name in TYPES:
        assert np.abs(np.subtract(losses(type_name), expected)).max() < 0.02


class ScaledStep:
    """A training step on one weight, with a loss that can be made to overflow."""

    def __init__(self, session):
        self.weight = tf.get_variable("weight", initializer=[1.0, 2.0])
        self.factor = tf.placeholder(tf.float32, [])
        self.loss_scale = mixed_precision.LossScale()
        loss = tf.reduce_sum(self.weight) * self.factor
        self.step = create_train_step(loss, 0.1, 10, 0, self.loss_scale)
        self.session = session
        session.run(tf.global_variables_initializer())

    def run(self, factor):
        fetches = [self.step.train_op, self.step.gradient_norm, self.step.skipped_steps]
        return self.session.run(fetches, {self.factor: factor})[1:]


def test_a_step_that_overflows_changes_no_weight(session):
    """It halves the scale and is counted, both as skipped and as a finished step."""
    scaled = ScaledStep(session)
    changed = [v for v in tf.global_variables() if "weight" in v.op.name]
    scaled.run(1.0)
    before = session.run(changed)
    for done in (1, 2):
        assert scaled.run(np.inf)[1] == done
        scale = session.run(scaled.loss_scale.scale)
        assert scale == mixed_precision.INITIAL_SCALE / 2**done
    for value, expected in zip(session.run(changed), before):
        np.testing.assert_array_equal(value, expected)
    assert session.run(tf.train.get_global_step()) == 3
    assert scaled.run(1.0)[1] == 2
    assert np.all(session.run(scaled.weight) < before[0])


def test_counters_of_32_bits_are_restored(session, tmp_path):
    """As earlier versions saved them."""
    counts = {"scale": np.float32(8), "skipped_steps": np.int32(3)}
    counts["good_steps"] = np.int32(5)
    saved = {"loss_scale/" + name: value for name, value in counts.items()}
    prefix = str(tmp_path / "model.ckpt-1")
    models.save_checkpoint(prefix, saved)
    mixed_precision.LossScale()
    variables = {v.op.name: v for v in tf.global_variables()}
    restoring.Restorer(prefix, variables).restore(session)
    assert session.run(variables) == saved


def test_the_scale_does_not_change_results(session):
    """It is a power of 2, so that nothing is rounded."""
    scaled = ScaledStep(session)
    for _ in range(3):
        assert scaled.run(3.0)[0] == pytest.approx(3 * np.sqrt(2), rel=1e-6)
    with tf.Graph().as_default(), tf.Session() as other:
        weight = tf.get_variable("weight", initializer=[1.0, 2.0])
        step = create_train_step(tf.reduce_sum(weight) * 3.0, 0.1, 10, 0)
        other.run(tf.global_variables_initializer())
        for _ in range(3):
            other.run(step.train_op)
        expected = other.run(weight)
    np.testing.assert_array_equal(session.run(scaled.weight), expected)


def test_the_scale_doubles_after_a_run_of_good_steps(session, monkeypatch):
    monkeypatch.setattr(mixed_precision, "STEPS_TO_DOUBLE", 3)
    scaled = ScaledStep(session)
    scales = []
    for _ in range(7):
        scaled.run(1.0)
        scales.append(session.run(scaled.loss_scale.scale))
    relative = np.array(scales) / mixed_precision.INITIAL_SCALE
    assert relative.tolist() == [1, 1, 2, 2, 2, 4, 4]


@pytest.mark.parametrize("scaled", [True, False])
def test_the_scale_saves_gradients_from_underflow(session, scaled):
    """1e-8 is 0 in float16."""
    weight = tf.get_variable("weight", initializer=[1.0, 2.0])
    cast = tf.cast(tf.cast(weight, tf.float16), tf.float32)
    loss_scale = mixed_precision.LossScale() if scaled else None
    step = create_train_step(tf.reduce_sum(cast) * 1e-8, 0.1, 10, 0, loss_scale)
    session.run(tf.global_variables_initializer())
    norm = session.run(step.gradient_norm)
    assert norm == pytest.approx(2**0.5 * 1e-8 if scaled else 0.0, rel=1e-2)
