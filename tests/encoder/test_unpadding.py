"""Unpadding: its indices, and that it does not change any result."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

import modeling
from encoder.unpadding import compute_unpadding, rounded_rows
from finetuning import classifier
from finetuning.checkpoints import compatibility
from tests.support import models

LENGTH = 12
TOLERANCE = {"rtol": 1e-5, "atol": 1e-5}


def test_sequences_keep_their_positions_up_to_the_last_token(session):
    mask = [[1, 1, 0, 0], [0, 0, 0, 0], [1, 0, 1, 0], [0, 1, 0, 0]]
    unpadding = compute_unpadding(tf.constant(mask), 2)
    indices, first, positions = session.run(
        [unpadding.indices, unpadding.first_indices, unpadding.positions]
    )
    assert indices.tolist() == [0, 1, 4, 5, 6, 7, 8, 9, 10, 12, 13]
    assert positions.tolist() == [0, 1, 0, 1, 2, 3, 0, 1, 2, 0, 1]
    assert first.tolist() == [0, 2, 6, 9]


def test_padding_follows_the_tokens_up_to_a_number_of_rows(session):
    mask = [[1, 1, 0, 0], [0, 0, 0, 0], [1, 0, 1, 0], [0, 1, 0, 0]]
    unpadding = compute_unpadding(tf.constant(mask), 2, tf.constant(14))
    indices, positions, heads = session.run(
        [unpadding.indices, unpadding.positions, unpadding.head_indices]
    )
    assert indices.tolist() == [0, 1, 4, 5, 6, 7, 8, 9, 10, 12, 13, 2, 3, 11]
    assert positions.tolist() == [index % 4 for index in indices]
    # Every row has heads of its own in the rectangle: what a row of padding gets there
    # is nothing, and the rows of tokens share none with it.
    assert len(set(heads.ravel())) == heads.size


def test_few_numbers_of_rows(session):
    mask = tf.placeholder(tf.int32, [2, 64])
    found = {
        tokens: session.run(
            rounded_rows(mask), {mask: np.arange(128).reshape(2, 64) % 64 < tokens}
        )
        for tokens in range(1, 65)
    }
    assert sorted(set(found.values())) == [16, 24, 32, 48, 64, 96, 128]
    assert all(rows >= 2 * tokens for tokens, rows in found.items())
    assert all(rows <= 3 * tokens for tokens, rows in found.items() if rows > 16)


def test_large_batches_attend_in_groups_of_similar_length(session):
    lengths = np.random.RandomState(0).randint(1, LENGTH + 1, 32)
    mask = (np.arange(LENGTH) < lengths[:, None]).astype(np.int32)
    groups = compute_unpadding(tf.constant(mask), 2).groups
    shapes = [value.shape for value in session.run([g.query_indices for g in groups])]
    ordered = np.sort(lengths)
    assert shapes == [(8, 2, ordered[last]) for last in (7, 15, 23, 31)]


def test_gathers_have_gathers_as_gradients(session):
    """A sum over segments would be slow, and no two tokens have the same index.

    With deterministic ops, TensorFlow 2 scatters on the host.
    """
    config = models.tiny_config()
    features = models.random_features(np.random.RandomState(0), config, (3, 9), LENGTH)
    inputs = [tf.constant(features[name]) for name in list(features)[:3]]
    model = modeling.BertModel(config, True, *inputs)
    blocks = [v for v in tf.trainable_variables() if "embeddings/" not in v.name]
    tf.gradients(model.get_pooled_output(), blocks)
    ops = [op for op in tf.get_default_graph().get_operations() if not op.device]
    types = {op.type for op in ops}
    assert not [name for name in types if "SegmentSum" in name or "Scatter" in name]


def features_with_random_masks(batch):
    rng = np.random.RandomState(batch)
    features = models.random_features(
        rng, models.tiny_config(), [LENGTH] * batch, LENGTH
    )
    features["input_mask"] = models.random_masks(rng, batch, LENGTH)
    return features


def run_all(*batches, **compute):
    """Loss, logits and all gradients of each batch, always with the same weights.

    A single batch has a static shape, as in training.
    """
    config, rng = models.tiny_config(), np.random.RandomState(7)
    shapes = compatibility.model_shapes(config, 2)
    weights = {name: rng.randn(*shapes[name]) * 0.3 for name in sorted(shapes)}
    with tf.Graph().as_default(), tf.Session() as session:
        inputs = models.as_placeholders(batches[0])
        if len(batches) == 1:
            for name, value in batches[0].items():
                inputs[name].set_shape(value.shape)
        names = ("input_ids", "input_mask", "segment_ids", "label_ids")
        batch = [inputs[name] for name in names]
        options = classifier.ComputeOptions(**compute)
        loss, _, logits, _ = classifier.create_model(
            config, False, *batch, 2, False, compute=options
        )
        variables = sorted(tf.trainable_variables(), key=lambda v: v.name)
        gradients = tf.gradients(loss, variables)
        fetches = [loss, logits] + [tf.convert_to_tensor(g) for g in gradients]
        session.run(tf.global_variables_initializer())
        models.assign(session, weights)
        return [session.run(fetches, models.feed(inputs, each)) for each in batches]


@pytest.mark.parametrize("batch", [1, 5, 32])
def test_results_equal_those_with_padding(batch):
    features = features_with_random_masks(batch)
    (unpadded,) = run_all(features)
    for few_ops in (False, True):
        (padded,) = run_all(features, xla=True, few_ops=few_ops)
        for value, expected in zip(unpadded, padded):
            np.testing.assert_allclose(value, expected, **TOLERANCE)


@pytest.mark.parametrize("batch", [1, 5, 32])
@pytest.mark.parametrize("graph", models.GRAPHS[1:], ids=models.graph_name)
def test_results_equal_those_with_other_ops(batch, graph):
    features = features_with_random_masks(batch)
    (plain,), (other,) = run_all(features), run_all(features, **graph)
    for value, expected in zip(other, plain):
        np.testing.assert_allclose(value, expected, **TOLERANCE)


@pytest.mark.parametrize("batch", [2, 32])
def test_results_equal_those_of_the_examples_one_by_one(batch):
    """Neither groups nor the order nor other examples change logits or gradients."""
    features = features_with_random_masks(batch)
    (whole,) = run_all(features)
    parts = run_all(
        *({k: v[[row]] for k, v in features.items()} for row in range(batch))
    )
    np.testing.assert_allclose(whole[1], [part[1][0] for part in parts], **TOLERANCE)
    for index in range(2, len(whole)):
        mean = np.mean([part[index] for part in parts], axis=0)
        np.testing.assert_allclose(whole[index], mean, **TOLERANCE)
