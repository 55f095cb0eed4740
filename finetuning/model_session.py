"""A model with its weights in a graph and a session of their own, ready to compute."""

import numpy as np
import tensorflow.compat.v1 as tf

from finetuning.data.input_pipeline import batch_bounds
from finetuning.export import saved_model


class ModelSession:
    """Computes the outputs of a model; may be used by several threads at once.

    It shares no graph, session or variable with the rest of the process, and takes no
    more of a GPU's memory than it needs.
    """

    def __init__(self, session, inputs, outputs, batch_tokens):
        """Takes a session that has the weights.

        Args:
          session: `tf.Session`.
          inputs: dictionary from `saved_model.INPUTS` to tensors or their names.
          outputs: the same for what is computed.
          batch_tokens: how many tokens, padding included, are computed at once.
        """
        self._session, self._batch_tokens = session, batch_tokens
        session.graph.finalize()
        self._names = sorted(outputs)
        self._compute = session.make_callable(
            [outputs[name] for name in self._names],
            [inputs[name] for name in saved_model.INPUTS],
        )

    def run(self, rows):
        """Computes the outputs of examples, in batches of similar length.

        Args:
          rows: non-empty list of int32 arrays [3, S], in the order of
            `saved_model.INPUTS`; S is each example's own.

        Returns:
          Dictionary of float32 arrays in the order of the rows: `probabilities` and
          `logits` [rows, L], or for a regression `value` [rows].
        """
        lengths = np.array([row.shape[1] for row in rows])
        order = np.argsort(-lengths, kind="mergesort")
        longest = lengths[order[0]]
        batch_size = max(self._batch_tokens // longest, 1)
        bounds = batch_bounds(lengths[order], batch_size, longest)
        results = {}
        for first, last in zip(bounds[:-1], bounds[1:]):
            chosen = order[first:last]
            batch = np.zeros((3, len(chosen), lengths[chosen[0]]), np.int32)
            for place, index in enumerate(chosen):
                batch[:, place, : lengths[index]] = rows[index]
            for name, values in zip(self._names, self._compute(*batch)):
                if name not in results:
                    shape = (len(rows),) + values.shape[1:]
                    results[name] = np.empty(shape, values.dtype)
                results[name][chosen] = values
        return results

    def close(self):
        self._session.close()


def from_checkpoint(model, batch_tokens, num_threads, with_attention=False):
    """Returns the `ModelSession` of a `trained_model.TrainedModel`.

    Args:
      model: the model.
      batch_tokens: see `ModelSession`.
      num_threads: CPU threads of one op; 0: as many as TensorFlow chooses.
      with_attention: whether `run` also returns `attention`, [rows, layers, N, S, S],
        for rows of one length; see `saved_model.build_graph`.

    Raises:
      compatibility.VanishedError: the checkpoint was removed or replaced meanwhile.
    """
    graph = tf.Graph()
    with graph.as_default():
        inputs, outputs = saved_model.build_graph(model, with_attention)
    session = tf.Session(graph=graph, config=_config(num_threads))
    saved_model.load_weights(model, session)
    return ModelSession(session, inputs, outputs, batch_tokens)


def from_export(directory, batch_tokens, num_threads):
    """Returns the `ModelSession` of an export that `saved_model.find` found.

    Raises:
      InputError: it is damaged.
    """
    loaded = saved_model.load(directory, _config(num_threads))
    return ModelSession(*loaded, batch_tokens)


def _config(num_threads):
    config = tf.ConfigProto(
        allow_soft_placement=True,
        intra_op_parallelism_threads=num_threads,
        inter_op_parallelism_threads=2,
        # Otherwise all sessions of the process would get these two threads.
        use_per_session_threads=True,
    )
    config.gpu_options.allow_growth = True
    return config
