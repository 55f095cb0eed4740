"""Runs that are to be disturbed, and what they must leave in the end all the same."""

import os

import numpy as np

from finetuning.checkpoints import finding, integrity
from tests.support import models
from tests.support.running import PHASES, contents, text, without

# What a run writes that must be equal, however it was disturbed.
SAME_FILES = (
    "eval_history.tsv",
    "eval_results.txt",
    "eval_predictions.tsv",
    "test_results.tsv",
    "predictions.tsv",
)


def flags_of(evaluated_run):
    """The flags of a run of all phases, from those of the fixture `evaluated_run`.

    Of 45 steps, 27 are trained: the best of the evaluations is that of step 9.
    """
    flags = without(evaluated_run.flags, "num_train_epochs") + ["--num_train_epochs=9"]
    flags += [*PHASES, "--eval_steps=3", "--keep_best", "--early_stop=6"]
    flags += ["--save_checkpoints_steps=2", "--keep_checkpoint_max=2"]
    return flags + ["--eval_batch_size=4"]


def assert_same_results(out, undisturbed):
    """A run must have ended like the undisturbed one, byte for byte."""
    for below in ("", "best"):
        prefixes = [
            finding.latest_in(os.path.join(path, below)) for path in (out, undisturbed)
        ]
        assert integrity.damage(prefixes[0]) is None
        np.testing.assert_equal(*map(models.read_checkpoint, prefixes))
    for name in SAME_FILES:
        assert text(out, name) == text(undisturbed, name), name
    best = [contents(os.path.join(path, "best")) for path in (out, undisturbed)]
    assert best[0] == best[1]
    # Which checkpoints come before the last one depends on where the run resumed.
    names = {name for name in os.listdir(undisturbed) if "model.ckpt" not in name}
    found = set(os.listdir(out))
    assert not [n for n in names if "tfevents" not in n and n not in found]
