"""This program, the original, or the matrix products alone, on TensorFlow.

Started by bench.py, see serving.py. The spec holds: program ("ours", "original",
"limit" or "growth"), directory (of the program's modules), shape (of the model),
threads, kind ("CPU" or "GPU"), and but for "growth" also training (or inference),
batch, dtype, arrays and weights (files of batches.py).
"""

import os
import sys
import time

import batches
import limit
import numpy as np
import serving

# Encloses the model's names, so that a second graph can share its variables.
_SCOPE = "bench"


def set_up(spec):
    sys.path.insert(0, spec["directory"])
    if spec["program"] != "original":
        from finetuning.device import backend

        backend.start()  # As the command does: it also sets the C library's memory.
    import tensorflow.compat.v1 as tf

    tf.logging.set_verbosity(tf.logging.ERROR)
    if spec["program"] == "growth":
        return {}, lambda **point: _time_point(tf, spec, **point)
    with tf.Graph().as_default():
        return _set_up_steps(tf, spec)


def _set_up_steps(tf, spec):
    examples, check = batches.load(spec["arrays"])
    if spec["program"] == "limit":
        facts, session, steps = limit.set_up(tf, spec, examples, _config(tf, spec))
        return facts, serving.in_turn(session.run, steps, not spec["training"])
    tf.set_random_seed(1)
    fetches, loss = _build(tf, spec, examples, check)
    session = tf.Session(config=_config(tf, spec))
    session.run(tf.global_variables_initializer())
    _load_weights(tf, session, spec["weights"])
    facts = {"first_loss": float(session.run(loss))}
    if spec["training"]:
        return facts, serving.in_turn(session.run, [fetches])
    bounds = _bounds(spec, examples)
    whole_set = [fetches] * (len(bounds) - 1)
    return facts, serving.in_turn(session.run, whole_set, together=True)


def _bounds(spec, examples):
    """Where the batches of inference begin, and the end."""
    if spec["program"] == "ours":
        return batches.our_bounds(examples, spec["batch"])
    return batches.equal_bounds(examples, spec["batch"])


def _config(tf, spec):
    """Of the session, as the program's own command has it."""
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


def _build(tf, spec, examples, check):
    """The fetches of one step, and the loss of the first batch without dropout."""
    import modeling

    tf.train.get_or_create_global_step()
    config = modeling.BertConfig(**spec["shape"])
    if spec["program"] == "ours" and not spec["training"]:
        batch = _next_batch_by_length(tf, examples, spec["batch"])
    else:
        batch = _next_batch(tf, examples, spec["batch"], spec["training"])
    build = {"ours": _ours, "original": _original}[spec["program"]]
    with tf.variable_scope(_SCOPE):
        fetches = build(tf, spec, config, batch)
    with tf.variable_scope(_SCOPE, reuse=True):
        held = {name: tf.constant(value) for name, value in check.items()}
        exact = dict(spec, training=False, dtype="float32")
        loss = tf.reduce_mean(build(tf, exact, config, held)[0])
    return fetches, loss


def _next_batch(tf, examples, size, training):
    """The examples over and over, as the tensors of one batch."""
    dataset = tf.data.Dataset.from_tensor_slices(examples).repeat()
    # As both programs' own pipelines: only in training is the size known beforehand.
    dataset = dataset.batch(size, drop_remainder=training).prefetch(2)
    return tf.data.make_one_shot_iterator(dataset).get_next()


def _next_batch_by_length(tf, examples, size):
    """The same as our command makes them for inference."""
    from finetuning.data import input_pipeline

    length = examples["input_mask"].shape[1]
    dataset = tf.data.Dataset.from_tensors(examples)
    dataset = dataset.flat_map(
        lambda rows: input_pipeline.by_length(rows, size, length)
    )
    return tf.data.make_one_shot_iterator(dataset.repeat().prefetch(2)).get_next()


def _ours(tf, spec, config, batch):
    del tf
    from encoder import mixed_precision
    from finetuning import classifier

    compute = classifier.ComputeOptions(mixed_precision.get_precision(spec["dtype"]))
    if not spec["training"]:
        graph = classifier.inference_graph(config, batches.LABELS, batch, compute)
        return [graph.per_example_loss, graph.probabilities]
    hyperparameters = classifier.Hyperparameters(
        batches.LEARNING_RATE, batches.ALL_STEPS, batches.WARM_UP
    )
    graph = classifier.training_graph(
        config, batches.LABELS, batch, 1, hyperparameters, compute
    )
    return [graph.loss, graph.train_op]


def _original(tf, spec, config, batch):
    del tf
    import optimization
    import run_classifier

    loss, per_example_loss, _, probabilities = run_classifier.create_model(
        config,
        spec["training"],
        batch["input_ids"],
        batch["input_mask"],
        batch["segment_ids"],
        batch["label_ids"],
        batches.LABELS,
        False,
    )
    if not spec["training"]:
        return [per_example_loss, probabilities]
    train_op = optimization.create_optimizer(
        loss, batches.LEARNING_RATE, batches.ALL_STEPS, batches.WARM_UP, use_tpu=False
    )
    return [loss, train_op]


def _load_weights(tf, session, path):
    """Sets every trainable variable; none may be left as it was drawn."""
    with np.load(path) as archive:
        for variable in tf.trainable_variables():
            name = variable.op.name[len(_SCOPE) + 1 :]
            variable.load(archive[name], session)


def _time_point(tf, spec, batch, length, layers, steps):
    """Seconds of each training step at one size, after some that do not count."""
    import modeling

    shape = dict(spec["shape"], num_hidden_layers=layers)
    rng = np.random.RandomState(0)
    # No padding, so that nothing but the size changes.
    tokens = np.full(2 * batch, length)
    examples = batches.examples_of(tokens, length, rng, shape["vocab_size"])
    seconds = []
    with tf.Graph().as_default():
        tf.set_random_seed(1)
        tf.train.get_or_create_global_step()
        tensors = _next_batch(tf, examples, batch, True)
        config = modeling.BertConfig(**shape)
        fetches = _ours(tf, dict(spec, training=True), config, tensors)
        with tf.Session(config=_config(tf, spec)) as session:
            session.run(tf.global_variables_initializer())
            for _ in range(steps + 2):
                started = time.perf_counter()
                session.run(fetches)
                seconds.append(time.perf_counter() - started)
    return seconds[2:]


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    serving.serve(set_up)
