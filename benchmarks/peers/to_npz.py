"""Writes the variables of a TensorFlow checkpoint to an .npz file.

  python benchmarks/peers/to_npz.py CHECKPOINT_PREFIX FILE.npz

For programs in an environment without TensorFlow.
"""

import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow.compat.v1 as tf


def main(prefix, target):
    reader = tf.train.load_checkpoint(prefix)
    names = reader.get_variable_to_shape_map()
    np.savez(target, **{name: reader.get_tensor(name) for name in names})


if __name__ == "__main__":
    main(*sys.argv[1:])
