"""The files in configs/: model sizes as published, and flag files that can be read."""

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


def test_sizes(root):
    sizes = {}
    for path in glob.glob(os.path.join(root, "configs", "*.json")):
        config = model_config.read_config(path)
        shapes = compatibility.model_shapes(config, num_labels=2)
        encoder = set(shapes) - set(compatibility.HEAD)
        count = sum(int(np.prod(shapes[name])) for name in encoder)
        sizes[os.path.basename(path)[: -len(".json")]] = round(count / 1e6, 1)
    assert sizes == MILLIONS


@pytest.mark.parametrize("name", ["demo", "mrpc_google", "mrpc_notes", "mrpc_stable"])
def test_flag_files(root, name):
    path = os.path.join(root, "configs", name + ".flags")
    paths = ["--data_dir=d", "--vocab_file=v", "--bert_config_file=b", "--output_dir=o"]
    settings, _ = command_line.parse(["prog", "--flagfile=" + path, *paths])
    assert settings.do_train and settings.do_eval
    assert name != "mrpc_google" or settings.num_train_epochs == 3.0
