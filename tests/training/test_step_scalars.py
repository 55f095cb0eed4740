"""The scalars of several steps that leave the device together, and runs with them."""

import os
import re
import signal
import types

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

import optimization
from encoder import mixed_precision
from finetuning.checkpoints import finding
from finetuning.training import hooks, loop
from finetuning.training.step_scalars import Scalars, StepScalars
from tests.support import models
from tests.support.running import Run, refused, rows, succeed, table, text, without

# In a session


class Training:
    """A step whose loss is fed, with a loss scale or without, and its scalars."""

    def __init__(self, session, num_steps, scaled=False, accumulate_steps=1, more=None):
        weight = tf.get_variable("weight", initializer=[1.0, 2.0])
        self.factor = tf.placeholder(tf.float32, [])
        self.step = optimization.create_train_step(
            tf.reduce_sum(weight) * self.factor,
            0.1,
            10,
            3,
            mixed_precision.LossScale() if scaled else None,
            accumulate_steps=accumulate_steps,
        )
        self.scalars = StepScalars(self.step, num_steps, more)
        self._parts, self.session = accumulate_steps, session
        session.run([tf.global_variables_initializer()])
        session.run(tf.local_variables_initializer())

    def run(self, factor, *fetches):
        feed = {self.factor: factor}
        for _ in range(self._parts - 1):
            self.session.run(self.step.accumulate_op, feed)
        return self.session.run([self.scalars.train_op, *fetches], feed)[1:]


@pytest.mark.parametrize("accumulate_steps", [1, 2])
@pytest.mark.parametrize("scaled", [False, True])
def test_collected_scalars_are_those_of_each_step(session, scaled, accumulate_steps):
    """An overflow and a NaN among them; the latest N are there."""
    training = Training(session, 3, scaled, accumulate_steps)
    step = training.step
    fetches = [step.loss, step.learning_rate, step.gradient_norm]
    fetches += [step.skipped_steps] if scaled else []
    expected = []
    for number, factor in enumerate([0.1, np.inf, 0.3, 0.4, np.nan, 0.6], 1):
        expected.append(Scalars(*training.run(factor, *fetches)))
        count = min(number, 3)
        found = training.scalars.read(session, count)
        np.testing.assert_array_equal(
            np.array(found, float), np.array(expected[-count:], float)
        )
    assert found[0].skipped_steps == (1 if scaled else None)


def test_scalars_that_are_fetched_with_each_step(session):
    """And more with them, in one tensor."""
    training = Training(session, 1, more=tf.constant([7.0, 8.0]))
    step = training.step
    expected = [step.loss, step.learning_rate, step.gradient_norm]
    row, *expected = training.run(0.5, training.scalars.fetch, *expected)
    assert row.shape == (5,) and row[-2:].tolist() == [7.0, 8.0]
    assert training.scalars.parse(row) == Scalars(*map(float, expected))
    assert not tf.local_variables()


def test_collected_scalars_are_not_saved_and_need_no_fetch(session):
    Training(session, 3)
    assert [v.op.name for v in tf.local_variables()] == ["step_scalars"]
    names = {variable.op.name for variable in tf.global_variables()}
    assert "weight" in names and "step_scalars" not in names


@pytest.mark.parametrize(
    "kind, count, expected",
    [("CPU", 1, 1), ("CPU", 2, 1), ("GPU", 1, 10), ("GPU", 2, 1)],
)
def test_only_a_single_gpu_collects(kind, count, expected):
    run = types.SimpleNamespace(
        device=types.SimpleNamespace(kind=kind),
        cluster=types.SimpleNamespace(count=count),
    )
    assert loop._steps_between_looks(run) == expected


# In whole runs


@pytest.fixture
def every_four(monkeypatch):
    """Has runs look at up to 4 steps together, however slow they are."""
    monkeypatch.setattr(loop, "_steps_between_looks", lambda _: 4)
    monkeypatch.setattr(hooks, "_LOOK_SECONDS", 1e9)


def steps_of(directory):
    """The rows of training_history.tsv without their times."""
    return [row[:3] for row in rows(directory, "training_history.tsv")]


def test_a_run_writes_what_it_would_at_each_step(
    evaluated_run, tmp_path, every_four, monkeypatch
):
    """With evaluations every 3 steps, and checkpoints every 5."""
    flags = [*evaluated_run.flags, "--do_train", "--eval_steps=3", "--num_threads=1"]
    flags += ["--save_checkpoints_steps=5"]
    outs = [str(tmp_path / name) for name in ("together", "single")]
    run = succeed([*flags, "--output_dir=" + outs[0]])
    assert re.search("training: step 15 of 15, loss", run.out)
    with monkeypatch.context() as patch:
        patch.setattr(loop, "_steps_between_looks", lambda _: 1)
        succeed([*flags, "--output_dir=" + outs[1]])
    assert len(steps_of(outs[0])) == 16
    assert steps_of(outs[0]) == steps_of(outs[1])
    for name in ("eval_history.tsv", "training_loss.json"):
        assert text(outs[0], name) == text(outs[1], name)
    for step in (5, 10, 15):
        found = [models.read_checkpoint(out, "model.ckpt-%d" % step) for out in outs]
        np.testing.assert_equal(*found)


def test_a_run_stops_and_resumes_within_a_window(
    interrupted_run, finished_run, tmp_path, every_four, monkeypatch
):
    """The steps before the checkpoint are written before it, and none is missing."""
    out = interrupted_run.copy(tmp_path)
    flags = [*without(interrupted_run.command, "save_checkpoints_steps")]
    flags += ["--save_checkpoints_steps=100", "--output_dir=" + out]
    take_step, taken = loop._step_function, []

    def stop_in_the_sixth(*arguments):
        take = take_step(*arguments)

        def stopping(step_context):
            taken.append(None)
            if len(taken) == 6:
                os.kill(os.getpid(), signal.SIGTERM)
            return take(step_context)

        return stopping

    with monkeypatch.context() as patch:
        patch.setattr(loop, "_step_function", stop_in_the_sixth)
        run = Run(flags)
    assert run.status == 128 + signal.SIGTERM and "after step 10 of 15" in run.out
    assert [row[0] for row in steps_of(out)[1:]] == [str(n) for n in range(1, 11)]
    succeed(flags)
    found, expected = steps_of(out), steps_of(finished_run.directory)
    assert [row[0] for row in found] == [row[0] for row in expected]
    np.testing.assert_allclose(
        np.array(found[1:], float), np.array(expected[1:], float), rtol=1e-4
    )


@pytest.mark.parametrize("save_every", [2, 100])
def test_a_nan_is_named_exactly_and_never_saved(
    corpus_flags, tmp_path, save_every, monkeypatch
):
    """Wherever the checkpoints are in relation to the window."""
    flags = without(corpus_flags, "learning_rate") + ["--learning_rate=1e30"]
    flags += ["--do_train", "--save_checkpoints_steps=%d" % save_every]
    messages, outs = [], [str(tmp_path / name) for name in ("single", "together")]
    for num_steps, out in zip((1, 4), outs):
        with monkeypatch.context() as patch:
            patch.setattr(loop, "_steps_between_looks", lambda _, n=num_steps: n)
            patch.setattr(hooks, "_LOOK_SECONDS", 1e9)
            message = refused([*flags, "--output_dir=" + out])
        messages.append(message.replace(out, "DIRECTORY"))
    step = int(re.search(r"the loss is .* at step (\d+):", messages[0]).group(1))
    assert step > 1
    assert messages[0] == messages[1]
    assert steps_of(outs[0]) == steps_of(outs[1])
    weights = models.read_checkpoint(finding.latest_in(outs[1]))
    assert weights["global_step"] < step
    assert all(np.all(np.isfinite(value)) for value in weights.values())
    assert table(outs[1], "training_history.tsv")[-1]["step"] == str(step - 1)
