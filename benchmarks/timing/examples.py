"""The examples that all programs get, and the weights that they start from.

N is the number of examples, S their padded length in tokens. Examples are dictionaries
of int32 arrays: input_ids, input_mask and segment_ids [N, S], and label_ids [N].
"""

import os

import numpy as np

# Tokens of MRPC's uncased training pairs, as measured: mean, standard deviation, least.
MRPC_MEAN, MRPC_DEVIATION, MRPC_LEAST = 53.0, 13.7, 15
# The training that all programs do; the warm-up's steps are among all steps.
LABELS = 2
LEARNING_RATE, ALL_STEPS, WARMUP_STEPS = 2e-5, 1000, 100
NAMES = ("input_ids", "input_mask", "segment_ids", "label_ids")
_FIRST_WORD = 1000  # Special tokens of BERT's vocabulary have smaller ids.
_LARGEST_VOCABULARY = 30000


def random_examples(count, length, vocabulary, seed=0):
    """Random tokens with lengths drawn from MRPC's distribution.

    Args:
      count: N.
      length: S, to which all are padded or truncated.
      vocabulary: how many token ids there are.
      seed: int.
    """
    rng = np.random.RandomState(seed)
    tokens = rng.normal(MRPC_MEAN, MRPC_DEVIATION, count).astype(np.int32)
    tokens = np.clip(tokens, min(MRPC_LEAST, length), length)
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


def mrpc_examples(data_dir, vocab_file, split, length):
    """The examples of a split of MRPC, in the order of the file."""
    from finetuning.data import tasks
    from tokenization import FullTokenizer

    task = tasks.find_task("MRPC")
    layout = task.layout(split)
    data_file = tasks.DataFile(split, layout, os.path.join(data_dir, layout.file))
    return read_examples(task, data_file, length, FullTokenizer(vocab_file))


def read_examples(task, data_file, length, tokenizer, at_most=None):
    """The examples of a file, in its order; a regression's labels are float32.

    Args:
      task: `tasks.Task`.
      data_file: `tasks.DataFile`.
      length: S.
      tokenizer: `tokenization.FullTokenizer`.
      at_most: how many to draw, as --max_train_examples does; None: all.
    """
    from finetuning.data import features, reading

    def rows():
        return reading.read_examples(task, data_file)

    chosen = reading.sample(rows, at_most) if at_most else rows()
    encoded = list(features.encode_examples(chosen, task.labels, length, tokenizer))
    arrays = {name: np.zeros((len(encoded), length), np.int32) for name in NAMES[:3]}
    for row, example in enumerate(encoded):
        count = len(example.token_ids)
        arrays["input_ids"][row, :count] = example.token_ids
        arrays["input_mask"][row, :count] = 1
        arrays["segment_ids"][row, example.first_segment : count] = 1
    label_type = np.float32 if task.is_regression else np.int32
    arrays["label_ids"] = np.array([row.label_id for row in encoded], label_type)
    return arrays


def take(examples, rows):
    """The examples at these rows, a slice or an int array."""
    return {name: value[rows] for name, value in examples.items()}


def shuffled(examples, seed=0):
    count = len(examples["label_ids"])
    return take(examples, np.random.RandomState(seed).permutation(count))


def by_length(examples):
    """Longest first, which is the order of our command's inference."""
    return take(examples, np.argsort(-lengths(examples), kind="mergesort"))


def lengths(examples):
    """Tokens of each example, without padding: int array [N]."""
    return examples["input_mask"].sum(axis=1)


def equal_bounds(examples, batch_size):
    """Where batches of this size begin, and the end."""
    count = len(examples["label_ids"])
    return list(range(0, count, batch_size)) + [count]


def our_bounds(examples, batch_size):
    """The same for the batches of our command's inference, longest first."""
    from finetuning.data import input_pipeline

    longest_first = -np.sort(-lengths(examples))
    length = examples["input_mask"].shape[1]
    return input_pipeline.batch_bounds(longest_first, batch_size, length)


def save(path, examples, check):
    """Writes a file for `load`: the examples, and the batch whose loss is compared."""
    named = {"check_" + name: value for name, value in check.items()}
    np.savez(path, **dict(examples, **named))


def load(path):
    """Returns the examples of a file, and the batch whose loss is compared."""
    with np.load(path) as archive:
        arrays = dict(archive)
    check = {name: arrays.pop("check_" + name) for name in NAMES}
    return arrays, check


def random_weights(shape, seed=0):
    """Weights under the names of Google's checkpoints, none of them 0 or 1.

    All are random, biases and norms too, and spread so that each layer's output
    matters: a weight in the wrong place changes the loss.

    Args:
      shape: dictionary of arguments of `modeling.BertConfig`.
      seed: int.

    Returns:
      Dictionary from name to float32 array.
    """
    import modeling

    rng = np.random.RandomState(seed)
    shapes = modeling.variable_shapes(modeling.BertConfig(**shape))
    shapes["output_weights"] = (LABELS, shape["hidden_size"])
    shapes["output_bias"] = (LABELS,)
    weights = {}
    for name, size in shapes.items():
        inputs = size[0] if name.endswith("kernel") else shape["hidden_size"]
        value = rng.normal(0.0, 1.0 / np.sqrt(inputs), size)
        if name.endswith("gamma"):
            value += 1.0
        weights[name] = value.astype(np.float32)
    return weights
