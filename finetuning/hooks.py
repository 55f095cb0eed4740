"""What happens beside a training's steps: progress, saving, evaluations."""

import math
import os
import time
from dataclasses import dataclass
from typing import Callable, Sequence

import tensorflow.compat.v1 as tf

from finetuning import checkpoints, records, saving, stopping, summaries
from finetuning.console import log
from finetuning.errors import InputError
from finetuning.history import History
from finetuning.inference import Evaluator
from finetuning.progress import Progress

_SUMMARY_STEPS = 10
# By then the largest loss scale, 2**24, has fallen to 1, and it was not the scale.
_MOST_SKIPPED_IN_A_ROW = 30


class ProgressHook(tf.train.SessionRunHook):
    """Shows each step, writes summaries, and stops where the loss is not finite."""

    def __init__(self, training, graph):
        """Takes a `loop.Training` and its `classifier.TrainGraph`."""
        self._training = training
        self._fetches = {
            "loss": graph.loss,
            "learning_rate": graph.learning_rate,
            "gradient_norm": graph.gradient_norm,
        }
        if graph.skipped_steps is not None:  # There is a loss scale.
            self._fetches["skipped_steps"] = graph.skipped_steps
        self._skipped = None
        self._in_a_row = 0
        self._step = training.first_step
        self._progress = None
        self._writer = None
        self._summarized = None
        self._losses = 0.0, 0  # Their sum and number.

    @property
    def step(self):
        """Steps that are done."""
        return self._step

    def take_mean_loss(self):
        """Mean loss of the steps since this was last asked."""
        total, count = self._losses
        self._losses = 0.0, 0
        return total / count if count else math.nan

    def leave_out(self, seconds):
        """Has a pause between two steps not count in what is shown."""
        self._progress.leave_out(seconds)

    def after_create_session(self, session, coord):
        del session, coord
        if self._progress is not None:
            # Its variables would be the initial ones again, its step 0.
            raise InputError(
                "TensorFlow lost its session after step %d; the same command goes on "
                "from the last checkpoint" % self._step
            )
        # The cached writer is the checkpoint hook's too: one event file in all.
        self._writer = tf.summary.FileWriterCache.get(self._training.output_dir)
        self._progress = Progress(
            "training",
            self._training.recipe.num_steps,
            self._training.first_step,
            self._training.batch_size,
        )

    def before_run(self, run_context):
        del run_context
        return tf.train.SessionRunArgs(self._fetches)

    def after_run(self, run_context, run_values):
        del run_context
        self._step += 1
        loss = float(run_values.results["loss"])
        self._losses = self._losses[0] + loss, self._losses[1] + 1
        learning_rate = float(run_values.results["learning_rate"])
        norm = float(run_values.results["gradient_norm"])
        scaled = "skipped_steps" in run_values.results
        if not (math.isfinite(loss) and (scaled or math.isfinite(norm))):
            self._progress.close()
            raise InputError(
                "the loss is %g and the gradient's norm %g at step %d: training has "
                "failed; try a lower --learning_rate than %g%s"
                % (
                    loss,
                    norm,
                    self._step,
                    self._training.recipe.learning_rate,
                    _last_good(self._training.output_dir),
                )
            )
        facts = "loss %.4f, learning rate %.3g" % (loss, learning_rate)
        if scaled:
            facts += self._skipped_facts(int(run_values.results["skipped_steps"]))
        self._progress.update(self._step, facts)
        last = self._step == self._training.recipe.num_steps
        if last or self._step % _SUMMARY_STEPS == 0:
            self._summarize(loss, learning_rate)

    def _skipped_facts(self, skipped):
        """Stops where step after step overflows; else what the progress line adds."""
        before, self._skipped = self._skipped, skipped
        self._in_a_row = self._in_a_row + 1 if before not in (None, skipped) else 0
        if self._in_a_row >= _MOST_SKIPPED_IN_A_ROW:
            self._progress.close()
            raise InputError(
                "%d steps in a row up to step %d gave gradients that are not finite: "
                "training has failed; try --precision=float32, or a lower "
                "--learning_rate than %g%s"
                % (
                    self._in_a_row,
                    self._step,
                    self._training.recipe.learning_rate,
                    _last_good(self._training.output_dir),
                )
            )
        return ", %d skipped" % skipped if skipped else ""

    def end(self, session):
        del session
        self._progress.close()
        self._writer.flush()
        output_dir = self._training.output_dir
        if self._summarized not in (None, summaries.last_step(output_dir)):
            log.warning(
                "The summaries in %s are not whole: is there room? The training is not "
                "touched by it",
                output_dir,
            )

    def _summarize(self, loss, learning_rate):
        values = {"loss": loss, "learning_rate": learning_rate}
        rate = self._progress.examples_per_second
        if rate is not None:
            values["examples_per_second"] = rate
        self._writer.add_summary(summaries.scalars(values), self._step)
        self._summarized = self._step


def _last_good(output_dir):
    """What to know of the newest checkpoint, if any; its weights are finite."""
    newest = checkpoints.find_newest(output_dir).prefix
    changed = " (in a new --output_dir, or in this with --allow_changes=true)"
    good = "; the last good checkpoint is %s" % newest if newest else ""
    return (changed if newest else "") + good


class SaveListener(tf.train.CheckpointSaverListener):
    """Refuses weights that are not finite, and says that a checkpoint was written."""

    def __init__(self, output_dir):
        self._prefix = os.path.join(output_dir, "model.ckpt")
        finite = [
            tf.reduce_all(tf.math.is_finite(variable))
            for variable in tf.trainable_variables()
        ]
        self._all_finite = tf.reduce_all(tf.stack(finite))

    def before_save(self, session, global_step_value):
        if not session.run(self._all_finite):
            raise InputError(
                "the weights are not finite after step %d and are not saved: training "
                "has failed; try a lower --learning_rate%s"
                % (global_step_value, _last_good(os.path.dirname(self._prefix)))
            )

    def after_save(self, session, global_step_value):
        del session
        log.info("Saved %s-%d", self._prefix, global_step_value)


@dataclass(frozen=True)
class Selection:
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
          wish: `stopping.Wish`, which when true leaves an evaluation undone: the
            training that goes on makes up for it.
        """
        self._wish = stopping.Wish() if wish is None else wish
        self._selection = training.selection
        self._training = training
        self._progress = progress_hook
        self._evaluator = Evaluator(
            training.config,
            training.num_labels,
            self._selection.sets,
            self._selection.batch_size,
            training.execution,
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
        if step == self._training.recipe.num_steps or not patience:
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
        self._directory = os.path.join(training.output_dir, checkpoints.BEST)
        variables = tf.trainable_variables() + [tf.train.get_global_step()]
        self._saver = saving.Saver(variables, keep=1)
        self._step = None
        if training.resumed is not None:
            self._saver.recover_last_checkpoints(checkpoints.all_in(self._directory))
            newest = checkpoints.find_newest(self._directory)
            for line in newest.lines():
                log.warning(line)
            if newest.prefix:
                self._step = checkpoints.read_step(newest.prefix)

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
