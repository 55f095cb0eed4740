"""Gradients, dense or of a table's rows, and their sums over the parts of a batch."""

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


def multiply(gradient, factor):
    """A gradient, dense or sparse, times a scalar."""
    if not isinstance(gradient, tf.IndexedSlices):
        return gradient * factor
    values = gradient.values * factor
    return tf.IndexedSlices(values, gradient.indices, gradient.dense_shape)


def to_dense(gradient):
    """A gradient, dense or sparse, as a tensor."""
    if not isinstance(gradient, tf.IndexedSlices):
        return gradient
    indices = tf.expand_dims(gradient.indices, 1)
    shape = tf.cast(gradient.dense_shape, indices.dtype)
    return tf.scatter_nd(indices, gradient.values, shape)


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
