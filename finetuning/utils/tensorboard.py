"""Scalars for TensorBoard."""

import os

import tensorflow.compat.v1 as tf

from finetuning.utils import files


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


def last_step(directory):
    """The last step of which the newest file of events in a directory has scalars.

    None where it has none. TensorFlow writes them in a thread of its own and keeps to
    itself what goes wrong there: looking is the only way to know.
    """
    names = [n for n in files.list_directory(directory) if ".tfevents." in n]
    found = None
    try:
        for event in tf.train.summary_iterator(os.path.join(directory, max(names))):
            if event.summary.value:
                found = event.step
    except (ValueError, tf.errors.OpError):  # No file; or the last record is cut.
        pass
    return found
