"""Evaluations during training: when they are due, their scores, early stopping."""

import time
from dataclasses import dataclass
from typing import Callable, Sequence

import tensorflow.compat.v1 as tf

from finetuning.data import records
from finetuning.evaluation import scoring
from finetuning.evaluation.history import History
from finetuning.evaluation.inference import Evaluator
from finetuning.training.best_weights import BestWeights
from finetuning.utils import console
from finetuning.utils.console import log


@dataclass(frozen=True)
class EvalSchedule:
    """When to evaluate during training, and how the scores are used.

    Attributes:
      record_files: `records.RecordFile`s of the dev set.
      is_due: function from a step to whether an evaluation follows it.
      score: function from a list of `inference.Predictions`, one for each record file,
        and the step to `scoring.Evaluation`.
      keep_best: whether to keep the weights of the best evaluation.
      patience: the run stops after this many consecutive evaluations without a new
        best; 0: it never does.
    """

    record_files: Sequence[records.RecordFile]
    is_due: Callable[[int], bool]
    score: Callable
    keep_best: bool
    patience: int


def make_schedule(run, num_examples, num_steps):
    """Makes the schedule that the settings describe.

    Args:
      run: `run_record.Run` with its datasets.
      num_examples: examples in the training set.
      num_steps: optimiser steps of the training run.

    Returns:
      `EvalSchedule`.
    """
    settings = run.settings
    datasets = run.datasets_for("dev")
    parts = [dataset.data_file.layout.part for dataset in datasets]

    def epochs(step):
        return step * settings.train_batch_size // num_examples

    def is_due(step):
        if step == num_steps:
            return True
        if settings.eval_steps:
            return step % settings.eval_steps == 0
        return epochs(step) > epochs(step - 1)

    def score(predictions, step):
        return scoring.evaluate(run.task, list(zip(parts, predictions)), step)

    return EvalSchedule(
        record_files=[dataset.records for dataset in datasets],
        is_due=is_due,
        score=score,
        keep_best=settings.keep_best,
        patience=settings.early_stop,
    )


class EvaluationHook(tf.train.SessionRunHook):
    """Evaluates in the training session; keeps the best weights; stops early.

    With several workers, each computes its share. Worker 0 has the scores, and decides
    for all what follows from them.
    """

    def __init__(self, run, plan, step_hook, mean_loss, request):
        """Adds the evaluation to the training graph, which must exist already.

        Args:
          run: `run_record.Run`.
          plan: `plan.TrainingPlan` with a schedule.
          step_hook: the `hooks.StepHook` of the run, which must come before this one.
          mean_loss: `mean_loss.MeanLoss` of the steps since the last evaluation.
          request: `signals.StopRequest` of this process; once it is true, an evaluation
            is cancelled, and repeated when training resumes.
        """
        self._schedule = plan.schedule
        self._first_step = run.first_step
        self._step_hook = step_hook
        self._request = request
        self._cluster = run.cluster
        self._evaluator = Evaluator(run, self._schedule.record_files)
        self._scores = None
        if run.cluster.is_chief:
            self._scores = _Scores(run, plan, mean_loss)

    def begin(self):
        if self._scores is not None:
            self._scores.warn_if_lost()

    def after_create_session(self, session, coord):
        """Runs the evaluation that is missing if the run was stopped before it."""
        step = self._first_step
        is_missing = self._scores is not None and self._scores.resume(step)
        if not step or not self._schedule.is_due(step):
            return
        if self._decide(is_missing):
            if self._evaluate(session, step):
                coord.request_stop()
        elif self._scores is not None:
            self._scores.offer_weights(session, step)

    def after_run(self, run_context, run_values):
        del run_values
        step = self._step_hook.step
        if not self._schedule.is_due(step):
            return
        self._step_hook.look(run_context.session)
        started = time.monotonic()
        stops = self._evaluate(run_context.session, step)
        self._step_hook.leave_out(time.monotonic() - started)
        if stops:
            run_context.request_stop()

    def _evaluate(self, session, step):
        """Evaluates, unless it is cancelled; returns whether training stops.

        A cancelled evaluation is repeated when training resumes, so no step may follow.
        """
        predictions = self._evaluator.run(
            session, "evaluation at step %d" % step, lambda: bool(self._request)
        )
        stops = predictions is None
        if predictions is not None:
            stops = self._scores.add(session, step, predictions)
        return self._decide(stops)

    def _decide(self, is_true):
        """Whether it is true on worker 0."""
        is_true, _ = self._cluster.broadcast(is_true)
        return is_true


class _Scores:
    """The scores of all evaluations of a run, and what follows from them."""

    def __init__(self, run, plan, mean_loss):
        self._schedule = plan.schedule
        self._num_steps = plan.hyperparameters.num_steps
        self._first_step = run.first_step
        self._mean_loss = mean_loss
        is_resumed = run.inputs.resumed is not None
        if is_resumed:
            mean_loss.restore(self._first_step)
        self._history = History(run.output_dir.path, is_resumed)
        self._best = None
        if self._schedule.keep_best:
            self._best = BestWeights(run.output_dir, is_resumed)
        self._table = None

    def warn_if_lost(self):
        if self._best:
            self._best.warn_if_lost(self._history, self._first_step)

    def resume(self, step):
        """Returns whether the evaluation at the run's first step is missing."""
        is_done = self._history.score(step) is not None
        if is_done:
            self._mean_loss.take()  # It was saved before the evaluation took it.
        return not is_done

    def offer_weights(self, session, step):
        if self._best:
            self._best.offer(session, step, self._history)

    def add(self, session, step, predictions):
        """Adds an evaluation; returns whether training stops early."""
        evaluation = self._schedule.score(predictions, step)
        training_loss = self._mean_loss.take()
        figures = dict({"training_loss": training_loss}, **evaluation.figures)
        # The step has a column of its own, and `loss` repeats `eval_loss`.
        del figures["global_step"], figures["loss"]
        self._history.add(step, figures)
        if self._table is None:
            self._table = _Table(["training_loss"] + list(evaluation.shown), figures)
        self._table.show(step, figures, self._history.since_best(step) == 0)
        self.offer_weights(session, step)
        return self._stops_early(step)

    def _stops_early(self, step):
        """Whether to stop early; logs it if so."""
        patience = self._schedule.patience
        evaluations = self._history.since_best(step)
        if step == self._num_steps or not patience or evaluations < patience:
            return False
        log.info(
            "Stopping early at step %d: evaluations without a new best: %d",
            step,
            evaluations,
        )
        return True


class _Table:
    """The evaluations in the log: a heading, then one line for each.

    It shows the losses, the main score, and as many other scores as fit into the
    terminal; all are in `eval_history.tsv`.
    """

    _HEADING, _LINE, _BEST = "eval |   step", "eval | %6d", "  best"

    def __init__(self, names, figures):
        names = [name for name in names if isinstance(figures[name], float)]
        room = console.width() - len(self._HEADING) - len(self._BEST)
        shown = set()
        for name in sorted(names, key=lambda name: not self._is_important(name)):
            room -= len(self._cell(name, ""))
            if room < 0:
                break
            shown.add(name)
        self._names = [name for name in names if name in shown]
        cells = [self._cell(name, self._title(name)) for name in self._names]
        log.info("%s", self._HEADING + "".join(cells))

    def show(self, step, figures, is_best):
        cells = [self._cell(name, "%.4f" % figures[name]) for name in self._names]
        line = self._LINE % step + "".join(cells)
        log.info("%s", line + self._BEST if is_best else line)

    @staticmethod
    def _is_important(name):
        return name == scoring.MAIN_SCORE or name.endswith("loss")

    @staticmethod
    def _title(name):
        return name.replace("eval_", "").replace("training", "train").replace("_", " ")

    def _cell(self, name, text):
        return "  " + text.rjust(max(6, len(self._title(name))))
