"""The programs that ours is compared with on GLUE: Hugging Face and the original."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from finetuning.data import data_files, tasks
from finetuning.utils.errors import InputError
from scripts.scores import runs
from tests.support import corpus
from tests.support.paths import ROOT
from tests.support.running import value, without

BENCHMARKS = os.path.join(ROOT, "benchmarks")
PHASES = ["--do_train=true", "--do_eval=true"]


@pytest.fixture(autouse=True)
def benchmarks_on_the_path(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)


@pytest.fixture
def hf_python():
    """The interpreter of `make bench-env`, or $HF_PYTHON."""
    path = os.environ.get("HF_PYTHON")
    path = path or os.path.join(ROOT, ".venv", "bench", "bin", "python")
    if not os.path.exists(path):
        pytest.skip("needs Hugging Face: make bench-env, or $HF_PYTHON")
    return path


def run(python, script, flags, **environment):
    return subprocess.run(
        [python, os.path.join(BENCHMARKS, script), *flags],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=dict(os.environ, **environment),
    )


def check_result(path, program):
    """What every program's eval_results.json holds for the scores page."""
    kept = runs.read(path)
    assert kept["program"] == program and kept["task"] == "MRPC"
    names = {"eval_accuracy", "eval_f1", "eval_loss", "eval_main_score", "global_step"}
    assert names <= set(kept["results"])
    assert kept["main_metrics"] == ["accuracy", "f1"]
    assert kept["encoder"] == "encoder"
    return kept


def test_hugging_face_on_the_corpus(hf_python, tmp_path):
    flags = corpus.write(str(tmp_path)) + PHASES + ["--output_dir=%s" % tmp_path]
    done = run(hf_python, "hf_glue.py", flags, TF_PYTHON=sys.executable)
    assert done.returncode == 0, done.stderr
    kept = check_result(str(tmp_path / "eval_results.json"), "Hugging Face")
    # Of 40 rows in batches of 8.
    assert kept["results"]["global_step"] == 15
    assert kept["seed"] == 11 and kept["adam_bias_correction"] is True
    assert "torch" in kept["versions"]


# Both without the dropout of the head, which no config sets.
OURS = """
import sys
sys.path.insert(0, sys.argv[1])
from finetuning import classifier
import run_classifier

classifier.HEAD_DROPOUT = 0.0
sys.exit(run_classifier.main(["run_classifier.py"] + sys.argv[2:]))
"""
THEIRS = """
import json, sys
root, target = sys.argv[1:3]
sys.path[:0] = [root + "/benchmarks", root]
import numpy as np
import torch
import hf_glue, hf_model, peer, tokenization
from finetuning.data import data_files

chosen = peer.parse(["program"] + sys.argv[3:], hf_glue._HONOURED)
task, (source, *_), _ = data_files.find(chosen)
with open(chosen.bert_config_file) as file:
    model = hf_model.build(json.load(file), task.num_outputs)
for module in model.modules():
    if isinstance(module, torch.nn.Dropout):
        module.p = 0.0
begun = hf_glue.read_checkpoint(chosen.init_checkpoint)
assert not hf_model.load(model, begun)
tokenizer = tokenization.FullTokenizer(chosen.vocab_file, chosen.do_lower_case)
hf_glue.train(model, hf_glue.read(chosen, task, source, tokenizer), chosen)
ended = {}
for key in begun:
    if key in ("output_weights", "output_bias") or key.startswith("bert/"):
        if "adam_" not in key:
            weight = model.state_dict()[hf_model._name(key)].numpy()
            ended[key] = weight.T if key.endswith("kernel") else weight
np.savez(target, **ended)
"""


def test_the_same_steps_as_hugging_face(hf_python, tmp_path):
    """Without dropout, on batches of all the rows: what is left is arithmetic.

    Forward and backward pass, loss, clipping, decay, learning rates, corrected Adam.
    """
    flags = without(corpus.write(str(tmp_path)), "train_batch_size", "num_train_epochs")
    flags += ["--do_train=true", "--train_batch_size=40"]
    path = value(flags, "bert_config_file")
    with open(path) as file:
        config = json.load(file)
    config["hidden_dropout_prob"] = config["attention_probs_dropout_prob"] = 0.0
    with open(path, "w") as file:
        json.dump(config, file)

    def train(name, given):
        arguments = [
            *given,
            "--adam_bias_correction",
            "--output_dir=%s" % (tmp_path / name),
        ]
        done = subprocess.run([sys.executable, "-c", OURS, ROOT, *arguments])
        assert done.returncode == 0
        return str(tmp_path / name / "model.ckpt-")

    begun = train("begun", [*flags, "--num_train_epochs=1"]) + "0"
    flags = [*without(flags, "init_checkpoint"), "--init_checkpoint=" + begun]
    flags.append("--num_train_epochs=30")
    ours = tf.train.load_checkpoint(train("ended", flags) + "30")
    target = str(tmp_path / "theirs.npz")
    arguments = [*flags, "--do_eval=true", "--output_dir=%s" % tmp_path]
    done = subprocess.run(
        [hf_python, "-c", THEIRS, ROOT, target, *arguments],
        env=dict(os.environ, TF_PYTHON=sys.executable),
    )
    assert done.returncode == 0
    before = tf.train.load_checkpoint(begun)
    moved, apart = 0.0, 0.0
    with np.load(target) as theirs:
        assert len(theirs.files) == 41
        for name in theirs.files:
            after = ours.get_tensor(name)
            moved += np.sum(np.square(after - before.get_tensor(name)))
            apart += np.sum(np.square(after - theirs[name]))
    assert moved > 1e-3
    assert apart < 1e-8 * moved


def test_hugging_face_refuses_what_it_has_not(hf_python, tmp_path):
    flags = corpus.write(str(tmp_path)) + PHASES + ["--output_dir=%s" % tmp_path]
    done = run(hf_python, "hf_glue.py", flags + ["--eval_steps=3"])
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "ERROR: --eval_steps=3: this program has no such choice; leave it out"
    ]


def test_a_checkpoint_becomes_arrays(tmp_path):
    corpus.write(str(tmp_path))
    prefix = str(tmp_path / "encoder" / "bert_model.ckpt")
    done = run(sys.executable, "to_npz.py", [prefix, str(tmp_path / "w.npz")])
    assert done.returncode == 0, done.stderr
    reader = tf.train.load_checkpoint(prefix)
    with np.load(str(tmp_path / "w.npz")) as archive:
        assert set(archive.files) == set(reader.get_variable_to_shape_map())
        for name in archive.files:
            np.testing.assert_array_equal(archive[name], reader.get_tensor(name))


# ---- The original ----


def dev_set(tmp_path):
    """The corpus' `tasks.DataFile` of MRPC's development set, and its gold labels."""
    import peer

    flags = corpus.write(str(tmp_path)) + PHASES + ["--output_dir=%s" % tmp_path]
    chosen = peer.parse(["program", *flags], ())
    return chosen, data_files.find(chosen)[1][1], [index % 2 for index in range(13)]


def write_original(directory, probabilities, accuracy):
    lines = ["eval_accuracy = %s" % accuracy, "eval_loss = 0.5", "global_step = 15"]
    (directory / "eval_results.txt").write_text("\n".join(lines) + "\n")
    rows = ["\t".join(map(str, row)) for row in probabilities]
    (directory / "test_results.tsv").write_text("\n".join(rows) + "\n")


def test_the_original_is_scored_by_its_probabilities(tmp_path):
    import original_glue

    _, dev, gold = dev_set(tmp_path)
    right = [[0.9, 0.1] if label == 0 else [0.2, 0.8] for label in gold]
    right[0] = [0.4, 0.6]  # One false positive.
    write_original(tmp_path, right, 12 / 13)
    scored = original_glue.score(str(tmp_path), tasks.find_task("MRPC"), dev)
    assert scored.figures["eval_f1"] == pytest.approx(12 / 13)  # 6 right, 1 too many.
    assert scored.figures["eval_accuracy"] == pytest.approx(12 / 13)
    loss = -(np.log(0.4) + 6 * np.log(0.9) + 6 * np.log(0.8)) / 13
    assert scored.figures["eval_loss"] == pytest.approx(loss, rel=1e-5)
    assert scored.figures["global_step"] == 15


def test_probabilities_of_another_run_are_noticed(tmp_path):
    import original_glue

    _, dev, gold = dev_set(tmp_path)
    write_original(tmp_path, [[0.9, 0.1]] * len(gold), 0.9)
    with pytest.raises(OSError, match=r"accuracy 0\.9 by eval_results"):
        original_glue.score(str(tmp_path), tasks.find_task("MRPC"), dev)


@pytest.mark.parametrize(
    "flag, message",
    [
        ("--precision=mixed", "--precision=mixed: this program has no such choice"),
        ("--do_train=false", "--do_train must be given"),
        ("--learning_rat=1", "nearest is --learning_rate"),
    ],
)
def test_flags_that_the_original_has_not_are_refused(tmp_path, flag, message):
    import peer

    flags = corpus.write(str(tmp_path)) + PHASES + ["--output_dir=x", flag]
    with pytest.raises(InputError, match=message):
        peer.parse(["program", *flags], ())


def test_without_a_checkout_the_original_says_so(tmp_path):
    done = run(sys.executable, "original_glue.py", [], BERT_ORIGINAL="nowhere")
    assert done.returncode == 2
    (line,) = [row for row in done.stderr.splitlines() if row.startswith("ERROR")]
    assert "$BERT_ORIGINAL=nowhere is no checkout" in line


def test_the_original_on_the_corpus(original_dir, tmp_path):
    if not tf.__version__.startswith("1."):
        pytest.skip("the original runs on TensorFlow 1 alone")
    flags = corpus.write(str(tmp_path)) + PHASES
    output_dir = tmp_path / "out"
    flags += ["--num_train_epochs=1", "--output_dir=%s" % output_dir]
    done = run(sys.executable, "original_glue.py", flags, BERT_ORIGINAL=original_dir)
    assert done.returncode == 0, done.stderr[-2000:]
    path = str(output_dir / "eval_results.json")
    kept = check_result(path, "google-research/bert")
    assert kept["results"]["global_step"] == 5 and kept["seed"] is None
    with open(path) as file:
        assert json.load(file)["versions"]["tensorflow"] == tf.__version__
