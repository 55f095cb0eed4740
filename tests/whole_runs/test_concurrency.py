"""Files that another program changes, and other runs in the same directory."""

import hashlib
import os
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from tests.support import corpus, models
from tests.support.running import (
    ONE_THREAD,
    Finished,
    Run,
    rows,
    saved_json,
    succeed,
    text,
    value,
    without,
)

EVAL_FILES = ["eval_results.txt", "eval_predictions.tsv"]
TEST_FILES = ["test_results.tsv", "predictions.tsv"]


@pytest.fixture
def own(tmp_path, corpus_flags):
    """The flags of a corpus that a test may change."""
    shutil.copytree(
        os.path.dirname(value(corpus_flags, "data_dir")), str(tmp_path / "own")
    )
    shared = os.path.dirname(value(corpus_flags, "data_dir"))
    return [flag.replace(shared, str(tmp_path / "own")) for flag in corpus_flags]


def path_in(flags, split):
    return os.path.join(value(flags, "data_dir"), split + ".tsv")


def drop_first_row(path):
    """Replaces a file of examples, as an editor does it."""
    lines = text(path).splitlines()
    corpus.write_lines(path + ".new", lines[:1] + lines[2:])
    os.replace(path + ".new", path)


def refused_when(command, when, do):
    run = Run(command, when=when, do=do)
    assert run.status == 2, run.out + run.err
    assert run.err.count("\n") == 1
    return run.err


def results_in(directory):
    return [name for name in os.listdir(directory) if "_results" in name]


def assert_one_set(directory, json_name):
    """All files that a JSON file lists must be those that it describes."""
    saved = saved_json(directory, json_name)
    for name, digest in saved["sha256"].items():
        with open(os.path.join(directory, name), "rb") as file:
            assert hashlib.sha256(file.read()).hexdigest() == digest, name
    return saved


# Files of the user's


@pytest.mark.parametrize(
    "phase, change",
    [
        ("--do_eval", lambda flags: path_in(flags, "dev")),
        ("--do_predict", lambda flags: path_in(flags, "test")),
        ("--do_train", lambda flags: path_in(flags, "train")),
        ("--do_train", lambda flags: value(flags, "vocab_file")),
        ("--do_train", lambda flags: value(flags, "bert_config_file")),
        ("--do_train", lambda flags: value(flags, "init_checkpoint") + ".index"),
    ],
)
def test_a_file_that_is_edited_while_it_is_read(own, tmp_path, phase, change):
    """Its columns, labels, rows and hash would be those of different contents."""
    out, path = str(tmp_path / "out"), change(own)
    before = os.stat(path).st_mtime_ns
    error = refused_when(
        [*own, phase, "--output_dir=" + out],
        when="Reading ",
        do=lambda: os.utime(path, ns=(before, before + 1)),
    )
    assert error.startswith("ERROR: %s was changed or removed while it was read" % path)
    assert results_in(out) == []


def test_files_that_are_edited_after_they_were_read(own, finished_run, tmp_path):
    """Results and warnings are about what was read."""

    def edit():
        drop_first_row(path_in(own, "test"))
        shutil.copy(path_in(own, "train"), path_in(own, "dev"))
        vocab_file = value(own, "vocab_file")
        corpus.write_lines(vocab_file, [corpus.reverse_words(text(vocab_file))[:-1]])

    out = finished_run.copy(tmp_path)
    command = [*own, "--do_eval", "--do_predict", "--output_dir=" + out]
    run = Run(command, when="Read in", do=edit)
    assert run.status == 0, run.out + run.err
    for name in EVAL_FILES + TEST_FILES:
        assert text(out, name) == text(finished_run.directory, name), name
    assert "EVALUATED ON THE TRAINING SET" not in run.out
    assert "different settings" not in run.out


# Record files


def test_record_files_that_are_replaced_during_training(evaluated_run, tmp_path):
    """As by another evaluation in the directory that does not see the lock."""
    out = str(tmp_path / "out")
    records = [split + ".tf_record" for split in ("train", "eval", "predict")]

    def replace():
        for name in records:
            with tf.io.TFRecordWriter(os.path.join(out, name + ".new")) as writer:
                writer.write(b"another")
            os.replace(os.path.join(out, name + ".new"), os.path.join(out, name))

    command = [*evaluated_run.command, "--output_dir=" + out]
    run = Run(command, when="Building the training graph", do=replace)
    assert run.status == 0, run.out + run.err
    for name in ["eval_history.tsv", *EVAL_FILES, *TEST_FILES]:
        assert text(out, name) == text(evaluated_run.directory, name), name


# Checkpoints


def replace_weights(prefix):
    """Writes other weights of the same names and shapes."""
    arrays = models.read_checkpoint(prefix)
    models.save_checkpoint(prefix, {n: np.zeros_like(arrays[n]) for n in arrays})


@pytest.mark.parametrize("phase", ["--do_train", "--do_eval"])
def test_initial_weights_that_are_replaced_after_the_checks(own, tmp_path, phase):
    prefix, out = value(own, "init_checkpoint"), str(tmp_path / "out")
    error = refused_when(
        [*own, phase, "--output_dir=" + out],
        when={"--do_train": "Building the", "--do_eval": ": restoring"}[phase],
        do=lambda: replace_weights(prefix),
    )
    assert prefix + " was replaced after it was checked; rerun" in error
    assert results_in(out) == []


def test_a_checkpoint_that_is_replaced_before_training_resumes(
    interrupted_run, tmp_path
):
    out = interrupted_run.copy(tmp_path)
    prefix = os.path.join(out, "model.ckpt-4")
    error = refused_when(
        [*interrupted_run.command, "--output_dir=" + out],
        when="Building the training graph",
        do=lambda: replace_weights(prefix),
    )
    assert prefix + " was replaced after it was checked; rerun" in error


def test_an_evaluation_uses_the_checkpoint_that_replaced_another(
    finished_run, tmp_path
):
    """As a training run writes the checkpoint again from which it resumes."""
    out = finished_run.copy(tmp_path)
    prefix = os.path.join(out, "model.ckpt-15")
    command = [*finished_run.flags, "--do_eval"]
    run = Run(
        [*command, "--output_dir=" + out],
        when=": restoring",
        do=lambda: replace_weights(prefix),
    )
    assert run.status == 0, run.out + run.err
    assert "model.ckpt-15 was replaced after it was checked: training" in run.out
    alone = str(tmp_path / "alone")
    flags = without(command, "init_checkpoint")
    succeed([*flags, "--init_checkpoint=" + prefix, "--output_dir=" + alone])
    for name in EVAL_FILES:
        assert text(out, name) == text(alone, name), name


# Other runs in the directory


def test_a_prediction_while_another_one_runs(root, own, finished_run, tmp_path):
    """The first has read its file when the second runs from start to end."""
    out, other = finished_run.copy(tmp_path), str(tmp_path / "other.tsv")
    shutil.copy(path_in(own, "train"), other)
    flags = [*finished_run.flags, "--do_predict", "--output_dir=" + out]
    second = []

    def run_second():
        second.append(Finished(root, [*flags, "--predict_file=" + other]))
        assert len(rows(out, "predictions.tsv")) == corpus.ROWS["train"] + 1
        assert assert_one_set(out, "predict_results.json")["data_file"] == other

    first = Run(flags, when="Prediction: restoring", do=run_second)
    assert (first.status, second[0].status) == (0, 0), first.err + second[0].err
    for name in TEST_FILES:
        assert text(out, name) == text(finished_run.directory, name), name
    saved = assert_one_set(out, "predict_results.json")
    assert saved["data_file"] == path_in(finished_run.flags, "test")


class Processes:
    """Runs in processes of their own, all in one output directory."""

    def __init__(self, root, flags, out):
        self._command = [sys.executable, os.path.join(root, "run_classifier.py")]
        self._command += [*flags, "--output_dir=" + out]
        self._running = []

    def start(self, *more):
        process = subprocess.Popen(
            [*self._command, *more],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=dict(os.environ, **ONE_THREAD),
        )
        self._running.append(process)
        return process

    def __enter__(self):
        return self

    def __exit__(self, *error):
        for process in self._running:
            process.kill()
            process.communicate()


def ended(process):
    """What a run showed; it must have succeeded, or have been refused in one line."""
    output = process.communicate(timeout=300)[0].decode()
    assert process.returncode in (0, 2), output
    assert "Traceback" not in output and "bug" not in output
    assert output.count("ERROR") == (process.returncode == 2)
    return process.returncode, output


@pytest.mark.slow
def test_training_evaluation_and_two_predictions_at_once(
    root, corpus_flags, tmp_path, iterations
):
    out, other = str(tmp_path / "out"), str(tmp_path / "other.tsv")
    shutil.copy(path_in(corpus_flags, "train"), other)
    predictions = {
        path_in(corpus_flags, "test"): (),
        other: ("--predict_file=" + other,),
    }
    flags = [*corpus_flags, "--num_threads=1"]
    training = ("--do_train", "--num_train_epochs=%d" % iterations(600, 200))
    training += ("--save_checkpoints_steps=50", "--keep_checkpoint_max=0")
    with Processes(root, flags, out) as processes:
        trained = processes.start(*training)
        while not os.path.exists(os.path.join(out, "checkpoint")):
            assert trained.poll() is None
            time.sleep(0.05)
        evaluated = processes.start("--do_eval")
        predicted = [
            processes.start("--do_predict", *more) for more in predictions.values()
        ]
        assert ended(trained)[0] == 0
        assert ended(evaluated)[0] == 0
        assert 0 in [ended(process)[0] for process in predicted]
    # What remains is what one run alone makes with the weights that it names.
    for json_name, phase, names in (
        ("eval_results.json", "--do_eval", EVAL_FILES),
        ("predict_results.json", "--do_predict", TEST_FILES),
    ):
        saved = assert_one_set(out, json_name)
        alone = str(tmp_path / phase)
        command = [*without(flags, "init_checkpoint"), phase, "--output_dir=" + alone]
        more = predictions.get(saved["data_file"], ())
        succeed([*command, "--init_checkpoint=" + saved["checkpoint"], *more])
        for name in names:
            assert text(out, name) == text(alone, name), name
    # The training run is not disturbed, either.
    undisturbed = str(tmp_path / "undisturbed")
    with Processes(root, flags, undisturbed) as processes:
        assert ended(processes.start(*training))[0] == 0
    step = saved_json(out, "run_settings.json")["planned_steps"]
    np.testing.assert_equal(
        models.read_checkpoint(out, "model.ckpt-%d" % step),
        models.read_checkpoint(undisturbed, "model.ckpt-%d" % step),
    )
    assert not [name for name in os.listdir(out) if name.endswith(".tmp")]
