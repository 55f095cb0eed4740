"""Scalars for TensorBoard."""

import tensorflow.compat.v1 as tf


def scalars(values):
    """A `tf.Summary` of a dictionary from tag to float."""
    return tf.Summary(
        value=[
            tf.Summary.Value(tag=tag, simple_value=value)
            for tag, value in sorted(values.items())
        ]
    )


def write(directory, values, step):
    """Appends scalars at one global step to the events in a directory."""
    with tf.Graph().as_default():
        writer = tf.summary.FileWriter(directory)
        writer.add_summary(scalars(values), step)
        writer.close()
