"""What a model's directory in Hugging Face format contains, besides the weights.

Such a directory has a `config.json`, and the weights in one file or in several that an
index lists. Everything here is about names and JSON files; `checkpoints.huggingface`
reads the weights.
"""

import json
import os
import re

from finetuning.utils import files, json_files
from finetuning.utils.errors import InputError

CONFIG_FILE = "config.json"
TOKENIZER_CONFIG_FILE = "tokenizer_config.json"
# Has the vocabulary, too; newer versions of transformers save no other file of it.
TOKENIZER_FILE = "tokenizer.json"
INDEX_SUFFIX = ".index.json"
PICKLE_SUFFIX = ".bin"
MODEL_TYPE = "bert"
# The names that transformers looks for, in this order.
_WEIGHTS = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)
_WEIGHTS_PATH = re.compile(r".+\.(safetensors|bin)(\.index\.json)?$")
_DEFAULT_LABEL = re.compile(r"LABEL_\d+$")
# [CLS], a token and [SEP].
_SHORTEST = 3
_SEQUENCE_CLASSIFIER = "ForSequenceClassification"


def is_weights(path):
    """Whether a path is named like weights in this format, and is no TensorFlow prefix.

    The file may be missing, because another process has removed it.
    """
    return bool(_WEIGHTS_PATH.match(path)) and not files.exists(path + ".index")


def find_weights(path):
    """The file of weights at a path, or the one in a directory; None: there is none.

    In a directory that has a checkpoint of TensorFlow's too, that one is used.
    """
    if not files.is_directory(path):
        return path if is_weights(path) and files.exists(path) else None
    names = files.list_directory(path)
    if any(name.endswith(".index") for name in names):
        return None
    return next((os.path.join(path, n) for n in _WEIGHTS if n in names), None)


def content_files(path):
    """The files that contain weights: the path itself, or the parts that it lists.

    Raises:
      InputError: it is an index, and lists no files, or one that is missing.
    """
    if not path.endswith(INDEX_SUFFIX):
        return [path]
    directory, names = os.path.dirname(path), sorted(set(weight_map(path).values()))
    parts = [os.path.join(directory, name) for name in names]
    for part in parts:
        if not files.exists(part):
            raise InputError(
                "%s is missing, which %s lists; download all files of the model"
                % (part, path)
            )
    return parts


def identifying_files(prefix):
    """The files of a checkpoint whose content identifies its weights.

    Args:
      prefix: of a TensorFlow checkpoint, whose index has a checksum of each
        variable; or a path of Hugging Face weights, which have none.
    """
    if not is_weights(prefix):
        return [prefix + ".index"]
    parts = content_files(prefix)
    return parts if prefix in parts else [prefix, *parts]


def weight_map(path):
    """Reads an index: a dictionary from the name of a weight to that of its file.

    Raises:
      InputError: it cannot be used.
    """
    return json_files.read(
        path, "the index of a checkpoint in several files", "copy it again", _parse_map
    )


def _parse_map(content):
    names = content["weight_map"]
    for name in names.values():
        # Other directories' files are none of the checkpoint.
        if os.path.basename(name) != name or not name:
            raise ValueError("%r is not the name of a file beside it" % name)
    return names


def vocabulary(path):
    """The tokens of a `tokenizer.json` in the order of their ids; None: it is none.

    Raises:
      InputError: it is not that of a BERT.
    """
    if os.path.basename(path) != TOKENIZER_FILE:
        return None
    return json_files.read(
        path, "a tokenizer that splits into WordPieces", "use a BERT's", _parse_tokens
    )


def _parse_tokens(content):
    if content["model"].get("type", "WordPiece") != "WordPiece":
        raise ValueError("its model has the type %r" % content["model"]["type"])
    ids = content["model"]["vocab"]
    if sorted(ids.values()) != list(range(len(ids))):
        raise ValueError("its ids are not 0, 1, 2 and so on")
    return sorted(ids, key=ids.get)


def read_config(weights_path):
    """The `config.json` beside weights, as a dictionary; empty if there is none.

    Raises:
      InputError: it is corrupt.
    """
    path = os.path.join(os.path.dirname(weights_path), CONFIG_FILE)
    if not files.exists(path):
        return {}
    return json_files.read(
        path, "the config of the model", "copy it again", _check_labels
    )


def _check_labels(config):
    labels(config)
    return config


def is_sequence_classifier(config):
    """Whether a config lets its `classifier` be that of whole texts, not of tokens."""
    names = config.get("architectures") or [_SEQUENCE_CLASSIFIER]
    return any(str(name).endswith(_SEQUENCE_CLASSIFIER) for name in names)


def labels(config):
    """The label names of a config, `id2label`.

    Returns:
      Tuple of str in the order of the ids, empty for a regression, which has one
      output; None if there are no names, or placeholders such as LABEL_0.

    Raises:
      ValueError: the ids are not 0, 1, 2, …, or a name is not a string.
    """
    names = config.get("id2label")
    if not names:
        return None
    if not isinstance(names, dict) or set(names) != set(map(str, range(len(names)))):
        raise ValueError("id2label is not an object with the keys 0, 1, 2 and so on")
    if len(names) == 1:
        return ()
    names = tuple(names[str(index)] for index in range(len(names)))
    if not all(isinstance(name, str) for name in names):
        raise ValueError("id2label contains a name that is not a string")
    return None if all(map(_DEFAULT_LABEL.match, names)) else names


def tokenizer_config(directory):
    """The `tokenizer_config.json` of a directory; empty if there is none.

    Raises:
      InputError: it is not UTF-8, or not JSON.
    """
    path = os.path.join(directory, TOKENIZER_CONFIG_FILE)
    if not files.exists(path):
        return {}
    try:
        # Not `json_files.read`: the unlimited length there is a number of 31 digits.
        content = json.loads(files.read_text(path))
    except InputError:
        raise
    except (ValueError, RecursionError) as error:
        raise InputError(
            "%s is not JSON: %s; copy it again, or remove it" % (path, error)
        ) from None
    return content if isinstance(content, dict) else {}


def max_length(directory):
    """The length in tokens to which the tokenizer of a directory truncates texts.

    Returns:
      `model_max_length`; None if the model has fewer positions, as where transformers
      writes 1e30 for "not set", or if there is no such number.

    Raises:
      InputError: a file is corrupt.
    """
    length = tokenizer_config(directory).get("model_max_length")
    positions = read_config(find_weights(directory)).get("max_position_embeddings")
    if type(length) is not int or type(positions) is not int:
        return None
    return length if _SHORTEST <= length <= positions else None
