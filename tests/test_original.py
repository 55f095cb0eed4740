"""Against a checkout of the original, under TensorFlow 1: make test ORIGINAL=DIR."""

import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from tests.support import corpus


@pytest.fixture(autouse=True)
def needs_tensorflow_1(original_dir):
    if not tf.__version__.startswith("1."):
        pytest.skip("the original runs on TensorFlow 1 alone")


def run(arguments, **options):
    process = subprocess.run(
        [sys.executable] + arguments,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=600,
        **options,
    )
    text = process.stdout.decode("utf-8")
    assert process.returncode == 0, text
    return text


@pytest.mark.parametrize("module", ["modeling", "optimization", "tokenization"])
def test_its_own_unit_tests_pass_against_our_modules(
    original_dir, root, tmp_path, module
):
    name = module + "_test.py"
    # Copied away from the original's modules: what they import must be ours.
    shutil.copyfile(os.path.join(original_dir, name), str(tmp_path / name))
    text = run([name], cwd=str(tmp_path), env=dict(os.environ, PYTHONPATH=root))
    assert "\nOK" in text


def arguments(flags, output_dir, *more):
    known = [f for f in flags if not f.startswith("--random_seed")]
    return known + ["--output_dir=" + output_dir] + list(more)


@pytest.mark.parametrize("trainer", ["ours", "original"])
def test_checkpoints_go_both_ways(original_dir, root, tmp_path, trainer):
    """Trained by one, evaluated and predicted by both: the same numbers."""
    flags = corpus.write(str(tmp_path / "corpus"))
    programs = {
        "ours": os.path.join(root, "run_classifier.py"),
        "original": os.path.join(original_dir, "run_classifier.py"),
    }
    trained = str(tmp_path / "trained")
    run([programs[trainer]] + arguments(flags, trained, "--do_train=true"))
    results = {}
    for reader, program in programs.items():
        out = shutil.copytree(trained, str(tmp_path / reader))
        wanted = ("--do_eval=true", "--do_predict=true")
        run([program] + arguments(flags, out, *wanted))
        with open(os.path.join(out, "eval_results.txt")) as file:
            figures = dict(line.split(" = ") for line in file.read().splitlines())
        predictions = np.loadtxt(os.path.join(out, "test_results.tsv"))
        results[reader] = figures, predictions
    ours, theirs = results["ours"], results["original"]
    np.testing.assert_allclose(ours[1], theirs[1], atol=2e-5)
    for key in ("eval_accuracy", "eval_loss", "global_step"):
        assert float(ours[0][key]) == pytest.approx(float(theirs[0][key]), abs=2e-5)


def test_the_original_goes_on_with_our_training(original_dir, root, tmp_path):
    """Names, shapes and slots are all there: it restores and trains further."""
    flags = corpus.write(str(tmp_path / "corpus"))
    out = str(tmp_path / "out")
    run(["run_classifier.py"] + arguments(flags, out, "--do_train=true"), cwd=root)
    longer = [f for f in flags if "epochs" not in f] + ["--num_train_epochs=4"]
    run(
        ["run_classifier.py"] + arguments(longer, out, "--do_train=true"),
        cwd=original_dir,
    )
    assert tf.train.latest_checkpoint(out).endswith("model.ckpt-20")


# Run in a directory of either program; prints nothing, writes the pooled outputs.
POOLED = """
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


def test_any_mask_gives_what_the_original_gives(original_dir, root, tmp_path):
    """Holes, a first token masked, nothing left: at every position up to the last."""
    rng = np.random.RandomState(1)
    shape = (24, 12)
    mask = (rng.rand(*shape) < 0.6).astype(np.int32)
    mask[:3] = 0
    inputs = str(tmp_path / "inputs.npz")
    np.savez(
        inputs,
        ids=rng.randint(1, 50, shape).astype(np.int32),
        mask=mask,
        segments=rng.randint(0, 2, shape).astype(np.int32),
    )
    found = []
    for directory in (root, original_dir):
        output = str(tmp_path / ("%d.npz" % len(found)))
        env = dict(os.environ, PYTHONPATH=directory)
        run(["-c", POOLED, inputs, output], cwd=str(tmp_path), env=env)
        found.append(np.load(output))
    ours, theirs = found
    # float32 keeps about 3 digits after the point of a score of -10,000.
    whole = mask.any(axis=1)
    np.testing.assert_allclose(
        ours["pooled"][whole], theirs["pooled"][whole], rtol=1e-4, atol=2e-5
    )
    np.testing.assert_allclose(ours["pooled"], theirs["pooled"], atol=5e-3)
    lengths = np.max(mask * np.arange(1, shape[1] + 1), axis=1)
    kept = np.arange(shape[1]) < lengths[:, None]
    np.testing.assert_allclose(
        ours["sequence"][kept], theirs["sequence"][kept], rtol=1e-4, atol=2e-5
    )
