"""What a training step computes: counted in the step that TensorFlow executed."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from finetuning import classifier
from tests.support import executed, models

BATCH, LENGTH, TOKENS = 4, 32, 16
CONFIG = {
    "hidden_size": 32,
    "intermediate_size": 128,
    "max_position_embeddings": LENGTH,
    "hidden_dropout_prob": 0.1,
    "attention_probs_dropout_prob": 0.1,
}


def count(lengths, training):
    """Multiplications in the matrix products of one executed step."""
    config = models.tiny_config(**CONFIG)
    features = models.random_features(np.random.RandomState(0), config, lengths, LENGTH)
    batch = {name: tf.constant(value) for name, value in features.items()}
    with tf.Session() as session:
        if training:
            fetches = classifier.training_graph(
                config, 2, batch, 1, classifier.Hyperparameters(1e-3, 9, 0)
            ).train_op
        else:
            fetches = classifier.inference_graph(config, 2, batch).probabilities
        session.run(tf.global_variables_initializer())
        found = executed.products(executed.nodes(session, fetches))
    return sum(executed.multiplications(node) for node in found)


def needed(lengths, training):
    """What the tokens that are there need, by the shapes of the paper."""
    config = models.tiny_config(**CONFIG)
    hidden, inner = config.hidden_size, config.intermediate_size
    dense = sum(lengths) * (4 * hidden**2 + 2 * hidden * inner)
    attention = len(lengths) * 2 * max(lengths) ** 2 * hidden
    return config.num_hidden_layers * (dense + attention) * (3 if training else 1)


@pytest.fixture(autouse=True)
def graph():
    # Constants as inputs: TensorFlow folds nothing that depends on variables.
    with tf.Graph().as_default():
        yield


@pytest.mark.parametrize("training", [True, False])
def test_a_half_padded_batch_costs_its_tokens(training):
    """Less would be a count that misses products; twice as much, padding computed."""
    lengths = [TOKENS] * BATCH
    least = needed(lengths, training)
    assert needed([LENGTH] * BATCH, training) > 1.9 * least
    found = count(lengths, training)
    # The pooler, the head, segments and the norms' means are the rest.
    assert least <= found <= 1.1 * least


def test_the_count_sees_what_is_computed():
    """The test's own test: full rows cost twice as much."""
    full = [LENGTH] * BATCH
    assert needed(full, True) <= count(full, True) <= 1.1 * needed(full, True)
