"""Digests of the files that shape a training: moved, they are the same; edited, not."""

import hashlib

from finetuning.utils import files

# Flags whose files are compared by content. Of a training set, whichever flag names it.
TRAINING_SET = "training set"
READERS = ("vocab_file", "bert_config_file")
NAMES = (*READERS, "init_checkpoint", TRAINING_SET)
# What a training is scored on meanwhile; compared only where both sides name one.
DEV_SET = "dev set"
_BLOCK = 2**20


def take(settings, data_files, initial_prefix):
    """Reads the files that shape the training that the settings describe.

    Of a checkpoint this is its index, which holds a checksum of each tensor.

    Args:
      settings: `settings.Settings`.
      data_files: `tasks.DataFile`s of the run.
      initial_prefix: that of --init_checkpoint, or None.

    Returns:
      Dictionary from some of `NAMES`, and `DEV_SET`, to dictionaries of `path` and
      `sha256`, in hex.
    """
    paths = {name: getattr(settings, name) for name in READERS}
    if initial_prefix is not None:
        paths["init_checkpoint"] = initial_prefix + ".index"
    for data_file in data_files:
        if data_file.split == "train":
            paths[TRAINING_SET] = data_file.path
    found = {
        name: {"path": path, "sha256": sha256(path)} for name, path in paths.items()
    }
    scored = [data_file.path for data_file in data_files if data_file.split == "dev"]
    if settings.evaluates_while_training and scored:
        found[DEV_SET] = {"path": scored[0], "sha256": sha256(*scored)}
    return found


def sha256(*paths):
    """The digest of the bytes of files, one behind the other, in hex."""
    digest = hashlib.sha256()
    for path in paths:
        with files.open_binary(path) as file:
            block = file.read(_BLOCK)
            while block:
                digest.update(block)
                block = file.read(_BLOCK)
    return digest.hexdigest()
