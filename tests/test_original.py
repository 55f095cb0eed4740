"""Comparisons with a checkout of the original on TensorFlow 1."""

import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from tests.support import corpus


def run(arguments, cwd, **environment):
    process = subprocess.run(
        [sys.executable] + arguments,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=600,
        cwd=str(cwd),
        env=dict(os.environ, **environment),
    )
    text = process.stdout.decode("utf-8")
    assert process.returncode == 0, text
    return text


@pytest.mark.parametrize("module", ["modeling", "optimization", "tokenization"])
def test_its_unit_tests_pass_with_our_modules(original_dir, root, tmp_path, module):
    name = module + "_test.py"
    # In a directory of its own, where it cannot import the original's modules.
    shutil.copyfile(os.path.join(original_dir, name), str(tmp_path / name))
    assert "\nOK" in run([name], cwd=tmp_path, PYTHONPATH=root)


@pytest.fixture
def run_program(tmp_path):
    """Runs the program in a directory with the flags that both programs have."""
    flags = corpus.write(str(tmp_path / "corpus"))
    flags = [flag for flag in flags if not flag.startswith("--random_seed")]

    def run_program(directory, output_dir, *more):
        more = ["--output_dir=%s" % output_dir, *more]
        run(["run_classifier.py"] + flags + more, cwd=directory)

    return run_program


@pytest.mark.parametrize("trainer", ["ours", "original"])
def test_both_read_the_checkpoints_of_each_other(
    original_dir, root, tmp_path, run_program, trainer
):
    """One trains, both evaluate with equal results, and the other resumes training."""
    programs = {"ours": root, "original": original_dir}
    trained = str(tmp_path / "trained")
    run_program(programs.pop(trainer), trained, "--do_train=true")
    results = []
    for program in (root, original_dir):
        out = shutil.copytree(trained, str(tmp_path / ("copy%d" % len(results))))
        run_program(program, out, "--do_eval=true", "--do_predict=true")
        with open(os.path.join(out, "eval_results.txt")) as file:
            metrics = dict(line.split(" = ") for line in file.read().splitlines())
        results.append((metrics, np.loadtxt(os.path.join(out, "test_results.tsv"))))
    (ours, our_predictions), (theirs, their_predictions) = results
    np.testing.assert_allclose(our_predictions, their_predictions, atol=2e-5)
    for key in ("eval_accuracy", "eval_loss", "global_step"):
        assert float(ours[key]) == pytest.approx(float(theirs[key]), abs=2e-5)
    (other,) = programs.values()
    run_program(other, trained, "--do_train=true", "--num_train_epochs=4")
    assert tf.train.latest_checkpoint(trained).endswith("model.ckpt-20")


# Run with either program's modeling.py; its arguments are the input and output files.
SAVE_OUTPUTS = """
import sys
import numpy as np
import tensorflow.compat.v1 as tf
import modeling

data = np.load(sys.argv[1])
config = modeling.BertConfig(
    vocab_size=50, hidden_size=16, num_hidden_layers=2, num_attention_heads=4,
    intermediate_size=24, max_position_embeddings=20, type_vocab_size=2,
)
inputs = [tf.constant(data[name]) for name in ("ids", "mask", "segments")]
model = modeling.BertModel(config, False, *inputs)
rng = np.random.RandomState(3)
with tf.Session() as session:
    session.run(tf.global_variables_initializer())
    for variable in sorted(tf.trainable_variables(), key=lambda v: v.name):
        variable.load(rng.randn(*variable.shape.as_list()) * 0.3, session)
    outputs = [model.get_pooled_output(), model.get_sequence_output()]
    pooled, sequence = session.run(outputs)
np.savez(sys.argv[2], pooled=pooled, sequence=sequence)
"""


def test_any_mask_gives_the_outputs_of_the_original(original_dir, root, tmp_path):
    """At all positions up to the last token, with holes, or without any token."""
    rng = np.random.RandomState(1)
    shape = (24, 12)
    mask = (rng.rand(*shape) < 0.6).astype(np.int32)
    mask[:3] = 0
    ids = rng.randint(1, 50, shape).astype(np.int32)
    segments = rng.randint(0, 2, shape).astype(np.int32)
    inputs = str(tmp_path / "inputs.npz")
    np.savez(inputs, ids=ids, mask=mask, segments=segments)
    outputs = []
    for directory in (root, original_dir):
        path = str(tmp_path / ("%d.npz" % len(outputs)))
        run(["-c", SAVE_OUTPUTS, inputs, path], cwd=tmp_path, PYTHONPATH=directory)
        outputs.append(np.load(path))
    ours, theirs = outputs
    tolerance = {"rtol": 1e-4, "atol": 2e-5}
    # With scores of -10,000, float32 has about 3 digits after the point.
    np.testing.assert_allclose(ours["pooled"], theirs["pooled"], atol=5e-3)
    some = mask.any(axis=1)
    np.testing.assert_allclose(
        ours["pooled"][some], theirs["pooled"][some], **tolerance
    )
    lengths = np.max(mask * np.arange(1, shape[1] + 1), axis=1)
    kept = np.arange(shape[1]) < lengths[:, None]
    np.testing.assert_allclose(
        ours["sequence"][kept], theirs["sequence"][kept], **tolerance
    )
