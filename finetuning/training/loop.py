"""A training's session: its graph, its variables' first values, its steps."""

import os
import time
from dataclasses import dataclass
from typing import Optional

import tensorflow.compat.v1 as tf

import modeling
from encoder import mixed_precision
from finetuning import classifier
from finetuning.checkpoints import compatibility, finding, saving
from finetuning.data import input_pipeline, records
from finetuning.training.evaluation_hook import EvalSchedule, EvaluationHook
from finetuning.training.hooks import ProgressHook, SaveListener
from finetuning.utils import signals
from finetuning.utils.console import log
from finetuning.utils.progress import duration


@dataclass(frozen=True)
class Training:
    """All that a training depends on.

    Attributes:
      config: `modeling.BertConfig`.
      num_labels: L.
      examples: `records.RecordFile`.
      batch_size: B.
      hyperparameters: `classifier.Hyperparameters`.
      seed: of fresh weights, shuffling and dropout.
      output_dir: directory of checkpoints and summaries.
      save_steps: steps between two checkpoints.
      keep_checkpoints: newest checkpoints that stay; 0: all.
      initial: `compatibility.CheckpointContents` to start from, or None: random weights.
      resumed: `compatibility.CheckpointContents` of the training in `output_dir` that goes on, or
        None; if there is one, `initial` is not looked at.
      selection: `evaluation_hook.EvalSchedule`, or None: no evaluation during the training.
      compute: `classifier.ComputeOptions`.
      session_config: `tf.ConfigProto`.
    """

    config: modeling.BertConfig
    num_labels: int
    examples: records.RecordFile
    batch_size: int
    hyperparameters: classifier.Hyperparameters
    seed: int
    output_dir: str
    save_steps: int
    keep_checkpoints: int
    initial: Optional[compatibility.CheckpointContents]
    resumed: Optional[compatibility.CheckpointContents]
    selection: Optional[EvalSchedule] = None
    compute: classifier.ComputeOptions = classifier.DEFAULT_COMPUTE
    session_config: Optional[tf.ConfigProto] = None

    @property
    def first_step(self):
        return self.resumed.step if self.resumed else 0


def train(training):
    """Trains up to the planned number of steps, or until the selection ends it.

    Args:
      training: `Training`.

    Raises:
      InputError: the loss is no longer finite, or there is no room for a checkpoint.
      stopping.Stopped: a signal asked for the end; all that was done is saved.
    """
    log.info("Building the training graph")
    with tf.Graph().as_default():
        tf.set_random_seed(training.seed)
        graph = _training_graph(training)
        scaffold = _scaffold(training)
        saver_hook = tf.train.CheckpointSaverHook(
            training.output_dir,
            save_steps=training.save_steps,
            scaffold=scaffold,
            listeners=[SaveListener(training.output_dir)],
        )
        progress_hook = ProgressHook(training, graph)
        # In this order: what is no longer finite must not be saved.
        hooks = [progress_hook, saver_hook]
        wish = signals.StopRequest()
        if training.selection is not None:
            hooks.append(EvaluationHook(training, progress_hook, wish))
        log.info(_starting_line(training))
        started = time.monotonic()
        with signals.deferring_signals(wish), _session(
            training, scaffold, hooks
        ) as session:
            for _ in range(training.first_step, training.hyperparameters.num_steps):
                if wish or session.should_stop():
                    break
                session.run(graph.train_op)
        tf.summary.FileWriterCache.clear()
        log.info("Training took %s", duration(time.monotonic() - started))
    if wish:
        raise signals.Stopped(_stopped_line(training, wish, progress_hook.step), wish)


def _session(training, scaffold, hooks):
    return tf.train.MonitoredTrainingSession(
        scaffold=scaffold,
        hooks=hooks,
        save_checkpoint_secs=None,
        save_checkpoint_steps=None,
        save_summaries_steps=None,
        save_summaries_secs=None,
        log_step_count_steps=None,
        config=training.session_config,
    )


def _stopped_line(training, wish, step):
    return (
        "STOPPED by %s after step %d of %d, saved as %s-%d; the same command goes on "
        "from there"
        % (
            wish.name,
            step,
            training.hyperparameters.num_steps,
            os.path.join(training.output_dir, "model.ckpt"),
            step,
        )
    )


def _training_graph(training):
    batch = input_pipeline.training_batches(
        training.examples, training.batch_size, training.seed, training.first_step
    )
    return classifier.training_graph(
        training.config,
        training.num_labels,
        batch,
        training.seed,
        training.hyperparameters,
        training.compute,
    )


def _scaffold(training):
    """How the session's variables get their values, and the saver of all of them."""
    saver = saving.Saver(keep=training.keep_checkpoints)
    if training.resumed is None:
        if training.initial is not None:
            same_names = {name: name for name in training.initial.restored}
            tf.train.init_from_checkpoint(training.initial.prefix, same_names)
        return tf.train.Scaffold(saver=saver)

    # A training in float32 leaves no loss scale.
    optional = tf.global_variables(mixed_precision.LOSS_SCALE_SCOPE + "/")
    fresh = compatibility.lacking(training.resumed.prefix, optional)
    names = {variable.op.name for variable in fresh}
    restorer = tf.train.Saver(
        [each for each in tf.global_variables() if each.op.name not in names]
    )

    def restore(scaffold, session):
        del scaffold
        restorer.restore(session, training.resumed.prefix)
        # Else the saver would forget which older ones to delete in time.
        saver.recover_last_checkpoints(finding.all_in(training.output_dir))

    init_op = tf.variables_initializer(fresh)
    return tf.train.Scaffold(init_op=init_op, init_fn=restore, saver=saver)


def _starting_line(training):
    if training.resumed is not None:
        return "Restoring the training at step %d" % training.first_step
    if training.initial is not None:
        return "Restoring the initial weights; the first step takes the longest"
    return "Drawing random weights; the first step takes the longest"
