"""How many kernels a GPU would launch in a step of BERT-Base.

The host needs 5 to 10 microseconds to issue one, and a current GPU a few milliseconds
for the products of a batch of 32, so their number decides how long a step takes.
"""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

import modeling
from finetuning import classifier
from tests.support import models, placed_graph

IS_TF1 = tf.__version__.startswith("1.")
# TensorFlow 1.14's kernel for fused norms needs a GPU: there, each of the 25 norms is
# counted with the 9 ops forward and 9 backward that it takes without.
GRAPH = models.GRAPHS[-1]
NORMS = 25
LIMITS = {
    "training": 1800 if IS_TF1 else 1500,
    "inference": 400 + (6 * NORMS if IS_TF1 else 0),
}


@pytest.mark.parametrize("phase", LIMITS)
def test_few_kernels_are_launched(phase):
    """The widths are smaller than BERT-Base's, which changes no op."""
    config = modeling.BertConfig(vocab_size=500, hidden_size=96, intermediate_size=384)
    compute = classifier.ComputeOptions(**GRAPH)
    lengths, is_training = range(20, 84, 2), phase == "training"
    features = models.random_features(np.random.RandomState(0), config, lengths, 128)
    with tf.Graph().as_default():
        tf.set_random_seed(1)
        with tf.device("/cpu:0"):
            batch = {
                name: tf.placeholder_with_default(
                    value, value.shape if is_training else [None] * value.ndim
                )
                for name, value in features.items()
            }
        if is_training:
            hyperparameters = classifier.Hyperparameters(1e-4, 100, 10)
            step = classifier.training_graph(
                config, 2, batch, 1, hyperparameters, compute
            )
            fetches = [step.loss, step.gradient_norm, step.train_op]
        else:
            fetches = classifier.inference_graph(config, 2, batch, compute)[:2]
        with tf.Session(config=placed_graph.session_config()) as session:
            session.run(tf.global_variables_initializer())
            counts = placed_graph.kernel_launches(session, fetches)
    total = sum(counts.values())
    by_type = ", ".join("%d %s" % (n, name) for name, n in counts.most_common())
    assert total <= LIMITS[phase], "%d kernels: %s" % (total, by_type)
