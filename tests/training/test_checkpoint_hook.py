"""The files that show the graph, which are written beside the training."""

import os

import pytest
import tensorflow.compat.v1 as tf
from google.protobuf import text_format

from finetuning.training.checkpoint_hook import GRAPH_FILE, GraphFiles


class StopError(Exception):
    pass


@pytest.fixture
def scaffold(session):
    variable = tf.get_variable("weight", initializer=1.0)
    return tf.train.Scaffold(saver=tf.train.Saver([variable]))


def read_graph(directory):
    with open(os.path.join(str(directory), GRAPH_FILE)) as file:
        return text_format.Parse(file.read(), tf.GraphDef())


@pytest.mark.parametrize("steps", [0, 1])
def test_the_graph_is_complete_at_the_end(tmp_path, scaffold, steps):
    graph = tf.get_default_graph()
    files = GraphFiles(str(tmp_path), graph)
    with files.finished(scaffold):
        for _ in range(steps):
            files.start(scaffold)
    assert read_graph(tmp_path) == graph.as_graph_def(add_shapes=True)
    tf.summary.FileWriterCache.clear()
    (events,) = [n for n in os.listdir(str(tmp_path)) if "tfevents" in n]
    kinds = [
        event.WhichOneof("what")
        for event in tf.train.summary_iterator(str(tmp_path / events))
    ]
    assert {"graph_def", "meta_graph_def"} <= set(kinds)


def test_an_error_of_the_training_comes_first_and_the_graph_is_complete(
    tmp_path, scaffold
):
    graph = tf.get_default_graph()
    files = GraphFiles(str(tmp_path), graph)

    def train():
        with files.finished(scaffold):
            files.start(scaffold)
            raise StopError

    with pytest.raises(StopError):
        train()
    assert read_graph(tmp_path) == graph.as_graph_def(add_shapes=True)


def test_a_graph_that_cannot_be_written_ends_the_run(tmp_path, scaffold):
    (tmp_path / GRAPH_FILE).mkdir()
    files = GraphFiles(str(tmp_path), tf.get_default_graph())
    with pytest.raises((OSError, tf.errors.OpError)), files.finished(scaffold):
        pass
