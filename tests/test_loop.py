"""The training loop's hooks, on their own; whole runs: test_command_line.py."""

import collections
from dataclasses import replace

import models
import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from finetuning import checkpoints, classifier, loop, records
from finetuning.errors import InputError
from finetuning.features import PackedExample

Values = collections.namedtuple("Values", "results")
Graph = collections.namedtuple(
    "Graph", "loss learning_rate gradient_norm skipped_steps"
)


@pytest.fixture
def hook(tmp_path):
    training = loop.Training(
        config=None,
        num_labels=2,
        examples=None,
        batch_size=8,
        learning_rate=1e-3,
        num_steps=40,
        num_warmup_steps=0,
        seed=1,
        output_dir=str(tmp_path),
        save_steps=10,
        keep_checkpoints=5,
        initial=None,
        resumed=None,
    )
    with tf.Graph().as_default():
        hook = loop._ProgressHook(training, Graph(None, None, None, None))
        hook.after_create_session(None, None)
        yield hook
        tf.summary.FileWriterCache.clear()


def step(hook, loss=0.5, gradient_norm=1.0, **more):
    results = {"loss": loss, "learning_rate": 1e-3, "gradient_norm": gradient_norm}
    results.update(more)
    hook.after_run(None, Values(results))


def test_a_second_session_ends_the_run(hook):
    """TensorFlow makes one after some errors, with the initial weights at step 0."""
    step(hook)
    with pytest.raises(InputError, match="lost its session after step 1"):
        hook.after_create_session(None, None)


@pytest.mark.parametrize("name", ["loss", "gradient_norm"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_not_finite_ends_the_run(hook, name, value):
    step(hook)
    with pytest.raises(InputError, match="at step 2: training has failed"):
        step(hook, **{name: value})


def test_with_a_loss_scale_a_step_may_overflow_and_is_shown(hook, capsys):
    step(hook, skipped_steps=0)
    step(hook, gradient_norm=float("inf"), skipped_steps=1)
    step(hook, skipped_steps=1)
    assert hook._skipped_facts(1) == ", 1 skipped"
    assert hook._skipped_facts(2) == ", 2 skipped"
    with pytest.raises(InputError, match="the loss is nan"):
        step(hook, loss=float("nan"), skipped_steps=2)


def test_steps_that_overflow_one_after_the_other_end_the_run(hook):
    for skipped in range(30):
        step(hook, gradient_norm=float("inf"), skipped_steps=skipped)
    with pytest.raises(InputError, match="30 steps in a row up to step 31 .*float32"):
        step(hook, gradient_norm=float("inf"), skipped_steps=30)


def test_summaries_every_ten_steps(hook, tmp_path):
    for _ in range(40):
        step(hook)
    hook.end(None)
    steps = set()
    for path in tmp_path.glob("events*"):
        for event in tf.train.summary_iterator(str(path)):
            if event.summary.value:
                steps.add(event.step)
    assert steps == {10, 20, 30, 40}


# Inference


def saved_weights(config, path):
    """`checkpoints.Contents` of a checkpoint with random weights."""
    features = models.random_features(np.random.RandomState(0), config, [3], 4)
    with tf.Graph().as_default(), tf.Session() as session:
        tf.set_random_seed(1)
        held = {name: tf.constant(value) for name, value in features.items()}
        classifier.inference_graph(config, 2, held)
        session.run(tf.global_variables_initializer())
        prefix = tf.train.Saver().save(session, path)
    return checkpoints.read_contents(prefix, config, 2)


def test_predictions_are_those_of_any_batch_size_in_file_order(tmp_path):
    rng = np.random.RandomState(3)
    config = models.tiny_config()
    rows = [
        PackedExample(rng.randint(1, 50, n).tolist(), 2, int(rng.randint(2)), False)
        for n in rng.randint(2, 17, 30)
    ]
    path = str(tmp_path / "eval.tf_record")
    records.write_packed_records(path, rows, 16)
    inference = loop.Inference(
        config=config,
        num_labels=2,
        contents=saved_weights(config, str(tmp_path / "model.ckpt")),
        examples=records.RecordFile(path, len(rows), 16),
        batch_size=1,
        seed=1,
        label="evaluation",
    )
    by_one = loop.infer(inference)
    assert by_one.label_ids.tolist() == [row.label_id for row in rows]
    assert np.ptp(by_one.probabilities[:, 0]) > 0.01  # They can be told apart.
    padded = classifier.Execution(pad_to=8)
    for size, execution in (
        (3, classifier.PLAIN),
        (100, classifier.PLAIN),
        (4, padded),
    ):
        found = loop.infer(replace(inference, batch_size=size, execution=execution))
        for ours, expected in zip(found, by_one):
            np.testing.assert_allclose(ours, expected, atol=1e-6)
