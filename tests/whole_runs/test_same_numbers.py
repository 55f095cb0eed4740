"""The same numbers again: bit for bit on one CPU thread, interrupted or not."""

import os

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from encoder import layers
from tests.support import corpus, models
from tests.support.running import ONE_THREAD, Finished, saved_json, without

EXACT = "bit for bit (CPU, one thread)"
# Several runs in one process: the number of its threads is that of its first session.
# One run breaks off after step 8, as it does when it is killed.
DRIVER = """
import sys
sys.path.insert(0, sys.argv[1])
import run_classifier
from finetuning.training import hooks

class Killed(BaseException):
    pass

def run(name, *arguments):
    command = [*sys.argv[3:], *arguments, "--output_dir=%s/%s" % (sys.argv[2], name)]
    status = run_classifier.main(["run_classifier.py", *command])
    assert status == 0, status

def break_off(hook, context, values):
    after_run(hook, context, values)
    if hook.step == 8:
        raise Killed

run("undisturbed")
run("evaluated", "--eval_steps=3", "--keep_best", "--do_eval")
run("other", "--random_seed=12", "--num_train_epochs=1")
after_run = hooks.ProgressHook.after_run
hooks.ProgressHook.after_run = break_off
try:
    run("killed")
except Killed:
    print("KILLED")
hooks.ProgressHook.after_run = after_run
run("killed")
"""


@pytest.fixture(scope="module")
def runs(root, corpus_flags, tmp_path_factory):
    """What the driver's runs showed, and the directory of theirs."""
    directory = str(tmp_path_factory.mktemp("same"))
    driver = os.path.join(directory, "driver.py")
    corpus.write_lines(driver, [DRIVER])
    flags = without(corpus_flags, "num_train_epochs") + ["--num_train_epochs=2"]
    flags += ["--do_train", "--num_threads=1", "--save_checkpoints_steps=5"]
    run = Finished(root, [root, directory] + flags, env=ONE_THREAD, driver=driver)
    assert run.status == 0, run.out + run.err
    return run.out, directory


def tensors(directory, name, step):
    """All that a checkpoint holds, as bytes: weights, slots and step."""
    arrays = models.read_checkpoint(directory, name, "model.ckpt-%d" % step)
    return {name: array.tobytes() for name, array in arrays.items()}


def test_a_run_that_was_broken_off_ends_like_one_that_was_not(runs):
    """Steps 6 to 8 are done twice; up to step 5 it was a second run of its own."""
    screen, directory = runs
    assert "KILLED" in screen and "RESUMING at step 5" in screen
    for step in (5, 10):
        found = tensors(directory, "killed", step)
        assert any(name.endswith("/adam_v") for name in found)
        assert found == tensors(directory, "undisturbed", step)


def test_evaluations_in_between_change_nothing(runs):
    directory = runs[1]
    assert os.path.exists(os.path.join(directory, "evaluated", "eval_history.tsv"))
    found = tensors(directory, "evaluated", 10)
    assert found == tensors(directory, "undisturbed", 10)


def test_another_seed_gives_other_weights(runs):
    name = "bert/pooler/dense/kernel"
    found = tensors(runs[1], "other", 5)[name]
    assert found != tensors(runs[1], "undisturbed", 5)[name]


def test_what_is_guaranteed_is_logged_and_saved(runs):
    screen, directory = runs
    assert "\nReproducibility: bit for bit\n" in screen
    results = saved_json(os.path.join(directory, "evaluated"), "eval_results.json")
    assert results["determinism"] == EXACT


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
    # With every TensorFlow.
    expected = [0xBC8A12D3, 0xBBB5B979, 0x3BB4928E, 0xBCE04A05]
    found = fresh(1, scope="bert/x", shape=(3, 4))
    assert found[0].view(np.uint32).tolist() == expected


def test_fresh_variables_are_a_truncated_normal():
    values = fresh(3, shape=(300, 300)) / 0.02
    assert np.abs(values).max() <= 2.0
    # The standard deviation of a normal that is cut at two of its own.
    assert values.std() == pytest.approx(0.8796, abs=0.01)
    assert values.mean() == pytest.approx(0.0, abs=0.01)
