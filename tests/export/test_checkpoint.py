"""A checkpoint of the weights alone."""

import os

import numpy as np
import tensorflow.compat.v1 as tf

from finetuning import trained_model
from finetuning.checkpoints import model_files
from finetuning.export import checkpoint
from tests.support import models
from tests.support.running import succeed, text, value


def size(prefix):
    return os.path.getsize(prefix + ".data-00000-of-00001")


def test_weights_without_the_state_of_the_optimiser(finished_run, tmp_path):
    source = trained_model.load(finished_run.directory)
    path = str(tmp_path / "export")
    checkpoint.export(source, path)
    assert sorted(os.listdir(path)) == sorted(
        [*model_files.NAMES, "checkpoint", "model.ckpt-15.data-00000-of-00001"]
        + ["model.ckpt-15.index"]
    )
    assert tf.train.latest_checkpoint(path) == os.path.join(path, "model.ckpt-15")
    assert (
        size(os.path.join(path, "model.ckpt-15")) < size(source.contents.prefix) / 2.9
    )
    before = tf.train.load_checkpoint(source.contents.prefix)
    after = tf.train.load_checkpoint(path)
    assert set(after.get_variable_to_shape_map()) == {
        "global_step",
        *source.contents.restored,
    }
    for name in after.get_variable_to_shape_map():
        np.testing.assert_array_equal(after.get_tensor(name), before.get_tensor(name))


def test_it_predicts_the_same(evaluated_run, tmp_path):
    best = os.path.join(evaluated_run.directory, "best")
    path = str(tmp_path / "export")
    checkpoint.export(trained_model.load(best), path)
    data = "--data_dir=" + value(evaluated_run.flags, "data_dir")
    succeed(["--do_predict", data, "--output_dir=" + path])
    name = "test_results.tsv"
    assert text(path, name) == text(evaluated_run.directory, name)


def test_other_types_and_names_become_googles(tmp_path):
    """16-bit weights without a step, below another scope."""
    source, path = str(tmp_path / "source"), str(tmp_path / "export")
    weights = models.save_trained(source, ["anna"], ("no", "yes"), np.float16)
    models.save_checkpoint(
        os.path.join(source, "model.ckpt"),
        {"module/" + name: value for name, value in weights.items()},
    )
    checkpoint.export(trained_model.load(source), path)
    after = tf.train.load_checkpoint(path)
    assert set(after.get_variable_to_shape_map()) == set(weights)
    for name, value_ in weights.items():
        assert after.get_tensor(name).dtype == np.float32
        np.testing.assert_array_equal(after.get_tensor(name), value_)
    assert trained_model.load(path).labels == ("no", "yes")
