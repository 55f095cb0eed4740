"""Scalars for TensorBoard."""

import contextlib
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


def read_scalars(directory, tags):
    """Reads scalars of a training run as TensorBoard shows them.

    What an interrupted run wrote for steps that were repeated is left out. A damaged
    file gives what can be read of it.

    Args:
      directory: the output directory of the run.
      tags: the names of the scalars.

    Returns:
      Dictionary from each tag to a dictionary from step to float, by step.
    """
    found = {tag: {} for tag in tags}
    for name in files.list_directory(directory):
        if ".tfevents." in name:
            _read_events(os.path.join(directory, name), found)
    return {tag: dict(sorted(values.items())) for tag, values in found.items()}


def _read_events(path, found):
    with contextlib.suppress(ValueError, tf.errors.OpError):
        for event in tf.train.summary_iterator(path):
            if event.session_log.status == tf.SessionLog.START:
                for values in found.values():
                    for step in [step for step in values if step >= event.step]:
                        del values[step]
            for value in event.summary.value:
                if value.tag in found:
                    found[value.tag][event.step] = value.simple_value
