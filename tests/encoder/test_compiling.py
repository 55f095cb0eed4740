"""XLA: a step is one cluster, whose numbers are those of the same ops one by one."""

import collections

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from encoder import compiling, mixed_precision
from finetuning import classifier
from tests.support import models

LENGTH = 16
LENGTHS = [3, 16, 5, 9, 2, 2, 7, 11]  # 55 tokens in 64 rows.
HYPERPARAMETERS = classifier.Hyperparameters(1e-3, 20, 0)


def features():
    config = models.tiny_config()
    return models.random_features(np.random.RandomState(0), config, LENGTHS, LENGTH)


class Step:
    """A training step in a session of its own; all begin with the same weights."""

    def __init__(self, dropout=0.1, **options):
        config = models.tiny_config(
            num_hidden_layers=1,
            hidden_dropout_prob=dropout,
            attention_probs_dropout_prob=dropout,
        )
        config.classifier_dropout = dropout
        compute = classifier.ComputeOptions(**options)
        with tf.Graph().as_default() as graph:
            tf.set_random_seed(3)
            batch = {
                name: tf.placeholder_with_default(value, value.shape)
                for name, value in features().items()
            }
            self.step = classifier.training_graph(
                config, 2, batch, 5, HYPERPARAMETERS, compute
            )
            # The gradient of a key's bias is 0 but for rounding, which Adam enlarges.
            self.variables = [
                variable
                for variable in tf.trainable_variables()
                if "key/bias" not in variable.name
            ]
            self.session = tf.Session(graph=graph)
            self.session.run(tf.global_variables_initializer())

    def run(self, count=4):
        """Losses and gradient norms of some steps, and the weights after them."""
        fetches = [self.step.loss, self.step.gradient_norm, self.step.train_op]
        scalars = [self.session.run(fetches)[:2] for _ in range(count)]
        return [np.array(scalars), *self.session.run(self.variables)]

    def executed(self):
        """How many ops of each type a step executes."""
        metadata = tf.RunMetadata()
        self.session.run(
            self.step.train_op,
            options=tf.RunOptions(output_partition_graphs=True),
            run_metadata=metadata,
        )
        nodes = (node for graph in metadata.partition_graphs for node in graph.node)
        return collections.Counter(node.op for node in nodes)


def assert_close(found, expected, rtol, atol):
    for ours, theirs in zip(found, expected):
        np.testing.assert_allclose(ours, theirs, rtol=rtol, atol=atol)


@pytest.mark.parametrize("few_ops", [False, True])
def test_numbers_without_dropout_are_those_without_padding(few_ops):
    compiled = Step(0.0, xla=True, few_ops=few_ops)
    assert_close(compiled.run(), Step(0.0).run(), 1e-4, 1e-5)


@pytest.mark.parametrize("few_ops", [False, True])
def test_dropout_drops_the_same_as_in_the_same_ops_one_by_one(monkeypatch, few_ops):
    options = {"xla": True, "few_ops": few_ops}
    compiled = Step(**options).run()
    monkeypatch.setattr(compiling, "compiled", lambda build: build())
    assert_close(compiled, Step(**options).run(), 1e-4, 1e-5)


@pytest.mark.parametrize("dtype, rtol", [("bfloat16", 1e-2), ("float16", 2e-3)])
def test_16_bits(monkeypatch, dtype, rtol):
    """Loss and gradient norm of one step, after which Adam enlarges what is rounded."""
    if dtype == "bfloat16" and tf.VERSION.startswith("1."):
        pytest.skip("TensorFlow 1.14 does not compute in bfloat16")
    options = {"xla": True, "precision": mixed_precision.get_precision(dtype)}
    compiled = Step(**options).run(1)[0]
    monkeypatch.setattr(compiling, "compiled", lambda build: build())
    np.testing.assert_allclose(compiled, Step(**options).run(1)[0], rtol=rtol)


def test_forward_and_backward_are_one_cluster():
    """Only the optimiser and the sums of the tables' rows are outside."""
    executed = Step(xla=True).executed()
    assert executed["XlaLaunch"] == 1
    assert not {"MatMul", "_FusedMatMul", "BatchMatMulV2", "Exp", "Tanh"} & set(
        executed
    )
    assert not Step().executed()["XlaLaunch"]


@pytest.mark.parametrize("few_ops", [False, True])
def test_a_cluster_has_one_device(few_ops):
    """Ops that are placed on the host elsewhere would take the cluster there."""
    step = Step(xla=True, few_ops=few_ops)
    compiled = filter(compiling.is_compiled, step.session.graph.get_operations())
    assert {op.device for op in compiled} == {""}


def test_integers_that_enter_are_made_on_the_host():
    """A GPU lacks kernels for many of their ops."""
    graph = Step(xla=True, few_ops=True).session.graph
    entering = {
        tensor.op
        for op in filter(compiling.is_compiled, graph.get_operations())
        for tensor in op.inputs
        if tensor.dtype.is_integer and not compiling.is_compiled(tensor.op)
    }
    assert entering
    on_host = {op for op in entering if op.device.endswith("CPU:0")}
    assert {op.type for op in entering - on_host} <= {"PlaceholderWithDefault"}


def test_inference():
    config = models.tiny_config()
    found = []
    for xla in (False, True):
        with tf.Graph().as_default(), tf.Session() as session:
            tf.set_random_seed(3)
            batch = {name: tf.constant(value) for name, value in features().items()}
            compute = classifier.ComputeOptions(xla=xla)
            graph = classifier.inference_graph(config, 3, batch, compute)
            session.run(tf.global_variables_initializer())
            assert (graph.num_rows is not None) == xla
            found.append(session.run(graph[:3]))
    assert_close(*found, 1e-5, 1e-6)
