"""The programs that ours is compared with on GLUE: Hugging Face and the original."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

import modeling
from benchmarks.peers import interface, original_glue, to_npz
from finetuning import classifier
from finetuning.data import data_files, tasks
from finetuning.utils.errors import InputError
from scripts.scores import runs
from tests.support import corpus, models
from tests.support.paths import ROOT
from tests.support.running import succeed, value, without

PEERS = os.path.join(ROOT, "benchmarks", "peers")
PHASES = ["--do_train=true", "--do_eval=true"]


def run(python, arguments, **environment):
    """The end of the standard error of a program, and its exit status."""
    done = subprocess.run(
        [python, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=dict(os.environ, **environment),
    )
    return done.stderr[-2000:], done.returncode


def read_result(directory, program):
    """What the scores page keeps of a peer's eval_results.json."""
    kept = runs.read(os.path.join(str(directory), "eval_results.json"))
    assert kept["program"] == program and kept["task"] == "MRPC"
    names = {"eval_accuracy", "eval_f1", "eval_loss", "eval_main_score", "global_step"}
    assert names <= set(kept["results"])
    return kept


@pytest.mark.parametrize(
    "flag, message",
    [
        ("--precision=mixed", "--precision=mixed: this program does not support it"),
        ("--do_train=false", "--do_train is required"),
        ("--learning_rat=1", "--learning_rate"),
    ],
)
def test_flags_that_a_peer_does_not_support_are_refused(tmp_path, flag, message):
    flags = corpus.write(str(tmp_path)) + PHASES + ["--output_dir=x", flag]
    with pytest.raises(InputError, match=message):
        interface.parse(["program", *flags])


# ---- Hugging Face ----


def test_a_checkpoint_becomes_arrays(tmp_path):
    flags = corpus.write(str(tmp_path))
    prefix, path = value(flags, "init_checkpoint"), str(tmp_path / "weights.npz")
    to_npz.main(prefix, path)
    reader = tf.train.load_checkpoint(prefix)
    with np.load(path) as archive:
        assert set(archive.files) == set(reader.get_variable_to_shape_map())
        for name in archive.files:
            np.testing.assert_array_equal(archive[name], reader.get_tensor(name))


@pytest.mark.slow
def test_hugging_face_on_the_corpus(hf_python, tmp_path):
    flags = corpus.write(str(tmp_path)) + PHASES + ["--output_dir=%s" % tmp_path]
    script = os.path.join(PEERS, "hf_glue.py")
    errors, status = run(hf_python, [script, *flags], TF_PYTHON=sys.executable)
    assert status == 0, errors
    kept = read_result(tmp_path, "Hugging Face")
    assert kept["results"]["global_step"] == 15  # 40 rows in batches of 8, 3 epochs.
    assert kept["seed"] == 11 and kept["adam_bias_correction"] is True
    assert "torch" in kept["versions"]


# Trains in Hugging Face's environment without dropout; writes the final weights.
TRAIN_WITHOUT_DROPOUT = """
import json, sys
import numpy as np
import torch
from benchmarks.peers import hf_glue, hf_model, interface
from finetuning.data import data_files

settings = interface.parse(["program"] + sys.argv[2:])
task, files, _ = data_files.find(settings)
with open(settings.bert_config_file) as file:
    model = hf_model.build(json.load(file), task.num_outputs)
for module in model.modules():
    if isinstance(module, torch.nn.Dropout):
        module.p = 0.0
initial = hf_glue.read_checkpoint(settings.init_checkpoint)
assert not hf_model.load(model, initial)
hf_glue.train(model, hf_glue.read(settings, task, files[0]), settings)
final = {}
for key in filter(hf_model.is_weight, initial):
    weight = model.state_dict()[hf_model.name_of(key)].numpy()
    final[key] = weight.T if key.endswith("kernel") else weight
np.savez(sys.argv[1], **final)
"""


@pytest.mark.slow
def test_the_same_steps_as_hugging_face(hf_python, tmp_path, monkeypatch):
    """Without dropout and with all rows in each batch, only rounding may differ.

    Forward and backward pass, loss, clipping, decay, learning rates, corrected Adam.
    """
    monkeypatch.setattr(classifier, "HEAD_DROPOUT", 0.0)
    flags = without(corpus.write(str(tmp_path)), "train_batch_size", "num_train_epochs")
    flags += ["--do_train=true", "--train_batch_size=40", "--num_train_epochs=30"]
    path = value(flags, "bert_config_file")
    config = corpus.read_json(path)
    config["hidden_dropout_prob"] = config["attention_probs_dropout_prob"] = 0.0
    corpus.write_lines(path, [json.dumps(config)])
    weights = corpus.encoder_weights(modeling.BertConfig.from_dict(config))
    head = np.random.RandomState(1).normal(0, 0.1, (2, config["hidden_size"]))
    weights["output_weights"] = head.astype(np.float32)
    weights["output_bias"] = np.zeros(2, np.float32)
    models.save_checkpoint(value(flags, "init_checkpoint"), weights)
    directory = str(tmp_path / "ours")
    succeed([*flags, "--adam_bias_correction", "--output_dir=" + directory])
    ours = tf.train.load_checkpoint(directory)
    target = str(tmp_path / "theirs.npz")
    errors, status = run(
        hf_python,
        ["-c", TRAIN_WITHOUT_DROPOUT, target, *flags, *PHASES, "--output_dir=x"],
        PYTHONPATH=ROOT,
        TF_PYTHON=sys.executable,
    )
    assert status == 0, errors
    moved, apart = 0.0, 0.0
    with np.load(target) as theirs:
        assert len(theirs.files) == 41
        for name in theirs.files:
            after = ours.get_tensor(name)
            moved += np.sum(np.square(after - weights[name]))
            apart += np.sum(np.square(after - theirs[name]))
    assert moved > 1e-3
    assert apart < 1e-8 * moved


# ---- The original ----


def write_original_results(directory, probabilities, accuracy):
    lines = ["eval_accuracy = %s" % accuracy, "eval_loss = 0.5", "global_step = 15"]
    corpus.write_lines(str(directory / "eval_results.txt"), lines)
    rows = ["\t".join(map(str, row)) for row in probabilities]
    corpus.write_lines(str(directory / "test_results.tsv"), rows)


@pytest.fixture
def score(tmp_path):
    """A function that scores the original's results on the corpus' dev set."""
    flags = corpus.write(str(tmp_path)) + PHASES + ["--output_dir=%s" % tmp_path]
    _, (_, dev), _ = data_files.find(interface.parse(["program", *flags]))
    return lambda: original_glue.score(str(tmp_path), tasks.find_task("MRPC"), dev)


GOLD = [index % 2 for index in range(corpus.ROWS["dev"])]


def test_the_original_is_scored_by_its_probabilities(tmp_path, score):
    probabilities = [[0.2, 0.8] if label else [0.9, 0.1] for label in GOLD]
    probabilities[0] = [0.4, 0.6]  # One false positive, beside 6 true ones.
    write_original_results(tmp_path, probabilities, 12 / 13)
    figures = score().figures
    assert figures["eval_f1"] == pytest.approx(12 / 13)
    assert figures["eval_accuracy"] == pytest.approx(12 / 13)
    loss = -(np.log(0.4) + 6 * np.log(0.9) + 6 * np.log(0.8)) / 13
    assert figures["eval_loss"] == pytest.approx(loss, rel=1e-5)
    assert figures["global_step"] == 15


def test_probabilities_of_another_run_are_noticed(tmp_path, score):
    write_original_results(tmp_path, [[0.9, 0.1]] * len(GOLD), 0.9)
    with pytest.raises(OSError, match=r"accuracy is 0\.9 in eval_results"):
        score()


def test_a_missing_checkout_is_reported(monkeypatch, capsys):
    monkeypatch.setenv("BERT_ORIGINAL", "nowhere")
    assert original_glue.main(["original_glue.py"]) == 2
    assert "$BERT_ORIGINAL=nowhere" in capsys.readouterr().err


@pytest.mark.slow
def test_the_original_on_the_corpus(original_dir, tmp_path):
    if not tf.__version__.startswith("1."):
        pytest.skip("the original needs TensorFlow 1")
    flags = corpus.write(str(tmp_path)) + PHASES
    flags += ["--num_train_epochs=1", "--output_dir=%s" % (tmp_path / "out")]
    script = os.path.join(PEERS, "original_glue.py")
    errors, status = run(sys.executable, [script, *flags], BERT_ORIGINAL=original_dir)
    assert status == 0, errors
    kept = read_result(tmp_path / "out", "google-research/bert")
    assert kept["results"]["global_step"] == 5 and kept["seed"] is None
    assert kept["versions"]["tensorflow"] == tf.__version__
