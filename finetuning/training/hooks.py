"""What happens beside a training's steps: progress, saving, evaluations."""

import math
import os

import tensorflow.compat.v1 as tf

from finetuning.checkpoints import finding
from finetuning.utils import tensorboard
from finetuning.utils.console import log
from finetuning.utils.errors import InputError
from finetuning.utils.progress import Progress

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
            self._training.hyperparameters.num_steps,
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
                    self._training.hyperparameters.learning_rate,
                    _last_good(self._training.output_dir),
                )
            )
        facts = "loss %.4f, learning rate %.3g" % (loss, learning_rate)
        if scaled:
            facts += self._skipped_facts(int(run_values.results["skipped_steps"]))
        self._progress.update(self._step, facts)
        last = self._step == self._training.hyperparameters.num_steps
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
                    self._training.hyperparameters.learning_rate,
                    _last_good(self._training.output_dir),
                )
            )
        return ", %d skipped" % skipped if skipped else ""

    def end(self, session):
        del session
        self._progress.close()
        self._writer.flush()
        output_dir = self._training.output_dir
        if self._summarized not in (None, tensorboard.last_step(output_dir)):
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
        self._writer.add_summary(tensorboard.scalars(values), self._step)
        self._summarized = self._step


def _last_good(output_dir):
    """What to know of the newest checkpoint, if any; its weights are finite."""
    newest = finding.find_newest(output_dir).prefix
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
