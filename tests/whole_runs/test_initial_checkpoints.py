"""Whole runs from checkpoints of other programs, types and tasks."""

import os

import numpy as np
import pytest

from finetuning.checkpoints import compatibility
from tests.support import models
from tests.support.running import refused, saved_json, succeed, text, value, without


@pytest.fixture
def encoder(corpus_flags):
    """The encoder's weights by name."""
    return models.read_checkpoint(value(corpus_flags, "init_checkpoint"))


@pytest.fixture
def train(corpus_flags, tmp_path):
    """Trains for one epoch from these weights; returns the run and what it saved."""

    def run(weights, name):
        prefix = str(tmp_path / name / "encoder" / "bert.ckpt")
        models.save_checkpoint(prefix, weights)
        out = str(tmp_path / "out" / name.replace("[1]", ""))
        command = without(corpus_flags, "init_checkpoint", "num_train_epochs")
        command += [
            "--num_train_epochs=1",
            "--num_threads=1",
            "--do_train",
            "--do_eval",
        ]
        command += ["--init_checkpoint=" + prefix, "--output_dir=" + out]
        return succeed(command), models.read_checkpoint(out, "model.ckpt-5")

    return run


def test_other_scopes_types_and_paths_train_the_same_weights(train, encoder):
    _, expected = train(encoder, "plain")
    others = {
        "module/" + name: weights.astype(np.float64)
        for name, weights in encoder.items()
    }
    run, found = train(others, "exp[1]")
    assert "module/bert/" in run.out
    np.testing.assert_equal(found, expected)


def test_float16_is_trained_in_float32(train, encoder):
    halves = {name: weights.astype(np.float16) for name, weights in encoder.items()}
    _, found = train(halves, "halves")
    assert found["bert/pooler/dense/bias"].dtype == np.float32


def test_an_encoder_without_pooler(train, encoder):
    rest = {
        n: weights for n, weights in encoder.items() if n not in compatibility.POOLER
    }
    run, found = train(rest, "short")
    assert "WARNING: " in run.out and "has no pooler" in run.out
    assert set(compatibility.POOLER) < set(found)


def test_a_checkpoint_of_another_task(corpus_flags, evaluated_run, tmp_path):
    """The regression's encoder, without its head, is the start of a classifier."""
    out = str(tmp_path / "out")
    flags = without(corpus_flags, "init_checkpoint")
    flags += ["--init_checkpoint=" + evaluated_run.directory, "--output_dir=" + out]
    line = refused([*flags, "--do_train"])
    assert "output_weights has shape [1, 16], expected [2, 16]" in line
    assert "--fresh_head=true" in line and not os.path.exists(out)
    # An evaluation cannot train a new one.
    assert "--fresh_head" not in refused([*flags, "--do_eval"])
    command = [*flags, "--do_train", "--fresh_head"]
    run = succeed([*command, "--do_eval"])
    assert "starts with a new classifier" in run.out
    assert "newly initialised: output_weights, output_bias" in run.out
    assert saved_json(out, "eval_results.json")["untrained_variables"] == []
    assert "--fresh_head=true" in text(os.path.join(out, "run.flags"))
    # The same commands again use the run, not the other task's checkpoint.
    assert "NOTHING LEFT TO TRAIN" in succeed(command).out
    assert "is not used" in succeed([*flags, "--do_eval"]).out


@pytest.mark.parametrize("damaged", [np.float32(np.nan), np.float64(1e300)])
def test_weights_that_are_not_finite(damaged, corpus_flags, encoder, tmp_path):
    """The checkpoint is to blame, not the training, which has not begun."""
    name = "bert/pooler/dense/bias"
    encoder[name] = np.full_like(encoder[name], damaged, dtype=damaged.dtype)
    prefix = str(tmp_path / "bert.ckpt")
    models.save_checkpoint(prefix, encoder)
    message = refused(
        without(corpus_flags, "init_checkpoint")
        + ["--do_train", "--init_checkpoint=" + prefix]
        + ["--output_dir=" + str(tmp_path / "out")]
    )
    assert message.startswith("ERROR: --init_checkpoint=%s contains NaN" % prefix)


def test_only_the_best_weights_are_left(corpus_flags, tmp_path):
    out = str(tmp_path / "out")
    command = corpus_flags + ["--output_dir=" + out]
    succeed(command + ["--do_train", "--eval_steps=5", "--keep_best"])
    for name in os.listdir(out):
        if name.startswith(("model.ckpt", "checkpoint")):
            os.remove(os.path.join(out, name))
    command = without(command, "init_checkpoint") + ["--do_eval"]
    best = "--init_checkpoint=" + os.path.join(out, "best")
    assert "; pass %s to use" % best in refused(command)
    succeed(command + [best])
