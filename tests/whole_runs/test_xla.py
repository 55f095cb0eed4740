"""Runs that XLA compiles, on this machine's device."""

import os
import re
import signal

import numpy as np
import pytest

from finetuning.checkpoints import finding
from tests.support.models import read_checkpoint
from tests.support.running import PHASES, Run, scores, succeed, table

COMPILED = re.compile(r"^XLA compiled the (.*) for ([\d,]+) tokens: \d+\.\d s, ", re.M)


@pytest.fixture(scope="module")
def command(corpus_flags):
    return [*corpus_flags, *PHASES, "--xla=true", "--save_checkpoints_steps=4"]


@pytest.fixture(scope="module")
def whole(command, tmp_path_factory):
    """A run without a break; returns its directory and what it showed."""
    out = str(tmp_path_factory.mktemp("xla") / "out")
    return out, succeed([*command, "--eval_steps=6", "--output_dir=" + out]).out


def test_each_compilation_is_named_once(whole):
    """Three evaluations during training share a cluster; the last has its own."""
    out, screen = whole
    found = [name for name, _ in COMPILED.findall(screen)]
    assert found == ["training step", "evaluation", "evaluation", "prediction"]
    assert screen.count("XLA compiled") == 4
    seconds = [float(row["seconds"]) for row in table(out, "training_history.tsv")]
    assert seconds == sorted(seconds)


def weights(directory, step):
    return read_checkpoint(directory, "model.ckpt-%d" % step)


def test_a_run_resumes(whole, command, tmp_path):
    out = str(tmp_path / "out")
    arguments = [*command, "--eval_steps=6", "--output_dir=" + out]
    stopped = Run(
        arguments,
        when="model.ckpt-4",
        do=lambda: os.kill(os.getpid(), signal.SIGTERM),
    )
    assert stopped.status == 128 + signal.SIGTERM, stopped.err
    assert "Restoring the training state of step 4" in succeed(arguments).out
    found, expected = weights(out, 15), weights(whole[0], 15)
    assert set(found) == set(expected)
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-5, atol=1e-6)


def test_results_are_those_of_the_same_weights_without_xla(finished_run, tmp_path):
    out = finished_run.copy(tmp_path)
    succeed(
        [
            *finished_run.flags,
            *("--do_eval", "--do_predict", "--xla=true", "--output_dir=" + out),
        ]
    )
    assert finding.latest_in(out).endswith("-15")
    found, expected = (scores(where) for where in (out, finished_run.directory))
    assert found["eval_loss"] == pytest.approx(expected["eval_loss"], abs=1e-5)
    probabilities = [
        np.loadtxt(os.path.join(where, "test_results.tsv"))
        for where in (out, finished_run.directory)
    ]
    np.testing.assert_allclose(*probabilities, atol=1e-5)
