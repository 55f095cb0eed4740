"""Scalars for TensorBoard."""

import os

import tensorflow.compat.v1 as tf

from finetuning.utils import files


def scalars(values):
    """Returns a `tf.Summary` of a dictionary from tag to float."""
    return tf.Summary(
        value=[
            tf.Summary.Value(tag=tag, simple_value=value)
            for tag, value in sorted(values.items())
        ]
    )


def write(directory, values, step):
    """Writes the scalars of one global step to a new event file in a directory."""
    with tf.Graph().as_default():
        writer = tf.summary.FileWriter(directory)
        writer.add_summary(scalars(values), step)
        writer.close()


def last_step(directory):
    """Returns the last global step in the newest event file, or None.

    TensorFlow writes events in a thread and does not report errors there, such as a
    full disk: reading the file is the only way to detect them.
    """
    names = [n for n in files.list_directory(directory) if ".tfevents." in n]
    last = None
    try:
        for event in tf.train.summary_iterator(os.path.join(directory, max(names))):
            if event.summary.value:
                last = event.step
    except (ValueError, tf.errors.OpError):  # No file, or a truncated last record.
        pass
    return last
