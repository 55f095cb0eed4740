"""Evaluations during training: scores, the best weights, early stopping."""

import os
import time
from dataclasses import dataclass
from typing import Callable, Sequence

import tensorflow.compat.v1 as tf

from finetuning.checkpoints import compatibility, finding, saving
from finetuning.data import records
from finetuning.evaluation.history import History
from finetuning.evaluation.inference import Evaluator
from finetuning.utils import signals
from finetuning.utils.console import log


@dataclass(frozen=True)
class EvalSchedule:
    """Evaluations during a training, and what follows from them.

    Attributes:
      sets: `records.RecordFile`s of the development set.
      batch_size: of the evaluation.
      is_due: function from a step to whether an evaluation follows it.
      score: function from a list of `inference.Predictions`, one a set, and the step to
        a `scoring.Evaluation`.
      keep_best: whether the weights of the best are kept in a place of their own.
      patience: evaluations in a row without a new best that end the training; 0: none.
    """

    sets: Sequence[records.RecordFile]
    batch_size: int
    is_due: Callable[[int], bool]
    score: Callable
    keep_best: bool
    patience: int


class EvaluationHook(tf.train.SessionRunHook):
    """Evaluates in the training's own session; keeps the best weights; stops early."""

    def __init__(self, training, progress_hook, wish=None):
        """Adds the evaluation to the graph, in which the training must be.

        Args:
          training: `loop.Training` that has a `selection`.
          progress_hook: the training's `ProgressHook`, which must run before this one.
          wish: `signals.StopRequest`, which when true leaves an evaluation undone: the
            training that goes on makes up for it.
        """
        self._wish = signals.StopRequest() if wish is None else wish
        self._selection = training.selection
        self._training = training
        self._progress = progress_hook
        self._evaluator = Evaluator(
            training.config,
            training.num_labels,
            self._selection.sets,
            self._selection.batch_size,
            training.compute,
        )
        self._history = History(training.output_dir, training.resumed is not None)
        self._best = BestWeights(training) if self._selection.keep_best else None
        self._table = None

    def begin(self):
        if self._best:
            self._best.compare(self._history, self._training.first_step)

    def after_create_session(self, session, coord):
        """Makes up for what a stop between two writes left undone."""
        step = self._training.first_step
        if not step or not self._selection.is_due(step):
            return
        if self._history.score(step) is None:
            if self._evaluate(session, step) and self._is_enough(step):
                coord.request_stop()
        elif self._best:
            self._best.offer(session, step, self._history)

    def after_run(self, run_context, run_values):
        del run_values
        step = self._progress.step
        if not self._selection.is_due(step):
            return
        started = time.monotonic()
        is_done = self._evaluate(run_context.session, step)
        self._progress.leave_out(time.monotonic() - started)
        if is_done and self._is_enough(step):
            run_context.request_stop()

    def _is_enough(self, step):
        """Whether to stop early; says so."""
        patience = self._selection.patience
        if step == self._training.hyperparameters.num_steps or not patience:
            return False
        if self._history.since_best(step) < patience:
            return False
        log.info(
            "Stopping early at step %d: evaluations without a new best: %d",
            step,
            self._history.since_best(step),
        )
        return True

    def _evaluate(self, session, step):
        """Evaluates; returns whether it came to its end."""
        label = "evaluation at step %d" % step
        found = None
        if not self._wish:
            found = self._evaluator.run(session, label, lambda: bool(self._wish))
        if found is None:
            return False
        training_loss = self._progress.take_mean_loss()
        evaluation = self._selection.score(found, step)
        figures = dict({"training_loss": training_loss}, **evaluation.figures)
        del figures["global_step"], figures["loss"]
        self._history.add(step, figures)
        is_best = self._history.since_best(step) == 0
        if self._table is None:
            self._table = _Table(["training_loss"] + list(evaluation.shown), figures)
        self._table.show(step, figures, is_best)
        if self._best:
            self._best.offer(session, step, self._history)
        return True


class _Table:
    """The evaluations on the screen: a heading, then a line each."""

    def __init__(self, names, figures):
        # Counts would make the lines too long; the file has them.
        self._names = [name for name in names if isinstance(figures[name], float)]
        self._titles = [
            name.replace("eval_", "").replace("_", " ") for name in self._names
        ]
        self._shown = False

    def show(self, step, figures, is_best):
        if not self._shown:
            self._shown = True
            log.info("eval |   step  %s", "  ".join("%8s" % t for t in self._titles))
        cells = [
            "%*.4f" % (max(8, len(title)), figures[name])
            for name, title in zip(self._names, self._titles)
        ]
        log.info(
            "eval | %6d  %s%s", step, "  ".join(cells), "  best" if is_best else ""
        )


class BestWeights:
    """The best weights of a training, without optimiser state, in `best/`."""

    def __init__(self, training):
        self._directory = os.path.join(training.output_dir, finding.BEST)
        variables = tf.trainable_variables() + [tf.train.get_global_step()]
        self._saver = saving.Saver(variables, keep=1)
        self._step = None
        if training.resumed is not None:
            self._saver.recover_last_checkpoints(finding.all_in(self._directory))
            newest = finding.find_newest(self._directory)
            for line in newest.lines():
                log.warning(line)
            if newest.prefix:
                self._step = compatibility.read_step(newest.prefix)

    def compare(self, history, step):
        """Warns where the best evaluation up to a step was not kept."""
        best, kept = history.best(step), self._score(history)
        if best in (None, step):
            return
        # Those kept may be of a later step, from which the training had to go back.
        if kept is not None and kept >= history.score(best):
            return
        log.warning(
            "The weights of the best evaluation so far, at step %d, were not kept: "
            "best/ holds the best from here on",
            best,
        )

    def _score(self, history):
        return None if self._step is None else history.score(self._step)

    def offer(self, session, step, history):
        """Saves the weights of this moment if they are better than those kept.

        Also if those kept are of the same step, of an earlier life of this training:
        the history now holds the score of this one's.
        """
        kept = self._score(history)
        if step != self._step and kept is not None and history.score(step) <= kept:
            return
        prefix = self._saver.save(
            session,
            os.path.join(self._directory, "model.ckpt"),
            global_step=step,
            write_meta_graph=False,
        )
        self._step = step
        log.info("Kept as the best so far: %s", prefix)
