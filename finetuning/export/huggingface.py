"""A directory that Hugging Face's transformers loads as it is."""

import dataclasses
import json
import os
import struct

import numpy as np

import modeling
from finetuning import classifier
from finetuning.checkpoints import restoring
from finetuning.device import failures
from finetuning.export import card, output, tokenizer_files
from finetuning.flags import text_settings
from finetuning.utils import files, json_files

_WEIGHTS, _CONFIG, _CARD = "model.safetensors", "config.json", "README.md"
_HEAD = {"output_weights": "classifier.weight", "output_bias": "classifier.bias"}
_PARTS = {"gamma": "weight", "beta": "bias", "kernel": "weight"}


@failures.tensorflow_errors(only_files=True)
def export(model, path):
    """Writes weights, config, tokenizer and model card.

    `AutoModelForSequenceClassification`, `AutoTokenizer` and `pipeline` load the
    directory and compute the same token ids and logits.

    Args:
      model: `trained_model.TrainedModel`.
      path: the directory to write, which must be new or empty.

    Returns:
      Lines of Python that use it.

    Raises:
      InputError: something is at `path`, the disk is full, or the run's
        `eval_results.json` is damaged.
      VanishedError: the checkpoint was removed or replaced since it was read.
      OSError: the directory cannot be written.
    """
    with output.new_directory(path) as directory:
        _write_weights(model.contents, os.path.join(directory, _WEIGHTS))
        vocab = text_settings.VOCAB_FILE
        files.copy(os.path.join(model.directory, vocab), os.path.join(directory, vocab))
        contents = dict(tokenizer_files.contents(model), **{_CONFIG: config(model)})
        for name, content in contents.items():
            json_files.write(os.path.join(directory, name), content)
        files.write_text(os.path.join(directory, _CARD), card.text(model))
    return card.usage(model, path)


def _write_weights(contents, path):
    """Writes float32 in the format of https://huggingface.co/docs/safetensors.

    The library of that name would have all weights in memory, twice.
    """
    with contents.restoring(), restoring.open_reader(contents.prefix) as reader:
        shapes = reader.get_variable_to_shape_map()
        header, end = {"__metadata__": {"format": "pt"}}, 0
        for name, source in contents.restored.items():
            shape = shapes[source][::-1] if _is_kernel(name) else shapes[source]
            start, end = end, end + 4 * int(np.prod(shape, dtype=np.int64))
            header[name_of(name)] = {
                "dtype": "F32",
                "shape": list(shape),
                "data_offsets": [start, end],
            }
        encoded = json.dumps(header).encode("ascii")
        encoded += b" " * (-len(encoded) % 8)  # The numbers must be aligned.
        with open(path, "wb") as file:
            file.write(struct.pack("<Q", len(encoded)) + encoded)
            for name, source in contents.restored.items():
                value = reader.get_tensor(source)
                value = value.T if _is_kernel(name) else value
                file.write(np.ascontiguousarray(value, "<f4").tobytes())
    files.sync(path)


def _is_kernel(name):
    """Whether transformers has a variable transposed."""
    return name.endswith("/kernel")


def name_of(name):
    """Transformers' name of a variable.

    Example:
      >>> name_of("bert/encoder/layer_0/output/LayerNorm/gamma")
      'bert.encoder.layer.0.output.LayerNorm.weight'
    """
    if name in _HEAD:
        return _HEAD[name]
    scope, _, part = name.replace("layer_", "layer.").rpartition("/")
    if part.endswith("_embeddings"):
        part += "/weight"
    return "/".join([scope, _PARTS.get(part, part)]).replace("/", ".")


def config(model):
    """The content of `config.json`, a dictionary."""
    ours = model.config
    labels = list(model.labels) or ["LABEL_0"]
    return dict(
        {field.name: getattr(ours, field.name) for field in dataclasses.fields(ours)},
        architectures=["BertForSequenceClassification"],
        model_type="bert",
        hidden_act=_activation(ours),
        classifier_dropout=classifier.head_dropout(ours),
        layer_norm_eps=1e-12,
        pad_token_id=model.tokenizer.vocab["[PAD]"],
        problem_type=(
            "regression" if model.is_regression else "single_label_classification"
        ),
        num_labels=len(labels),
        id2label={str(number): label for number, label in enumerate(labels)},
        label2id={label: number for number, label in enumerate(labels)},
    )


def _activation(ours):
    """Transformers' name of the activation that this program computes."""
    name = str(modeling.activation_name(ours)).lower()
    if name == "gelu_python":  # The exact function.
        return "gelu"
    return "gelu_new" if name.startswith("gelu") else name
