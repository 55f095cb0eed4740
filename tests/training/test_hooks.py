"""A training's hooks, on their own; whole runs: test_command_line.py."""

import collections
import os

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from finetuning import classifier
from finetuning.evaluation import scoring
from finetuning.evaluation.history import History
from finetuning.training import evaluation_hook, hooks, loop
from finetuning.utils import console
from finetuning.utils.errors import InputError
from tests.support import models

Values = collections.namedtuple("Values", "results")
Graph = collections.namedtuple(
    "Graph", "loss learning_rate gradient_norm skipped_steps"
)


@pytest.fixture
def hook(tmp_path):
    training = loop.Training(
        config=None,
        num_labels=2,
        examples=None,
        batch_size=8,
        hyperparameters=classifier.Hyperparameters(
            1e-3, num_steps=40, num_warmup_steps=0
        ),
        seed=1,
        output_dir=str(tmp_path),
        save_steps=10,
        keep_checkpoints=5,
        initial=None,
        resumed=None,
    )
    with tf.Graph().as_default():
        hook = hooks.ProgressHook(training, Graph(None, None, None, None))
        hook.after_create_session(None, None)
        yield hook
        tf.summary.FileWriterCache.clear()


def step(hook, loss=0.5, gradient_norm=1.0, **more):
    results = {"loss": loss, "learning_rate": 1e-3, "gradient_norm": gradient_norm}
    results.update(more)
    hook.after_run(None, Values(results))


def test_a_second_session_ends_the_run(hook):
    """TensorFlow makes one after some errors, with the initial weights at step 0."""
    step(hook)
    with pytest.raises(InputError, match="lost its session after step 1"):
        hook.after_create_session(None, None)


@pytest.mark.parametrize("name", ["loss", "gradient_norm"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_not_finite_ends_the_run(hook, name, value):
    step(hook)
    with pytest.raises(InputError, match="at step 2: training has failed"):
        step(hook, **{name: value})


def test_the_last_good_checkpoint_is_named(hook, tmp_path):
    step(hook)
    with pytest.raises(InputError) as caught:
        step(hook, loss=float("nan"))
    assert "good checkpoint" not in str(caught.value)
    weights = {"w": np.zeros(2, np.float32)}
    models.save_checkpoint(str(tmp_path / "model.ckpt-1"), weights)
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "model.ckpt-1"\n')
    with pytest.raises(InputError) as caught:
        step(hook, loss=float("nan"))
    named = "; the last good checkpoint is %s/model.ckpt-1" % tmp_path
    assert str(caught.value).endswith(named)


def test_with_a_loss_scale_a_step_may_overflow_and_is_shown(hook, capsys):
    step(hook, skipped_steps=0)
    step(hook, gradient_norm=float("inf"), skipped_steps=1)
    step(hook, skipped_steps=1)
    assert hook._skipped_facts(1) == ", 1 skipped"
    assert hook._skipped_facts(2) == ", 2 skipped"
    with pytest.raises(InputError, match="the loss is nan"):
        step(hook, loss=float("nan"), skipped_steps=2)


def test_steps_that_overflow_one_after_the_other_end_the_run(hook):
    for skipped in range(30):
        step(hook, gradient_norm=float("inf"), skipped_steps=skipped)
    with pytest.raises(InputError, match="30 steps in a row up to step 31 .*float32"):
        step(hook, gradient_norm=float("inf"), skipped_steps=30)


def test_summaries_every_ten_steps(hook, tmp_path):
    for _ in range(40):
        step(hook)
    hook.end(None)
    steps = set()
    for path in tmp_path.glob("events*"):
        for event in tf.train.summary_iterator(str(path)):
            if event.summary.value:
                steps.add(event.step)
    assert steps == {10, 20, 30, 40}


# Evaluation during training


class Session:
    """What a hook sees of a session, and asks of it."""

    def __init__(self):
        self.session = self
        self.stopped = False

    def request_stop(self):
        self.stopped = True


class Evaluated:
    """An `EvaluationHook` whose model scores what the test says, and what it did."""

    counts = {}

    def __init__(self, directory, monkeypatch, scores, **selection):
        self.scores = dict(scores)
        self.saved = []
        self.left_out = []
        given = {"is_due": self.scores.__contains__, "keep_best": False, "patience": 0}
        first_step = selection.pop("first_step", 0)
        given.update(selection)
        chosen = evaluation_hook.EvalSchedule(
            sets=["a", "b"], batch_size=4, score=self.score, **given
        )
        Resumed = collections.namedtuple("Resumed", "step")
        training = loop.Training(
            config=None,
            num_labels=2,
            examples=None,
            batch_size=8,
            hyperparameters=classifier.Hyperparameters(1e-3, 40, 0),
            seed=1,
            output_dir=str(directory),
            save_steps=10,
            keep_checkpoints=5,
            initial=None,
            resumed=Resumed(first_step) if first_step else None,
            selection=chosen,
        )
        self.step = first_step
        monkeypatch.setattr(evaluation_hook, "Evaluator", lambda *_: self)
        monkeypatch.setattr(evaluation_hook, "BestWeights", lambda _: self)
        self.hook = evaluation_hook.EvaluationHook(training, self)
        self.session = Session()
        self.hook.after_create_session(self.session, self.session)

    # As the progress hook, the evaluator, the scores and the best weights.

    def take_mean_loss(self):
        return 0.25

    def leave_out(self, seconds):
        self.left_out.append(seconds)

    def run(self, session, label, leave):
        assert session is self.session
        assert not leave()
        assert label == "evaluation at step %d" % self.step
        return ["of a", "of b"]

    def score(self, predictions, step):
        assert predictions == ["of a", "of b"]
        figures = {"eval_accuracy": 0.5, "eval_main_score": self.scores[step]}
        figures.update(self.counts)
        shown = tuple(figures)
        figures = dict(figures, loss=1.0, global_step=step)
        return scoring.Evaluation(figures, shown, 0.5, 0.5, False)

    def offer(self, session, step, history):
        assert session is self.session
        self.saved.append((step, history.score(step)))

    def go_to(self, last):
        """Steps on to a step, or until the hook asks to stop."""
        while self.step < last and not self.session.stopped:
            self.step += 1
            self.hook.after_run(self.session, None)
        return self.step


def table(directory):
    lines = (directory / "eval_history.tsv").read_text().splitlines()
    return [line.split("\t") for line in lines]


def test_evaluations_where_they_are_due(tmp_path, monkeypatch):
    run = Evaluated(tmp_path, monkeypatch, {3: 0.5, 5: 0.75})
    run.go_to(8)
    assert table(tmp_path) == [
        ["step", "training_loss", "eval_accuracy", "eval_main_score"],
        ["3", "0.25", "0.5", "0.5"],
        ["5", "0.25", "0.5", "0.75"],
    ]
    assert len(run.left_out) == 2
    assert run.saved == []
    assert not run.session.stopped


def test_evaluations_are_shown_with_one_heading(tmp_path, monkeypatch, capsys):
    with console.screen():
        run = Evaluated(tmp_path, monkeypatch, {3: 0.5, 5: 0.75, 8: 0.7})
        run.go_to(8)
    lines = [x for x in capsys.readouterr().out.splitlines() if x.startswith("eval |")]
    assert [" ".join(line.split()) for line in lines] == [
        "eval | step training loss accuracy main score",
        "eval | 3 0.2500 0.5000 0.5000 best",
        "eval | 5 0.2500 0.5000 0.7500 best",
        "eval | 8 0.2500 0.5000 0.7000",
    ]


def test_counts_are_in_the_file_and_not_on_the_screen(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(Evaluated, "counts", {"eval_true_positives": 7})
    with console.screen():
        Evaluated(tmp_path, monkeypatch, {3: 0.5}).go_to(3)
    assert "positives" not in capsys.readouterr().out
    assert table(tmp_path)[0][-1] == "eval_true_positives"
    assert table(tmp_path)[1][-1] == "7"


@pytest.mark.parametrize(
    "patience, scores, last",
    [
        (1, {2: 0.5, 4: 0.4, 6: 0.9}, 4),
        (2, {2: 0.5, 4: 0.4, 6: 0.3, 8: 0.9}, 6),
        (2, {2: 0.5, 4: 0.4, 6: 0.6, 8: 0.5}, 9),
        (2, {2: 0.5, 4: 0.5, 6: 0.5}, 6),
        (0, {2: 0.5, 4: 0.4, 6: 0.3, 8: 0.2}, 9),
    ],
)
def test_stopping_early(tmp_path, monkeypatch, patience, scores, last):
    run = Evaluated(tmp_path, monkeypatch, scores, patience=patience)
    assert run.go_to(9) == last


def test_every_evaluation_is_offered_as_the_best(tmp_path, monkeypatch):
    run = Evaluated(tmp_path, monkeypatch, {2: 0.5, 4: 0.4}, keep_best=True)
    run.go_to(5)
    assert run.saved == [(2, 0.5), (4, 0.4)]


def test_what_a_stop_left_undone_is_made_up_for(tmp_path, monkeypatch):
    """Between the checkpoint and the evaluation that follows it."""
    scores = {4: 0.5, 8: 0.75}
    Evaluated(tmp_path, monkeypatch, scores, first_step=4)
    assert [row[0] for row in table(tmp_path)] == ["step", "4"]
    run = Evaluated(tmp_path, monkeypatch, scores, first_step=4, keep_best=True)
    assert run.saved == [(4, 0.5)]
    run.go_to(8)
    assert [row[0] for row in table(tmp_path)] == ["step", "4", "8"]
    Evaluated(tmp_path, monkeypatch, scores, first_step=5)
    assert [row[0] for row in table(tmp_path)] == ["step", "4", "8"]


def test_an_evaluation_that_is_made_up_for_may_be_the_last(tmp_path, monkeypatch):
    scores = {2: 0.5, 4: 0.4, 6: 0.9}
    Evaluated(tmp_path, monkeypatch, scores, patience=9).go_to(2)
    run = Evaluated(tmp_path, monkeypatch, scores, patience=1, first_step=4)
    assert run.session.stopped


# The best weights


class Best:
    """`BestWeights` of one variable, in a session."""

    def __init__(self, directory, resumed=None):
        Training = collections.namedtuple("Training", "output_dir resumed")
        self.graph = tf.Graph()
        with self.graph.as_default():
            self.weight = tf.get_variable("w", initializer=0.0)
            tf.get_variable("w/adam_m", initializer=0.0, trainable=False)
            self.step = tf.train.create_global_step()
            self.kept = evaluation_hook.BestWeights(Training(str(directory), resumed))
            self.session = tf.Session()
            self.session.run(tf.global_variables_initializer())

    def offer(self, step, history):
        with self.graph.as_default():
            self.weight.load(float(step), self.session)
            self.step.load(step, self.session)
            self.kept.offer(self.session, step, history)


def kept_in(directory):
    """The value of the weight that is kept, and the names beside it."""
    prefix = tf.train.latest_checkpoint(str(directory / "best"))
    reader = tf.train.NewCheckpointReader(prefix)
    assert set(reader.get_variable_to_shape_map()) == {"w", "global_step"}
    files = {name.split(".data")[0] for name in os.listdir(str(directory / "best"))}
    assert files == {
        "checkpoint",
        os.path.basename(prefix),
        os.path.basename(prefix) + ".index",
    }
    return float(reader.get_tensor("w"))


def test_the_best_weights_alone_are_kept(tmp_path):
    history = History(str(tmp_path), resumed=False)
    best = Best(tmp_path)
    kept = []
    for step, score in ((2, 0.5), (4, 0.4), (6, 0.7), (8, 0.7), (10, 0.6)):
        history.add(step, {"eval_main_score": score})
        best.offer(step, history)
        kept.append(kept_in(tmp_path))
    assert kept == [2.0, 2.0, 6.0, 6.0, 6.0]


def test_the_best_weights_of_a_training_that_goes_on(tmp_path):
    history = History(str(tmp_path), resumed=False)
    first = Best(tmp_path)
    history.add(2, {"eval_main_score": 0.5})
    first.offer(2, history)
    history = History(str(tmp_path), resumed=True)
    second = Best(tmp_path, resumed=True)
    history.add(4, {"eval_main_score": 0.4})
    second.offer(4, history)
    assert kept_in(tmp_path) == 2.0
    history.add(6, {"eval_main_score": 0.6})
    second.offer(6, history)
    assert kept_in(tmp_path) == 6.0


def test_a_step_that_is_evaluated_again_is_kept_again(tmp_path):
    """The weights of an older life of the training are not those of the new score."""
    history = History(str(tmp_path), resumed=False)
    history.add(6, {"eval_main_score": 0.9})
    Best(tmp_path).offer(6, history)
    again = Best(tmp_path, resumed=True)
    history.add(6, {"eval_main_score": 0.8})
    with again.graph.as_default():
        again.weight.load(-1.0, again.session)
        again.kept.offer(again.session, 6, history)
    assert kept_in(tmp_path) == -1.0


@pytest.mark.parametrize(
    "kept, step, warned",
    [(2, 4, False), (None, 4, True), (None, 2, False), (4, 6, True), (None, 1, False)],
)
def test_a_best_that_was_not_kept_is_said(tmp_path, capsys, kept, step, warned):
    """As where --keep_best was not given from the start."""
    history = History(str(tmp_path), resumed=False)
    for each, score in ((2, 0.9), (4, 0.4)):
        history.add(each, {"eval_main_score": score})
    if kept:
        Best(tmp_path).offer(kept, history)
    with console.screen():
        Best(tmp_path, resumed=True).kept.compare(history, step)
    shown = capsys.readouterr().out
    assert ("best evaluation so far, at step 2, were not kept" in shown) == warned


def test_a_new_training_takes_the_place_of_older_best_weights(tmp_path):
    old = History(str(tmp_path), resumed=False)
    old.add(9, {"eval_main_score": 0.9})
    Best(tmp_path).offer(9, old)
    new = History(str(tmp_path), resumed=False)
    new.add(2, {"eval_main_score": 0.1})
    Best(tmp_path).offer(2, new)
    prefix = tf.train.latest_checkpoint(str(tmp_path / "best"))
    assert prefix.endswith("-2")
