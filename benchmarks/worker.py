"""One program's training step; see bench.py.

  worker.py ours|original DIRECTORY BATCHES.npz LAYERS HIDDEN HEADS

Prints TensorFlow's version when it has warmed up. Then, for each number that it reads,
trains so many steps and prints the seconds they took.
"""

import os
import sys
import time

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

WARM_UP_STEPS = 3
LEARNING_RATE, ALL_STEPS, WARM_UP = 2e-5, 1000, 100


def main():
    program, directory, path, layers, hidden, heads = sys.argv[1:]
    sys.path.insert(0, directory)
    sys.argv = sys.argv[:1]  # The original's import reads flags from here.
    import tensorflow.compat.v1 as tf

    tf.logging.set_verbosity(tf.logging.ERROR)
    shape = {
        "vocab_size": 30522,
        "hidden_size": int(hidden),
        "num_hidden_layers": int(layers),
        "num_attention_heads": int(heads),
        "intermediate_size": 4 * int(hidden),
        "type_vocab_size": 2,
    }
    with np.load(path) as archive:
        arrays = dict(archive)
    with tf.Graph().as_default():
        train_op = build(tf, program, shape, next_batch(tf, arrays))
        with tf.Session() as session:
            session.run(tf.global_variables_initializer())
            serve(tf, session, train_op)


def next_batch(tf, arrays):
    """The batches over and over, as the tensors of one."""
    names = {key.split("/")[1] for key in arrays}
    count = len({key.split("/")[0] for key in arrays})
    stacked = {
        name: np.stack([arrays["%d/%s" % (i, name)] for i in range(count)])
        for name in names
    }
    dataset = tf.data.Dataset.from_tensor_slices(stacked).repeat().prefetch(2)
    return tf.data.make_one_shot_iterator(dataset).get_next()


def build(tf, program, shape, batch):
    """The op of one training step, dropout and all."""
    import modeling
    import optimization

    tf.train.get_or_create_global_step()
    config = modeling.BertConfig(**shape)
    if program == "ours":
        from finetuning import classifier

        named = dict(batch, label_ids=batch["label_id"])
        return classifier.training_graph(
            config, 2, named, 1, LEARNING_RATE, ALL_STEPS, WARM_UP
        ).train_op
    import run_classifier

    loss = run_classifier.create_model(
        config,
        True,
        batch["input_ids"],
        batch["input_mask"],
        batch["segment_ids"],
        batch["label_id"],
        2,
        False,
    )[0]
    return optimization.create_optimizer(
        loss, LEARNING_RATE, ALL_STEPS, WARM_UP, use_tpu=False
    )


def serve(tf, session, train_op):
    train(session, train_op, WARM_UP_STEPS)
    print(tf.__version__, flush=True)
    for line in sys.stdin:
        print(train(session, train_op, int(line)), flush=True)


def train(session, train_op, steps):
    started = time.perf_counter()
    for _ in range(steps):
        session.run(train_op)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
