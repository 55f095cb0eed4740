"""Want of memory: one line, with the size of the batch and what to try."""

import os

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from finetuning import classifier
from finetuning.evaluation import inference
from finetuning.training import loop
from tests.support import corpus
from tests.support.running import Run

# No machine has as many bytes: its allocator says no at once, by itself.
_MORE_THAN_THERE_IS = 2**45


@pytest.fixture(scope="module")
def flags(tmp_path_factory):
    return corpus.write(str(tmp_path_factory.mktemp("memory")))


def test_a_tensor_that_does_not_fit(flags, tmp_path, monkeypatch):
    """What TensorFlow raises is real."""
    build = classifier.training_graph

    def too_large(*arguments):
        graph = build(*arguments)
        # Fed, so that it is not computed before the session's first step.
        length = tf.placeholder_with_default(
            np.array([_MORE_THAN_THERE_IS], np.int64), [1]
        )
        return graph._replace(loss=graph.loss + tf.reduce_sum(tf.fill(length, 1.0)))

    monkeypatch.setattr(classifier, "training_graph", too_large)
    run = Run([*flags, "--do_train", "--output_dir=%s" % (tmp_path / "out")])
    assert run.status == 2, run.out + run.err
    assert run.err.startswith(
        "ERROR: out of memory in training with --train_batch_size=8 and "
        "--max_seq_length=16: OOM when allocating tensor with shape["
    )
    assert "; try --train_batch_size=4, a shorter --max_seq_length, " in run.err
    assert run.err.count("\n") == 1


@pytest.mark.parametrize(
    "module, name, flag, phase, tried",
    [
        (loop, "train", "train_batch_size", "training", "--train_batch_size=4, "),
        (inference, "infer", "eval_batch_size", "evaluation", "--eval_batch_size=3, "),
        (inference, "infer", "predict_batch_size", "prediction", "a shorter "),
    ],
)
def test_the_batch_of_the_phase_is_named(
    flags, tmp_path, monkeypatch, module, name, flag, phase, tried
):
    def fail(*_):
        raise MemoryError("no room")

    monkeypatch.setattr(module, name, fail)
    do = {"training": "train", "evaluation": "eval", "prediction": "predict"}[phase]
    arguments = ["--do_%s" % do, "--output_dir=%s" % tmp_path]
    arguments += ["--eval_batch_size=6", "--predict_batch_size=1"]
    run = Run(flags + arguments)
    sizes = {"train_batch_size": 8, "eval_batch_size": 6, "predict_batch_size": 1}
    assert run.status == 2
    assert run.err == (
        "ERROR: out of memory in %s with --%s=%d and --max_seq_length=16: no room; try "
        "%s--precision=mixed, or a smaller model\n"
        % (
            phase,
            flag,
            sizes[flag],
            tried
            + (
                "--max_seq_length, "
                if tried == "a shorter "
                else "a shorter --max_seq_length, "
            ),
        )
    )
    assert os.path.isdir(str(tmp_path))
