"""Running the model over a whole dataset: in its own session, or during training."""

import collections

import numpy as np
import tensorflow.compat.v1 as tf

from finetuning import classifier
from finetuning.data import input_pipeline
from finetuning.utils.errors import InputError
from finetuning.utils.progress import Progress

Predictions = collections.namedtuple(
    "Predictions", "probabilities per_example_loss label_ids"
)
Predictions.__doc__ = """The output of the model for a whole dataset, in file order.

probabilities: float32 array [examples, L]; the predicted numbers of a regression.
per_example_loss: float32 array [examples].
label_ids: array [examples], the labels in the record file: int32 ids, or float32.
"""


def infer(run, contents, record_file, batch_size, label):
    """Runs the model over a record file, in a session of its own.

    Args:
      run: `run.Run`, for the model's config, labels, seed and compute options.
      contents: `compatibility.CheckpointContents` of the weights.
      record_file: `records.RecordFile`.
      batch_size: see `input_pipeline.inference_batches`.
      label: the name of the progress bar.

    Returns:
      `Predictions`.

    Raises:
      InputError: the probabilities are not finite.
      compatibility.VanishedError: the checkpoint no longer exists, or was replaced.
    """
    with tf.Graph().as_default():
        # Variables that the checkpoint lacks get random values.
        tf.set_random_seed(run.seed)
        batch = input_pipeline.inference_batches(
            record_file, batch_size, run.compute.pad_to is not None
        )
        graph = classifier.inference_graph(
            run.inputs.config, run.task.num_outputs, batch, run.compute
        )
        variables = {variable.op.name: variable for variable in tf.global_variables()}
        with contents.restoring():
            restorer = contents.restorer(variables)
        fresh = tf.variables_initializer([variables[name] for name in contents.fresh])
        with tf.Session(config=run.session_config) as session:
            session.run(fresh)
            with contents.restoring():
                restorer.restore(session)
            fetches = graph + (batch["position"],)
            progress = Progress(label, record_file.count, unit="example")
            predictions = _run_all(session, fetches, record_file.count, progress)
    _require_finite(predictions, contents.prefix)
    return predictions


def _never():
    return False


class Evaluator:
    """A forward pass that shares the variables of the training graph."""

    def __init__(self, config, num_labels, record_files, batch_size, compute):
        """Adds the forward pass to a graph that has `classifier.training_graph`.

        Args:
          config: `modeling.BertConfig`.
          num_labels: L.
          record_files: sequence of `records.RecordFile` of one sequence length.
          batch_size: see `input_pipeline.inference_batches`.
          compute: `classifier.ComputeOptions`.
        """
        self._record_files = record_files
        batch, self._initializers = input_pipeline.switched_batches(
            record_files, batch_size, compute.pad_to is not None
        )
        with tf.variable_scope(tf.get_variable_scope(), reuse=True):
            graph = classifier.inference_graph(config, num_labels, batch, compute)
        self._fetches = graph + (batch["position"],)

    def run(self, session, label, is_cancelled=_never):
        """Runs the model with the current weights of the session.

        Args:
          session: `tf.Session` of the training run.
          label: the name of the progress bar.
          is_cancelled: function that is called after each batch and may return True to
            cancel the evaluation.

        Returns:
          List of `Predictions`, one for each record file; None if it was cancelled.

        Raises:
          InputError: the probabilities are not finite.
        """
        results = []
        for record_file, initializer in zip(self._record_files, self._initializers):
            session.run(initializer)
            count = record_file.count
            progress = Progress(label, count, unit="example", brief=True)
            predictions = _run_all(
                session, self._fetches, count, progress, is_cancelled
            )
            if predictions is None:
                return None
            _require_finite(predictions, "the " + label)
            results.append(predictions)
        return results


def _require_finite(predictions, source):
    if not np.all(np.isfinite(predictions.probabilities)):
        raise InputError(
            "%s produces probabilities that are not finite: training has failed; use "
            "an earlier checkpoint, or train from scratch with a lower --learning_rate"
            % source
        )


def _run_all(session, fetches, count, progress, is_cancelled=_never):
    """Fetches all batches; returns `Predictions` in file order, or None if cancelled.

    Memory holds no more of an example than its L + 2 numbers.
    """
    columns, done = None, 0
    while True:
        try:
            *arrays, positions = session.run(fetches)
        except tf.errors.OutOfRangeError:
            break
        if columns is None:
            columns = [np.empty((count,) + a.shape[1:], a.dtype) for a in arrays]
        for column, array in zip(columns, arrays):
            column[positions] = array
        done += len(positions)
        progress.update(done)
        if is_cancelled():
            progress.close()
            return None
    progress.close()
    return Predictions(*columns)
