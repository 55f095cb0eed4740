"""The hooks of training steps, on their own; whole runs: test_step_scalars.py."""

import types

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from finetuning.checkpoints.mean_loss import MeanLoss
from finetuning.evaluation import training_history
from finetuning.training import hooks
from finetuning.training.step_scalars import Scalars
from finetuning.utils import progress
from finetuning.utils.errors import InputError
from tests.support import models

NAN, INFINITY = float("nan"), float("inf")


class FakeScalars:
    """`StepScalars` whose values a test appends to `rows`."""

    fetch = None

    def __init__(self, num_steps):
        self.num_steps = num_steps
        self.rows, self.looks = [], []

    def read(self, session, count):
        assert session == "session"
        self.looks.append(count)
        return self.rows[-count:]

    def parse(self, row):
        return row


class Steps:
    """A `ProgressHook` that looks at N steps together, and the steps it is told of."""

    def __init__(self, directory, num_steps):
        self.scalars = FakeScalars(num_steps)
        self.mean_loss = MeanLoss(str(directory))
        run, plan = models.fake_run(directory), models.fake_plan(40)
        self.hook = hooks.ProgressHook(run, plan, self.scalars, self.mean_loss)
        self.hook.after_create_session(None, None)

    def take(self, **changed):
        """A step, whose scalars are unremarkable but for those that are given."""
        values = {"loss": 0.5, "learning_rate": 1e-3, "gradient_norm": 1.0}
        row = Scalars(**dict(values, **changed))
        self.scalars.rows.append(row)
        results = row if self.scalars.num_steps == 1 else None
        values = types.SimpleNamespace(results=results)
        self.hook.after_run(types.SimpleNamespace(session="session"), values)

    def history(self):
        self.hook.history.write()
        return training_history.read(self.hook._output_dir)


def steps_of(directory, num_steps):
    with tf.Graph().as_default():
        yield Steps(directory, num_steps)
        tf.summary.FileWriterCache.clear()


@pytest.fixture
def steps(tmp_path):
    """A hook that looks at each step, as on a CPU."""
    yield from steps_of(tmp_path, 1)


@pytest.fixture
def clock(monkeypatch):
    """A clock that hardly moves by itself: the first element of a list."""
    now = [1000.0]

    def monotonic():
        now[0] += 1e-6
        return now[0]

    monkeypatch.setattr(hooks.time, "monotonic", monotonic)
    return now


@pytest.fixture
def many(tmp_path, clock):
    """A hook that looks at up to 10 steps together."""
    yield from steps_of(tmp_path, 10)


@pytest.mark.parametrize("name", ["loss", "gradient_norm"])
@pytest.mark.parametrize("value", [NAN, INFINITY])
def test_what_is_not_finite_ends_the_run(steps, name, value):
    steps.take()
    with pytest.raises(InputError, match="at step 2.*--learning_rate"):
        steps.take(**{name: value})


def test_the_latest_checkpoint_is_named(steps, tmp_path):
    steps.take()
    with pytest.raises(InputError) as caught:
        steps.take(loss=NAN)
    assert "checkpoint" not in str(caught.value)
    weights = {"w": np.zeros(2, np.float32)}
    models.save_checkpoint(str(tmp_path / "model.ckpt-1"), weights)
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "model.ckpt-1"\n')
    with pytest.raises(
        InputError, match="latest checkpoint.* is %s/model.ckpt-1" % tmp_path
    ):
        steps.take(loss=NAN)


def test_with_a_loss_scale_some_steps_may_overflow(steps):
    steps.take(skipped_steps=0)
    steps.take(gradient_norm=INFINITY, skipped_steps=1)
    steps.take(skipped_steps=1)
    with pytest.raises(InputError, match="the loss is nan"):
        steps.take(loss=NAN, skipped_steps=2)


def test_steps_that_overflow_one_after_the_other_end_the_run(steps):
    for skipped in range(30):
        steps.take(gradient_norm=INFINITY, skipped_steps=skipped)
    with pytest.raises(
        InputError, match="30 steps in a row.* step 31.*--precision=float32"
    ):
        steps.take(gradient_norm=INFINITY, skipped_steps=30)


@pytest.mark.parametrize("seconds_each, shown", [(2.0, "1 min 08 s"), (0.1, None)])
def test_how_long_a_run_will_take(steps, caplog, monkeypatch, seconds_each, shown):
    """It is said once, unless that is a few seconds."""
    monkeypatch.setattr(hooks.log, "propagate", True)
    caplog.set_level("INFO")
    for number in range(40):
        monkeypatch.setattr(
            progress.time, "monotonic", lambda n=number: n * seconds_each
        )
        steps.take()
    lines = [text for text in caplog.messages if text.startswith("Training will take")]
    assert len(lines) == (shown is not None)
    assert not lines or "about %s (" % shown in lines[0]


def test_summaries_every_ten_steps(steps, tmp_path):
    for _ in range(40):
        steps.take()
    steps.hook.end("session")
    steps, starts = [], []
    for path in tmp_path.glob("events*"):
        for event in tf.train.summary_iterator(str(path)):
            if event.summary.value:
                steps.append(event.step)
            if event.session_log.status == tf.SessionLog.START:
                starts.append(event.step)
    assert steps == [10, 20, 30, 40]
    # From here on, TensorBoard discards what it has read before.
    assert starts == [1]


def test_summaries_that_were_not_written_are_reported(steps, caplog, monkeypatch):
    """TensorFlow writes them in a thread, and does not report a full disk."""
    monkeypatch.setattr(hooks.log, "propagate", True)
    monkeypatch.setattr(tf.summary.FileWriter, "flush", lambda _: None)
    for _ in range(40):
        steps.take()
    steps.hook.end("session")
    assert "TensorBoard summaries" in caplog.text and "incomplete" in caplog.text


# Several steps at a time


def test_when_the_scalars_are_looked_at(many, clock):
    """After the first step, then after half a second or N steps, or if asked."""
    for _ in range(11):
        clock[0] += 0.01
        many.take()
    assert many.scalars.looks == [1, 10]
    for _ in range(6):
        clock[0] += 0.2
        many.take()
    assert many.scalars.looks == [1, 10, 3, 3]
    many.take()
    many.hook.look("session")
    many.hook.look("session")
    many.take()
    many.hook.end("session")
    assert many.scalars.looks == [1, 10, 3, 3, 1, 1]


def test_every_step_counts_with_its_own_loss_and_time(many, clock):
    for number in range(1, 10):
        clock[0] += 0.01
        many.take(loss=0.1 * number, learning_rate=1e-3 * number)
    clock[0] += 10.0
    many.hook.look("session")
    rows = many.history()
    assert [row.step for row in rows] == list(range(1, 10))
    np.testing.assert_allclose([row.loss for row in rows], 0.1 * np.arange(1, 10))
    np.testing.assert_allclose([r.learning_rate for r in rows], np.arange(1, 10) / 1e3)
    differences = np.diff([row.seconds for row in rows])
    np.testing.assert_allclose(differences, 0.01, atol=2e-3)
    assert many.mean_loss.take() == pytest.approx(0.5)


def test_the_step_that_failed_is_named_and_those_before_it_are_written(many):
    for _ in range(4):
        many.take()
    many.take(loss=NAN)
    many.take(loss=NAN)
    with pytest.raises(InputError, match="the loss is nan .* at step 5:"):
        many.hook.look("session")
    assert [row.step for row in many.history()] == [1, 2, 3, 4]


def test_skipped_steps_are_counted_one_by_one(many):
    """Also across looks: 30 in a row end the run."""
    for _ in range(4):
        many.take(skipped_steps=0)
    for skipped in range(1, 31):
        many.take(gradient_norm=INFINITY, skipped_steps=skipped)
    many.take(skipped_steps=30)
    with pytest.raises(InputError, match="30 steps in a row, up to step 34, "):
        many.hook.look("session")


def test_skipped_steps_are_shown(many, caplog, monkeypatch):
    monkeypatch.setattr(hooks.log, "propagate", True)
    caplog.set_level("INFO")
    for number in range(40):
        many.take(skipped_steps=int(number > 34))
    many.hook.end("session")
    assert "1 skipped" in caplog.messages[-1] and "1 skipped" not in caplog.messages[0]


def test_summaries_of_steps_within_a_window(many, tmp_path):
    for number in range(1, 41):
        many.take(loss=float(number))
    many.hook.end("session")
    losses = {
        event.step: value.simple_value
        for path in tmp_path.glob("events*")
        for event in tf.train.summary_iterator(str(path))
        for value in event.summary.value
        if value.tag == "loss"
    }
    assert losses == {10: 10.0, 20: 20.0, 30: 30.0, 40: 40.0}


def test_how_long_a_run_will_take_from_several_steps(many, clock, caplog, monkeypatch):
    monkeypatch.setattr(hooks.log, "propagate", True)
    caplog.set_level("INFO")
    for _ in range(40):
        clock[0] += 1.0
        many.take()
    lines = [text for text in caplog.messages if text.startswith("Training will take")]
    assert len(lines) == 1
