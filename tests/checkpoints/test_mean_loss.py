"""The mean training loss since the last evaluation, across stops."""

import math

import pytest

from finetuning.checkpoints.mean_loss import MeanLoss
from finetuning.utils.errors import InputError


def save(loss, directory, step):
    loss.before_save(None, step)
    (directory / ("model.ckpt-%d.index" % step)).write_text("")


def test_the_mean_is_of_the_steps_since_it_was_taken(tmp_path):
    mean_loss = MeanLoss(str(tmp_path))
    for loss in (1.0, 2.0):
        mean_loss.add(loss)
    assert mean_loss.take() == 1.5
    mean_loss.add(4.0)
    assert mean_loss.take() == 4.0
    assert math.isnan(mean_loss.take())


def test_a_resumed_run_continues_from_any_checkpoint(tmp_path):
    losses = [0.1 * step for step in range(9)]
    mean_loss = MeanLoss(str(tmp_path))
    for step, loss in enumerate(losses, 1):
        mean_loss.add(loss)
        save(mean_loss, tmp_path, step)
    expected = mean_loss.take()
    for step in (9, 8, 3, 1):
        resumed = MeanLoss(str(tmp_path))
        resumed.restore(step)
        for loss in losses[step:]:
            resumed.add(loss)
        assert resumed.take() == expected
    # What was saved with a checkpoint goes when the checkpoint does.
    (tmp_path / "model.ckpt-3.index").unlink()
    resumed = MeanLoss(str(tmp_path))
    resumed.restore(8)
    save(resumed, tmp_path, 8)
    resumed.restore(3)
    assert resumed.take() == pytest.approx(sum(losses[:8]) / 8)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"1": 2}', '{"x": {"sum": 1}}'])
def test_a_corrupt_file(tmp_path, text):
    (tmp_path / "training_loss.json").write_text(text)
    with pytest.raises(InputError, match="training_loss.json is not .*remove it"):
        MeanLoss(str(tmp_path)).restore(1)
