"""Running the model over a whole set: in a session of its own, or within a training."""

import collections
from dataclasses import dataclass
from typing import Optional

import numpy as np
import tensorflow.compat.v1 as tf

import modeling
from finetuning import classifier
from finetuning.checkpoints import compatibility
from finetuning.data import input_pipeline, records
from finetuning.utils.errors import InputError
from finetuning.utils.progress import Progress

Predictions = collections.namedtuple(
    "Predictions", "probabilities per_example_loss label_ids"
)
Predictions.__doc__ = """What the model says of a whole set, in file order.

probabilities: float32 array [examples, L]; of a regression the numbers, L = 1.
per_example_loss: float32 array [examples].
label_ids: array [examples], the labels in the record file: int32 ids, or float32.
"""


@dataclass(frozen=True)
class Inference:
    """All that evaluation or prediction depends on.

    Attributes:
      config: `modeling.BertConfig`.
      num_labels: L.
      contents: `compatibility.CheckpointContents`, whose variables are restored.
      examples: `records.RecordFile`.
      batch_size: see `input_pipeline.inference_batches`.
      seed: of the variables that the checkpoint lacks.
      label: what the progress is called.
      compute: `classifier.ComputeOptions`.
      session_config: `tf.ConfigProto`.
    """

    config: modeling.BertConfig
    num_labels: int
    contents: compatibility.CheckpointContents
    examples: records.RecordFile
    batch_size: int
    seed: int
    label: str
    compute: classifier.ComputeOptions = classifier.DEFAULT_COMPUTE
    session_config: Optional[tf.ConfigProto] = None


def infer(inference):
    """Runs the model over a record file.

    Args:
      inference: `Inference`.

    Returns:
      `Predictions`, in file order.

    Raises:
      InputError: the probabilities are not finite.
      checkpoints.VanishedError: the checkpoint is no longer there.
    """
    contents, examples = inference.contents, inference.examples
    with tf.Graph().as_default():
        tf.set_random_seed(inference.seed)
        few_shapes = inference.compute.pad_to is not None
        batch = input_pipeline.inference_batches(
            examples, inference.batch_size, few_shapes
        )
        graph = classifier.inference_graph(
            inference.config, inference.num_labels, batch, inference.compute
        )
        variables = {variable.op.name: variable for variable in tf.global_variables()}
        saver = tf.train.Saver({name: variables[name] for name in contents.restored})
        fresh = tf.variables_initializer([variables[name] for name in contents.fresh])
        with tf.Session(config=inference.session_config) as session:
            session.run(fresh)
            compatibility.restore(saver, session, contents.prefix)
            fetches = graph + (batch["position"],)
            progress = Progress(inference.label, examples.count, unit="example")
            predictions = _run_all(session, fetches, examples.count, progress)
    _require_finite(predictions, contents.prefix)
    return predictions


class Evaluator:
    """A forward pass beside a training's graph, over the training's own variables."""

    def __init__(self, config, num_labels, sets, batch_size, compute):
        """Adds it to the graph, in which `classifier.training_graph` must be.

        Args:
          config: `modeling.BertConfig`.
          num_labels: L.
          sets: sequence of `records.RecordFile` of one layout.
          batch_size: see `input_pipeline.inference_batches`.
          compute: `classifier.ComputeOptions`.
        """
        self._sets = sets
        few_shapes = compute.pad_to is not None
        batch, self._initializers = input_pipeline.switched_batches(
            sets, batch_size, few_shapes
        )
        with tf.variable_scope(tf.get_variable_scope(), reuse=True):
            graph = classifier.inference_graph(config, num_labels, batch, compute)
        self._fetches = graph + (batch["position"],)

    def run(self, session, label, leave=bool):
        """Runs the model with the weights of this moment.

        Args:
          session: `tf.Session` of the training.
          label: what the progress is called.
          leave: function that is asked after each batch whether to leave off.

        Returns:
          List of the `Predictions` of each set; None where it was left off.

        Raises:
          InputError: the probabilities are not finite.
        """
        found = []
        for examples, initializer in zip(self._sets, self._initializers):
            session.run(initializer)
            progress = Progress(label, examples.count, unit="example", brief=True)
            count = examples.count
            predictions = _run_all(session, self._fetches, count, progress, leave)
            if predictions is None:
                return None
            found.append(predictions)
            _require_finite(found[-1], "the " + label)
        return found


def _require_finite(predictions, source):
    if not np.all(np.isfinite(predictions.probabilities)):
        raise InputError(
            "%s gives probabilities that are not finite: the training failed; use an "
            "earlier checkpoint, or train anew with a lower --learning_rate" % source
        )


def _run_all(session, fetches, count, progress, leave=bool):
    """Fetches batch by batch to the end of the set; `Predictions` in file order.

    Of each example no more stays than its L + 2 numbers of 4 bytes. None where
    `leave()`, asked after each batch, was true.
    """
    columns, done = None, 0
    while True:
        try:
            *found, positions = session.run(fetches)
        except tf.errors.OutOfRangeError:
            break
        if columns is None:
            columns = [np.empty((count,) + v.shape[1:], v.dtype) for v in found]
        for column, values in zip(columns, found):
            column[positions] = values
        done += len(positions)
        progress.update(done)
        if leave():
            progress.close()
            return None
    progress.close()
    if done != count:
        raise InputError(
            "%d examples were written to be read, and %d were found: the record file "
            "was changed meanwhile; start the same command again" % (count, done)
        )
    return Predictions(*columns)
