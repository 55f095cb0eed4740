"""The loss and the other scalars of training steps, which leave the GPU together."""

from typing import NamedTuple, Optional

import tensorflow.compat.v1 as tf

# How many steps a GPU computes, at most, until the host looks at their scalars.
GPU_STEPS = 10


class Scalars(NamedTuple):
    """The scalars of one step, see `optimization.TrainStep`."""

    loss: float
    learning_rate: float
    gradient_norm: float
    skipped_steps: Optional[int] = None


class StepScalars:
    """The scalars of a training step, and those of the steps before it.

    For each tensor that it fetches, the host waits until a GPU has computed it, and the
    GPU has nothing to do until the host has issued the next step. So the scalars are
    one tensor, and on a GPU that tensor stays there for some steps, in a local
    variable, which no checkpoint contains.

    Attributes:
      num_steps: N, how many steps the host may issue before it must `read`.
      train_op: the op of a step.
      fetch: float32 [C], to be fetched with `train_op` at each step if N is 1: the
        scalars, then `more`; None if N is greater.
    """

    def __init__(self, graph, num_steps=1, more=None):
        """Adds to the graph of a training step.

        Args:
          graph: `optimization.TrainStep`.
          num_steps: N.
          more: float32 vector that is fetched with the scalars; None: nothing is.
        """
        self.num_steps, self.train_op = num_steps, graph.train_op
        scalars = [graph.loss, graph.learning_rate, graph.gradient_norm]
        if graph.skipped_steps is not None:
            # TensorFlow 1.14 moves the cast to before what orders the read, unless it
            # is ordered itself.
            with tf.control_dependencies([graph.train_op]):
                scalars.append(tf.cast(graph.skipped_steps, tf.float32))
        self._count = len(scalars)
        parts = [tf.reshape(scalar, [1]) for scalar in scalars]
        parts += [] if more is None else [more]
        if num_steps > 1:
            self.fetch = None
            self._collect(parts)
        else:
            self.fetch = tf.concat(parts, axis=0)

    def _collect(self, parts):
        """Adds the variable of the last N steps, and its update to `train_op`."""
        width = sum(part.shape.num_elements() for part in parts)
        rows = tf.get_variable(
            "step_scalars",
            [self.num_steps * width],
            tf.float32,
            initializer=tf.zeros_initializer(),
            trainable=False,
            collections=[tf.GraphKeys.LOCAL_VARIABLES],
            use_resource=True,
        )
        # The earliest step leaves at the front. Not a scatter: with deterministic ops,
        # GPUs copy its operands to the host.
        shifted = tf.concat([rows.read_value()[width:], *parts], axis=0)
        self.train_op = tf.group(self.train_op, rows.assign(shifted, read_value=False))
        self._rows = tf.reshape(rows.read_value(), [self.num_steps, width])

    def read(self, session, count):
        """The `Scalars` of the last `count` steps, at most N, the earliest first."""
        return [self.parse(row) for row in session.run(self._rows)[-count:]]

    def parse(self, row):
        """The `Scalars` in what was fetched with a step, a float32 array [C]."""
        loss, rate, norm, *skipped = map(float, row[: self._count])
        return Scalars(loss, rate, norm, *map(int, skipped))
