"""Opens checkpoints by their exact prefix, and restores variables from them."""

import contextlib
import os
import re
import tempfile

import numpy as np
import tensorflow.compat.v1 as tf

from finetuning.checkpoints.huggingface import Reader
from finetuning.utils import files, huggingface
from finetuning.utils.errors import InputError

# TensorFlow looks for the files of a checkpoint with fnmatch.
_PATTERN = re.compile(r"[\[?*\\]")


@contextlib.contextmanager
def exact_prefix(prefix):
    """Yields a prefix under which TensorFlow's readers find exactly this checkpoint.

    They take a prefix as a pattern: with `runs/exp[1]/model.ckpt-9` they look for
    `runs/exp1/model.ckpt-9`. Such a checkpoint is read through symbolic links.

    Raises:
      InputError: the path would need links, but is not a local one.
    """
    require_readable(prefix)
    if not _PATTERN.search(prefix):
        yield prefix
        return
    directory, start = os.path.split(os.path.abspath(prefix))
    with tempfile.TemporaryDirectory() as links:
        for name in files.list_directory(directory):
            if name.startswith(start + "."):
                link = os.path.join(links, "checkpoint" + name[len(start) :])
                os.symlink(os.path.join(directory, name), link)
        yield os.path.join(links, "checkpoint")


def require_readable(path):
    """Checks that TensorFlow can read a checkpoint whose path starts like this.

    Raises:
      InputError: it would need symbolic links, but is not a local path.
    """
    if files.is_remote(path):
        refuse_pattern(path)


def refuse_pattern(path):
    """Raises `InputError` for a path that TensorFlow's readers take as a pattern."""
    if _PATTERN.search(path):
        raise InputError(
            "%s: TensorFlow takes the characters [ ? * \\ in the path of a checkpoint "
            "as a pattern; use a path without them" % path
        )


@contextlib.contextmanager
def open_reader(prefix):
    """Yields a `tf.train.NewCheckpointReader`; raises what TensorFlow raises.

    For weights in Hugging Face format it is a `huggingface.Reader`.
    """
    if huggingface.is_weights(prefix):
        yield Reader(prefix)
        return
    with exact_prefix(prefix) as path:
        yield tf.train.NewCheckpointReader(path)


class Restorer:
    """Restores variables from a checkpoint, cast from the types that it has them in.

    Attributes:
      prefix: the checkpoint.
    """

    def __init__(self, prefix, variables, rows=None):
        """Adds the ops to the graph.

        Args:
          prefix: the checkpoint.
          variables: dictionary from names in the checkpoint to variables.
          rows: dictionary from some of these names to the order in which the rows are
            restored, a sequence of their indices.
        """
        self.prefix = prefix
        with tf.name_scope("restore"), tf.device("/cpu:0"):
            self._path = tf.placeholder(tf.string, [], "prefix")
            values = self._read(list(variables))
            assignments = []
            for (name, variable), value in zip(variables.items(), values):
                if rows and name in rows:
                    value = tf.gather(value, tf.constant(rows[name], tf.int32))
                value = tf.cast(value, variable.dtype.base_dtype)
                assignments.append(tf.assign(variable, value))
        self._restore = tf.group(*assignments, name="restore_all")

    def _read(self, names):
        """Tensors of the variables, in the types that the checkpoint has."""
        with open_reader(self.prefix) as reader:
            types = reader.get_variable_to_dtype_map()
            if isinstance(reader, Reader):
                shapes = reader.get_variable_to_shape_map()
                return [_lazily(reader, name, shapes[name]) for name in names]
        return tf.raw_ops.RestoreV2(
            prefix=self._path,
            tensor_names=names,
            shape_and_slices=[""] * len(names),
            dtypes=[types[name] for name in names],
        )

    def restore(self, session):
        """Sets the variables; raises what TensorFlow raises."""
        if huggingface.is_weights(self.prefix):
            session.run(self._restore)
            return
        with exact_prefix(self.prefix) as path:
            session.run(self._restore, {self._path: path})


def _lazily(reader, name, shape):
    """A tensor that is read when it is computed."""
    value = tf.numpy_function(
        lambda: reader.get_tensor(name).astype(np.float32, copy=False), [], tf.float32
    )
    value.set_shape(shape)
    return value
