"""The work of a step: multiplications, counted in what TensorFlow executed."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from finetuning import classifier
from tests.support import executed, models

BATCH, LENGTH = 4, 32
CONFIG = models.tiny_config(
    hidden_size=32,
    intermediate_size=128,
    max_position_embeddings=LENGTH,
    hidden_dropout_prob=0.1,
    attention_probs_dropout_prob=0.1,
)


def count(session, lengths, training):
    """The multiplications in the matrix products of one executed step."""
    # The inputs are constants: TensorFlow folds nothing that depends on variables.
    batch = models.constants(
        models.random_features(np.random.RandomState(0), CONFIG, lengths, LENGTH)
    )
    if training:
        hyperparameters = classifier.Hyperparameters(1e-3, 9, 0)
        graph = classifier.training_graph(CONFIG, 2, batch, 1, hyperparameters)
        fetches = graph.train_op
    else:
        fetches = classifier.inference_graph(CONFIG, 2, batch).probabilities
    session.run(tf.global_variables_initializer())
    products = executed.products(executed.nodes(session, fetches))
    return sum(executed.multiplications(node) for node in products)


def needed(lengths, training):
    """The multiplications that the tokens need, by the formulas of the paper."""
    hidden, inner = CONFIG.hidden_size, CONFIG.intermediate_size
    dense = sum(lengths) * (4 * hidden**2 + 2 * hidden * inner)
    attention = len(lengths) * 2 * max(lengths) ** 2 * hidden
    return CONFIG.num_hidden_layers * (dense + attention) * (3 if training else 1)


@pytest.mark.parametrize(
    "length, training",
    [(LENGTH // 2, True), (LENGTH // 2, False), (LENGTH, True)],
    ids=["half padded", "half padded, inference", "full"],
)
def test_a_batch_costs_its_tokens(session, length, training):
    """The full batch shows that the count does not miss products."""
    lengths = [length] * BATCH
    # The remainder are the pooler, the head, the segments and the norms' means.
    least = needed(lengths, training)
    assert least <= count(session, lengths, training) <= 1.1 * least
