"""Evaluation during training, the best weights and early stopping."""

import os
import re

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from finetuning.checkpoints import model_files
from finetuning.checkpoints.output_dir import OutputDir
from finetuning.evaluation import scoring
from finetuning.evaluation.history import History
from finetuning.training import best_weights, evaluation_hook, hooks
from finetuning.utils import console
from tests.support import corpus, models
from tests.support.running import (
    Run,
    refused,
    rows,
    saved_json,
    scores,
    succeed,
    table,
    text,
    without,
)

# The hook, with all around it made up


class Evaluated:
    """An `EvaluationHook` whose model scores what a test says.

    It plays the session, the progress hook, the evaluator and the best weights, too.

    Args:
      directory: the output directory.
      monkeypatch: pytest's.
      main_scores: the score of each step that is evaluated.
      first_step: of a resumed run; 0 for a new one.
      figures: of the evaluation, besides the main score.
      schedule: arguments of `EvalSchedule`.
    """

    def __init__(
        self, directory, monkeypatch, main_scores, first_step=0, figures=(), **schedule
    ):
        self.main_scores = main_scores
        self.figures = dict(figures or {"eval_accuracy": 0.5})
        self.kept, self.pauses, self.is_stopped = [], [], False
        self.looks = []
        self.step, self.session = first_step, self
        chosen = {"keep_best": False, "patience": 0}
        chosen.update(schedule)
        schedule = evaluation_hook.EvalSchedule(
            record_files=["a", "b"],
            is_due=main_scores.__contains__,
            score=self.score,
            **chosen,
        )
        run = models.fake_run(directory, first_step=first_step)
        plan = models.fake_plan(40, schedule)
        monkeypatch.setattr(evaluation_hook, "Evaluator", lambda *_: self)
        monkeypatch.setattr(evaluation_hook, "BestWeights", lambda *_: self)
        self.hook = evaluation_hook.EvaluationHook(run, plan, self, self, ())
        self.hook.after_create_session(self, self)

    def request_stop(self):
        self.is_stopped = True

    def take(self):
        return 0.25

    def restore(self, step):
        assert step == self.step

    def look(self, session):
        assert session is self
        self.looks.append(self.step)

    def leave_out(self, seconds):
        self.pauses.append(seconds)

    def run(self, session, label, leave):
        assert session is self
        assert not leave()
        assert str(self.step) in label
        return ["of a", "of b"]

    def score(self, predictions, step):
        assert predictions == ["of a", "of b"]
        figures = dict(self.figures, eval_main_score=self.main_scores[step])
        shown = tuple(figures)
        figures = dict(figures, loss=1.0, global_step=step)
        return scoring.Evaluation(figures, shown, 0.5, 0.5, False)

    def offer(self, session, step, history):
        assert session is self
        self.kept.append((step, history.score(step)))

    def go_to(self, last):
        """Trains up to a step, or until the hook asks to stop; returns the step."""
        while self.step < last and not self.is_stopped:
            self.step += 1
            self.hook.after_run(self, None)
        return self.step


def evaluated_steps(directory):
    return [int(row["step"]) for row in table(str(directory), "eval_history.tsv")]


def test_evaluations_where_they_are_due(tmp_path, monkeypatch, capsys):
    figures = {"eval_accuracy": 0.5, "eval_true_positives": 7}
    with console.screen():
        run = Evaluated(tmp_path, monkeypatch, {3: 0.5, 5: 0.75, 8: 0.7}, 0, figures)
        run.go_to(9)
    columns = "step training_loss eval_accuracy eval_true_positives eval_main_score"
    assert rows(str(tmp_path), "eval_history.tsv") == [
        columns.split(),
        ["3", "0.25", "0.5", "7", "0.5"],
        ["5", "0.25", "0.5", "7", "0.75"],
        ["8", "0.25", "0.5", "7", "0.7"],
    ]
    assert (len(run.pauses), run.kept, run.is_stopped) == (3, [], False)
    assert run.looks == [3, 5, 8]
    # On the screen there is one heading, and no counts.
    lines = [x for x in capsys.readouterr().out.splitlines() if x.startswith("eval |")]
    assert [" ".join(line.split()) for line in lines] == [
        "eval | step train loss accuracy main score",
        "eval | 3 0.2500 0.5000 0.5000 best",
        "eval | 5 0.2500 0.5000 0.7500 best",
        "eval | 8 0.2500 0.5000 0.7000",
    ]


@pytest.mark.parametrize(
    "patience, main_scores, last",
    [
        (1, {2: 0.5, 4: 0.4, 6: 0.9}, 4),
        (2, {2: 0.5, 4: 0.4, 6: 0.3, 8: 0.9}, 6),
        (2, {2: 0.5, 4: 0.4, 6: 0.6, 8: 0.5}, 9),
        (2, {2: 0.5, 4: 0.5, 6: 0.5}, 6),
        (0, {2: 0.5, 4: 0.4, 6: 0.3, 8: 0.2}, 9),
    ],
)
def test_early_stopping(tmp_path, monkeypatch, patience, main_scores, last):
    run = Evaluated(tmp_path, monkeypatch, main_scores, patience=patience)
    assert run.go_to(9) == last


def test_an_interrupted_evaluation_is_made_up_for(tmp_path, monkeypatch):
    """The run ended between the checkpoint and the evaluation that follows it."""
    main_scores = {4: 0.5, 8: 0.75}
    Evaluated(tmp_path, monkeypatch, main_scores, first_step=4)
    assert evaluated_steps(tmp_path) == [4]
    run = Evaluated(tmp_path, monkeypatch, main_scores, first_step=4, keep_best=True)
    assert run.kept == [(4, 0.5)]
    run.go_to(8)
    assert run.kept == [(4, 0.5), (8, 0.75)]
    Evaluated(tmp_path, monkeypatch, main_scores, first_step=5)
    assert evaluated_steps(tmp_path) == [4, 8]


def test_an_evaluation_that_is_made_up_for_may_be_the_last(tmp_path, monkeypatch):
    main_scores = {2: 0.5, 4: 0.4, 6: 0.9}
    Evaluated(tmp_path, monkeypatch, main_scores, patience=9).go_to(2)
    run = Evaluated(tmp_path, monkeypatch, main_scores, patience=1, first_step=4)
    assert run.is_stopped


# The best weights, of one variable in a session


class Best:
    """`BestWeights` of a model whose weight is the step, unless a test sets it."""

    def __init__(self, directory, is_resumed=False):
        output_dir = OutputDir(str(directory))
        self.graph = tf.Graph()
        with self.graph.as_default():
            self.weight = tf.get_variable("w", initializer=0.0)
            tf.get_variable("w/adam_m", initializer=0.0, trainable=False)
            self.step = tf.train.create_global_step()
            self.best = best_weights.BestWeights(output_dir, is_resumed)
            self.session = tf.Session()
            self.session.run(tf.global_variables_initializer())

    def offer(self, step, history, weight=None):
        with self.graph.as_default():
            self.weight.load(float(step if weight is None else weight), self.session)
            self.step.load(step, self.session)
            self.best.offer(self.session, step, history)


def kept_in(directory):
    """The weight that is kept; nothing else may be there."""
    prefix = tf.train.latest_checkpoint(str(directory / "best"))
    arrays = models.read_checkpoint(prefix)
    assert set(arrays) == {"w", "global_step"}
    names = {name.split(".data")[0] for name in os.listdir(str(directory / "best"))}
    name = os.path.basename(prefix)
    assert names == {"checkpoint", name, name + ".index"}
    return float(arrays["w"])


def add(history, step, score):
    history.add(step, {"eval_main_score": score})


def test_the_best_weights_alone_are_kept(tmp_path):
    history, best, kept = History(str(tmp_path), resumed=False), Best(tmp_path), []
    for step, score in ((2, 0.5), (4, 0.4), (6, 0.7), (8, 0.7)):
        add(history, step, score)
        best.offer(step, history)
        kept.append(kept_in(tmp_path))
    assert kept == [2.0, 2.0, 6.0, 6.0]
    # As a resumed run would.
    history, best = (
        History(str(tmp_path), resumed=True),
        Best(tmp_path, is_resumed=True),
    )
    add(history, 10, 0.6)
    best.offer(10, history)
    assert kept_in(tmp_path) == 6.0
    # The same step again is another life of the run: its weights are other ones.
    add(history, 6, 0.65)
    best.offer(6, history, weight=-1.0)
    assert kept_in(tmp_path) == -1.0
    add(history, 12, 0.8)
    best.offer(12, history)
    assert kept_in(tmp_path) == 12.0
    # A new run in the same directory keeps its own.
    history = History(str(tmp_path), resumed=False)
    add(history, 2, 0.1)
    Best(tmp_path).offer(2, history)
    prefix = tf.train.latest_checkpoint(str(tmp_path / "best"))
    assert prefix.endswith("-2")


@pytest.mark.parametrize(
    "kept, step, warned",
    [(2, 4, False), (None, 4, True), (None, 2, False), (4, 6, True), (None, 1, False)],
)
def test_best_weights_that_were_not_kept(tmp_path, capsys, kept, step, warned):
    """As where --keep_best was not given from the start."""
    history = History(str(tmp_path), resumed=False)
    add(history, 2, 0.9)
    add(history, 4, 0.4)
    if kept:
        Best(tmp_path).offer(kept, history)
    with console.screen():
        Best(tmp_path, is_resumed=True).best.warn_if_lost(history, step)
    shown = capsys.readouterr().out
    assert bool(re.search("WARNING: .*at step 2.* not kept", shown)) == warned


# In whole runs

STEPS = [3, 6, 9, 12, 15]  # 40 examples, 8 a batch, 3 epochs: 15 steps.


def history_of(directory):
    """The table of evaluations: step -> score -> number."""
    return {
        int(row["step"]): {name: float(number) for name, number in row.items()}
        for row in table(directory, "eval_history.tsv")
    }


def best_step(directory):
    found = history_of(directory)
    return max(sorted(found), key=lambda step: found[step]["eval_main_score"])


def assert_same_scores(found, expected):
    for name in found:
        if name.startswith("eval_"):
            assert found[name] == pytest.approx(expected[name], abs=1e-6), name


def test_the_table_of_a_run(evaluated_run):
    found = history_of(evaluated_run.directory)
    assert list(found) == STEPS
    losses = [figures["training_loss"] for figures in found.values()]
    assert np.all(np.isfinite(losses)) and len(set(losses)) == len(STEPS)
    shown = re.findall(r"^eval \| +(\d+)  .*?(  best)?$", evaluated_run.screen, re.M)
    # Marked are those that were the best when they came.
    so_far, expected = -np.inf, []
    for step, figures in found.items():
        mark = "  best" if figures["eval_main_score"] > so_far else ""
        so_far = max(so_far, figures["eval_main_score"])
        expected.append((str(step), mark))
    assert shown == expected


@pytest.mark.parametrize("step", [3, 15])
def test_a_row_is_what_a_separate_evaluation_gives(evaluated_run, tmp_path, step):
    arguments = without(evaluated_run.flags, "init_checkpoint") + ["--do_eval"]
    prefix = os.path.join(evaluated_run.directory, "model.ckpt-%d" % step)
    arguments += ["--init_checkpoint=" + prefix, "--output_dir=" + str(tmp_path)]
    succeed(arguments)
    expected = history_of(evaluated_run.directory)[step]
    assert_same_scores(scores(str(tmp_path)), expected)


def test_the_best_weights_are_kept_and_used(evaluated_run):
    out, best = evaluated_run.directory, best_step(evaluated_run.directory)
    assert best != STEPS[-1], "the best must not be the last here"
    name = "model.ckpt-%d" % best
    names = {name + ".index", name + ".data-00000-of-00001"}
    assert set(os.listdir(os.path.join(out, "best"))) == {
        "checkpoint",
        *model_files.NAMES,
        *names,
    }
    kept = models.read_checkpoint(out, "best", name)
    all_there = models.read_checkpoint(out, name)
    assert set(kept) == {name for name in all_there if "/adam_" not in name}
    for variable in kept:
        np.testing.assert_array_equal(kept[variable], all_there[variable])
    assert saved_json(out, "eval_results.json")["checkpoint"] == os.path.join(
        out, "best", name
    )
    assert_same_scores(scores(out), history_of(out)[best])
    assert evaluated_run.screen.count(os.path.join(out, "best", name)) >= 3


def test_later_evaluations_choose_by_the_flag(evaluated_run, tmp_path):
    out, best = evaluated_run.copy(tmp_path), best_step(evaluated_run.directory)
    flags = without(evaluated_run.flags, "init_checkpoint") + ["--do_eval"]
    run = succeed(flags + ["--output_dir=" + out])
    assert re.search(r"--keep_best=true .*step %d\b" % best, run.out)
    assert_same_scores(scores(out), history_of(out)[15])
    succeed(flags + ["--keep_best", "--output_dir=" + out])
    assert_same_scores(scores(out), history_of(out)[best])
    # Elsewhere, the best weights are as any weights, with their labels beside them.
    other = str(tmp_path / "other")
    best_directory = os.path.join(evaluated_run.directory, "best")
    more = ["--init_checkpoint=" + best_directory, "--output_dir=" + other]
    succeed(flags + more)
    assert_same_scores(scores(other), history_of(out)[best])
    assert saved_json(best_directory, "labels.json")["labels"] == []


def test_the_same_command_again_trains_no_step(evaluated_run, tmp_path):
    out = evaluated_run.copy(tmp_path)
    run = succeed(evaluated_run.command + ["--output_dir=" + out])
    assert re.search(r"^WARNING: NOTHING LEFT TO TRAIN: .* 15 of 15", run.out, re.M)
    assert text(out, "eval_history.tsv") == text(
        evaluated_run.directory, "eval_history.tsv"
    )
    assert scores(out)["global_step"] == best_step(out)


class KilledError(BaseException):
    """Ends a run as a signal would that cannot be handled: nothing more is written."""


def kill_evaluation(monkeypatch, step, arguments):
    """Runs a command that ends before the evaluation at a step."""
    original = evaluation_hook.Evaluator.run

    def run(self, session, label, leave):
        if label.endswith(" %d" % step):
            raise KilledError
        return original(self, session, label, leave)

    with monkeypatch.context() as patch:
        patch.setattr(evaluation_hook.Evaluator, "run", run)
        with pytest.raises(KilledError):
            Run(arguments)


def test_killed_in_the_last_evaluation(corpus_flags, tmp_path, monkeypatch):
    """All steps are done, but what follows the last of them is not."""
    out = str(tmp_path / "out")
    arguments = without(corpus_flags, "num_train_epochs") + ["--num_train_epochs=0.4"]
    arguments += ["--do_train", "--do_eval", "--eval_each_epoch", "--keep_best"]
    arguments += ["--output_dir=" + out]
    kill_evaluation(monkeypatch, 2, arguments)
    run = succeed(arguments)
    assert "NOTHING LEFT" not in run.out
    assert evaluated_steps(out) == [2]
    assert_same_scores(scores(out), history_of(out)[2])
    assert "NOTHING LEFT" in succeed(arguments).out


def interrupt_step(monkeypatch, step, arguments):
    """Runs a command that ends after a step, before it is saved."""
    original = hooks.ProgressHook.after_run

    def after_run(self, run_context, run_values):
        original(self, run_context, run_values)
        if self.step == step:
            raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(hooks.ProgressHook, "after_run", after_run)
        with pytest.raises(KilledError):
            Run(arguments)


def test_the_table_of_an_interrupted_run(corpus_flags, tmp_path, monkeypatch):
    """The training loss is that of the whole interval, whenever the run was ended."""
    arguments = [*corpus_flags, "--do_train", "--eval_steps=4", "--num_threads=1"]
    arguments += ["--save_checkpoints_steps=2", "--early_stop=9"]
    expected = str(tmp_path / "undisturbed")
    succeed([*arguments, "--output_dir=" + expected])
    out = str(tmp_path / "out")
    arguments.append("--output_dir=" + out)
    interrupt_step(monkeypatch, 3, arguments)
    kill_evaluation(monkeypatch, 4, arguments)
    interrupt_step(monkeypatch, 7, arguments)
    kill_evaluation(monkeypatch, 8, arguments)
    # It also falls back to an earlier checkpoint, before the interval.
    for step in (6, 8):
        with open(os.path.join(out, "model.ckpt-%d.index" % step), "wb"):
            pass
    kill_evaluation(monkeypatch, 15, arguments)
    assert "No training loss" not in succeed(arguments).out
    assert text(out, "eval_history.tsv") == text(expected, "eval_history.tsv")


def test_a_run_without_saved_losses(interrupted_run, tmp_path):
    """As of an earlier version, or evaluated only from now on."""
    out = interrupted_run.copy(tmp_path)
    arguments = [*interrupted_run.flags, "--do_train", "--output_dir=" + out]
    corpus.write_lines(os.path.join(out, "training_loss.json"), ["[4]"])
    assert "training_loss.json is not valid" in refused([*arguments, "--eval_steps=5"])
    os.remove(os.path.join(out, "training_loss.json"))
    run = succeed([*arguments, "--eval_steps=5"])
    assert "No training loss was saved with step 4" in run.out
    assert np.isfinite(history_of(out)[5]["training_loss"])


def test_each_epoch(corpus_flags, tmp_path):
    """With 40 examples by 7, an epoch ends within a step, and the last does too."""
    out = str(tmp_path / "out")
    arguments = without(corpus_flags, "num_train_epochs", "train_batch_size")
    arguments += ["--train_batch_size=7", "--do_train", "--eval_each_epoch"]
    arguments += ["--output_dir=" + out]
    succeed(arguments + ["--num_train_epochs=2"])
    before = rows(out, "eval_history.tsv")
    assert evaluated_steps(out) == [6, 11]
    assert not {"best", "eval_results.txt"} & set(os.listdir(out))
    succeed(arguments + ["--num_train_epochs=3", "--allow_changes=true"])
    assert evaluated_steps(out) == [6, 11, 12, 17]
    assert rows(out, "eval_history.tsv")[:3] == before


def test_an_early_stop(corpus_flags, tmp_path, monkeypatch):
    """At a rate at which nothing moves, no evaluation after the first is a new best."""
    out = str(tmp_path)
    arguments = without(corpus_flags, "learning_rate") + ["--learning_rate=1e-12"]
    arguments += ["--do_train", "--eval_steps=3", "--keep_best", "--output_dir=" + out]
    arguments += ["--save_checkpoints_steps=3"]
    # The evaluation that stops is made up for, if the run is killed in it.
    kill_evaluation(monkeypatch, 9, arguments + ["--early_stop=2"])
    assert evaluated_steps(out) == [3, 6]
    run = succeed(arguments + ["--early_stop=2", "--do_eval"])
    assert "Stopping early at step 9" in run.out and "step 10 of" not in run.out
    assert scores(out)["global_step"] == 3
    run = succeed(arguments + ["--early_stop=2"])
    assert re.search("WARNING: NOTHING LEFT TO TRAIN: .* step 9 of 15", run.out)
    assert "raise --early_stop" in run.out
    run = succeed(arguments + ["--early_stop=3"])
    assert "RESUMING at step 9" in run.out
    assert "Stopping early at step 12" in run.out
    assert evaluated_steps(out) == [3, 6, 9, 12]
    # A table that cannot be read ends the run before it is written over.
    damaged = ["step\teval_main_score", "3\thigh"]
    corpus.write_lines(os.path.join(out, "eval_history.tsv"), damaged)
    assert "eval_history.tsv" in refused(arguments + ["--early_stop=4"])
    assert text(out, "eval_history.tsv").splitlines() == damaged
