"""The head and the loss, and that they learn."""

import models
import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from finetuning import classifier


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
        recipe = classifier.Recipe(5e-3, num_steps=200, num_warmup_steps=10)
        graph = classifier.training_graph(models.tiny_config(), 2, constants, 1, recipe)
        session.run(tf.global_variables_initializer())
        losses = [session.run([graph.loss, graph.train_op])[0] for _ in range(150)]
    assert losses[0] > 0.4
    assert np.mean(losses[-5:]) < 0.05
