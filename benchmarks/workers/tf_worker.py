"""A worker on TensorFlow: this program, the original, or the matrix products alone.

The spec contains: program ("ours", "original" or "products"), shape (of the model),
threads, training (else inference), batch (examples), dtype (of the products), and
arrays and weights (files written with `timing.examples`). For this program it may also
contain xla, tensor_float_32, deterministic (by default true), graph (keywords of
`classifier.ComputeOptions`) and changes, a list of `CHANGES`. The process runs in the
directory of the program's modules.
"""

import functools
import os

import numpy as np

from benchmarks.timing import examples
from benchmarks.workers import matrix_products, serving
from finetuning.utils import in_flight

# Encloses the model's names, so that a second graph can share its variables.
_SCOPE = "bench"
# What may be different from the command: all products are of the op BatchMatMulV2,
# which TF_SET_ONEDNN_FPMATH_MODE affects, as it does not affect MatMul; and the weights
# of inference are constants, which TensorFlow casts to 16 bits only once.
CHANGES = ("batch_matmul", "frozen")


def set_up(spec):
    facts, session, steps = build(spec)
    if spec["training"]:
        return facts, serving.cycling(session.run, steps)
    at_once = 1
    if spec["program"] == "ours":
        at_once = _batches_in_flight(session, spec["threads"])

    def run_all(steps):
        waiting = iter(steps)

        def run_next():
            step = next(waiting, None)
            return step and session.run(step)

        for _ in in_flight.results(run_next, at_once):
            pass

    return facts, serving.cycling(run_all, [steps])


def _batches_in_flight(session, threads):
    """How many batches our command's inference computes at a time."""
    from finetuning.device import backend

    kinds = [device.device_type for device in session.list_devices()]
    return backend.batches_in_flight("GPU" if "GPU" in kinds else "CPU", threads)


def build(spec):
    """Returns facts, the session, and what it runs for each batch."""
    # Steps are timed to their ends. The command's may end on a GPU when later ones have
    # been issued.
    os.environ.setdefault("TF_SYNC_ON_FINISH", "1")
    if spec["program"] != "original":
        from finetuning.device import backend

        # As the command does; it also configures malloc.
        backend.start(deterministic=spec.get("deterministic", True))
    import tensorflow.compat.v1 as tf

    tf.logging.set_verbosity(tf.logging.ERROR)
    arrays, check = examples.load(spec["arrays"])
    with tf.Graph().as_default():
        tf.set_random_seed(1)
        config = _session_config(tf, spec)
        if spec["program"] == "products":
            facts, session, steps = matrix_products.set_up(tf, spec, arrays, config)
        else:
            facts, session, steps = _set_up_steps(tf, spec, arrays, check, config)
    if spec.get("tensor_float_32"):  # Not before the loss that is compared.
        backend.set_tensor_float_32(True)
    return facts, session, steps


def _set_up_steps(tf, spec, arrays, check, config):
    fetches, loss = _build(tf, spec, arrays, check)
    session = tf.Session(config=config)
    session.run(tf.global_variables_initializer())
    _load_weights(tf, session, spec["weights"])
    facts = {"first_loss": float(session.run(loss))}
    if "frozen" in spec.get("changes", ()) and not spec["training"]:
        session, fetches = _freeze(tf, session, fetches, config)
    by_length = spec["program"] == "ours" and not spec["training"]
    bounds_of = examples.our_bounds if by_length else examples.equal_bounds
    batches = len(bounds_of(arrays, spec["batch"])) - 1
    return facts, session, [fetches] * batches


def _session_config(tf, spec):
    """The configuration that the program's own command gives its session."""
    threads = spec["threads"]
    if spec["program"] == "original":
        config = tf.ConfigProto(
            allow_soft_placement=True,
            intra_op_parallelism_threads=threads,
            inter_op_parallelism_threads=threads,
        )
    else:
        from finetuning.device import backend

        config = backend.session_config(threads)
    config.gpu_options.allow_growth = True  # Several workers share a GPU.
    return config


def _build(tf, spec, arrays, check):
    """The fetches of one step, and the loss of the first batch without dropout."""
    import modeling

    tf.train.get_or_create_global_step()
    config = modeling.BertConfig(**spec["shape"])
    if spec["program"] == "ours" and not spec["training"]:
        batch = next_batch_by_length(tf, arrays, spec["batch"])
    else:
        batch = _next_batch(tf, arrays, spec["batch"], spec["training"])
    build = {"ours": _ours, "original": _original}[spec["program"]]
    if "batch_matmul" in spec.get("changes", ()):
        tf.matmul = functools.partial(_batch_matmul, tf)
    with tf.variable_scope(_SCOPE):
        fetches = build(spec, config, batch)
    with tf.variable_scope(_SCOPE, reuse=True):
        constants = {name: tf.constant(value) for name, value in check.items()}
        exact = dict(spec, training=False, dtype="float32")
        loss = tf.reduce_mean(build(exact, config, constants)[0])
    return fetches, loss


def _freeze(tf, session, fetches, config):
    """A session whose weights are constants, and its fetches."""
    names = [tensor.op.name for tensor in fetches]
    graph = tf.graph_util.convert_variables_to_constants(
        session, session.graph.as_graph_def(), names
    )
    with tf.Graph().as_default():
        fetches = tf.import_graph_def(
            graph, return_elements=[tensor.name for tensor in fetches], name=""
        )
        frozen = tf.Session(config=config)
    frozen.first = session  # Its graph has the Python functions that make batches.
    return frozen, fetches


def _next_batch(tf, arrays, size, training):
    """The tensors of one batch of the examples, which are repeated endlessly."""
    dataset = tf.data.Dataset.from_tensor_slices(arrays).repeat()
    # As in both programs' own pipelines, the size is static in training alone.
    dataset = dataset.batch(size, drop_remainder=training).prefetch(2)
    return tf.data.make_one_shot_iterator(dataset).get_next()


def next_batch_by_length(tf, arrays, size):
    """The same, in the batches of our command's inference."""
    from finetuning.data import input_pipeline

    length = arrays["input_mask"].shape[1]
    dataset = tf.data.Dataset.from_tensors(arrays)
    dataset = dataset.flat_map(
        lambda rows: input_pipeline.by_length(rows, size, length)
    )
    return tf.data.make_one_shot_iterator(dataset.repeat().prefetch(2)).get_next()


def _batch_matmul(tf, left, right, transpose_a=False, transpose_b=False):
    return tf.raw_ops.BatchMatMulV2(
        x=left, y=right, adj_x=transpose_a, adj_y=transpose_b
    )


def _ours(spec, config, batch):
    from encoder import mixed_precision
    from finetuning import classifier

    precision = mixed_precision.get_precision(spec["dtype"])
    compute = classifier.ComputeOptions(
        precision, spec.get("xla", False), **spec.get("graph", {})
    )
    if not spec["training"]:
        graph = classifier.inference_graph(config, examples.LABELS, batch, compute)
        return [graph.per_example_loss, graph.probabilities]
    hyperparameters = classifier.Hyperparameters(
        examples.LEARNING_RATE, examples.ALL_STEPS, examples.WARMUP_STEPS
    )
    graph = classifier.training_graph(
        config, examples.LABELS, batch, 1, hyperparameters, compute
    )
    return [graph.loss, graph.train_op]


def _original(spec, config, batch):
    import optimization
    import run_classifier

    loss, per_example_loss, _, probabilities = run_classifier.create_model(
        config,
        spec["training"],
        *[batch[name] for name in examples.NAMES],
        num_labels=examples.LABELS,
        use_one_hot_embeddings=False,
    )
    if not spec["training"]:
        return [per_example_loss, probabilities]
    train_op = optimization.create_optimizer(
        loss,
        examples.LEARNING_RATE,
        examples.ALL_STEPS,
        examples.WARMUP_STEPS,
        use_tpu=False,
    )
    return [loss, train_op]


def _load_weights(tf, session, path):
    """Sets every trainable variable; raises KeyError if the file lacks one."""
    with np.load(path) as archive:
        for variable in tf.trainable_variables():
            name = variable.op.name[len(_SCOPE) + 1 :]
            variable.load(archive[name], session)


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    serving.serve(set_up)
