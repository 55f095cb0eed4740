"""Which weights are used, also while a training run writes new ones."""

import os

import pytest

from finetuning.utils import locking
from tests.support import corpus
from tests.support.running import Run, refused, succeed, without


class LiveRun:
    """The directory of a training run that another process seems to continue."""

    def __init__(self, directory):
        self.directory = directory

    def replace_checkpoint(self, step, below=""):
        """Replaces the only checkpoint by one with the name of a later step."""
        folder = os.path.join(self.directory, below)
        for name in os.listdir(folder):
            stem, dot, part = name.rpartition(".")
            if stem.startswith("model.ckpt-"):
                later = "model.ckpt-%d" % step + dot + part
                os.rename(os.path.join(folder, name), os.path.join(folder, later))
        line = 'model_checkpoint_path: "model.ckpt-%d"' % step
        corpus.write_lines(os.path.join(folder, "checkpoint"), [line])


@pytest.fixture
def live_run(evaluated_run, tmp_path):
    out = evaluated_run.copy(tmp_path)
    for name in os.listdir(out):
        if name.startswith("model.ckpt-") and not name.startswith("model.ckpt-15."):
            os.remove(os.path.join(out, name))
    run = LiveRun(out)
    run.replace_checkpoint(15)
    with locking.acquire(os.path.join(out, ".lock")):
        yield run


def evaluate(evaluated_run, live_run, *more, when, do):
    command = [*evaluated_run.flags, "--do_eval", "--output_dir=" + live_run.directory]
    run = Run([*command, *more], when=when, do=do)
    assert run.status == 0, run.out + run.err
    return run


def test_the_latest_checkpoint_is_that_after_the_data_was_read(evaluated_run, live_run):
    run = evaluate(
        evaluated_run,
        live_run,
        when="Read in",
        do=lambda: live_run.replace_checkpoint(16),
    )
    assert run.out.count("Evaluation: restoring") == 1
    assert "restoring %s/model.ckpt-16" % live_run.directory in run.out


def test_another_run_with_other_labels_starts_after_the_checks(evaluated_run, live_run):
    labels = os.path.join(live_run.directory, "labels.json")
    run = Run(
        [*evaluated_run.flags, "--do_eval", "--output_dir=" + live_run.directory],
        when="Read in",
        do=lambda: corpus.write_lines(labels, ['{"labels": ["no", "yes"]}']),
    )
    assert run.status == 2, run.out + run.err
    assert "the weights there were trained with the labels no, yes" in run.err


def test_the_best_weights_while_the_latest_are_replaced(evaluated_run, live_run):
    """The evaluation is not repeated for it."""
    run = evaluate(
        evaluated_run,
        live_run,
        "--keep_best",
        when="Evaluation: restoring",
        do=lambda: live_run.replace_checkpoint(16),
    )
    assert run.out.count("Evaluation: restoring") == 1


def test_a_check_while_the_best_weights_are_replaced(evaluated_run, live_run):
    run = evaluate(
        evaluated_run,
        live_run,
        "--keep_best",
        "--check",
        when="Read in",
        do=lambda: live_run.replace_checkpoint(16, below="best"),
    )
    assert "best weights" in run.out and "best/model.ckpt-16" in run.out


def test_a_finished_run_without_best_weights(finished_run, tmp_path):
    """Its initial checkpoint must not be evaluated in their place."""
    out = finished_run.copy(tmp_path)
    flags = without(finished_run.flags, "num_train_epochs")
    flags += ["--num_train_epochs=2", "--allow_changes", "--do_train", "--do_eval"]
    flags += ["--eval_steps=4", "--output_dir=" + out]
    line = refused([*flags, "--keep_best"])
    assert "--keep_best" in line and os.path.join(out, "best") in line
    assert "restoring %s/model.ckpt-15" % out in succeed(flags).out
