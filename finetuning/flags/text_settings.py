"""What a directory of weights says about the text that they were trained on.

A training run saves the flags that decide how text is read next to its weights, with
copies of the vocabulary and the config. Evaluation and prediction take what is not
given on the command line from there.
"""

import dataclasses
import json
import os

from finetuning.flags.settings import CUSTOM, Settings, flags_with, type_of
from finetuning.utils import files, huggingface, json_files

FILE = "text_settings.json"
VOCAB_FILE = "vocab.txt"
CONFIG_FILE = "bert_config.json"
# The names of the copies, by the flag that names the original.
COPIES = {"vocab_file": VOCAB_FILE, "bert_config_file": CONFIG_FILE}
# The directory of the best weights, below the output directory.
_BEST = "best"


def from_settings(settings):
    """The flags to save: those that decide how text is read, by name."""
    names = flags_with(saved_with_weights=True)
    if not settings.is_custom:
        names = [name for name in names if name not in flags_with(needs=CUSTOM)]
    return {name: getattr(settings, name) for name in names}


def save(directory, settings):
    """Writes `text_settings.json` into a directory of weights."""
    json_files.write(os.path.join(directory, FILE), from_settings(settings))


def load(directory):
    """Reads `text_settings.json`.

    Returns:
      Dictionary from flag name to value; empty if there is no file.

    Raises:
      InputError: the file is corrupt.
    """
    path = os.path.join(directory, FILE)
    if not files.exists(path):
        return {}
    return json_files.read(
        path,
        "the flags that decide how text is read",
        "restore it, or remove it and pass these flags",
        _parse,
    )


def _parse(content):
    for field in dataclasses.fields(Settings):
        value = content.get(field.name)
        if value is not None and type(value) is not type_of(field):
            raise ValueError(
                "%s is %r, expected %s" % (field.name, value, type_of(field).__name__)
            )
    names = flags_with(saved_with_weights=True)
    return {name: content[name] for name in names if content.get(name) is not None}


def defaults(given):
    """What the directory of the weights says about flags that are not given.

    Args:
      given: dictionary from the names of the flags that are given to their values.

    Returns:
      A dictionary of the same form, and the directory; ({}, None) if there is nothing.

    Raises:
      InputError: what is saved there is corrupt.
    """
    directory = _weights_directory(given)
    if directory is None or not files.is_directory(directory):
        return {}, None
    found = {}
    names = dict(COPIES)
    if huggingface.find_weights(directory):
        names["bert_config_file"] = huggingface.CONFIG_FILE
        found.update(_of_tokenizer(directory))
        if given.get("do_train"):
            found.pop("max_seq_length", None)
        if not files.exists(os.path.join(directory, VOCAB_FILE)):
            names["vocab_file"] = huggingface.TOKENIZER_FILE
    for name, file in names.items():
        path = os.path.join(directory, file)
        if files.exists(path):
            found[name] = path
    if not given.get("do_train"):
        found.update(load(directory))
    task = str(given.get("task_name", found.get("task_name", "")))
    if task.lower() != CUSTOM:
        for name in flags_with(needs=CUSTOM):
            found.pop(name, None)
    found = {name: value for name, value in found.items() if name not in given}
    return found, directory if found else None


def _of_tokenizer(directory):
    """The flags for which a Hugging Face directory has values in its tokenizer."""
    found = {}
    lower_case = huggingface.tokenizer_config(directory).get("do_lower_case")
    if isinstance(lower_case, bool):
        found["do_lower_case"] = lower_case
    length = huggingface.max_length(directory)
    if length is not None:
        found["max_seq_length"] = length
    return found


def _weights_directory(given):
    """The directory of the weights that a run will use, or start from; None: unknown.

    What the output directory contains takes precedence over the initial checkpoint.
    """
    output_dir = given.get("output_dir")
    if output_dir and not given.get("do_train"):
        best = os.path.join(output_dir, _BEST)
        directory = best if given.get("keep_best") else output_dir
        if _has_checkpoint(directory):
            return directory
    path = given.get("init_checkpoint")
    if not path or files.is_directory(path):
        return path
    return os.path.dirname(path) or os.curdir


def _has_checkpoint(directory):
    """Whether there is a checkpoint, which may be corrupt."""
    if not files.is_directory(directory):
        return False
    return any(name.endswith(".index") for name in files.list_directory(directory))


def completed_config(config_file, init_checkpoint):
    """The text of a config with the `model_type` that marks a Hugging Face config.

    Their oldest configs lack it, and only the weights tell that `gelu` is the exact
    function there.

    Args:
      config_file: --bert_config_file.
      init_checkpoint: --init_checkpoint, or None.

    Returns:
      JSON text; None if the config needs no other text than its own, as one that was
      saved next to weights.
    """
    directory, name = os.path.split(config_file)
    if files.exists(os.path.join(directory, FILE)):
        return None
    is_beside = name == huggingface.CONFIG_FILE
    is_beside = is_beside and huggingface.find_weights(directory or os.curdir)
    if not is_beside and not huggingface.find_weights(init_checkpoint or ""):
        return None
    try:
        content = json.loads(files.read_text(config_file))
    except ValueError:  # Reading the config reports it.
        return None
    if not isinstance(content, dict) or content.get("model_type") is not None:
        return None
    return json_files.as_text(dict(content, model_type=huggingface.MODEL_TYPE))
