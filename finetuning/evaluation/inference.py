"""Running the model over a whole dataset: in its own session, or during training."""

import collections
import contextlib

import numpy as np
import tensorflow.compat.v1 as tf

from finetuning import classifier
from finetuning.data import input_pipeline
from finetuning.device import backend
from finetuning.evaluation.compilations import Compilations
from finetuning.utils import in_flight
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


def infer(run, contents, record_file, batch_size, label, on_restored=lambda: None):
    """Runs the model over a record file, in a session of its own.

    With several workers, each does so for its share of the batches.

    Args:
      run: `run_record.Run`, for the model's config, labels, seed and compute options.
      contents: `compatibility.CheckpointContents` of the weights; None on a worker that
        takes them from worker 0.
      record_file: `records.RecordFile`.
      batch_size: see `input_pipeline.inference_batches`.
      label: the name of the progress bar.
      on_restored: function that is called when the weights have been restored.

    Returns:
      `Predictions`; None on all workers but the first.

    Raises:
      InputError: the probabilities are not finite.
      compatibility.VanishedError: the checkpoint no longer exists, or was replaced.
    """
    with tf.Graph().as_default(), run.collectives.placement():
        # Variables that the checkpoint lacks get random values.
        tf.set_random_seed(run.seed)
        batch = input_pipeline.inference_batches(
            record_file, batch_size, run.compute.xla, run.share
        )
        graph = classifier.inference_graph(
            run.inputs.config, run.task.num_outputs, batch, run.compute
        )
        with tf.Session(run.collectives.target, config=run.session_config) as session:
            if contents is None:
                session.run(tf.global_variables_initializer())
            else:
                _restore(session, contents)
            on_restored()
            session.run(run.collectives.broadcast(tf.global_variables()))
            fetches = _fetches(graph, batch)
            session = Compilations("the " + label, graph.num_rows).watch(session)
            with _progress(run.cluster, label, record_file.count) as progress:
                columns = _run_all(session, fetches, progress, _at_once(run))
    predictions = _gather(run.cluster, columns, record_file.count)
    if predictions is not None:
        _require_finite(predictions, contents.prefix)
    return predictions


def _restore(session, contents):
    variables = {variable.op.name: variable for variable in tf.global_variables()}
    with contents.restoring():
        restorer = contents.restorer(variables)
    fresh = tf.variables_initializer([variables[name] for name in contents.fresh])
    session.run(fresh)
    with contents.restoring():
        restorer.restore(session)


class Evaluator:
    """A forward pass that shares the variables of the training graph."""

    def __init__(self, run, record_files):
        """Adds the forward pass to a graph that has `classifier.training_graph`.

        Args:
          run: `run_record.Run`, for the model's config, labels, batch size and options.
          record_files: sequence of `records.RecordFile` of one sequence length.
        """
        self._cluster = run.cluster
        self._record_files = record_files
        batch, self._initializers = input_pipeline.switched_batches(
            record_files,
            run.settings.eval_batch_size,
            run.compute.xla,
            run.share,
        )
        with tf.variable_scope(tf.get_variable_scope(), reuse=True):
            graph = classifier.inference_graph(
                run.inputs.config, run.task.num_outputs, batch, run.compute
            )
        self._fetches = _fetches(graph, batch)
        self._compilations = Compilations("the evaluation", graph.num_rows)
        self._at_once = _at_once(run)

    def run(self, session, label, is_cancelled):
        """Runs the model with the current weights of the session.

        With several workers, each does so for its share of the batches.

        Args:
          session: `tf.Session` of the training run.
          label: the name of the progress bar.
          is_cancelled: function that is called after each batch and may return True to
            cancel the evaluation.

        Returns:
          List of `Predictions`, one for each record file; None if a worker cancelled
          the evaluation, and on all workers but the first.

        Raises:
          InputError: the probabilities are not finite.
        """
        results = []
        watched = self._compilations.watch(session)
        for record_file, initializer in zip(self._record_files, self._initializers):
            session.run(initializer)
            count = record_file.count
            with _progress(self._cluster, label, count, brief=True) as progress:
                columns = _run_all(
                    watched, self._fetches, progress, self._at_once, is_cancelled
                )
            predictions = _gather(self._cluster, columns, count)
            if predictions is not None:
                _require_finite(predictions, "the " + label)
            results.append(predictions)
        return None if None in results else results


def _fetches(graph, batch):
    """Tensors for the fields of `Predictions`, and the examples' positions."""
    return graph[: len(Predictions._fields)] + (batch["position"],)


def _require_finite(predictions, source):
    if not np.all(np.isfinite(predictions.probabilities)):
        raise InputError(
            "%s produces probabilities that are not finite: training has failed; use "
            "an earlier checkpoint, or train from scratch with a lower --learning_rate"
            % source
        )


@contextlib.contextmanager
def _progress(cluster, label, total, brief=False):
    """Yields a function that shows how many examples this worker has done.

    Worker 0 shows them for all: the others have done about as many.
    """
    if not cluster.is_chief:
        yield lambda _: None
        return
    progress = Progress(label, total, unit="example", brief=brief)
    try:
        yield lambda done: progress.update(min(done * cluster.count, total))
    finally:
        progress.close()


def _at_once(run):
    """How many batches are computed at a time."""
    if run.compute.xla:  # Both would wait for one compilation.
        return 1
    return backend.batches_in_flight(run.device.kind, run.settings.num_threads)


def _run_all(session, fetches, progress, at_once, is_cancelled=lambda: False):
    """Fetches all batches of this worker.

    Memory holds no more of an example than its L + 2 numbers and its position, and the
    batches that are computed.

    Args:
      session: `tf.Session`.
      fetches: tensors of one batch, the last one its positions; each run takes the next
        batch.
      progress: function of the number of examples that are done.
      at_once: the number of batches that are computed at a time.
      is_cancelled: function that is called after each batch.

    Returns:
      Lists of arrays, an array for each batch: `Predictions`' and the positions of the
      examples in the file; None if the evaluation was cancelled.
    """

    def next_batch():
        try:
            return session.run(fetches)
        except tf.errors.OutOfRangeError:
            return None

    batches, done = [], 0
    with contextlib.closing(in_flight.results(next_batch, at_once)) as results:
        for batch in results:
            batches.append(batch)
            done += len(batch[-1])
            progress(done)
            if is_cancelled():
                return None
    return [np.concatenate(arrays) for arrays in zip(*batches)]


def _gather(cluster, columns, count):
    """Joins what the workers computed, in file order.

    Args:
      cluster: `cluster.Cluster`.
      columns: what `_run_all` returned on this worker.
      count: the number of examples in the file.

    Returns:
      `Predictions`; None if a worker's part was cancelled, and on all workers but the
      first.
    """
    gathered = cluster.gather(columns is not None, columns or ())
    if gathered is None or not all(is_done for is_done, _ in gathered):
        return None
    parts = [arrays for _, arrays in gathered if arrays]
    *arrays, positions = (np.concatenate(column) for column in zip(*parts))
    results = [np.empty((count,) + array.shape[1:], array.dtype) for array in arrays]
    for result, array in zip(results, arrays):
        result[positions] = array
    return Predictions(*results)
