"""The hooks of training steps, on their own; whole runs: test_command_line.py."""

import types

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from finetuning.checkpoints.mean_loss import MeanLoss
from finetuning.training import hooks
from finetuning.utils import progress
from finetuning.utils.errors import InputError
from tests.support import models

NAN, INFINITY = float("nan"), float("inf")


@pytest.fixture
def hook(tmp_path):
    run, plan = models.fake_run(tmp_path), models.fake_plan(40)
    graph = types.SimpleNamespace(
        loss=None, learning_rate=None, gradient_norm=None, skipped_steps=None
    )
    with tf.Graph().as_default():
        hook = hooks.ProgressHook(run, plan, graph, MeanLoss(str(tmp_path)))
        hook.after_create_session(None, None)
        yield hook
        tf.summary.FileWriterCache.clear()


def step(hook, **changed):
    results = {"loss": 0.5, "learning_rate": 1e-3, "gradient_norm": 1.0}
    results.update(changed)
    hook.after_run(None, types.SimpleNamespace(results=results))


@pytest.mark.parametrize("name", ["loss", "gradient_norm"])
@pytest.mark.parametrize("value", [NAN, INFINITY])
def test_what_is_not_finite_ends_the_run(hook, name, value):
    step(hook)
    with pytest.raises(InputError, match="at step 2.*--learning_rate"):
        step(hook, **{name: value})


def test_the_latest_checkpoint_is_named(hook, tmp_path):
    step(hook)
    with pytest.raises(InputError) as caught:
        step(hook, loss=NAN)
    assert "checkpoint" not in str(caught.value)
    weights = {"w": np.zeros(2, np.float32)}
    models.save_checkpoint(str(tmp_path / "model.ckpt-1"), weights)
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "model.ckpt-1"\n')
    with pytest.raises(
        InputError, match="latest checkpoint.* is %s/model.ckpt-1" % tmp_path
    ):
        step(hook, loss=NAN)


def test_with_a_loss_scale_some_steps_may_overflow(hook):
    step(hook, skipped_steps=0)
    step(hook, gradient_norm=INFINITY, skipped_steps=1)
    step(hook, skipped_steps=1)
    with pytest.raises(InputError, match="the loss is nan"):
        step(hook, loss=NAN, skipped_steps=2)


def test_steps_that_overflow_one_after_the_other_end_the_run(hook):
    for skipped in range(30):
        step(hook, gradient_norm=INFINITY, skipped_steps=skipped)
    with pytest.raises(
        InputError, match="30 steps in a row.* step 31.*--precision=float32"
    ):
        step(hook, gradient_norm=INFINITY, skipped_steps=30)


@pytest.mark.parametrize("seconds_each, shown", [(2.0, "1 min 08 s"), (0.1, None)])
def test_how_long_a_run_will_take(hook, caplog, monkeypatch, seconds_each, shown):
    """It is said once, unless that is a few seconds."""
    monkeypatch.setattr(hooks.log, "propagate", True)
    caplog.set_level("INFO")
    for number in range(40):
        monkeypatch.setattr(
            progress.time, "monotonic", lambda n=number: n * seconds_each
        )
        step(hook)
    lines = [text for text in caplog.messages if text.startswith("Training will take")]
    assert len(lines) == (shown is not None)
    assert not lines or "about %s (" % shown in lines[0]


def test_summaries_every_ten_steps(hook, tmp_path):
    for _ in range(40):
        step(hook)
    hook.end(None)
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


def test_summaries_that_were_not_written_are_reported(hook, caplog, monkeypatch):
    """TensorFlow writes them in a thread, and does not report a full disk."""
    monkeypatch.setattr(hooks.log, "propagate", True)
    monkeypatch.setattr(tf.summary.FileWriter, "flush", lambda _: None)
    for _ in range(40):
        step(hook)
    hook.end(None)
    assert "TensorBoard summaries" in caplog.text and "incomplete" in caplog.text
