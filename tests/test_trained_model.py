"""Reading a trained model from a directory of weights."""

import os
import shutil

import numpy as np
import pytest

from finetuning import trained_model
from finetuning.utils.errors import InputError
from tests.support import huggingface


def test_an_output_directory(finished_run):
    model = trained_model.load(finished_run.directory)
    assert model.labels == ("0", "1") and model.num_outputs == 2
    assert model.contents.step == 15
    assert not model.contents.fresh
    assert model.settings.max_seq_length == 16
    assert len(model.tokenizer.vocab) == model.config.vocab_size
    earlier = trained_model.load(os.path.join(finished_run.directory, "model.ckpt-8"))
    assert earlier.contents.step == 8


def test_a_regression_from_its_best_weights(evaluated_run):
    model = trained_model.load(os.path.join(evaluated_run.directory, "best"))
    assert model.is_regression and model.num_outputs == 1
    assert model.settings.text_a_column == "#1 String"


def test_what_is_missing_is_named(finished_run, tmp_path):
    with pytest.raises(InputError, match="no checkpoint"):
        trained_model.load(str(tmp_path))
    out = finished_run.copy(tmp_path)
    for name in ("vocab.txt", "labels.json"):
        os.remove(os.path.join(out, name))
    with pytest.raises(InputError, match="lacks labels.json, vocab.txt, which"):
        trained_model.load(out)
    shutil.rmtree(out)
    with pytest.raises(InputError, match="no checkpoint found"):
        trained_model.load(out)


def test_a_model_of_hugging_face_is_not_one_that_was_trained_here(tmp_path):
    arrays = {"bert.pooler.dense.bias": np.zeros(3)}
    huggingface.write(tmp_path, arrays)
    with pytest.raises(InputError, match="a Hugging Face model does not"):
        trained_model.load(str(tmp_path))
