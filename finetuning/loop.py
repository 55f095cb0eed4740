"""The sessions: training with hooks, and inference over a whole set."""

import collections
import math
import os
import time
from dataclasses import dataclass
from typing import Optional

import numpy as np
import tensorflow.compat.v1 as tf

import modeling
from finetuning import checkpoints, classifier, loss_scaling, records, summaries
from finetuning.console import log
from finetuning.errors import InputError
from finetuning.progress import Progress, duration

_SUMMARY_STEPS = 10
# By then the largest loss scale, 2**24, has fallen to 1, and it was not the scale.
_MOST_SKIPPED_IN_A_ROW = 30

Predictions = collections.namedtuple(
    "Predictions", "probabilities per_example_loss label_ids"
)
Predictions.__doc__ = """What the model says of a whole set, in file order.

probabilities: float32 array [examples, L].
per_example_loss: float32 array [examples].
label_ids: int32 array [examples], the labels in the record file.
"""


@dataclass(frozen=True)
class Inference:
    """All that evaluation or prediction depends on.

    Attributes:
      config: `modeling.BertConfig`.
      num_labels: L.
      contents: `checkpoints.Contents`, whose variables are restored.
      examples: `records.RecordFile`.
      batch_size: see `records.inference_batches`.
      seed: of the variables that the checkpoint lacks.
      label: what the progress is called.
      execution: `classifier.Execution`.
      session_config: `tf.ConfigProto`.
    """

    config: modeling.BertConfig
    num_labels: int
    contents: checkpoints.Contents
    examples: records.RecordFile
    batch_size: int
    seed: int
    label: str
    execution: classifier.Execution = classifier.PLAIN
    session_config: Optional[tf.ConfigProto] = None


@dataclass(frozen=True)
class Training:
    """All that a training depends on.

    Attributes:
      config: `modeling.BertConfig`.
      num_labels: L.
      examples: `records.RecordFile`.
      batch_size: B.
      learning_rate: the peak.
      num_steps: optimiser steps in all.
      num_warmup_steps: of them, in warm-up.
      seed: of fresh weights, shuffling and dropout.
      output_dir: directory of checkpoints and summaries.
      save_steps: steps between two checkpoints.
      keep_checkpoints: newest checkpoints that stay; 0: all.
      initial: `checkpoints.Contents` to start from, or None: random weights.
      resumed: `checkpoints.Contents` of the training in `output_dir` that goes on, or
        None; if there is one, `initial` is not looked at.
      execution: `classifier.Execution`.
      session_config: `tf.ConfigProto`.
    """

    config: modeling.BertConfig
    num_labels: int
    examples: records.RecordFile
    batch_size: int
    learning_rate: float
    num_steps: int
    num_warmup_steps: int
    seed: int
    output_dir: str
    save_steps: int
    keep_checkpoints: int
    initial: Optional[checkpoints.Contents]
    resumed: Optional[checkpoints.Contents]
    execution: classifier.Execution = classifier.PLAIN
    session_config: Optional[tf.ConfigProto] = None

    @property
    def first_step(self):
        return self.resumed.step if self.resumed else 0


def train(training):
    """Trains up to `num_steps`, resuming from the newest checkpoint if there is one.

    Args:
      training: `Training`.

    Raises:
      InputError: the loss is no longer finite.
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
            listeners=[_SaveListener(training.output_dir)],
        )
        log.info(_starting_line(training))
        started = time.monotonic()
        with tf.train.MonitoredTrainingSession(
            scaffold=scaffold,
            # In this order: what is no longer finite must not be saved.
            hooks=[_ProgressHook(training, graph), saver_hook],
            save_checkpoint_secs=None,
            save_checkpoint_steps=None,
            save_summaries_steps=None,
            save_summaries_secs=None,
            log_step_count_steps=None,
            config=training.session_config,
        ) as session:
            for _ in range(training.first_step, training.num_steps):
                session.run(graph.train_op)
        tf.summary.FileWriterCache.clear()
        log.info("Training took %s", duration(time.monotonic() - started))


def _training_graph(training):
    batch = records.training_batches(
        training.examples, training.batch_size, training.seed, training.first_step
    )
    return classifier.training_graph(
        training.config,
        training.num_labels,
        batch,
        training.seed,
        training.learning_rate,
        training.num_steps,
        training.num_warmup_steps,
        training.execution,
    )


def _scaffold(training):
    """How the session's variables get their values, and the saver of all of them."""
    saver = tf.train.Saver(
        max_to_keep=training.keep_checkpoints, save_relative_paths=True
    )
    if training.resumed is None:
        if training.initial is not None:
            same_names = {name: name for name in training.initial.restored}
            tf.train.init_from_checkpoint(training.initial.prefix, same_names)
        return tf.train.Scaffold(saver=saver)

    # A training in float32 leaves no loss scale.
    optional = tf.global_variables(loss_scaling.SCOPE + "/")
    fresh = checkpoints.lacking(training.resumed.prefix, optional)
    names = {variable.op.name for variable in fresh}
    restorer = tf.train.Saver(
        [each for each in tf.global_variables() if each.op.name not in names]
    )

    def restore(scaffold, session):
        del scaffold
        restorer.restore(session, training.resumed.prefix)
        # Else the saver would forget which older ones to delete in time.
        saver.recover_last_checkpoints(checkpoints.all_in(training.output_dir))

    init_op = tf.variables_initializer(fresh)
    return tf.train.Scaffold(init_op=init_op, init_fn=restore, saver=saver)


def _starting_line(training):
    if training.resumed is not None:
        return "Restoring the training at step %d" % training.first_step
    if training.initial is not None:
        return "Restoring the initial weights; the first step takes the longest"
    return "Drawing random weights; the first step takes the longest"


class _ProgressHook(tf.train.SessionRunHook):
    """Shows each step, writes summaries, and stops where the loss is not finite."""

    def __init__(self, training, graph):
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
            self._training.num_steps,
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
        learning_rate = float(run_values.results["learning_rate"])
        norm = float(run_values.results["gradient_norm"])
        scaled = "skipped_steps" in run_values.results
        if not (math.isfinite(loss) and (scaled or math.isfinite(norm))):
            self._progress.close()
            raise InputError(
                "the loss is %g and the gradient's norm %g at step %d: training has "
                "failed; try a lower --learning_rate than %g"
                % (loss, norm, self._step, self._training.learning_rate)
            )
        facts = "loss %.4f, learning rate %.3g" % (loss, learning_rate)
        if scaled:
            facts += self._skipped_facts(int(run_values.results["skipped_steps"]))
        self._progress.update(self._step, facts)
        if self._step % _SUMMARY_STEPS == 0 or self._step == self._training.num_steps:
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
                "--learning_rate than %g"
                % (self._in_a_row, self._step, self._training.learning_rate)
            )
        return ", %d skipped" % skipped if skipped else ""

    def end(self, session):
        del session
        self._progress.close()
        self._writer.flush()

    def _summarize(self, loss, learning_rate):
        values = {"loss": loss, "learning_rate": learning_rate}
        rate = self._progress.examples_per_second
        if rate is not None:
            values["examples_per_second"] = rate
        self._writer.add_summary(summaries.scalars(values), self._step)


class _SaveListener(tf.train.CheckpointSaverListener):
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
                "has failed; try a lower --learning_rate" % global_step_value
            )

    def after_save(self, session, global_step_value):
        del session
        log.info("Saved %s-%d", self._prefix, global_step_value)


def infer(inference):
    """Runs the model over a record file.

    Args:
      inference: `Inference`.

    Returns:
      `Predictions`, in file order.

    Raises:
      InputError: the probabilities are not finite.
    """
    contents, examples = inference.contents, inference.examples
    with tf.Graph().as_default():
        tf.set_random_seed(inference.seed)
        few_shapes = inference.execution.pad_to is not None
        batch = records.inference_batches(examples, inference.batch_size, few_shapes)
        graph = classifier.inference_graph(
            inference.config, inference.num_labels, batch, inference.execution
        )
        variables = {variable.op.name: variable for variable in tf.global_variables()}
        saver = tf.train.Saver({name: variables[name] for name in contents.restored})
        fresh = tf.variables_initializer([variables[name] for name in contents.fresh])
        with tf.Session(config=inference.session_config) as session:
            session.run(fresh)
            saver.restore(session, contents.prefix)
            fetches = graph + (batch["position"],)
            *found, positions = _run_all(session, fetches, inference)
    in_file_order = np.argsort(positions)
    predictions = Predictions(*(values[in_file_order] for values in found))
    if not np.all(np.isfinite(predictions.probabilities)):
        raise InputError(
            "%s gives probabilities that are not finite: its training failed; use an "
            "earlier checkpoint, or train anew" % contents.prefix
        )
    return predictions


def _run_all(session, fetches, inference):
    """The fetched arrays of all batches, end to end."""
    progress = Progress(inference.label, inference.examples.count, unit="example")
    batches, done = [], 0
    while True:
        try:
            batches.append(session.run(fetches))
        except tf.errors.OutOfRangeError:
            break
        done += len(batches[-1][-1])
        progress.update(done)
    progress.close()
    return [np.concatenate(parts) for parts in zip(*batches)]
