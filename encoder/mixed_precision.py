"""The type in which matrix products are computed; all else is float32.

Micikevicius et al. 2017, https://arxiv.org/abs/1710.03740: products in a type of 16
bits, weights, norms, softmax, loss and optimiser in float32.
"""

from dataclasses import dataclass

import tensorflow.compat.v1 as tf


@dataclass(frozen=True)
class Precision:
    """How products are computed.

    Attributes:
      dtype: `tf.float32`, `tf.bfloat16` or `tf.float16`.
    """

    dtype: tf.DType

    @property
    def is_short(self):
        return self.dtype != tf.float32

    @property
    def needs_loss_scaling(self):
        """Whether small gradients vanish in this type (section 3.2 of the paper)."""
        return self.dtype == tf.float16

    def lower(self, tensor):
        """The tensor as products take it."""
        return tf.cast(tensor, self.dtype)

    def product(self, left, right, **transposed):
        """`tf.matmul` of any float tensors, computed in this type and left in it."""
        return tf.matmul(self.lower(left), self.lower(right), **transposed)


def to_float32(tensor):
    """A product's result as all else takes it."""
    return tf.cast(tensor, tf.float32)


FLOAT32 = Precision(tf.float32)
BFLOAT16 = Precision(tf.bfloat16)
FLOAT16 = Precision(tf.float16)


def precision_named(name):
    """The precision whose type TensorFlow calls so."""
    return Precision(tf.as_dtype(name))


INITIAL_SCALE = 2.0**15
LARGEST_SCALE = 2.0**24
STEPS_TO_DOUBLE = 1000
LOSS_SCALE_SCOPE = "loss_scale"


class LossScale:
    """The scale, and what it is decided by, as variables that a checkpoint keeps.

    Attributes:
      scale: float32 variable [], what the loss is multiplied by.
      skipped_steps: int32 variable [], steps so far that changed no weight.
    """

    def __init__(self):
        # On the host: a GPU has no use for scalars that decide what it does next.
        with tf.variable_scope(LOSS_SCALE_SCOPE), tf.device("/cpu:0"):
            self.scale = _scalar("scale", INITIAL_SCALE, tf.float32)
            self.skipped_steps = _scalar("skipped_steps", 0, tf.int32)
            self._good_steps = _scalar("good_steps", 0, tf.int32)

    def update(self, finite):
        """The op that takes note of a step.

        Args:
          finite: bool scalar tensor, whether all of the step's gradients are finite.
        """
        with tf.device("/cpu:0"):
            good = tf.where(finite, self._good_steps + 1, 0)
            doubles = tf.greater_equal(good, STEPS_TO_DOUBLE)
            raised = tf.where(doubles, self.scale * 2.0, self.scale + 0.0)
            scale = tf.where(finite, raised, self.scale / 2.0)
            return tf.group(
                tf.assign(self.scale, tf.clip_by_value(scale, 1.0, LARGEST_SCALE)),
                tf.assign(self._good_steps, tf.where(doubles, 0, good)),
                tf.assign_add(self.skipped_steps, 1 - tf.cast(finite, tf.int32)),
            )


def _scalar(name, value, dtype):
    return tf.get_variable(
        name, [], dtype, initializer=tf.constant_initializer(value), trainable=False
    )
