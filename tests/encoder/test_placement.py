"""Where a GPU would run the ops of a step, according to TensorFlow's registrations.

TensorFlow 2's package for Linux contains the GPU kernels even where no GPU is used;
TensorFlow 1.14's package for CPUs does not.
"""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from encoder import mixed_precision
from finetuning import classifier
from tests.support import models

HOST, DEVICE = "host", "device"


@pytest.fixture(scope="module")
def registered():
    """A function from an op's type to its kernels for GPUs."""
    kernels = pytest.importorskip("tensorflow.python.framework.kernels")
    by_type = {}

    def kernels_of(op_type):
        if op_type not in by_type:
            by_type[op_type] = [
                kernel
                for kernel in kernels.get_registered_kernels_for_op(op_type).kernel
                if kernel.device_type in ("GPU", "DEFAULT")
            ]
        return by_type[op_type]

    if not any(kernel.device_type == "GPU" for kernel in kernels_of("MatMul")):
        pytest.skip("this TensorFlow registers no GPU kernels")
    return kernels_of


def allows(op, constraint):
    value = op.node_def.attr[constraint.name]
    types = list(value.list.type) or [value.type]
    return set(types) <= set(constraint.allowed_values.list.type)


def argument_names(arguments, op, tensors):
    """The name of each of the op's tensors in the op's definition."""
    names = []
    for argument in arguments:
        count = 1
        if argument.number_attr:
            count = op.node_def.attr[argument.number_attr].i
        elif argument.type_list_attr:
            count = len(op.node_def.attr[argument.type_list_attr].list.type)
        names += [argument.name] * count
    assert len(names) == len(tensors)
    return names


def is_on_host(op):
    """Whether the op, or a variable that it reads or writes, is pinned to the host."""
    handles = [t.op for t in op.inputs if t.dtype == tf.resource]
    return bool(op.device) or any(handle.device for handle in handles)


def memories(op, registered):
    """Where each input is read and where each output lies; None without a kernel."""
    if is_on_host(op):
        return [HOST] * len(op.inputs), [HOST] * len(op.outputs)
    for kernel in registered(op.type):
        if all(allows(op, constraint) for constraint in kernel.constraint):
            break
    else:
        return None
    inputs = argument_names(op.op_def.input_arg, op, op.inputs)
    outputs = argument_names(op.op_def.output_arg, op, op.outputs)
    return tuple(
        [HOST if name in kernel.host_memory_arg else DEVICE for name in names]
        for names in (inputs, outputs)
    )


def ancestors(tensors):
    """The ops that a session runs for these tensors."""
    visited, pending = set(), [tensor.op for tensor in tensors]
    while pending:
        op = pending.pop()
        if op not in visited:
            visited.add(op)
            pending += [tensor.op for tensor in op.inputs] + list(op.control_inputs)
    return visited


@pytest.fixture(params=["training", "float16", "inference"])
def ops(request, session):
    """The ops of a step whose batch comes from the host."""
    config = models.tiny_config(
        hidden_dropout_prob=0.1, attention_probs_dropout_prob=0.1
    )
    rng = np.random.RandomState(0)
    with tf.device("/cpu:0"):
        batch = models.constants(models.random_features(rng, config, [5] * 32, 12))
    if request.param == "inference":
        graph = classifier.inference_graph(config, 2, batch)
        return ancestors([graph.probabilities, graph.per_example_loss])
    type_name = "float16" if request.param == "float16" else "float32"
    compute = classifier.ComputeOptions(mixed_precision.get_precision(type_name))
    hyperparameters = classifier.Hyperparameters(1e-3, 10, 1)
    step = classifier.training_graph(config, 2, batch, 1, hyperparameters, compute)
    with tf.control_dependencies([step.train_op]):
        return ancestors([tf.identity(step.loss)])


def test_every_op_runs_on_a_gpu_and_copies_nothing_back(ops, registered):
    """For such a copy, the host would wait until the GPU has done all its work.

    With a loss scale it has to, because it decides whether weights are updated.
    """
    assert not {op.type for op in ops if memories(op, registered) is None}
    copies = []
    for op in ops:
        for tensor, read_at in zip(op.inputs, memories(op, registered)[0]):
            lies_at = memories(tensor.op, registered)[1][tensor.value_index]
            if (lies_at, read_at) == (DEVICE, HOST) and tensor.op.type != "IsFinite":
                copies.append("%s -> %s" % (tensor.name, op.name))
    assert not copies
