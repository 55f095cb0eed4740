"""Mixed precision: matrix products in 16 bits, everything else in float32.

Micikevicius et al. 2017, https://arxiv.org/abs/1710.03740. Weights, norms, softmax,
loss and optimiser stay in float32; float16 also needs loss scaling.
"""

from dataclasses import dataclass

import tensorflow.compat.v1 as tf

INITIAL_SCALE = 2.0**15
MAX_SCALE = 2.0**24
STEPS_TO_DOUBLE = 1000
LOSS_SCALE_SCOPE = "loss_scale"


@dataclass(frozen=True)
class Precision:
    """The type that matrix products are computed in.

    Attributes:
      dtype: `tf.float32`, `tf.bfloat16` or `tf.float16`.
    """

    dtype: tf.DType

    @property
    def is_16_bit(self):
        return self.dtype != tf.float32

    @property
    def needs_loss_scaling(self):
        """Whether small gradients underflow in this type (section 3.2 of the paper)."""
        return self.dtype == tf.float16

    def to_compute_type(self, tensor):
        """Casts an operand of a matrix product."""
        return tf.cast(tensor, self.dtype)

    def matmul(self, left, right, **transposed):
        """`tf.matmul` of float tensors of any type; the result has this type."""
        left, right = self.to_compute_type(left), self.to_compute_type(right)
        return tf.matmul(left, right, **transposed)


def to_float32(tensor):
    """Casts the result of a matrix product back."""
    return tf.cast(tensor, tf.float32)


FLOAT32 = Precision(tf.float32)
BFLOAT16 = Precision(tf.bfloat16)
FLOAT16 = Precision(tf.float16)


def get_precision(type_name):
    """The `Precision` of a type by its name, such as "bfloat16"."""
    return Precision(tf.as_dtype(type_name))


class LossScale:
    """A dynamic loss scale, whose state is saved in checkpoints.

    The scale is halved when gradients overflow, and doubled after `STEPS_TO_DOUBLE`
    steps in a row without overflow.

    Attributes:
      scale: float32 variable [], the factor that the loss is multiplied by.
      skipped_steps: int64 variable [], how many steps so far have overflowed and
        therefore changed no weight.
    """

    def __init__(self):
        with tf.variable_scope(LOSS_SCALE_SCOPE):
            self.scale = _scalar("scale", INITIAL_SCALE, tf.float32)
            # Variables of 32 bits could not lie on a GPU.
            self.skipped_steps = _scalar("skipped_steps", 0, tf.int64)
            self._good_steps = _scalar("good_steps", 0, tf.int64)

    def update(self, finite):
        """Returns the op that updates the scale and the counters after a step.

        Args:
          finite: bool scalar tensor, whether all of the step's gradients are finite.
        """
        one = tf.constant(1, tf.int64)
        good = tf.where(finite, self._good_steps + one, one - one)
        doubles = tf.greater_equal(good, tf.constant(STEPS_TO_DOUBLE, tf.int64))
        grown = tf.where(doubles, self.scale * 2.0, self.scale + 0.0)
        scale = tf.where(finite, grown, self.scale / 2.0)
        return tf.group(
            tf.assign(self.scale, tf.clip_by_value(scale, 1.0, MAX_SCALE)),
            tf.assign(self._good_steps, tf.where(doubles, one - one, good)),
            tf.assign_add(self.skipped_steps, one - tf.cast(finite, tf.int64)),
        )


def _scalar(name, value, dtype):
    return tf.get_variable(
        name, [], dtype, initializer=tf.constant_initializer(value), trainable=False
    )
