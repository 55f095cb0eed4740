"""The same numbers twice: on one CPU thread bit for bit, killed in between or not."""

import os
import signal

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from encoder import layers
from tests.support import corpus
from tests.support.running import ONE_THREAD, Finished, saved_json

STEPS = 10
EXACT = "bit for bit (CPU, one thread)"
# Ends itself as a power cut would, right after a step.
KILLER = """
import os, signal, sys

sys.path.insert(0, {root!r})
import run_classifier
from finetuning.training import hooks

after_run = hooks.ProgressHook.after_run

def after_run_then_die(self, context, values):
    after_run(self, context, values)
    if self.step == 8:
        os.kill(os.getpid(), signal.SIGKILL)

hooks.ProgressHook.after_run = after_run_then_die
sys.exit(run_classifier.main())
"""


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return str(tmp_path_factory.mktemp("same"))


@pytest.fixture(scope="module")
def flags(directory):
    """Of 10 steps on one thread that begin with an encoder and a fresh head."""
    flags = corpus.write(directory) + ["--do_train=true", "--num_threads=1"]
    return flags + ["--num_train_epochs=2", "--save_checkpoints_steps=5"]


def finish(root, flags, directory, *more, driver=None):
    arguments = flags + ["--output_dir=" + directory] + list(more)
    return Finished(root, arguments, env=ONE_THREAD, driver=driver)


@pytest.fixture(scope="module")
def undisturbed(root, flags, directory):
    out = os.path.join(directory, "undisturbed")
    run = finish(root, flags, out)
    assert run.status == 0, run.out + run.err
    return run, out


def tensors(directory, step):
    """All that a checkpoint holds, as bytes: weights, slots and step."""
    prefix = os.path.join(directory, "model.ckpt-%d" % step)
    reader = tf.train.NewCheckpointReader(prefix)
    return {
        n: reader.get_tensor(n).tobytes() for n in reader.get_variable_to_shape_map()
    }


def assert_equal(ours, theirs):
    assert any(name.endswith("/adam_v") for name in ours)
    assert set(ours) == set(theirs)
    assert [name for name in sorted(ours) if ours[name] != theirs[name]] == []


def test_a_killed_training_ends_as_one_that_was_not(
    root, flags, undisturbed, directory, tmp_path
):
    """Steps 6 to 8 are done twice; up to step 5 it was a second run of its own."""
    out = os.path.join(directory, "killed")
    driver = str(tmp_path / "killer.py")
    with open(driver, "w") as file:
        file.write(KILLER.format(root=root))
    killed = finish(root, flags, out, driver=driver)
    assert killed.status == -signal.SIGKILL, killed.out + killed.err
    assert not os.path.exists(os.path.join(out, "model.ckpt-10.index"))
    assert_equal(tensors(out, 5), tensors(undisturbed[1], 5))
    resumed = finish(root, flags, out)
    assert resumed.status == 0, resumed.out + resumed.err
    assert "RESUMING at step 5" in resumed.out
    assert_equal(tensors(out, STEPS), tensors(undisturbed[1], STEPS))
    assert tensors(out, STEPS) != tensors(out, 5)
    assert saved_json(out, "run_settings.json")["determinism"] == EXACT


def test_evaluations_in_between_change_nothing(root, flags, undisturbed, directory):
    out = os.path.join(directory, "evaluated")
    run = finish(root, flags, out, "--eval_steps=3", "--keep_best=true", "--do_eval")
    assert run.status == 0, run.out + run.err
    assert os.path.exists(os.path.join(out, "eval_history.tsv"))
    for step in (5, STEPS):
        assert_equal(tensors(out, step), tensors(undisturbed[1], step))
    results = saved_json(out, "eval_results.json")
    assert results["determinism"] == results["training"]["determinism"] == EXACT


def test_another_seed_gives_others(root, flags, undisturbed, directory):
    out = os.path.join(directory, "other")
    run = finish(root, flags, out, "--random_seed=12", "--num_train_epochs=1")
    assert run.status == 0, run.out + run.err
    ours, theirs = tensors(out, 5), tensors(undisturbed[1], 5)
    assert set(ours) == set(theirs)
    assert ours["bert/pooler/dense/kernel"] != theirs["bert/pooler/dense/kernel"]


def test_what_is_promised_is_said(undisturbed):
    run, out = undisturbed
    assert "\nReproducibility: %s\n" % EXACT in run.out
    assert saved_json(out, "run_settings.json")["determinism"] == EXACT


# Fresh variables


def fresh(seed, name="kernel", ops_before=0, scope="bert/pooler", shape=(2, 3)):
    with tf.Graph().as_default(), tf.Session() as session:
        tf.set_random_seed(seed)
        for _ in range(ops_before):
            tf.random.uniform([2])
        with tf.variable_scope(scope):
            initializer = layers.create_initializer(0.02)
            variable = tf.get_variable(name, list(shape), initializer=initializer)
        session.run(tf.global_variables_initializer())
        return session.run(variable)


def test_fresh_variables_follow_from_seed_and_name_alone():
    values = fresh(1)
    np.testing.assert_array_equal(values, fresh(1, ops_before=7))
    for other in (fresh(2), fresh(1, "bias"), fresh(1, scope="bert/pooler/dense")):
        assert np.all(values != other)


def test_fresh_variables_are_the_same_with_every_tensorflow():
    expected = [0xBC8A12D3, 0xBBB5B979, 0x3BB4928E, 0xBCE04A05]
    found = fresh(1, scope="bert/x", shape=(3, 4))
    assert found[0].view(np.uint32).tolist() == expected


def test_fresh_variables_are_a_truncated_normal():
    values = fresh(3, shape=(300, 300)) / 0.02
    assert np.abs(values).max() <= 2.0
    # The standard deviation of a normal that is cut at two of its own.
    assert values.std() == pytest.approx(0.8796, abs=0.01)
    assert values.mean() == pytest.approx(0.0, abs=0.01)
