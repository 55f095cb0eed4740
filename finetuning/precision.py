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


def raised(tensor):
    """A product's result as all else takes it."""
    return tf.cast(tensor, tf.float32)


FLOAT32 = Precision(tf.float32)
BFLOAT16 = Precision(tf.bfloat16)
FLOAT16 = Precision(tf.float16)


def named(name):
    """The precision whose type TensorFlow calls so."""
    return Precision(tf.as_dtype(name))
