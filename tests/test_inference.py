"""Running the model over whole sets: alone, and beside a training."""

import os

import models
import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from finetuning import checkpoints, classifier, inference, records
from finetuning.errors import InputError
from finetuning.features import PackedExample

LENGTH = 12


def write(directory, name, count, label_type=tf.int32):
    """A record file of examples of mixed lengths."""
    rng = np.random.RandomState(count)
    rows = []
    for n in range(count):
        ids = rng.randint(1, 50, rng.randint(3, LENGTH + 1)).tolist()
        label = n % 3 if label_type == tf.int32 else n / 4
        rows.append(PackedExample(ids, 2, label, False))
    path = os.path.join(str(directory), name)
    records.write_packed_records(path, rows, LENGTH)
    return records.RecordFile(path, count, LENGTH, label_type)


def save_model(directory, outputs, **changes):
    """A random model as a checkpoint; returns its `checkpoints.Contents`."""
    config = models.tiny_config(num_hidden_layers=1)
    rng = np.random.RandomState(9)
    weights = {
        name: (rng.randn(*shape) * 0.3).astype(np.float32)
        for name, shape in checkpoints.model_shapes(config, outputs).items()
    }
    weights.update(changes)
    prefix = os.path.join(str(directory), "model", "model.ckpt")
    models.save_checkpoint(prefix, weights)
    return config, checkpoints.read_contents(prefix, config, outputs)


def infer(config, contents, examples, outputs, batch_size=4):
    return inference.infer(
        inference.Inference(
            config=config,
            num_labels=outputs,
            contents=contents,
            examples=examples,
            batch_size=batch_size,
            seed=1,
            label="evaluation",
        )
    )


@pytest.mark.parametrize("batch_size", [1, 4, 100])
def test_predictions_are_in_file_order(tmp_path, batch_size):
    config, contents = save_model(tmp_path, 3)
    examples = write(tmp_path, "set", 10)
    found = infer(config, contents, examples, 3, batch_size)
    assert found.label_ids.tolist() == [n % 3 for n in range(10)]
    assert found.probabilities.shape == (10, 3)
    chosen = found.probabilities[np.arange(10), found.label_ids]
    np.testing.assert_allclose(found.per_example_loss, -np.log(chosen), rtol=1e-4)
    alone = infer(config, contents, examples, 3, 7)
    np.testing.assert_allclose(found.probabilities, alone.probabilities, rtol=1e-4)


def test_predicted_numbers(tmp_path):
    config, contents = save_model(tmp_path, 1)
    found = infer(config, contents, write(tmp_path, "set", 9, tf.float32), 1)
    assert found.label_ids.dtype == np.float32
    assert found.label_ids.tolist() == [n / 4 for n in range(9)]
    errors = found.probabilities[:, 0] - found.label_ids
    np.testing.assert_allclose(found.per_example_loss, errors**2, rtol=1e-5)


@pytest.mark.parametrize("outputs", [1, 3])
def test_weights_that_are_not_finite(tmp_path, outputs):
    bias = np.full(outputs, np.nan, np.float32)
    config, contents = save_model(tmp_path, outputs, output_bias=bias)
    examples = write(tmp_path, "set", 3, tf.float32 if outputs == 1 else tf.int32)
    with pytest.raises(InputError) as caught:
        infer(config, contents, examples, outputs)
    assert str(caught.value).startswith(
        "%s gives probabilities that are not finite" % contents.prefix
    )


@pytest.mark.parametrize("outputs", [1, 3])
def test_evaluation_beside_a_training_is_that_of_its_checkpoint(tmp_path, outputs):
    """Over the training's own variables, without dropout, both sets, twice."""
    label_type = tf.float32 if outputs == 1 else tf.int32
    config, contents = save_model(tmp_path, outputs)
    noisy = models.tiny_config(
        num_hidden_layers=1, hidden_dropout_prob=0.3, attention_probs_dropout_prob=0.3
    )
    sets = [write(tmp_path, name, n, label_type) for name, n in (("a", 9), ("b", 5))]
    with tf.Graph().as_default(), tf.Session() as session:
        batch = records.training_batches(sets[0], 4, seed=1, first_step=0)
        recipe = classifier.Recipe(1e-3, 10, 0)
        graph = classifier.training_graph(noisy, outputs, batch, 1, recipe)
        trained = {v.op.name for v in tf.global_variables()}
        evaluator = inference.Evaluator(noisy, outputs, sets, 4, classifier.PLAIN)
        assert {v.op.name for v in tf.global_variables()} == trained
        saver = tf.train.Saver(tf.trainable_variables())
        session.run(tf.global_variables_initializer())
        saver.restore(session, contents.prefix)
        before = evaluator.run(session, "evaluation")
        again = evaluator.run(session, "evaluation")
        session.run(graph.train_op)
        session.run(graph.train_op)
        after = evaluator.run(session, "evaluation")
    for index, examples in enumerate(sets):
        expected = infer(config, contents, examples, outputs)
        for name in expected._fields:
            ours, theirs = getattr(before[index], name), getattr(expected, name)
            np.testing.assert_allclose(ours, theirs, rtol=1e-5, err_msg=name)
            np.testing.assert_array_equal(ours, getattr(again[index], name))
        assert not np.array_equal(
            after[index].probabilities, before[index].probabilities
        )
