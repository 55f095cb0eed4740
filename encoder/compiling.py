"""XLA: parts of the graph that are compiled, and what must stay outside of them.

What is compiled is one op when it runs, a cluster, which is compiled again for each new
shape that enters it. Within it every shape must follow from these shapes alone.
"""

import contextlib

import tensorflow.compat.v1 as tf


def compiled(build):
    """Adds the ops that a function adds to the graph, as one cluster.

    Args:
      build: function that returns a list of tensors. Variables that it reads must be
        resource variables; those that it creates are.

    Returns:
      A list of tensors: the cluster's outputs.
    """
    with tf.device(_cluster_device):
        return list(tf.xla.experimental.compile(lambda: tuple(build())))


def _cluster_device(op):
    """The device of an op: a cluster has one, that of the session."""
    return "" if is_compiled(op) else op.device


def is_compiled(op):
    """Whether an op is within a cluster."""
    try:
        op.get_attr("_xla_compile_id")
    except ValueError:
        return False
    return True


@contextlib.contextmanager
def on_host():
    """Places ops on the host, outside of any cluster."""
    with tf.control_dependencies(None), tf.device("/cpu:0"):
        yield


def look_up(table, indices):
    """Rows of a table, [rows, H], by indices made on the host, int32 [T]: [T, H].

    The gradient has the same indices, so that it can leave a cluster: on a GPU, XLA
    would add its rows to the table one after another.
    """

    @tf.custom_gradient
    def gather(table):
        def gradient(d_rows):
            return tf.IndexedSlices(d_rows, indices, table.shape.as_list())

        return tf.gather(table, indices), gradient

    return gather(table)


def compiled_gradients(build_loss, scaled):
    """Compiles a loss and its gradients into one cluster.

    Args:
      build_loss: function that adds the loss to the graph, float32 scalar.
      scaled: function from the loss to the loss that is differentiated.

    Returns:
      The loss, the gradients, dense or sparse, and their variables.
    """
    found = []

    def build():
        loss = build_loss()
        found.extend(gradients_of(scaled(loss)))
        values = [getattr(gradient, "values", gradient) for gradient, _ in found]
        return [loss, *values]

    loss, *values = compiled(build)
    gradients = [
        tf.IndexedSlices(value, inside.indices, inside.dense_shape)
        if isinstance(inside, tf.IndexedSlices)
        else value
        for value, (inside, _) in zip(values, found)
    ]
    return loss, gradients, [variable for _, variable in found]


def gradients_of(loss):
    """Pairs of a gradient and a variable, for those that a loss depends on."""
    variables = tf.trainable_variables()
    pairs = zip(tf.gradients(loss, variables), variables)
    return [pair for pair in pairs if pair[0] is not None]
