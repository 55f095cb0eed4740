"""Gradients, dense or of a table's rows, and their sums over the parts of a batch."""

import numpy as np
import tensorflow.compat.v1 as tf


def merge_rows(gradient):
    """Sums the rows of a sparse gradient that have the same index, for a true norm."""
    if not isinstance(gradient, tf.IndexedSlices):
        return gradient
    with tf.device("/cpu:0"):
        indices, segments = tf.unique(gradient.indices)
        count = tf.size(indices)
    values = tf.math.unsorted_segment_sum(gradient.values, segments, count)
    return tf.IndexedSlices(values, indices, gradient.dense_shape)


def multiply(gradient, factor, product=tf.raw_ops.Mul):
    """A gradient, dense or sparse, times a scalar; `product` is one of `tf.raw_ops`."""
    if not isinstance(gradient, tf.IndexedSlices):
        return product(x=gradient, y=factor)
    values = product(x=gradient.values, y=factor)
    return tf.IndexedSlices(values, gradient.indices, gradient.dense_shape)


def to_dense(gradient):
    """A gradient, dense or sparse, as a tensor."""
    if not isinstance(gradient, tf.IndexedSlices):
        return gradient
    indices = tf.expand_dims(gradient.indices, 1)
    shape = tf.cast(gradient.dense_shape, indices.dtype)
    return tf.scatter_nd(indices, gradient.values, shape)


def to_dense_on_device(gradient):
    """The same as `to_dense` for a GPU, where a scatter would go through the host.

    With deterministic ops, TensorFlow 2 sorts the rows on the GPU before it sums them.
    """
    if not isinstance(gradient, tf.IndexedSlices):
        return gradient
    with tf.device("/cpu:0"):
        num_rows = tf.cast(gradient.dense_shape[0], tf.int32)
    return tf.math.unsorted_segment_sum(gradient.values, gradient.indices, num_rows)


class Flat:
    """Dense gradients side by side, so that one op does the same to all of them."""

    # Where a part begins at a multiple of 64 bytes, TensorFlow makes it a view.
    _ROW = 16

    def __init__(self, gradients):
        """Takes a list of float32 tensors of known shapes."""
        self._shapes = [gradient.shape.as_list() for gradient in gradients]
        self._sizes = [int(np.prod(shape)) for shape in self._shapes]
        self.values = tf.concat(list(map(self._rows, gradients, self._sizes)), 0)

    def _rows(self, gradient, size):
        """The gradient as [rows, _ROW], the last filled up with zeros."""
        if size % self._ROW:
            padding = [[0, -size % self._ROW]]
            gradient = tf.pad(tf.reshape(gradient, [-1]), padding)
        return tf.reshape(gradient, [-1, self._ROW])

    def norm(self):
        """The global norm, a float32 scalar."""
        return tf.sqrt(2.0 * tf.nn.l2_loss(self.values))

    def split(self, values):
        """The list of gradients in other values of the same shape."""
        counts = [-(-size // self._ROW) for size in self._sizes]
        parts = []
        for rows, size, shape in zip(
            tf.split(values, counts), self._sizes, self._shapes
        ):
            if size % self._ROW:
                rows = tf.reshape(rows, [-1])[:size]
            parts.append(tf.reshape(rows, shape))
        return parts


class PartSums:
    """The sums of the loss and its gradients over the parts of a batch.

    They are local variables, so that no checkpoint contains them, and resource
    variables in TensorFlow 1, too, so that a read returns the value at its place in the
    order of the ops.
    """

    def __init__(self, variables):
        shapes = [("loss_sum", [])]
        shapes += [(v.op.name + "/gradient_sum", v.shape.as_list()) for v in variables]
        self._sums = [
            tf.get_variable(
                name,
                shape,
                tf.float32,
                initializer=_zeros,
                trainable=False,
                collections=[tf.GraphKeys.LOCAL_VARIABLES],
                use_resource=True,
            )
            for name, shape in shapes
        ]

    def add(self, gradients, loss):
        """The op that adds one part; of a sparse gradient, only its rows."""
        return tf.group(*map(_add, self._sums, (loss, *gradients)))

    def read_after(self, op):
        """The sums of the gradients, all dense, and of the loss after an op."""
        with tf.control_dependencies([op]):
            loss, *gradients = [total.read_value() for total in self._sums]
        return gradients, loss

    def clear_after(self, *ops):
        """The op that makes the sums 0 after other ops, also where they are NaN."""
        with tf.control_dependencies(ops):
            return tf.group(
                *(
                    total.assign(_zeros(total.shape), read_value=False)
                    for total in self._sums
                )
            )


def _add(total, part):
    """The op that adds a tensor or a sparse gradient to a resource variable."""
    if not isinstance(part, tf.IndexedSlices):
        return total.assign_add(part, read_value=False)
    # Not the method of the variable, which also reads it, and so copies it.
    return tf.raw_ops.ResourceScatterAdd(
        resource=total.handle, indices=part.indices, updates=part.values
    )


def _zeros(shape, dtype=tf.float32, partition_info=None):
    """Zeros that TensorFlow does not keep in memory as a constant, as `tf.zeros`'s."""
    del partition_info
    shape = tf.TensorShape(shape).as_list()
    with tf.device("/cpu:0"):
        sizes = tf.placeholder_with_default(tf.constant(shape, tf.int32), [len(shape)])
    zeros = tf.fill(sizes, tf.constant(0, dtype))
    zeros.set_shape(shape)
    return zeros
