"""Running the model over whole sets: alone, and during training."""

import os

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from finetuning import classifier
from finetuning.checkpoints import compatibility, restoring
from finetuning.data import input_pipeline, records
from finetuning.data.features import EncodedExample
from finetuning.device import backend, failures
from finetuning.evaluation import inference
from finetuning.utils import in_flight
from finetuning.utils.errors import InputError
from tests.support import models

LENGTH = 12


def write(directory, name, count, label_type=tf.int32):
    """A record file of examples of mixed lengths."""
    rng = np.random.RandomState(count)
    rows = []
    for n in range(count):
        ids = rng.randint(1, 50, rng.randint(3, LENGTH + 1)).tolist()
        label = n % 3 if label_type == tf.int32 else n / 4
        rows.append(EncodedExample(ids, 2, label))
    path = os.path.join(str(directory), name)
    return records.write_records(path, rows, LENGTH, label_type)


def save_model(directory, outputs, **changes):
    """A random model as a checkpoint; returns its config and its contents."""
    config = models.tiny_config(num_hidden_layers=1)
    rng = np.random.RandomState(9)
    weights = {
        name: (rng.randn(*shape) * 0.3).astype(np.float32)
        for name, shape in compatibility.model_shapes(config, outputs).items()
    }
    weights.update(changes)
    prefix = os.path.join(str(directory), "model", "model.ckpt")
    models.save_checkpoint(prefix, weights)
    return config, compatibility.read_contents(prefix, config, outputs)


def infer(config, contents, record_file, outputs, batch_size=4, xla=False):
    run = models.fake_run("", config, outputs)
    run.compute = classifier.ComputeOptions(xla=xla)
    return inference.infer(run, contents, record_file, batch_size, "evaluation")


def test_any_batch_size_gives_the_same_in_file_order(tmp_path):
    config, contents = save_model(tmp_path, 3)
    asked = (config, contents, write(tmp_path, "set", 30), 3)
    by_one = infer(*asked, batch_size=1)
    assert by_one.label_ids.tolist() == [n % 3 for n in range(30)]
    assert by_one.probabilities.shape == (30, 3)
    assert np.ptp(by_one.probabilities[:, 0]) > 0.01  # They differ.
    chosen = by_one.probabilities[np.arange(30), by_one.label_ids]
    np.testing.assert_allclose(by_one.per_example_loss, -np.log(chosen), rtol=1e-4)
    for batch_size, xla in ((4, False), (4, True), (100, True)):
        found = infer(*asked, batch_size=batch_size, xla=xla)
        for ours, expected in zip(found, by_one):
            np.testing.assert_allclose(ours, expected, atol=1e-6)


def test_the_number_of_batches_at_a_time_changes_no_number(tmp_path, monkeypatch):
    config, contents = save_model(tmp_path, 3)
    asked = (config, contents, write(tmp_path, "set", 60), 3)
    numbers, found = [], []
    results = in_flight.results
    monkeypatch.setattr(
        in_flight,
        "results",
        lambda call, at_once: numbers.append(at_once) or results(call, at_once),
    )
    for at_once in (1, 2, 5):
        monkeypatch.setattr(backend, "batches_in_flight", lambda *_, n=at_once: n)
        found.append(infer(*asked, batch_size=1))
    assert numbers == [1, 2, 5]
    for more in found[1:]:
        for ours, expected in zip(more, found[0]):
            np.testing.assert_array_equal(ours, expected)


def test_predicted_numbers(tmp_path):
    config, contents = save_model(tmp_path, 1)
    found = infer(config, contents, write(tmp_path, "set", 9, tf.float32), 1)
    assert found.label_ids.dtype == np.float32
    assert found.label_ids.tolist() == [n / 4 for n in range(9)]
    errors = found.probabilities[:, 0] - found.label_ids
    np.testing.assert_allclose(found.per_example_loss, errors**2, rtol=1e-5)


def test_a_record_file_that_another_run_replaced(tmp_path):
    """The model reads the records that this run has written."""
    config, contents = save_model(tmp_path, 3)
    examples = write(tmp_path, "set", 10)
    expected = infer(config, contents, examples, 3)
    write(tmp_path, "set", 8)
    for ours, wanted in zip(infer(config, contents, examples, 3), expected):
        np.testing.assert_array_equal(ours, wanted)


def test_a_record_file_that_is_changed_in_place(tmp_path):
    config, contents = save_model(tmp_path, 3)
    examples = write(tmp_path, "set", 10)
    with open(examples.path, "r+b") as file:
        file.seek(500)
        file.write(b"?????")
    with pytest.raises(InputError, match="set was changed while in use, at record"):
        failures.tensorflow_errors()(infer)(config, contents, examples, 3)


@pytest.mark.parametrize("moment", ["__init__", "restore"])
@pytest.mark.parametrize("outputs", [3, 2])
def test_weights_that_are_replaced_before_they_are_restored(
    tmp_path, monkeypatch, outputs, moment
):
    """By a checkpoint of the same name: of the same model, or of another."""
    config, contents = save_model(tmp_path, 3)
    original = getattr(restoring.Restorer, moment)

    def replace_before(*given):
        save_model(tmp_path, outputs, output_bias=np.ones(outputs, np.float32))
        original(*given)

    monkeypatch.setattr(restoring.Restorer, moment, replace_before)
    with pytest.raises(compatibility.ReplacedError, match=contents.prefix):
        infer(config, contents, write(tmp_path, "set", 10), 3)


@pytest.mark.parametrize("outputs", [1, 3])
def test_weights_that_are_not_finite(tmp_path, outputs):
    bias = np.full(outputs, np.nan, np.float32)
    config, contents = save_model(tmp_path, outputs, output_bias=bias)
    examples = write(tmp_path, "set", 3, tf.float32 if outputs == 1 else tf.int32)
    with pytest.raises(InputError, match=contents.prefix + " .*not finite"):
        infer(config, contents, examples, outputs)


def test_evaluation_during_training_is_that_of_the_checkpoint(tmp_path):
    """With the training graph's own variables, without dropout, both sets, twice."""
    config, contents = save_model(tmp_path, 3)
    noisy = models.tiny_config(
        num_hidden_layers=1, hidden_dropout_prob=0.3, attention_probs_dropout_prob=0.3
    )
    sets = [write(tmp_path, "a", 9), write(tmp_path, "b", 5)]
    with tf.Graph().as_default(), tf.Session() as session:
        batch = input_pipeline.training_batches(sets[0], 4, seed=1, first_step=0)
        hyperparameters = classifier.Hyperparameters(1e-3, 10, 0)
        graph = classifier.training_graph(noisy, 3, batch, 1, hyperparameters)
        trained = {v.op.name for v in tf.global_variables()}
        run = models.fake_run("", noisy, 3, eval_batch_size=4)
        evaluator = inference.Evaluator(run, sets)
        assert {v.op.name for v in tf.global_variables()} == trained
        saver = tf.train.Saver(tf.trainable_variables())
        session.run(tf.global_variables_initializer())
        saver.restore(session, contents.prefix)
        before = evaluator.run(session, "evaluation", lambda: False)
        assert evaluator.run(session, "evaluation", lambda: True) is None
        again = evaluator.run(session, "evaluation", lambda: False)
        session.run(graph.train_op)
        session.run(graph.train_op)
        after = evaluator.run(session, "evaluation", lambda: False)
        (bias,) = [v for v in tf.trainable_variables() if v.op.name == "output_bias"]
        bias.load(np.full(3, np.nan, np.float32), session)
        with pytest.raises(InputError, match="evaluation .*not finite"):
            evaluator.run(session, "evaluation", lambda: False)
    for index, examples in enumerate(sets):
        expected = infer(config, contents, examples, 3)
        for name in expected._fields:
            ours, theirs = getattr(before[index], name), getattr(expected, name)
            np.testing.assert_allclose(ours, theirs, rtol=1e-5, err_msg=name)
            np.testing.assert_array_equal(ours, getattr(again[index], name))
        assert not np.array_equal(
            after[index].probabilities, before[index].probabilities
        )
