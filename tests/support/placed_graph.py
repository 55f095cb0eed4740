"""How many kernels one step launches, as if the graph were placed on a GPU.

What the code does not put on the host, TensorFlow would put on the GPU; none is needed.
"""

import collections

import tensorflow.compat.v1 as tf
from tensorflow.core.protobuf import rewriter_config_pb2

from finetuning.device import backend

# Ops that launch no kernel: values that are there already, and views of their memory.
_VIEWS = {
    *("Const", "Placeholder", "VarHandleOp", "VariableV2", "ReadVariableOp"),
    *("_Arg", "_Retval", "_Send", "_Recv", "_HostSend", "_HostRecv", "NoOp"),
    *("Identity", "IdentityN", "Snapshot", "StopGradient", "Reshape", "ExpandDims"),
    *("Squeeze", "Bitcast", "Shape", "ShapeN", "Size", "Rank", "BroadcastGradientArgs"),
    # Takes over the buffer of a value that nothing else needs.
    "AssignVariableOp",
}
# Views if they cut along the first axis.
_CUTS = {"Unpack", "Split", "SplitV"}


def kernel_launches(session, fetches, feeds=None):
    """Runs a step and counts the ops that would launch a kernel on a GPU, by type.

    Counted are the ops that TensorFlow executes after it has rewritten the graph. Use
    `session_config` for the session.

    Args:
      session: `tf.Session`.
      fetches: what the step fetches.
      feeds: dictionary of its inputs.

    Returns:
      `collections.Counter`.
    """
    metadata = tf.RunMetadata()
    options = tf.RunOptions(output_partition_graphs=True)
    session.run(fetches, feeds, options=options, run_metadata=metadata)
    graph = session.graph.as_graph_def()
    on_host = {node.name for node in graph.node if "CPU" in node.device}
    nodes = {
        node.name: node for part in metadata.partition_graphs for node in part.node
    }
    return collections.Counter(
        node.op
        for name, node in nodes.items()
        if name not in on_host
        and node.op not in _VIEWS
        and not (node.op in _CUTS and _axis(node, nodes) == 0)
    )


def session_config():
    """Without the rewriting that merges ops on CPUs alone."""
    config = backend.session_config(1)
    config.graph_options.rewrite_options.remapping = (
        rewriter_config_pb2.RewriterConfig.OFF
    )
    return config


def _axis(node, nodes):
    """The axis along which a node cuts; None if it is not constant."""
    if node.op == "Unpack":
        return node.attr["axis"].i
    source = nodes[node.input[0 if node.op == "Split" else 2].split(":")[0]]
    if source.op != "Const":
        return None
    return int(tf.make_ndarray(source.attr["value"].tensor))
