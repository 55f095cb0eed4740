"""The examples that all programs get, and the weights that they start from."""

import os

import numpy as np

# Tokens of MRPC's training pairs, uncased: mean, standard deviation and least, as
# measured.
MRPC_MEAN, MRPC_DEVIATION, MRPC_LEAST = 53.0, 13.7, 15
# Of the training that all programs do.
LABELS = 2
LEARNING_RATE, ALL_STEPS, WARM_UP = 2e-5, 1000, 100
NAMES = ("input_ids", "input_mask", "segment_ids", "label_ids")
_FIRST_WORD = 1000  # Below it are the special tokens of BERT's vocabulary.
_LARGEST_VOCABULARY = 30000


def random_examples(count, length, vocabulary, seed=0):
    """Random tokens with lengths drawn from MRPC's distribution.

    Args:
      count: examples.
      length: S, what all are padded to, and cut at.
      vocabulary: V.
      seed: int.

    Returns:
      Dictionary of int32 arrays by `NAMES`: [count, S], `label_ids` [count].
    """
    rng = np.random.RandomState(seed)
    tokens = rng.normal(MRPC_MEAN, MRPC_DEVIATION, count).astype(np.int32)
    tokens = np.clip(tokens, min(MRPC_LEAST, length), length)
    return examples_of(tokens, length, rng, vocabulary)


def examples_of(tokens, length, rng, vocabulary):
    """Random examples of these numbers of tokens, in two segments of like length."""
    positions = np.arange(length)
    mask = (positions < tokens[:, None]).astype(np.int32)
    first = min(_FIRST_WORD, vocabulary // 2)
    words = rng.randint(first, min(_LARGEST_VOCABULARY, vocabulary), mask.shape)
    return {
        "input_ids": words.astype(np.int32) * mask,
        "input_mask": mask,
        "segment_ids": (positions >= tokens[:, None] // 2).astype(np.int32) * mask,
        "label_ids": rng.randint(0, LABELS, len(tokens)).astype(np.int32),
    }


def mrpc_examples(data_dir, vocab_file, split_name, length):
    """The examples of a split of MRPC in file order, as of `random_examples`."""
    from finetuning.data import features, reading, tasks
    from tokenization import FullTokenizer

    tokenizer = FullTokenizer(vocab_file)
    task = tasks.find_task("MRPC")
    layout = task.layout(split_name)
    source = tasks.DataFile(split_name, layout, os.path.join(data_dir, layout.file))
    rows = [
        features.encode_example(example, task.labels, length, tokenizer).padded(length)
        for example in reading.read_examples(task, source)
    ]
    attributes = NAMES[:3] + ("label_id",)
    return {
        name: np.array([getattr(row, attribute) for row in rows], np.int32)
        for name, attribute in zip(NAMES, attributes)
    }


def take(examples, rows):
    """The examples at these rows."""
    return {name: value[rows] for name, value in examples.items()}


def shuffled(examples, seed=0):
    count = len(examples["label_ids"])
    return take(examples, np.random.RandomState(seed).permutation(count))


def equal_bounds(examples, size):
    """Where batches of this size begin, and the end."""
    count = len(examples["label_ids"])
    return list(range(0, count, size)) + [count]


def our_bounds(examples, size):
    """The same of the batches that our command infers, longest first."""
    from finetuning.data import input_pipeline

    longest_first = -np.sort(-lengths(examples))
    return input_pipeline.batch_bounds(
        longest_first, size, examples["input_mask"].shape[1]
    )


def by_length(examples):
    """Longest first, as our command infers."""
    return take(examples, np.argsort(-lengths(examples), kind="mergesort"))


def lengths(examples):
    """Tokens of each example, without padding: int array [examples]."""
    return examples["input_mask"].sum(axis=1)


def save(path, examples, check):
    """Writes a file for `load`: the examples, and those of the first loss's batch."""
    named = {"check_" + name: value for name, value in check.items()}
    np.savez(path, **dict(examples, **named))


def load(path):
    """The examples of a file, and those of the batch whose loss is compared."""
    with np.load(path) as archive:
        arrays = dict(archive)
    check = {name: arrays.pop("check_" + name) for name in NAMES}
    return arrays, check


# ---- Weights ----


def random_weights(shape, seed=0):
    """Weights under the names of Google's checkpoints, none of them 0 or 1.

    All are random, biases and norms too, and spread so that each layer's output
    matters: a weight in the wrong place changes the loss.

    Args:
      shape: dictionary that `modeling.BertConfig` takes.
      seed: int.

    Returns:
      Dictionary from name to float32 array.
    """
    rng = np.random.RandomState(seed)
    width = shape["hidden_size"]
    weights = {}

    def draw(name, *size):
        scale = 1.0 / np.sqrt(size[0] if len(size) == 2 else width)
        value = rng.normal(0.0, scale, size)
        if name.endswith("gamma"):
            value += 1.0
        weights[name] = value.astype(np.float32)

    def dense(name, inputs, outputs):
        draw(name + "/kernel", inputs, outputs)
        draw(name + "/bias", outputs)

    def norm(name):
        draw(name + "/LayerNorm/gamma", width)
        draw(name + "/LayerNorm/beta", width)

    tables = ("word", "vocab_size"), ("token_type", "type_vocab_size")
    for name, rows in tables + (("position", "max_position_embeddings"),):
        draw("bert/embeddings/%s_embeddings" % name, shape[rows], width)
    norm("bert/embeddings")
    for index in range(shape["num_hidden_layers"]):
        layer = "bert/encoder/layer_%d/" % index
        for name in ("query", "key", "value"):
            dense(layer + "attention/self/" + name, width, width)
        dense(layer + "attention/output/dense", width, width)
        norm(layer + "attention/output")
        dense(layer + "intermediate/dense", width, shape["intermediate_size"])
        dense(layer + "output/dense", shape["intermediate_size"], width)
        norm(layer + "output")
    dense("bert/pooler/dense", width, width)
    weights["output_weights"] = (
        rng.normal(0, 1, (LABELS, width)) / np.sqrt(width)
    ).astype(np.float32)
    draw("output_bias", LABELS)
    return weights
