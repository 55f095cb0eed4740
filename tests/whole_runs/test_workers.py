"""Runs with two workers give what one process gives, wherever their files are."""

import json
import os
import shutil

import numpy as np
import pytest

from tests.support import corpus, models, worker_runs
from tests.support.running import (
    ONE_THREAD,
    PHASES,
    Finished,
    contents,
    rows,
    saved_json,
    scores,
    succeed,
    table,
    text,
    value,
    without,
)
from tests.support.worker_runs import HOOKED, program

pytestmark = pytest.mark.slow

LOG = "run.worker_1.log"
# What an evaluation and a prediction write that contains numbers of the model.
RESULTS = ("eval_results.txt", "eval_predictions.tsv")
RESULTS += ("test_results.tsv", "predictions.tsv")


def without_dropout(flags, directory):
    """The flags with the default learning rate and a config without any dropout."""
    config = corpus.read_json(value(flags, "bert_config_file"))
    for name in ("hidden_dropout_prob", "attention_probs_dropout_prob"):
        config[name] = 0.0
    path = os.path.join(str(directory), "no_dropout.json")
    corpus.write_lines(path, [json.dumps(dict(config, classifier_dropout=0.0))])
    flags = without(flags, "bert_config_file", "learning_rate")
    return [*flags, "--bert_config_file=" + path]


@pytest.fixture(scope="module")
def flags(corpus_flags, tmp_path_factory):
    return without_dropout(corpus_flags, tmp_path_factory.mktemp("config"))


@pytest.fixture(scope="module")
def alone(flags, tmp_path_factory):
    """The output directory of an ordinary run."""
    out = str(tmp_path_factory.mktemp("alone"))
    succeed([*flags, *PHASES, "--num_threads=1", "--output_dir=" + out])
    return out


@pytest.fixture(scope="module")
def together(flags, tmp_path_factory):
    """The output directories of two workers, and the variables of the second."""
    place = tmp_path_factory.mktemp("together")
    outs = [str(place / "out"), str(place / "out_1")]
    commands = [program(), program("save", place / "saved.npz")]
    worker_runs.succeed([*flags, *PHASES], outs, commands=commands)
    with np.load(str(place / "saved.npz")) as saved:
        return outs, dict(saved)


def assert_near(found, expected):
    """Weights, optimiser state and step of two checkpoints must be nearly equal."""
    found, expected = models.read_checkpoint(found), models.read_checkpoint(expected)
    assert found.keys() == expected.keys()
    for name in expected:
        np.testing.assert_allclose(found[name], expected[name], 0, 1e-6, err_msg=name)


def test_two_workers_train_like_one_process(together, alone):
    (out, _), _ = together
    assert_near(out + "/model.ckpt-15", alone + "/model.ckpt-15")
    found = [saved_json(path, "run_settings.json") for path in (out, alone)]
    assert [content["num_workers"] for content in found] == [2, 1]


def test_two_workers_that_compute_batches_in_parts(flags, alone, tmp_path):
    outs = [str(tmp_path / "out"), str(tmp_path / "out_1")]
    worker_runs.succeed([*flags, "--do_train", "--accumulate_steps=2"], outs)
    assert_near(outs[0] + "/model.ckpt-15", alone + "/model.ckpt-15")
    shared = "computed in 4 parts of 2 examples, 2 on each of 2 workers"
    assert shared in text(outs[0], "run.log")


def test_workers_have_the_same_bits(together):
    (out, _), variables = together
    expected = models.read_checkpoint(out, "model.ckpt-15")
    assert expected.keys() <= variables.keys()
    for name in expected:
        np.testing.assert_array_equal(variables[name], expected[name], name)


def test_only_worker_0_writes_files(together, alone):
    (out, other), _ = together
    assert os.listdir(other) == [LOG]
    logged = text(other, LOG)
    assert "Training took" in logged
    assert "Scores on" not in logged
    names = [
        {name for name in contents(path) if "tfevents" not in name}
        for path in (out, alone)
    ]
    assert names[0] == names[1]


def test_results_are_those_of_one_process(together, flags, tmp_path):
    """One process evaluates the checkpoint that two workers trained and evaluated."""
    (out, _), _ = together
    copy = shutil.copytree(out, str(tmp_path / "copy"))
    for name in RESULTS:
        os.remove(os.path.join(copy, name))
    succeed([*flags, *PHASES[1:], "--num_threads=1", "--output_dir=" + copy])
    assert [row[0] for row in rows(out, "predictions.tsv")[1:]] == [
        str(index) for index in range(corpus.ROWS["test"])
    ]
    for name in RESULTS:
        assert text(out, name) == text(copy, name), name


def test_evaluation_and_prediction_without_training(together, flags, tmp_path):
    """Only worker 0 has the weights; its batches are not as many as worker 1's."""
    (trained, _), _ = together
    flags = [*flags, *PHASES[1:], "--eval_batch_size=4", "--predict_batch_size=2"]
    outs = [shutil.copytree(trained, str(tmp_path / name)) for name in ("a", "b")]
    for name in RESULTS:
        os.remove(os.path.join(outs[0], name))
    worker_runs.succeed(flags, [outs[0], str(tmp_path / "empty")])
    succeed([*flags, "--num_threads=1", "--output_dir=" + outs[1]])
    for name in RESULTS:
        assert text(outs[0], name) == text(outs[1], name), name
    assert os.listdir(str(tmp_path / "empty")) == [LOG]
    assert scores(outs[0]) == scores(outs[1])


def test_runs_resume_with_another_number_of_workers(flags, alone, tmp_path):
    """Two workers, then one process, then two; only worker 0 has checkpoints.

    The second worker has copies of all files elsewhere.
    """
    flags = [*flags, "--do_train"]
    copies = tmp_path / "copies"
    place = os.path.dirname(value(flags, "vocab_file"))
    shutil.copytree(place, str(copies))
    shutil.copy(value(flags, "bert_config_file"), str(copies / "config.json"))
    own = [flag.replace(place, str(copies)) for flag in flags if place in flag]
    own += ["--bert_config_file=" + str(copies / "config.json")]
    outs = [str(tmp_path / "out"), str(tmp_path / "out_1")]
    options = {"own": [[], own]}
    commands = [program(), program("stop", 4)]
    workers = worker_runs.finished(flags, outs, commands=commands, **options)
    assert [worker.process.returncode for worker in workers] == [143, 143]
    one = [*flags, "--num_threads=1", "--output_dir=" + outs[0]]
    run = Finished(worker_runs.ROOT, ["stop", "9", *one], env=ONE_THREAD, driver=HOOKED)
    assert run.status == 143, run.out + run.err
    assert "RESUMING at step 5" in run.out
    workers = worker_runs.succeed(flags, outs, **options)
    assert "RESUMING at step 9" in workers[0].out
    assert_near(outs[0] + "/model.ckpt-15", alone + "/model.ckpt-15")
    assert os.listdir(outs[1]) == [LOG]
    # Nothing is left to train, and nothing is written.
    before = contents(outs[0], "run.log", ".lock")
    worker_runs.succeed(flags, outs, **options)
    assert contents(outs[0], "run.log", ".lock") == before


def test_evaluations_during_training(evaluated_run, tmp_path):
    """Both kinds of runs evaluate, keep the best weights and stop early alike."""
    flags = without_dropout(evaluated_run.flags, tmp_path)
    flags = [*without(flags, "num_train_epochs"), "--num_train_epochs=9"]
    flags += ["--do_train", "--eval_steps=3", "--keep_best", "--early_stop=2"]
    outs = [str(tmp_path / name) for name in ("alone", "out", "out_1")]
    succeed([*flags, "--num_threads=1", "--output_dir=" + outs[0]])
    workers = worker_runs.succeed(flags, outs[1:])
    assert "Stopping early" in workers[0].out
    histories = [table(out, "eval_history.tsv") for out in outs[:2]]
    for found, expected in zip(*histories):
        assert found.keys() == expected.keys()
        assert found["step"] == expected["step"]
        # The correlations of predictions that hardly vary are not as close.
        for name in ("training_loss", "eval_loss"):
            assert float(found[name]) == pytest.approx(float(expected[name]), abs=1e-6)
    assert len(histories[0]) == len(histories[1])
    names = [sorted(os.listdir(os.path.join(out, "best"))) for out in outs[:2]]
    assert names[0] == names[1]
    assert os.listdir(outs[2]) == [LOG]


def test_loss_that_is_not_finite_ends_each_worker_with_its_own_line(flags, tmp_path):
    outs = [str(tmp_path / "out"), str(tmp_path / "out_1")]
    flags = [*flags, "--do_train", "--learning_rate=1e30"]
    for worker in worker_runs.finished(flags, outs):
        assert worker.process.returncode == 2, worker.out + worker.err
        assert worker.err.startswith("ERROR: the loss is")
        assert worker.err.count("\n") == 1
