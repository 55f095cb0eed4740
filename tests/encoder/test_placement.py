"""Where a GPU would run the ops of a step, according to TensorFlow's registrations.

TensorFlow 2's package for Linux contains the GPU kernels even where no GPU is used;
TensorFlow 1.14's package for CPUs does not. The code builds the same graph there, but
for the kinds of variables, and without deterministic ops, which 1.14 does not have.
"""

import re
import types

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from encoder import mixed_precision
from finetuning import classifier
from finetuning.data.features import EncodedExample
from finetuning.data.input_pipeline import Share
from finetuning.device import backend
from finetuning.training import loop
from finetuning.training.step_scalars import StepScalars
from tests.support import models, record_files

# Ops whose deterministic GPU kernels copy their operands to the host, scatter there
# and copy back: DoScatterNdOnCpu in TensorFlow's scatter_nd_op.cc, and DoScatterOnCpu
# in resource_variable_ops.cc.
_THROUGH_HOST = (
    "(Resource|Tensor)?Scatter(Nd|NonAliasing|Add|Sub|Mul|Div|Min|Max|Update)*"
)
# Ops whose GPU kernels read the size of their output back from the device.
_SIZE_FROM_DEVICE = "Where|Unique.*|DynamicPartition|(Sparse)?Segment.*"
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


def is_on_host(op, registered):
    """Whether the op, or a resource that it uses, must be on the host.

    TensorFlow places an op next to its resources.
    """
    handles = [t.op for t in op.inputs if t.dtype == tf.resource]
    return any(each.device or not registered(each.type) for each in [op, *handles])


def memories(op, registered):
    """Where each input is read and where each output lies, two lists.

    Raises:
      LookupError: no kernel fits.
    """
    if is_on_host(op, registered):
        return [HOST] * len(op.inputs), [HOST] * len(op.outputs)
    for kernel in registered(op.type):
        if all(allows(op, constraint) for constraint in kernel.constraint):
            break
    else:
        raise LookupError("%s has no GPU kernel for its types" % op.type)
    inputs = argument_names(op.op_def.input_arg, op, op.inputs)
    outputs = argument_names(op.op_def.output_arg, op, op.outputs)
    return tuple(
        [HOST if name in kernel.host_memory_arg else DEVICE for name in names]
        for names in (inputs, outputs)
    )


def ancestors(fetches):
    """The ops that a session runs for these tensors and ops."""
    visited, pending = set(), [getattr(fetch, "op", fetch) for fetch in fetches]
    while pending:
        op = pending.pop()
        if op not in visited:
            visited.add(op)
            pending += [tensor.op for tensor in op.inputs] + list(op.control_inputs)
    return visited


def copies_to_host(ops, registered):
    """The edges from the device to the host."""
    return [
        "%s -> %s" % (tensor.name, op.name)
        for op in ops
        for tensor, read_at in zip(op.inputs, memories(op, registered)[0])
        if read_at == HOST
        and memories(tensor.op, registered)[1][tensor.value_index] == DEVICE
    ]


def round_trips(ops, registered):
    """The ops on the device whose kernels wait for the device."""
    slow = re.compile("(%s|%s)$" % (_THROUGH_HOST, _SIZE_FROM_DEVICE))
    return [
        "%s (%s)" % (op.name, op.type)
        for op in ops
        if slow.match(op.type) and not is_on_host(op, registered)
    ]


@pytest.fixture
def config():
    return models.tiny_config(hidden_dropout_prob=0.1, attention_probs_dropout_prob=0.1)


@pytest.fixture
def graph(session):
    """The default graph, in which ops are those of a deterministic run."""
    backend.start()
    tf.set_random_seed(1)
    return session.graph


def assert_nothing_waits(ops, registered):
    """For a copy to the host, it waits until the GPU has done all its work."""
    # Where the bodies of functions run is not looked at.
    assert not [op.name for op in ops if op.type in ("If", "StatelessIf", "While")]
    assert copies_to_host(ops, registered) == []
    assert round_trips(ops, registered) == []


def training(directory, config, compute, accumulate_steps):
    """The `TrainStep` of the program."""
    rng = np.random.RandomState(3)
    lengths = rng.randint(3, 13, 40)
    rows = [
        EncodedExample(rng.randint(1, 50, length).tolist(), 2, length % 2)
        for length in lengths
    ]
    run = models.fake_run(directory, config, train_batch_size=8)
    run.share = Share(0, 1, accumulate_steps)
    run.compute = compute
    plan = models.fake_plan(20)
    records = record_files.write(directory, rows, length=12)
    plan.dataset = types.SimpleNamespace(records=records)
    return loop._training_graph(run, plan, None)


@pytest.mark.parametrize(
    "type_name, fused_norm, accumulate_steps",
    [
        ("float32", False, 1),
        ("float32", True, 2),
        ("float16", True, 1),
        ("float16", False, 2),
    ],
)
def test_a_training_step_copies_nothing_back(
    tmp_path, graph, config, registered, type_name, fused_norm, accumulate_steps
):
    """Not even its loss; the scalars of many steps come together."""
    precision = mixed_precision.get_precision(type_name)
    compute = classifier.ComputeOptions(precision, None, True, fused_norm)
    step = training(tmp_path, config, compute, accumulate_steps)
    scalars = StepScalars(step, 10)
    assert scalars.fetch is None
    fetches = [scalars.train_op, tf.train.get_global_step()]
    if accumulate_steps > 1:
        fetches.append(step.accumulate_op)
    assert_nothing_waits(ancestors(fetches), registered)
    # Hooks fetch it at each step.
    assert is_on_host(tf.train.get_global_step().op, registered)


def test_inference_copies_nothing_back(graph, config, registered):
    with tf.device("/cpu:0"):
        rng = np.random.RandomState(0)
        batch = models.constants(models.random_features(rng, config, [5] * 32, 12))
    compute = classifier.ComputeOptions(few_ops=True)
    found = classifier.inference_graph(config, 2, batch, compute)
    ops = ancestors([found.probabilities, found.per_example_loss])
    assert_nothing_waits(ops, registered)


def test_what_waits_is_found(graph, registered):
    """A copy, a scatter, and an op that reads a size back."""
    values = tf.random.uniform([3], seed=1)
    is_positive = tf.greater(values, 0.0)
    indices = tf.where(is_positive)
    with tf.device("/cpu:0"):
        shape = tf.constant([3], tf.int64)
    scattered = tf.scatter_nd(indices, values, shape)
    with tf.device("/cpu:0"):
        read = scattered + 1.0
    ops = ancestors([read])
    assert copies_to_host(ops, registered) == [
        "%s -> %s" % (scattered.name, read.op.name)
    ]
    assert sorted(round_trips(ops, registered)) == [
        "%s (ScatterNd)" % scattered.op.name,
        "%s (Where)" % indices.op.name,
    ]
