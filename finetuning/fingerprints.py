"""Digests of the files that shape a training: moved, they are the same; edited, not."""

import hashlib

from finetuning import files

# Flags whose files are compared by content. Of a training set, whichever flag names it.
TRAINING_SET = "training set"
NAMES = ("vocab_file", "bert_config_file", "init_checkpoint", TRAINING_SET)
_BLOCK = 2**20


def take(settings, sources, initial_prefix):
    """Reads the files that shape the training that the settings describe.

    Of a checkpoint this is its index, which holds a checksum of each tensor.

    Args:
      settings: `settings.Settings`.
      sources: `tasks.Source`s of the run.
      initial_prefix: that of --init_checkpoint, or None.

    Returns:
      Dictionary from some of `NAMES` to dictionaries of `path` and `sha256`, in hex.
    """
    paths = {
        "vocab_file": settings.vocab_file,
        "bert_config_file": settings.bert_config_file,
    }
    if initial_prefix is not None:
        paths["init_checkpoint"] = initial_prefix + ".index"
    for source in sources:
        if source.kind == "train":
            paths[TRAINING_SET] = source.path
    return {
        name: {"path": path, "sha256": sha256(path)} for name, path in paths.items()
    }


def sha256(path):
    """The digest of a file's bytes, in hex."""
    digest = hashlib.sha256()
    with files.open_binary(path) as file:
        block = file.read(_BLOCK)
        while block:
            digest.update(block)
            block = file.read(_BLOCK)
    return digest.hexdigest()
