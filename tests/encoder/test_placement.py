"""Where a training step would run on a GPU, told from TensorFlow's own registrations.

TensorFlow 2's package for Linux holds the GPU's kernels, used or not; that of 1.14 for
CPUs does not.
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
    kernels = pytest.importorskip("tensorflow.python.framework.kernels")
    found = {}

    def of(op_type):
        if op_type not in found:
            found[op_type] = [
                kernel
                for kernel in kernels.get_registered_kernels_for_op(op_type).kernel
                if kernel.device_type in ("GPU", "DEFAULT")
            ]
        return found[op_type]

    if not [kernel for kernel in of("MatMul") if kernel.device_type == "GPU"]:
        pytest.skip("this TensorFlow registers no GPU kernels")
    return of


def kernel_for(op, kernels):
    """The kernel that a GPU would run an op with, or None."""
    for kernel in kernels:
        if all(allows(op, constraint) for constraint in kernel.constraint):
            return kernel
    return None


def allows(op, constraint):
    value = op.node_def.attr[constraint.name]
    types = list(value.list.type) or [value.type]
    return set(types) <= set(constraint.allowed_values.list.type)


def argument_names(arguments, op, tensors):
    """The name in the op's definition of each of its tensors."""
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


def is_pinned(op):
    """To the host: itself, or by a variable that it reads or writes there."""
    handles = [t.op for t in op.inputs if t.dtype == tf.resource]
    return bool(op.device) or any(handle.device for handle in handles)


def places(op, registered):
    """(Where each input is read, where each output lies), or None: no kernel."""
    if is_pinned(op):
        return [HOST] * len(op.inputs), [HOST] * len(op.outputs)
    kernel = kernel_for(op, registered(op.type))
    if kernel is None:
        return None
    on_host = set(kernel.host_memory_arg)
    inputs = argument_names(op.op_def.input_arg, op, op.inputs)
    outputs = argument_names(op.op_def.output_arg, op, op.outputs)
    return tuple(
        [HOST if name in on_host else DEVICE for name in names]
        for names in (inputs, outputs)
    )


def executed(fetches):
    found, open_ops = set(), [fetch.op for fetch in fetches]
    while open_ops:
        op = open_ops.pop()
        if op not in found:
            found.add(op)
            open_ops += [tensor.op for tensor in op.inputs] + list(op.control_inputs)
    return found


@pytest.fixture(params=["training", "inference"])
def step(request):
    """The ops of a step whose batch comes from the host, as it does."""
    config = models.tiny_config(
        hidden_dropout_prob=0.1, attention_probs_dropout_prob=0.1
    )
    rng = np.random.RandomState(0)
    features = models.random_features(rng, config, [5] * 32, 12)
    with tf.Graph().as_default():
        with tf.device("/cpu:0"):
            batch = {name: tf.constant(value) for name, value in features.items()}
        if request.param == "training":
            graph = classifier.training_graph(
                config, 2, batch, 1, classifier.Hyperparameters(1e-3, 10, 1)
            )
            with tf.control_dependencies([graph.train_op]):
                yield executed([tf.identity(graph.loss)])
        else:
            graph = classifier.inference_graph(config, 2, batch)
            yield executed([graph.probabilities, graph.per_example_loss])


def test_every_op_has_a_kernel_for_the_gpu(step, registered):
    missing = {op.type for op in step if places(op, registered) is None}
    assert not missing


def test_nothing_is_copied_back_to_the_host(step, registered):
    """Each such copy would wait for all that the GPU has still to do."""
    copies = []
    for op in step:
        for tensor, read_at in zip(op.inputs, places(op, registered)[0]):
            lies_at = places(tensor.op, registered)[1][tensor.value_index]
            if (lies_at, read_at) == (DEVICE, HOST):
                copies.append("%s -> %s" % (tensor.name, op.name))
    assert not copies


def test_products_in_float16_have_kernels_too(registered):
    for op_type in ("MatMul", "BatchMatMulV2", "BiasAdd", "GatherV2", "ConcatV2"):
        dtypes = {
            dtype
            for kernel in registered(op_type)
            for constraint in kernel.constraint
            for dtype in constraint.allowed_values.list.type
        }
        assert mixed_precision.FLOAT16.dtype.as_datatype_enum in dtypes, op_type
