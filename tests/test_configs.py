"""The files in configs/: published sizes and known-good flag files."""

import glob
import os

import numpy as np
import pytest

from finetuning.checkpoints import compatibility
from finetuning.checks import model_config
from finetuning.flags import command_line

# Millions of parameters of embeddings, encoder and pooler, as published.
MILLIONS = {
    "bert_tiny_uncased": 4.4,
    "bert_mini_uncased": 11.2,
    "bert_small_uncased": 28.8,
    "bert_medium_uncased": 41.4,
    "bert_base_uncased": 109.5,
    "bert_large_uncased": 335.1,
    "bert_base_cased": 108.3,
    "bert_large_cased": 333.6,
    "bert_base_multilingual_cased": 177.9,
    "bert_base_chinese": 102.3,
}
PATHS = ["--data_dir=d", "--vocab_file=v", "--bert_config_file=b", "--output_dir=o"]


def test_every_config_is_checked(root):
    found = glob.glob(os.path.join(root, "configs", "*.json"))
    assert {os.path.basename(path)[: -len(".json")] for path in found} == set(MILLIONS)


@pytest.mark.parametrize("name", sorted(MILLIONS))
def test_sizes(root, name):
    config = model_config.read_config(os.path.join(root, "configs", name + ".json"))
    shapes = compatibility.model_shapes(config, 2)
    for head in compatibility.HEAD:
        del shapes[head]
    count = sum(int(np.prod(shape)) for shape in shapes.values())
    assert round(count / 1e6, 1) == MILLIONS[name]


def read_flags(root, name):
    path = os.path.join(root, "configs", name)
    return command_line.parse(["prog", "--flagfile=" + path] + PATHS)[0]


@pytest.mark.parametrize(
    "name, batch_size, epochs", [("mrpc_notes", 5, 1.0), ("mrpc_google", 32, 3.0)]
)
def test_flag_files(root, name, batch_size, epochs):
    chosen = read_flags(root, name + ".flags")
    assert chosen.task_name == "MRPC"
    assert chosen.do_train and chosen.do_eval and not chosen.do_predict
    assert chosen.train_batch_size == batch_size
    assert chosen.num_train_epochs == epochs
    assert chosen.learning_rate == 2e-5
    assert chosen.max_seq_length == 128


def test_every_flag_file_is_read(root):
    for path in glob.glob(os.path.join(root, "configs", "*.flags")):
        read_flags(root, os.path.basename(path))
