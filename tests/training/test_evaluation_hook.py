"""Evaluation during training, the best weights, and the early stop, as a user sees."""

import os
import re
import shutil
import signal

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from tests.support import corpus
from tests.support.running import (
    ONE_THREAD,
    Finished,
    refused,
    rows,
    saved_json,
    scores,
    succeed,
    table,
    text,
    value,
    without,
)

STEPS = [3, 6, 9, 12, 15]  # 40 examples, 8 a batch, 3 epochs: 15 steps.
SELECTION = ["--eval_steps=3", "--keep_best"]
SAVING = ["--save_checkpoints_steps=3", "--keep_checkpoint_max=0"]
# Ends the process for good at one moment of the run.
KILLED = """
import os, signal, sys
root, method, moment = sys.argv[1:4]
sys.path.insert(0, root)
import run_classifier
from finetuning.training import evaluation_hook, hooks

owner, name = method.split(".")
owner = getattr(hooks if hasattr(hooks, owner) else evaluation_hook, owner)
original = getattr(owner, name)

def deadly(self, *arguments):
    if moment in [str(argument) for argument in arguments] + [str(steps(self))]:
        os.kill(os.getpid(), signal.SIGKILL)
    return original(self, *arguments)

def steps(hook):
    return "after %d" % hook.step if hasattr(hook, "step") else ""

setattr(owner, name, deadly)
sys.exit(run_classifier.main(["run_classifier.py"] + sys.argv[4:]))
"""


@pytest.fixture(scope="module")
def mrpc(tmp_path_factory):
    return corpus.write(str(tmp_path_factory.mktemp("corpus") / "mrpc"))


@pytest.fixture(scope="module")
def flags(mrpc, tmp_path_factory):
    """A regression: its score takes any value, so that no two evaluations tie.

    The labels to score against are turned round: the end of a training is not its best.
    """
    heading, *others = rows(value(mrpc, "data_dir"), "dev.tsv")
    lines = ["\t".join([str(1 - int(row[0]))] + row[1:]) for row in others]
    turned = str(tmp_path_factory.mktemp("turned") / "dev.tsv")
    corpus.write_lines(turned, ["\t".join(heading)] + lines)
    return without(mrpc, "task_name") + [
        "--task_name=custom",
        "--regression",
        "--text_a_column=#1 String",
        "--text_b_column=#2 String",
        "--label_column=Quality",
        "--eval_file=" + turned,
    ]


@pytest.fixture(scope="module")
def selected(root, flags, tmp_path_factory):
    """A whole run that keeps the best, on one thread; and its directory."""
    out = str(tmp_path_factory.mktemp("selected") / "out")
    run = Finished(root, whole(flags, out), env=ONE_THREAD)
    assert run.status == 0, run.out + run.err
    return run, out


def whole(flags, out):
    phases = ["--do_train", "--do_eval", "--do_predict", "--num_threads=1"]
    return flags + phases + SELECTION + SAVING + ["--output_dir=" + out]


def history(directory):
    """The table of evaluations: step -> score -> number."""
    found = {}
    for row in table(directory, "eval_history.tsv"):
        step = int(row.pop("step"))
        assert step not in found
        found[step] = {name: float(number) for name, number in row.items()}
    return found


def best_step(directory):
    """The first step with the best main score."""
    found = history(directory)
    return max(sorted(found), key=lambda step: found[step]["eval_main_score"])


def weights(directory, step):
    prefix = os.path.join(directory, "model.ckpt-%d" % step)
    found = tf.train.list_variables(prefix)
    return {name: tf.train.load_variable(prefix, name) for name, _ in found}


def is_slot(name):
    return name.endswith(("/adam_m", "/adam_v"))


def agree(found, expected):
    """Holds two dictionaries of figures against each other, but for the step."""
    found.pop("global_step", None)
    for name, number in found.items():
        if name.startswith("eval_"):
            assert number == pytest.approx(expected[name], abs=1e-6), name


# The table


def test_a_row_at_each_turn(selected):
    run, out = selected
    assert list(history(out)) == STEPS
    heading = rows(out, "eval_history.tsv")[0]
    assert heading[:2] == ["step", "training_loss"]
    assert heading[-1] == "eval_main_score"
    shown = re.findall(r"^eval \| +(\d+)  .*?(  best)?$", run.out, re.M)
    assert [int(step) for step, _ in shown] == STEPS
    # Marked are those that were the best when they came.
    so_far, expected = -np.inf, []
    for found in history(out).values():
        expected.append("  best" if found["eval_main_score"] > so_far else "")
        so_far = max(so_far, found["eval_main_score"])
    assert [mark for _, mark in shown] == expected
    assert run.out.count("eval |   step  training loss") == 1


def test_the_training_loss_is_that_of_the_steps_between(selected):
    run, out = selected
    first = float(re.search(r"step 1 of 15, loss ([0-9.]+)", run.out).group(1))
    found = [figures["training_loss"] for figures in history(out).values()]
    assert np.all(np.isfinite(found))
    assert found[0] != pytest.approx(first, abs=1e-4)
    assert len(set(found)) == len(STEPS)


@pytest.mark.parametrize("step", STEPS)
def test_a_row_is_what_a_separate_evaluation_gives(flags, selected, tmp_path, step):
    _, out = selected
    prefix = os.path.join(out, "model.ckpt-%d" % step)
    # In the same batches: rounding in others decides on the ranks of equal texts.
    arguments = ["--do_eval", "--init_checkpoint=" + prefix]
    arguments += ["--output_dir=" + str(tmp_path / "out")]
    succeed(without(flags, "init_checkpoint") + arguments)
    agree(scores(str(tmp_path / "out")), history(out)[step])


def test_evaluation_changes_nothing_in_the_training(root, flags, selected, tmp_path):
    """The same seed on one thread, with and without: the same bytes."""
    _, evaluated = selected
    out = str(tmp_path / "out")
    arguments = ["--do_train", "--num_threads=1", "--output_dir=" + out]
    run = Finished(root, without(flags, "eval_file") + arguments, env=ONE_THREAD)
    assert run.status == 0, run.out + run.err
    found, expected = weights(out, 15), weights(evaluated, 15)
    assert set(found) == set(expected)
    for name in expected:
        np.testing.assert_array_equal(found[name], expected[name], err_msg=name)
    left_out = {"best", "eval_history.tsv"}
    assert left_out < set(os.listdir(evaluated))
    assert not left_out & set(os.listdir(out))


# The best weights


def test_the_best_are_used_and_it_is_said(selected):
    run, out = selected
    best = best_step(out)
    assert best != STEPS[-1], "the run is to show more than its end"
    kept = os.path.join(out, "best", "model.ckpt-%d" % best)
    assert "Kept as the best so far: " + kept in run.out
    assert run.out.count("Kept as the best") == run.out.count("  best\n")
    assert "Using the best weights, of step %d: %s" % (best, kept) in run.out
    assert "Evaluation: restoring " + kept in run.out
    assert "Prediction: restoring " + kept in run.out
    assert scores(out)["global_step"] == best
    agree(scores(out), history(out)[best])
    assert saved_json(out, "eval_results.json")["checkpoint"] == kept


def test_what_is_kept_are_the_weights_of_that_step(selected):
    _, out = selected
    best = best_step(out)
    names = set(os.listdir(os.path.join(out, "best")))
    parts = ("index", "data-00000-of-00001")
    expected = {"model.ckpt-%d.%s" % (best, part) for part in parts}
    assert names == expected | {"checkpoint", "labels.json"}
    found, whole = weights(os.path.join(out, "best"), best), weights(out, best)
    assert set(found) == {name for name in whole if not is_slot(name)}
    for name in found:
        np.testing.assert_array_equal(found[name], whole[name], err_msg=name)
    last = weights(out, 15)
    assert any(np.any(last[name] != found[name]) for name in found)


def test_later_evaluations_choose_by_the_flag(flags, selected, tmp_path):
    _, trained = selected
    out = shutil.copytree(trained, str(tmp_path / "out"))
    arguments = flags + ["--do_eval", "--output_dir=" + out]
    run = succeed(arguments)
    assert "Using the best" not in run.out
    assert (
        "The newest weights are used, of step 15; --keep_best=true takes the best, of "
        "step %d\n" % best_step(out)
    ) in run.out
    assert scores(out)["global_step"] == 15
    agree(scores(out), history(out)[15])
    run = succeed(arguments + ["--do_predict", "--keep_best"])
    best = best_step(out)
    assert "Using the best weights, of step %d: %s" % (best, out) in run.out
    agree(scores(out), history(out)[best])
    predicted = np.array(rows(out, "test_results.tsv"), float)
    expected = np.array(rows(trained, "test_results.tsv"), float)
    np.testing.assert_allclose(predicted, expected, atol=1e-6)


def test_the_best_serve_elsewhere(flags, selected, tmp_path):
    """With their labels beside them, as any weights."""
    _, trained = selected
    out = str(tmp_path / "out")
    arguments = ["--do_eval", "--output_dir=" + out]
    arguments += ["--init_checkpoint=" + os.path.join(trained, "best")]
    succeed(without(flags, "init_checkpoint") + arguments)
    agree(scores(out), history(trained)[best_step(trained)])
    assert saved_json(os.path.join(trained, "best"), "labels.json")["labels"] == []


def test_the_same_command_again_trains_no_step(flags, selected, tmp_path):
    _, trained = selected
    out = shutil.copytree(trained, str(tmp_path / "out"))
    run = succeed(whole(flags, out))
    assert re.search(r"^WARNING: NOTHING LEFT TO TRAIN: .* 15 of 15", run.out, re.M)
    assert "Using the best weights, of step %d" % best_step(out) in run.out
    assert text(out, "eval_history.tsv") == text(trained, "eval_history.tsv")
    assert scores(out)["eval_loss"] == pytest.approx(scores(trained)["eval_loss"])


def test_no_best_to_be_used(flags, selected, tmp_path):
    _, trained = selected
    ignored = shutil.ignore_patterns("best")
    out = shutil.copytree(trained, str(tmp_path / "out"), ignore=ignored)
    before = sorted(os.listdir(out))
    message = refused(flags + ["--do_eval", "--keep_best", "--output_dir=" + out])
    assert (
        "--keep_best=true: %s/best holds no checkpoint; leave the flag" % out in message
    )
    assert sorted(os.listdir(out)) == before


# Killed and gone on


def kill(root, tmp_path, method, moment, arguments):
    """Runs the command, and ends it there."""
    driver = str(tmp_path / "killed.py")
    corpus.write_lines(driver, [KILLED])
    arguments = [root, method, moment] + arguments
    run = Finished(root, arguments, env=ONE_THREAD, driver=driver)
    assert run.status == -signal.SIGKILL, run.out + run.err


AFTER_SAVING = ("Evaluator.run", "evaluation at step %d")
AFTER_ITS_ROW = ("BestWeights.offer", "%d")
IN_THE_STEP_AFTER = ("ProgressHook.after_run", "after %d")


@pytest.mark.parametrize("place", [AFTER_SAVING, AFTER_ITS_ROW, IN_THE_STEP_AFTER])
def test_killed_and_gone_on(root, flags, selected, tmp_path, place):
    """The same command ends as if nothing had been, whatever was left undone."""
    _, unbroken = selected
    best = best_step(unbroken)
    out = str(tmp_path / "out")
    kill(root, tmp_path, place[0], place[1] % best, whole(flags, out))
    assert "model.ckpt-%d.index" % best in os.listdir(out)
    assert "model.ckpt-%d.index" % (best + 3) not in os.listdir(out)
    run = succeed(whole(flags, out))
    assert "RESUMING at step %d" % best in run.out
    found, expected = history(out), history(unbroken)
    assert list(found) == STEPS
    for step in STEPS:
        agree(found[step], expected[step])
    assert best_step(out) == best
    assert "Using the best weights, of step %d" % best in run.out
    kept = weights(os.path.join(out, "best"), best)
    for name, wanted in weights(os.path.join(unbroken, "best"), best).items():
        np.testing.assert_allclose(kept[name], wanted, atol=1e-6, err_msg=name)
    agree(scores(out), scores(unbroken))


@pytest.mark.parametrize("place", [AFTER_SAVING, AFTER_ITS_ROW])
def test_killed_in_the_last_evaluation(mrpc, root, tmp_path, place):
    """All steps are done, but what follows the last of them is not."""
    out = str(tmp_path / "out")
    arguments = without(mrpc, "num_train_epochs") + ["--num_train_epochs=0.4"]
    arguments += ["--do_train", "--do_eval", "--eval_each_epoch", "--keep_best"]
    arguments += ["--output_dir=" + out]
    kill(root, tmp_path, place[0], place[1] % 2, arguments)
    run = succeed(arguments)
    assert "NOTHING LEFT" not in run.out
    assert "Using the best weights, of step 2" in run.out
    assert list(history(out)) == [2]
    agree(scores(out), history(out)[2])
    assert "NOTHING LEFT" in succeed(arguments).out


# Each epoch; the early stop


def test_each_epoch(mrpc, tmp_path):
    """Of 40 examples by 7: the end of an epoch lies within a step; so does the last."""
    out = str(tmp_path / "out")
    each = without(mrpc, "num_train_epochs", "train_batch_size")
    each += ["--train_batch_size=7", "--do_train", "--output_dir=" + out]
    run = succeed(each + ["--num_train_epochs=2", "--eval_each_epoch"])
    assert list(history(out)) == [6, 11]
    assert not re.search("Using the best|Kept as", run.out)
    assert not {"best", "eval_results.txt"} & set(os.listdir(out))
    # The screen shows the scores, in a line's width; the file counts as well.
    shown = [line for line in run.out.splitlines() if line.startswith("eval |")]
    assert max(map(len, shown)) < 100
    before = rows(out, "eval_history.tsv")
    counts = [n for n, name in enumerate(before[0]) if name.endswith("tives")]
    assert len(counts) == 4
    assert sum(int(before[1][n]) for n in counts) == 13
    succeed(
        each + ["--num_train_epochs=3", "--eval_each_epoch", "--allow_changes=true"]
    )
    after = rows(out, "eval_history.tsv")
    assert [row[0] for row in after] == ["step", "6", "11", "12", "17"]
    assert after[:3] == before


@pytest.fixture
def stopping(mrpc, tmp_path):
    """Flags with which no evaluation after the first is a new best: nothing moves."""
    arguments = without(mrpc, "learning_rate") + ["--learning_rate=1e-12"]
    return arguments + ["--do_train", "--eval_steps=3", "--output_dir=" + str(tmp_path)]


def test_early_stop(stopping, tmp_path):
    out = str(tmp_path)
    run = succeed(stopping + ["--early_stop=2", "--keep_best", "--do_eval"])
    stopped = "Stopping early at step 9: evaluations without a new best: 2"
    assert stopped in run.out
    assert "step 10 of" not in run.out
    assert list(history(out)) == [3, 6, 9]
    assert weights(out, 9)["global_step"] == 9
    assert "Using the best weights, of step 3" in run.out
    run = succeed(stopping + ["--early_stop=2"])
    line = r"^WARNING: NOTHING LEFT TO TRAIN: .* that stopped early, at step 9 of 15"
    assert re.search(line, run.out, re.M)
    assert "to train longer raise --early_stop\n" in run.out
    assert list(history(out)) == [3, 6, 9]
    run = succeed(stopping + ["--early_stop=3"])
    assert "RESUMING at step 9" in run.out
    assert "Stopping early at step 12: evaluations without a new best: 3" in run.out
    assert list(history(out)) == [3, 6, 9, 12]


def test_killed_before_the_evaluation_that_stops(root, stopping, tmp_path):
    """It stops all the same, at that step."""
    out, arguments = str(tmp_path), stopping + ["--early_stop=2"]
    arguments += ["--save_checkpoints_steps=3", "--num_threads=1"]
    kill(root, tmp_path, "Evaluator.run", "evaluation at step 9", arguments)
    assert list(history(out)) == [3, 6]
    run = succeed(arguments)
    assert "Stopping early at step 9: evaluations without a new best: 2" in run.out
    assert "training: step" not in run.out
    assert list(history(out)) == [3, 6, 9]


def test_an_early_stop_that_does_not_come(stopping, tmp_path):
    run = succeed(stopping + ["--early_stop=5"])
    assert "Stopping early" not in run.out
    assert list(history(str(tmp_path))) == STEPS


def test_a_damaged_table(stopping, tmp_path):
    """A table that cannot be read ends the run before it is written over."""
    succeed(stopping + ["--early_stop=2"])
    path = os.path.join(str(tmp_path), "eval_history.tsv")
    corpus.write_lines(path, ["step\teval_main_score", "3\thigh"])
    message = refused(stopping + ["--early_stop=3"])
    assert "eval_history.tsv is damaged" in message
    assert text(path) == "step\teval_main_score\n3\thigh\n"


# What is refused


@pytest.mark.parametrize(
    "arguments, words",
    [
        (
            ["--eval_steps=3", "--eval_each_epoch"],
            "--eval_steps and --eval_each_epoch:",
        ),
        (["--keep_best"], "--keep_best=true has no effect without --eval_steps or"),
        (["--early_stop=2"], "--early_stop=2 has no effect without --eval_steps or"),
        (["--eval_steps=-1"], "--eval_steps=-1: expected a number at least 0"),
        (
            ["--do_train=false", "--do_eval", "--eval_steps=3"],
            "without --do_train=true",
        ),
        (["--do_train=false", "--do_eval", "--eval_each_epoch"], "without --do_train"),
        (["--eval_steps=3", "--eval_file=/nowhere"], "--eval_file=/nowhere: no such"),
    ],
)
def test_flags_that_do_not_fit_are_one_line(mrpc, tmp_path, arguments, words):
    out = str(tmp_path / "out")
    message = refused(mrpc + ["--do_train", "--output_dir=" + out] + arguments)
    assert words in message
    assert not os.path.exists(out)
