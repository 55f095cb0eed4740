"""What happens around each training step: progress, summaries, checks before saving."""

import math
import os
import time

import tensorflow.compat.v1 as tf

from finetuning.checkpoints import finding
from finetuning.evaluation.training_history import TrainingHistory
from finetuning.utils import tensorboard
from finetuning.utils.console import log
from finetuning.utils.errors import InputError
from finetuning.utils.progress import Progress, duration

_SUMMARY_STEPS = 10
# After this many steps their speed is known; what takes no longer needs no estimate.
_ESTIMATE_STEPS = 6
_MIN_ESTIMATE_SECONDS = 10
# Progress on a slow GPU is shown at least this often, if not after each step.
_LOOK_SECONDS = 0.5
# After this many skipped steps even the largest loss scale, 2**24, is down to 1, so the
# scale is not the cause.
_MAX_SKIPPED_IN_A_ROW = 30


class StepHook(tf.train.SessionRunHook):
    """Counts the steps, and ends the run if the loss is not finite.

    It looks at the scalars of several steps together, see `StepScalars`; whatever needs
    those of all steps, such as a checkpoint, calls `look` first.
    """

    def __init__(self, run, plan, scalars):
        """Prepares to watch a training run.

        Args:
          run: `run_record.Run`.
          plan: `plan.TrainingPlan`.
          scalars: `step_scalars.StepScalars`.
        """
        self._output_dir = run.output_dir.path
        self._cluster = run.cluster
        self._peak_rate = plan.hyperparameters.learning_rate
        self._scalars = scalars
        self._step = run.first_step
        self._finished = []  # When each step ended that has not been looked at.
        self._last_look = None
        self._skipped = None  # How many steps so far; None before the first one.
        self._skipped_in_a_row = 0

    @property
    def step(self):
        """The number of finished steps."""
        return self._step

    def leave_out(self, seconds):
        """Excludes a pause between two steps from the speed that is shown."""

    def before_run(self, run_context):
        del run_context
        return tf.train.SessionRunArgs(self._scalars.fetch)

    def after_run(self, run_context, run_values):
        self._step += 1
        self._finished.append(time.monotonic())
        if run_values.results is not None:
            self._look_at([self._scalars.parse(run_values.results)])
        elif self._must_look():
            self.look(run_context.session)

    def end(self, session):
        self.look(session)

    def _must_look(self):
        return (
            self._last_look is None  # The first step takes the longest.
            or len(self._finished) == self._scalars.num_steps
            or self._finished[-1] - self._last_look >= _LOOK_SECONDS
        )

    def look(self, session):
        """Looks at the scalars of all finished steps.

        Raises:
          InputError: training has failed.
        """
        if self._finished:
            self._look_at(self._scalars.read(session, len(self._finished)))

    def _look_at(self, scalars):
        """Looks at the `Scalars` of the last steps; returns their numbers."""
        finished, self._finished = self._finished, []
        steps = range(self._step - len(finished) + 1, self._step + 1)
        for step, seconds, each in zip(steps, finished, scalars):
            self._check(step, each)
            self._record(step, seconds, each)
        self._last_look = time.monotonic()
        return steps

    def _record(self, step, finished, scalars):
        """Records a step whose scalars are as they should be, and when it ended."""

    def _check(self, step, scalars):
        """Ends the run if training has failed at a step."""
        loss, _, norm, skipped = scalars
        # A scaled loss may overflow in the gradients: that step is skipped.
        if not (math.isfinite(loss) and (skipped is not None or math.isfinite(norm))):
            self._fail(
                "the loss is %g and the gradient norm %g at step %d: training has "
                "failed; try a lower --learning_rate than %g"
                % (loss, norm, step, self._peak_rate)
            )
        if skipped is not None:
            self._count_skipped(step, skipped)

    def _count_skipped(self, step, skipped):
        """Ends the run if each step is skipped."""
        before, self._skipped = self._skipped, skipped
        is_skipped = before not in (None, skipped)
        self._skipped_in_a_row = self._skipped_in_a_row + 1 if is_skipped else 0
        if self._skipped_in_a_row >= _MAX_SKIPPED_IN_A_ROW:
            self._fail(
                "the gradients of %d steps in a row, up to step %d, were not finite: "
                "training has failed; try --precision=float32, or a lower "
                "--learning_rate than %g"
                % (self._skipped_in_a_row, step, self._peak_rate)
            )

    def _fail(self, message):
        """Ends the run; all workers come here after the same step."""
        self._cluster.leave_together()
        raise InputError(message + _last_checkpoint(self._output_dir))


class ProgressHook(StepHook):
    """Also shows each step and writes summaries."""

    def __init__(self, run, plan, scalars, mean_loss):
        """Prepares to watch a training run, as `StepHook` does.

        Args:
          run: `run_record.Run`.
          plan: `plan.TrainingPlan`.
          scalars: `step_scalars.StepScalars`.
          mean_loss: `mean_loss.MeanLoss`, to which the loss of each step is added.
        """
        super().__init__(run, plan, scalars)
        self._batch_size = run.settings.train_batch_size
        self._first_step = run.first_step
        self._num_steps = plan.hyperparameters.num_steps
        self._not_estimated = ", without the evaluations" if plan.schedule else ""
        self._is_estimated = False
        self._progress = None
        self._writer = None
        self._last_summary = None
        self._mean_loss = mean_loss
        self.history = TrainingHistory(self._output_dir, self._first_step)

    def leave_out(self, seconds):
        self._progress.leave_out(seconds)
        self.history.leave_out(seconds)

    def after_create_session(self, session, coord):
        del session, coord
        # The checkpoint hook uses the same cached writer: one event file in all.
        self._writer = tf.summary.FileWriterCache.get(self._output_dir)
        # TensorBoard discards what an interrupted run wrote for the steps from here on.
        start = tf.SessionLog(status=tf.SessionLog.START)
        self._writer.add_session_log(start, self._first_step + 1)
        self.history.start()
        self._progress = Progress(
            "training", self._num_steps, self._first_step, self._batch_size
        )

    def _look_at(self, scalars):
        steps = super()._look_at(scalars)
        shown = ["loss %.4f" % scalars[-1].loss]
        if self._skipped:
            shown.append("%d skipped" % self._skipped)
        shown.append("lr %.2g" % scalars[-1].learning_rate)
        self._progress.update(self._step, *shown)
        if not self._is_estimated and self._step >= self._first_step + _ESTIMATE_STEPS:
            self._is_estimated = True
            self._log_estimate()
        for step, each in zip(steps, scalars):
            if step == self._num_steps or step % _SUMMARY_STEPS == 0:
                self._summarize(step, each)
        return steps

    def _record(self, step, finished, scalars):
        self._mean_loss.add(scalars.loss)
        self.history.add(step, scalars.loss, scalars.learning_rate, finished)

    def _log_estimate(self):
        left = self._progress.seconds_left
        if left > _MIN_ESTIMATE_SECONDS:
            log.info(
                "Training will take about %s (%.1f examples/s)%s",
                duration(left),
                self._progress.examples_per_second,
                self._not_estimated,
            )

    def _fail(self, message):
        self._progress.close()
        self.history.write()
        super()._fail(message)

    def end(self, session):
        super().end(session)
        self._progress.close()
        self.history.write()
        self._writer.flush()
        if self._last_summary not in (None, tensorboard.last_step(self._output_dir)):
            log.warning(
                "TensorBoard summaries in %s are incomplete (disk full?). Training is "
                "not affected",
                self._output_dir,
            )

    def _summarize(self, step, scalars):
        values = {"loss": scalars.loss, "learning_rate": scalars.learning_rate}
        rate = self._progress.examples_per_second
        if rate is not None:
            values["examples_per_second"] = rate
        self._writer.add_summary(tensorboard.scalars(values), step)
        self._last_summary = step


def _last_checkpoint(output_dir):
    """Names the latest checkpoint, if there is one; its weights are finite."""
    latest = finding.find_latest(output_dir).prefix
    if latest is None:
        return ""
    return (
        " (in a new --output_dir, or in this one with --allow_changes=true); the "
        "latest checkpoint, whose weights are finite, is %s" % latest
    )


class SaveListener(tf.train.CheckpointSaverListener):
    """Refuses to save weights that are not finite, and logs each saved checkpoint."""

    def __init__(self, run, step_hook):
        """Takes the `ProgressHook`, whose history is written before a checkpoint."""
        self._step_hook = step_hook
        self._output_dir = run.output_dir.path
        self._initial = run.settings.init_checkpoint
        finite = [
            tf.reduce_all(tf.math.is_finite(variable))
            for variable in tf.trainable_variables()
        ]
        self._all_finite = tf.reduce_all(tf.stack(finite))

    def before_save(self, session, global_step_value):
        self._step_hook.look(session)
        self._step_hook.history.write()
        if session.run(self._all_finite):
            return
        if global_step_value == 0:
            raise InputError(
                "--init_checkpoint=%s contains NaN, infinity, or numbers too large for "
                "float32; use another checkpoint" % self._initial
            )
        raise InputError(
            "the weights are not finite after step %d and are not saved: training "
            "has failed; try a lower --learning_rate%s"
            % (global_step_value, _last_checkpoint(self._output_dir))
        )

    def after_save(self, session, global_step_value):
        del session
        prefix = os.path.join(self._output_dir, "model.ckpt")
        log.info("Saved %s-%d", prefix, global_step_value)
