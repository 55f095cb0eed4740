"""The head and the loss, and that they learn."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

import modeling
from finetuning import classifier
from tests.support import models

CONFIG = models.tiny_config(num_hidden_layers=1)
NUMBERS = np.float32([0.5, 4.0, -1.25, 3.0])


def make_batch(label_ids):
    rng = np.random.RandomState(2)
    features = models.random_features(rng, CONFIG, (5, 9, 12, 3), 12)
    return dict(features, label_ids=np.array(label_ids))


def create_model(session, label_ids, num_labels, config=CONFIG, train=False, **options):
    names = ("input_ids", "input_mask", "segment_ids", "label_ids")
    batch = make_batch(label_ids)
    inputs = [tf.constant(batch[name]) for name in names]
    outputs = classifier.create_model(
        config, train, *inputs, num_labels, False, **options
    )
    session.run(tf.global_variables_initializer())
    return outputs


def training_step(session, label_ids, num_labels, **hyperparameters):
    tf.set_random_seed(3)
    batch = models.constants(make_batch(label_ids))
    values = {"learning_rate": 1e-3, "num_steps": 200, "num_warmup_steps": 0}
    values.update(hyperparameters)
    step = classifier.training_graph(
        CONFIG, num_labels, batch, 1, classifier.Hyperparameters(**values)
    )
    session.run(tf.global_variables_initializer())
    return step


def output_bias():
    (bias,) = [v for v in tf.trainable_variables() if v.op.name == "output_bias"]
    return bias


@pytest.mark.parametrize("weights", [None, (0.5, 3.0, 1.0)])
def test_loss_is_the_mean_cross_entropy(session, weights):
    """Label weights change the mean, but not the loss of an example."""
    labels = np.int32([0, 2, 1, 2])
    outputs = create_model(session, labels, 3, label_weights=weights)
    loss, per_example, logits, probabilities = session.run(outputs)
    exponents = np.exp(logits)
    expected = exponents / exponents.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(probabilities, expected, rtol=1e-5)
    right = expected[np.arange(4), labels]
    np.testing.assert_allclose(per_example, -np.log(right), rtol=1e-4)
    factors = np.array(weights or (1, 1, 1))[labels]
    assert loss == pytest.approx((per_example * factors).mean(), rel=1e-5)
    variables = {v.op.name: v.shape.as_list() for v in tf.trainable_variables()}
    assert variables["output_weights"] == [3, 16]
    assert variables["output_bias"] == [3]


def test_loss_of_a_regression_is_the_mean_squared_error(session):
    outputs = create_model(session, NUMBERS, 1)
    gradients = tf.gradients(outputs[0], [output_bias()])
    values, (gradient,) = session.run([outputs, gradients])
    loss, per_example, logits, probabilities = values
    assert logits.shape == (4, 1)
    np.testing.assert_array_equal(probabilities, logits)
    errors = logits[:, 0] - NUMBERS
    np.testing.assert_allclose(per_example, errors**2, rtol=1e-6)
    assert loss == pytest.approx((errors**2).mean(), rel=1e-6)
    assert gradient == pytest.approx(2 * errors.mean(), rel=1e-5)


def test_inference_graph_of_a_regression(session):
    batch = models.constants(make_batch(NUMBERS))
    graph = classifier.inference_graph(CONFIG, 1, batch)
    session.run(tf.global_variables_initializer())
    fetches = graph.label_ids, graph.probabilities
    label_ids, probabilities = session.run(fetches)
    assert label_ids.tolist() == NUMBERS.tolist()
    assert probabilities.dtype == np.float32
    assert probabilities.shape == (4, 1)


@pytest.mark.parametrize("train, seed", [(True, [1, 2]), (True, None), (False, [1, 2])])
def test_dropout_on_the_pooled_output(session, train, seed):
    """Its rate is 0.1, whatever the rates of the config (here 0)."""
    config = models.tiny_config(hidden_size=512, num_hidden_layers=1)
    create_model(session, [0, 1, 1, 0], 2, config, train, dropout_seed=seed)
    ops = tf.get_default_graph().get_operations()
    masks = session.run([op.outputs[0] for op in ops if op.type == "GreaterEqual"])
    assert len(masks) == (1 if train else 0)
    for mask in masks:
        assert mask.shape == (4, 512)
        assert 1 - mask.mean() == pytest.approx(0.1, abs=0.03)


@pytest.mark.parametrize(
    "label_ids, num_labels, rate, bounds",
    [
        (np.int32([0, 1, 1, 0]), 2, 5e-3, (0.4, 0.05)),
        (NUMBERS, 1, 3e-3, (2.0, 0.5)),
    ],
    ids=["classes", "numbers"],
)
def test_a_batch_is_learned_by_heart(session, label_ids, num_labels, rate, bounds):
    step = training_step(
        session, label_ids, num_labels, learning_rate=rate, num_warmup_steps=10
    )
    losses = [session.run([step.loss, step.train_op])[0] for _ in range(150)]
    assert losses[0] > bounds[0]
    assert np.mean(losses[-5:]) < bounds[1]


def test_label_weights_reach_the_training(session):
    step = training_step(session, np.int32([0, 1, 1, 0]), 2)
    (plain,) = session.run([step.loss])
    with tf.Graph().as_default(), tf.Session() as other:
        step = training_step(other, np.int32([0, 1, 1, 0]), 2, label_weights=(2.0, 2.0))
        assert other.run(step.loss) == pytest.approx(2 * plain)


@pytest.mark.parametrize("correction", [False, True])
def test_bias_correction_reaches_the_training(session, correction):
    """The first step is the rate; without correction, 0.1 / sqrt(0.001) times it."""
    step = training_step(session, [0, 1, 1, 0], 3, bias_correction=correction)
    session.run(step.train_op)
    factor = 1.0 if correction else 0.1 / np.sqrt(0.001)
    moved = np.abs(session.run(output_bias()))
    np.testing.assert_allclose(moved, 1e-3 * factor, rtol=1e-3)


@pytest.mark.parametrize(
    "keys, rate",
    [({}, 0.1), ({"classifier_dropout": None}, 0.3), ({"classifier_dropout": 0}, 0)],
)
def test_dropout_of_the_head(keys, rate):
    config = dict(models.tiny_config(hidden_dropout_prob=0.3).to_dict(), **keys)
    config = modeling.BertConfig.from_dict(config)
    assert classifier.head_dropout(config) == rate
    assert dict(config.to_dict(), **keys) == config.to_dict()
