"""The head and the loss, and that they learn."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from finetuning import classifier
from tests.support import models


@pytest.fixture
def batch():
    config = models.tiny_config()
    rng = np.random.RandomState(2)
    return models.random_features(rng, config, (5, 9, 12, 3), 12)


def build(config, features, is_training, num_labels=3, seed=None):
    inputs = [
        tf.constant(features[name])
        for name in ("input_ids", "input_mask", "segment_ids", "label_ids")
    ]
    return classifier.create_model(
        config, is_training, *inputs, num_labels, False, dropout_seed=seed
    )


def test_loss_is_the_mean_cross_entropy(batch):
    with tf.Graph().as_default(), tf.Session() as session:
        outputs = build(models.tiny_config(), batch, False)
        session.run(tf.global_variables_initializer())
        loss, per_example, logits, probabilities = session.run(outputs)
    exponents = np.exp(logits)
    expected = exponents / exponents.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(probabilities, expected, rtol=1e-5)
    chosen = expected[np.arange(4), batch["label_ids"]]
    np.testing.assert_allclose(per_example, -np.log(chosen), rtol=1e-4)
    assert loss == pytest.approx(per_example.mean())


def test_head_variables(batch):
    with tf.Graph().as_default():
        build(models.tiny_config(), batch, False)
        shapes = {v.op.name: v.shape.as_list() for v in tf.trainable_variables()}
    assert shapes["output_weights"] == [3, 16]
    assert shapes["output_bias"] == [3]


@pytest.mark.parametrize("is_training, places", [(True, 1), (False, 0)])
def test_dropout_on_the_pooled_output(batch, is_training, places):
    """At its own rate, 0.1, whatever the config's rates are (0 here)."""
    config = models.tiny_config(hidden_size=512, num_hidden_layers=1)
    with tf.Graph().as_default() as graph, tf.Session() as session:
        build(config, batch, is_training, seed=tf.constant([1, 2]))
        session.run(tf.global_variables_initializer())
        kept = [op.outputs[0] for op in graph.get_operations() if is_dropout(op)]
        assert len(kept) == places
        for mask in session.run(kept):
            assert mask.shape == (4, 512)
            assert 1 - mask.mean() == pytest.approx(0.1, abs=0.03)


def is_dropout(op):
    return op.type == "GreaterEqual"


def test_it_learns_a_batch_by_heart(batch):
    tensors = dict(batch.items())
    with tf.Graph().as_default(), tf.Session() as session:
        tf.set_random_seed(0)
        constants = {name: tf.constant(value) for name, value in tensors.items()}
        hyperparameters = classifier.Hyperparameters(
            5e-3, num_steps=200, num_warmup_steps=10
        )
        graph = classifier.training_graph(
            models.tiny_config(), 2, constants, 1, hyperparameters
        )
        session.run(tf.global_variables_initializer())
        losses = [session.run([graph.loss, graph.train_op])[0] for _ in range(150)]
    assert losses[0] > 0.4
    assert np.mean(losses[-5:]) < 0.05


# Labels that are numbers, and weights of labels


@pytest.fixture
def scored(batch):
    return dict(batch, label_ids=np.float32([0.5, 4.0, -1.25, 3.0]))


def test_loss_of_numbers_is_the_mean_squared_error(scored):
    with tf.Graph().as_default(), tf.Session() as session:
        outputs = build(models.tiny_config(), scored, False, num_labels=1)
        session.run(tf.global_variables_initializer())
        loss, per_example, logits, probabilities = session.run(outputs)
    assert logits.shape == (4, 1)
    np.testing.assert_array_equal(probabilities, logits)
    expected = (logits[:, 0] - scored["label_ids"]) ** 2
    np.testing.assert_allclose(per_example, expected, rtol=1e-6)
    assert loss == pytest.approx(expected.mean(), rel=1e-6)


def test_gradient_of_numbers(scored):
    """Of the head's bias: twice the mean error."""
    with tf.Graph().as_default(), tf.Session() as session:
        loss, _, logits, _ = build(models.tiny_config(), scored, False, num_labels=1)
        (bias,) = [v for v in tf.trainable_variables() if v.op.name == "output_bias"]
        (gradient,) = tf.gradients(loss, [bias])
        session.run(tf.global_variables_initializer())
        found, values = session.run([gradient, logits])
    errors = values[:, 0] - scored["label_ids"]
    assert found == pytest.approx(2 * errors.mean(), rel=1e-5)


def test_inference_graph_of_numbers(scored):
    with tf.Graph().as_default(), tf.Session() as session:
        constants = {name: tf.constant(value) for name, value in scored.items()}
        graph = classifier.inference_graph(models.tiny_config(), 1, constants)
        session.run(tf.global_variables_initializer())
        found = session.run(graph)
    assert found.label_ids.tolist() == [0.5, 4.0, -1.25, 3.0]
    assert found.probabilities.dtype == np.float32
    assert found.probabilities.shape == (4, 1)


def test_weights_of_labels(batch):
    """They change the mean that is trained on, and not the loss of an example."""
    batch = dict(batch, label_ids=np.int32([0, 2, 1, 2]))
    weights = (0.5, 3.0, 1.0)
    with tf.Graph().as_default(), tf.Session() as session:
        inputs = [
            tf.constant(batch[name])
            for name in ("input_ids", "input_mask", "segment_ids", "label_ids")
        ]
        outputs = classifier.create_model(
            models.tiny_config(), False, *inputs, 3, False, label_weights=weights
        )
        session.run(tf.global_variables_initializer())
        loss, per_example, _, probabilities = session.run(outputs)
    chosen = probabilities[np.arange(4), batch["label_ids"]]
    np.testing.assert_allclose(per_example, -np.log(chosen), rtol=1e-4)
    by_hand = per_example.astype(np.float64) * [0.5, 1.0, 3.0, 1.0]
    assert loss == pytest.approx(by_hand.sum() / 4, rel=1e-5)
    assert loss != pytest.approx(per_example.mean(), rel=1e-3)


def test_weights_of_labels_reach_the_training(batch):
    batch = dict(batch, label_ids=np.int32([0, 1, 1, 0]))
    losses = {}
    for weights in (None, (2.0, 2.0), (0.0, 1.0)):
        with tf.Graph().as_default(), tf.Session() as session:
            tf.set_random_seed(3)
            constants = {name: tf.constant(value) for name, value in batch.items()}
            hyperparameters = classifier.Hyperparameters(
                1e-3, 10, 0, label_weights=weights
            )
            graph = classifier.training_graph(
                models.tiny_config(num_hidden_layers=1),
                2,
                constants,
                1,
                hyperparameters,
            )
            session.run(tf.global_variables_initializer())
            losses[weights] = session.run(graph.loss)
    assert losses[2.0, 2.0] == pytest.approx(2 * losses[None])
    assert 0 < losses[0.0, 1.0] < losses[None]


def test_bias_correction_reaches_the_training(batch):
    """The first step: m / sqrt(v) is 0.1 / sqrt(0.001) of what it is corrected."""
    moved = {}
    for correction in (False, True):
        with tf.Graph().as_default(), tf.Session() as session:
            tf.set_random_seed(3)
            constants = {name: tf.constant(value) for name, value in batch.items()}
            hyperparameters = classifier.Hyperparameters(
                1e-3, 10, 0, bias_correction=correction
            )
            graph = classifier.training_graph(
                models.tiny_config(num_hidden_layers=1),
                3,
                constants,
                1,
                hyperparameters,
            )
            session.run(tf.global_variables_initializer())
            (bias,) = [
                v for v in tf.trainable_variables() if v.op.name == "output_bias"
            ]
            session.run(graph.train_op)
            moved[correction] = np.abs(session.run(bias))
    np.testing.assert_allclose(moved[True], 1e-3, rtol=1e-3)
    np.testing.assert_allclose(
        moved[False] / moved[True], 0.1 / np.sqrt(0.001), rtol=1e-3
    )


def test_it_learns_numbers_by_heart(scored):
    with tf.Graph().as_default(), tf.Session() as session:
        tf.set_random_seed(0)
        constants = {name: tf.constant(value) for name, value in scored.items()}
        hyperparameters = classifier.Hyperparameters(
            2e-3, num_steps=200, num_warmup_steps=10
        )
        graph = classifier.training_graph(
            models.tiny_config(), 1, constants, 1, hyperparameters
        )
        session.run(tf.global_variables_initializer())
        losses = [session.run([graph.loss, graph.train_op])[0] for _ in range(150)]
    assert losses[0] > 2
    assert np.mean(losses[-5:]) < 0.5
