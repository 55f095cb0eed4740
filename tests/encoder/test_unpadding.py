"""Packed computation against padded: the same numbers, and none of the padding's."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

import modeling
from encoder import unpadding
from encoder.attention import attend
from encoder.layers import DropoutStream
from finetuning import classifier
from finetuning.checkpoints import compatibility
from tests.support import models

LENGTH = 12
TIGHT = {"rtol": 1e-5, "atol": 1e-5}


def masks(rng, batch):
    """Random masks of all kinds: holes, a first token masked, all of a row masked."""
    mask = (rng.rand(batch, LENGTH) < 0.7).astype(np.int32)
    for row, kind in enumerate(rng.randint(4, size=batch)):
        if kind == 0:  # As the features have them.
            mask[row] = np.arange(LENGTH) < rng.randint(1, LENGTH + 1)
        if kind == 1 and row % 3 == 0:
            mask[row] = 0
    return mask


def padded_attention(query, key, value, mask, heads):
    """Attention as the contract has it, over every position, in numpy's float64."""
    batch, length, width = query.shape

    def split(x):
        return x.reshape(batch, length, heads, width // heads).transpose(0, 2, 1, 3)

    q, k, v = (split(x.astype(np.float64)) for x in (query, key, value))
    scores = q @ k.transpose(0, 1, 3, 2) - 10000.0 * (1 - mask)[:, None, None, :]
    exps = np.exp(scores - scores.max(-1, keepdims=True))
    context = (exps / exps.sum(-1, keepdims=True)) @ v
    return context.transpose(0, 2, 1, 3).reshape(batch, length, width)


@pytest.mark.parametrize("batch", [1, 2, 5, 16, 35])
@pytest.mark.parametrize("seed", range(3))
def test_attention_is_the_padded_one(batch, seed):
    """Of every row that is kept, whatever the mask leaves out."""
    rng = np.random.RandomState(seed)
    mask, heads = masks(rng, batch), 4
    inputs = rng.randn(3, batch, LENGTH, 16).astype(np.float32)
    with tf.Graph().as_default(), tf.Session() as session:
        packed = unpadding.compute_unpadding(tf.constant(mask), heads)
        rows = [tf.gather(x.reshape([-1, 16]), packed.indices) for x in inputs]
        drop = DropoutStream(is_training=False)
        context = packed.pad(attend(*rows, packed, drop, 0.0))
        cells, found = session.run([packed.indices, context])
    expected = padded_attention(*inputs, mask, heads).reshape([-1, 16])[cells]
    np.testing.assert_allclose(found.reshape([-1, 16])[cells], expected, **TIGHT)


class Kept:
    """Dropout that keeps what it is told, and says what it told of each group."""

    def __init__(self, rng):
        self._rng, self.masks = rng, []

    def keep_mask(self, shape, rate):
        mask = tf.cast(
            tf.random.stateless_uniform(shape, [len(self.masks), 5]) > rate, tf.float32
        )
        self.masks.append(mask)
        return mask, 1.0 - rate


@pytest.mark.parametrize("batch", [5, 17])
def test_gradients_with_dropout_are_those_of_autodiff(batch):
    """The hand-written gradient against TensorFlow's own of the plain formula."""
    rng = np.random.RandomState(batch)
    mask, heads, rate = masks(rng, batch), 4, 0.3
    mask[:, -1] = 1  # One length: rows in the order of the batch, whatever the groups.
    inputs = rng.randn(3, batch * LENGTH, 16).astype(np.float32)
    weights = rng.randn(batch * LENGTH, 16).astype(np.float32)
    with tf.Graph().as_default(), tf.Session() as session:
        rows, drop = [tf.constant(x) for x in inputs], Kept(rng)
        packed = unpadding.compute_unpadding(tf.constant(mask), heads)
        ours = attend(*rows, packed, drop, rate)
        kept = tf.concat(drop.masks, 0)  # [B, N, S, S]

        def split(x):
            split = tf.reshape(x, [batch, LENGTH, heads, 4])
            return tf.transpose(split, [0, 2, 1, 3])

        query, key, value = map(split, rows)
        scores = tf.matmul(query, key, transpose_b=True)
        scores -= 10000.0 * tf.constant(1.0 - mask[:, None, None, :], tf.float32)
        mixed = tf.matmul(tf.nn.softmax(scores) * kept / (1.0 - rate), value)
        plain = tf.reshape(tf.transpose(mixed, [0, 2, 1, 3]), [-1, 16])
        found, expected = session.run(
            [
                [outputs] + tf.gradients(tf.reduce_sum(outputs * weights), rows)
                for outputs in (ours, plain)
            ]
        )
    for left, right in zip(found, expected):
        np.testing.assert_allclose(left, right, **TIGHT)


def test_rows_are_the_positions_up_to_the_last_token():
    mask = np.array([[1, 1, 0, 0], [0, 0, 0, 0], [1, 0, 1, 0], [0, 1, 0, 0]], np.int32)
    with tf.Graph().as_default(), tf.Session() as session:
        packed = unpadding.compute_unpadding(tf.constant(mask), 2)
        cells, first, positions = session.run(
            [packed.indices, packed.first_indices, packed.positions]
        )
    assert cells.tolist() == [0, 1, 4, 5, 6, 7, 8, 9, 10, 12, 13]
    assert positions.tolist() == [0, 1, 0, 1, 2, 3, 0, 1, 2, 0, 1]
    assert first.tolist() == [0, 2, 6, 9]


def outputs(*batches, pad_to=None):
    """Loss, logits and all gradients of each batch, from weights that are always these.

    One batch is of static shape, as in training.
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
        compute = classifier.ComputeOptions(pad_to=pad_to)
        loss, _, logits, _ = classifier.create_model(
            config, False, *batch, 2, False, compute=compute
        )
        gradients = tf.gradients(loss, tf.trainable_variables())
        fetches = [loss, logits] + [tf.convert_to_tensor(g) for g in gradients]
        session.run(tf.global_variables_initializer())
        models.assign(session, weights)
        return [session.run(fetches, models.feed(inputs, each)) for each in batches]


@pytest.mark.parametrize("batch", [1, 2, 5, 32])
@pytest.mark.parametrize("seed", range(2))
def test_packed_equals_padded(batch, seed):
    """For random masks: the same logits and gradients with every position computed."""
    rng = np.random.RandomState(seed)
    config = models.tiny_config()
    features = models.random_features(rng, config, [LENGTH] * batch, LENGTH)
    features["input_mask"] = masks(rng, batch)
    (packed,) = outputs(features)
    for pad_to in (5, LENGTH):
        (padded,) = outputs(features, pad_to=pad_to)
        for found, expected in zip(packed, padded):
            np.testing.assert_allclose(found, expected, **TIGHT)


@pytest.mark.parametrize("batch", [2, 17, 32])
def test_whole_batch_equals_its_examples_one_by_one(batch):
    """Groups, orders and batch mates change neither logits nor the summed gradients."""
    rng = np.random.RandomState(batch)
    config = models.tiny_config()
    features = models.random_features(rng, config, [9] * batch, LENGTH)
    features["input_mask"] = masks(rng, batch)
    features["input_mask"][features["input_mask"].sum(1) == 0] = 1
    (whole,) = outputs(features)
    parts = outputs(
        *({k: v[[row]] for k, v in features.items()} for row in range(batch))
    )
    np.testing.assert_allclose(whole[1], [part[1][0] for part in parts], **TIGHT)
    for index in range(2, len(whole)):
        mean = np.mean([part[index] for part in parts], axis=0)
        np.testing.assert_allclose(whole[index], mean, **TIGHT)


def test_shapes_with_padding_to_a_few_lengths():
    """Lengths of 5 and 7 give the shapes of 8: nothing new to compile."""
    shapes = set()
    for longest in (5, 7):
        mask = (np.arange(LENGTH) < [[longest], [2]]).astype(np.int32)
        with tf.Graph().as_default(), tf.Session() as session:
            packed = unpadding.compute_unpadding(tf.constant(mask), 2, pad_to=4)
            found = session.run([packed.indices, packed.groups[0].query_indices])
            shapes.add(tuple(values.shape for values in found))
    assert shapes == {((16,), (2, 2, 8))}


def test_large_batches_attend_in_groups_of_like_length():
    rng = np.random.RandomState(0)
    lengths = rng.randint(1, LENGTH + 1, 32)
    mask = (np.arange(LENGTH) < lengths[:, None]).astype(np.int32)
    with tf.Graph().as_default(), tf.Session() as session:
        packed = unpadding.compute_unpadding(tf.constant(mask), 2)
        found = session.run([group.query_indices for group in packed.groups])
    ordered = np.sort(lengths)
    assert [rows.shape for rows in found] == [
        (8, 2, ordered[last]) for last in (7, 15, 23, 31)
    ]


def test_the_movements_have_movements_as_gradients():
    """Else every step would add up what never meets, one row after the other."""
    rng = np.random.RandomState(0)
    features = models.random_features(rng, models.tiny_config(), (3, 9), LENGTH)
    with tf.Graph().as_default() as graph:
        model = modeling.BertModel(
            models.tiny_config(),
            True,
            *(tf.constant(features[n]) for n in list(features)[:3]),
        )
        blocks = [v for v in tf.trainable_variables() if "embeddings/" not in v.name]
        tf.gradients(model.get_pooled_output(), blocks)
        types = {op.type for op in graph.get_operations()}
    assert not {name for name in types if "SegmentSum" in name}
