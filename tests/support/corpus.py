"""All that a run needs: a small corpus in MRPC's format, a vocabulary, an encoder."""

import json
import os
import random

import numpy as np

from finetuning.checkpoints import compatibility
from tests.support import models

NAMES = ["anna", "ben", "carla", "david", "emma", "finn"]
VERBS = {"paid": "paid", "thanked": "thanked", "called": "called"}
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", "was", "by", "##s"]
ROWS = {"train": 40, "dev": 13, "test": 11}
HEADER = "Quality\t#1 ID\t#2 ID\t#1 String\t#2 String"


def write(directory):
    """Writes data/, vocab.txt, bert_config.json and encoder/ into a directory.

    Returns:
      The flags that name them, as a list.
    """
    rng = random.Random(3)
    data = os.path.join(directory, "data")
    for split, count in ROWS.items():
        lines = [HEADER.replace("Quality", "index") if split == "test" else HEADER]
        lines += [_row(rng, split, index) for index in range(count)]
        write_lines(os.path.join(data, split + ".tsv"), lines)
    vocabulary = VOCABULARY + NAMES + sorted(VERBS)
    vocab_file = os.path.join(directory, "vocab.txt")
    write_lines(vocab_file, vocabulary)
    config = models.tiny_config(
        vocab_size=len(vocabulary),
        hidden_dropout_prob=0.1,
        attention_probs_dropout_prob=0.1,
    )
    config_file = os.path.join(directory, "bert_config.json")
    _write(config_file, config.to_json_string())
    prefix = os.path.join(directory, "encoder", "bert_model.ckpt")
    models.save_checkpoint(prefix, encoder_weights(config))
    return [
        "--task_name=mrpc",
        "--data_dir=" + data,
        "--vocab_file=" + vocab_file,
        "--bert_config_file=" + config_file,
        "--init_checkpoint=" + prefix,
        "--max_seq_length=16",
        "--train_batch_size=8",
        "--num_train_epochs=3",
        "--learning_rate=1e-3",
        "--random_seed=11",
    ]


def encoder_weights(config):
    """Random weights, named as in a pretrained checkpoint, with its own head."""
    rng = np.random.RandomState(4)
    weights = {
        name: (rng.randn(*shape) * 0.1).astype(np.float32)
        for name, shape in compatibility.model_shapes(config, 2).items()
        if name not in compatibility.HEAD
    }
    weights["cls/predictions/output_bias"] = np.zeros(config.vocab_size, np.float32)
    return weights


def _row(rng, split, index):
    first, second = rng.sample(NAMES, 2)
    verb = rng.choice(sorted(VERBS))
    label = index % 2
    agent, patient = (first, second) if label else (second, first)
    left = "%s %s %s ." % (first, verb, second)
    right = "%s was %s by %s ." % (patient, verb, agent)
    return "\t".join([str(index if split == "test" else label), "1", "2", left, right])


def _write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def reverse_words(vocabulary):
    """The text of a vocabulary with its words, not its special tokens, reversed."""
    lines = vocabulary.split("\n")
    return "\n".join(lines[:5] + lines[5:-1][::-1] + lines[-1:])


def write_lines(path, lines):
    """Writes lines into a file; makes its directory if needed."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    _write(path, "\n".join(lines) + "\n")


def read_json(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)
