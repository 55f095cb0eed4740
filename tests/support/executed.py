"""What a session executed: the nodes, their types and the shapes of their outputs."""

import collections

import numpy as np
import tensorflow.compat.v1 as tf

Node = collections.namedtuple("Node", "name op dtype inputs outputs attributes")


def nodes(session, fetches):
    """Runs once and returns the `Node`s of the graph after TensorFlow's rewriting.

    `inputs` and `outputs` are lists of shapes; None where one was not recorded.
    """
    metadata = tf.RunMetadata()
    options = tf.RunOptions(
        trace_level=tf.RunOptions.FULL_TRACE, output_partition_graphs=True
    )
    session.run(fetches, options=options, run_metadata=metadata)
    shapes = {}
    for device in metadata.step_stats.dev_stats:
        for node in device.node_stats:
            for output in node.output:
                dims = output.tensor_description.shape.dim
                shapes[node.node_name, output.slot] = [dim.size for dim in dims]
    result = []
    for graph in metadata.partition_graphs:
        for node in graph.node:
            inputs = [_shape_of(shapes, name) for name in node.input if name[0] != "^"]
            outputs = [s for (name, _), s in shapes.items() if name == node.name]
            dtype = tf.as_dtype(node.attr["T"].type) if "T" in node.attr else None
            result.append(Node(node.name, node.op, dtype, inputs, outputs, node.attr))
    return result


def products(executed_nodes):
    """The matrix products among the nodes, fused or not."""
    return [node for node in executed_nodes if "MatMul" in node.op and node.outputs]


def multiplications(node):
    """The number of multiplications in a matrix product."""
    left, transposed = node.inputs[0], ("transpose_a", "adj_x")
    flipped = any(node.attributes[name].b for name in transposed)
    return int(np.prod(node.outputs[0])) * left[-2 if flipped else -1]


def _shape_of(shapes, name):
    name, _, slot = name.partition(":")
    return shapes.get((name, int(slot or 0)))
