"""Reading by the exact prefix, and restoring with a cast."""

import os

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from finetuning.checkpoints import compatibility, finding, integrity, restoring
from finetuning.utils.errors import InputError
from tests.support import models


@pytest.mark.parametrize("name", ["exp[1]", "a*", "b?", "c\\d", "[", "e]f", "g h", "é"])
@pytest.mark.parametrize("in_directory", [True, False])
def test_paths_that_tensorflow_would_take_as_patterns(tmp_path, name, in_directory):
    prefix = str(tmp_path / (name + "/m" if in_directory else name))
    # What the patterns match is another checkpoint.
    for other in ("exp1", "abc", "bx", "cd"):
        path = tmp_path / (other + "/m" if in_directory else other)
        models.save_checkpoint(str(path), {"v": np.float32(2), "global_step": 2})
    models.save_checkpoint(prefix, {"v": np.float32(1), "global_step": 1})
    assert integrity.damage(prefix) is None
    assert compatibility.read_step(prefix) == 1
    assert finding.resolve(prefix, "init_checkpoint") == prefix
    assert restored(prefix, {"v": tf.float32}) == {"v": 1.0}
    os.remove(prefix + ".data-00000-of-00001")
    assert integrity.damage(prefix)


def test_a_remote_path_that_would_be_a_pattern():
    with pytest.raises(InputError, match="gs://bucket/a.1./m: .* as a pattern"):
        restoring.exact_prefix("gs://bucket/a[1]/m").__enter__()


def restored(prefix, types):
    """The values of variables of these types after they are restored."""
    with tf.Graph().as_default(), tf.Session() as session:
        variables = {
            name: tf.get_variable("model_" + name, [], dtype)
            for name, dtype in types.items()
        }
        restoring.Restorer(prefix, variables).restore(session)
        return session.run(variables)


@pytest.mark.parametrize(
    "dtype", [tf.float16, tf.bfloat16, tf.float64, tf.float32], ids=lambda t: t.name
)
def test_types_are_cast_to_the_variables(tmp_path, dtype):
    prefix = str(tmp_path / "m")
    with tf.Graph().as_default(), tf.Session() as session:
        value = tf.Variable(tf.cast(tf.constant(1.5), dtype), name="weight")
        step = tf.Variable(7, dtype=tf.int32, name="step")
        session.run([value.initializer, step.initializer])
        tf.train.Saver().save(session, prefix)
    found = restored(prefix, {"weight": tf.float32, "step": tf.int64})
    assert found == {"weight": 1.5, "step": 7}
    assert (found["weight"].dtype, found["step"].dtype) == (np.float32, np.int64)
