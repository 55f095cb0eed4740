"""SHA-256 of the files that determine a training run, wherever they are stored."""

import hashlib

from finetuning.flags import text_settings
from finetuning.utils import files, huggingface

# The names of fingerprints: of the flag that names the file, but for the training set,
# which either of two flags may name.
TRAINING_SET = "training set"
READERS = ("vocab_file", "bert_config_file")
NAMES = (*READERS, "init_checkpoint", TRAINING_SET)
# Determines only which weights are the best; compared only if both runs have one.
DEV_SET = "dev set"
_BLOCK = 2**20


def take(settings, data_files, initial_prefix, with_dev_set=None):
    """Computes the fingerprints of the files that determine a training run.

    Of a checkpoint, only the index is read: it has a checksum of each tensor. Hugging
    Face weights are read as a whole. The digest of a config is that of the text that is
    saved next to the weights.

    Args:
      settings: `settings.Settings`.
      data_files: `tasks.DataFile`s of the run.
      initial_prefix: prefix of --init_checkpoint, or None.
      with_dev_set: whether the dev set matters; None: if the run evaluates while it
        trains.

    Returns:
      Dictionary from some of `NAMES` and `DEV_SET` to dictionaries of `path` and
      `sha256`, in hex.
    """
    paths = {}
    if initial_prefix is not None:
        paths["init_checkpoint"] = huggingface.identifying_files(initial_prefix)
    names = {"train": TRAINING_SET}
    if with_dev_set is None:
        with_dev_set = settings.evaluates_while_training
    if with_dev_set:
        names["dev"] = DEV_SET
    for data_file in data_files:
        if data_file.split in names:
            paths.setdefault(names[data_file.split], []).append(data_file.path)
    digests = {name: of_reader(name, settings) for name in READERS}
    for name, parts in paths.items():
        digests[name] = {"path": " and ".join(parts), "sha256": sha256(*parts)}
    return digests


def of_reader(name, settings):
    """The digest of the vocabulary or the config as it is saved next to the weights.

    Args:
      name: one of `READERS`.
      settings: `settings.Settings`.

    Returns:
      Dictionary of `path` and `sha256`.
    """
    path, text = getattr(settings, name), saved_text(name, settings)
    if text is None:
        return {"path": path, "sha256": sha256(path)}
    return {"path": path, "sha256": hashlib.sha256(text.encode("utf-8")).hexdigest()}


def saved_text(name, settings):
    """The text that is saved instead of a copy of one of `READERS`; None: a copy is."""
    if name == "vocab_file":
        tokens = huggingface.vocabulary(settings.vocab_file)
        return tokens and "".join(token + "\n" for token in tokens)
    return text_settings.completed_config(
        settings.bert_config_file, settings.init_checkpoint
    )


def of_data(data_files):
    """Computes the fingerprints of what is evaluated and predicted.

    Args:
      data_files: `tasks.DataFile`s of the run.

    Returns:
      Dictionary from a tuple of paths, those of a whole split or of one of its files,
      to the SHA-256 of the concatenated files.
    """
    digests = {}
    for split in ("dev", "test"):
        paths = tuple(file.path for file in data_files if file.split == split)
        for group in {paths, *((path,) for path in paths)} - {()}:
            digests[group] = sha256(*group)
    return digests


def check(content):
    """Checks that a value read from a file is what `take` returns.

    Raises:
      ValueError: it is not.
    """
    digests = content.values() if isinstance(content, dict) else [None]
    for digest in digests:
        if not isinstance(digest, dict) or not all(
            isinstance(digest.get(name), str) for name in ("path", "sha256")
        ):
            raise ValueError("its fingerprints are not each a path and a sha256")


def sha256(*paths):
    """Returns the SHA-256 of the concatenated files, in hex."""
    digest = hashlib.sha256()
    for path in paths:
        with files.open_binary(path) as file:
            block = file.read(_BLOCK)
            while block:
                digest.update(block)
                block = file.read(_BLOCK)
    return digest.hexdigest()
