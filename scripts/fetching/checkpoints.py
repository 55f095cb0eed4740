"""Google's checkpoints: unpacked and verified."""

import os

import pooch

from finetuning.utils import json_files
from finetuning.utils.errors import InputError
from scripts.fetching import archive, download, given, sources

ROWS = sources.CHECKPOINTS
NEEDED = (
    "bert_model.ckpt.data-00000-of-00001",
    "bert_model.ckpt.index",
    "vocab.txt",
    "bert_config.json",
)
_SHAPE_KEYS = ("num_hidden_layers", "hidden_size", "num_attention_heads")


def build(checkpoint, work, options):
    """Fetches a checkpoint's zip, unpacks it and verifies the files in it.

    Args:
      checkpoint: a `sources.Checkpoint`.
      work: temporary folder.
      options: `download.Options`.

    Returns:
      The folder of the checkpoint's files, in `work`.

    Raises:
      InputError: it is not the published checkpoint.
      download.NetworkError: the zip could not be downloaded.
    """
    (remote,) = checkpoint.remotes
    if options.source:
        unpacked, options = given.locate(checkpoint, NEEDED, options)
        if unpacked:
            return _copy_files(checkpoint, unpacked, os.path.join(work, "copied"))
    path = download.fetch(remote, work, options)
    unpacked = os.path.join(work, "unpacked")
    os.mkdir(unpacked)
    folder = archive.unpack(path, unpacked, NEEDED)
    trouble = problem(checkpoint, folder)
    if trouble:
        raise InputError(
            "%s is not the published checkpoint: %s; download it again from %s"
            % (remote.name, trouble, remote.url(options.base_url))
        )
    return folder


def _copy_files(checkpoint, unpacked, folder):
    trouble = problem(checkpoint, unpacked)
    if trouble:
        raise InputError(
            "%s is not the published checkpoint: %s; "
            "--init_checkpoint=%s/bert_model.ckpt reads it as it is"
            % (unpacked, trouble, unpacked)
        )
    return given.copy(unpacked, NEEDED, folder)


def problem(checkpoint, folder):
    """A clause that says what is wrong with a checkpoint's files; None if nothing is.

    Args:
      checkpoint: a `sources.Checkpoint`.
      folder: the checkpoint's folder.
    """
    missing = [n for n in NEEDED if not os.path.isfile(os.path.join(folder, n))]
    if missing:
        return "it has no %s" % ", ".join(missing)
    for name, known in checkpoint.sha256.items():
        if pooch.file_hash(os.path.join(folder, name)) != known:
            return "the SHA-256 of its %s is not the published one" % name
    with open(os.path.join(folder, "vocab.txt"), "rb") as file:
        entries = sum(1 for _ in file)
    if entries != checkpoint.vocab_size:
        return "its vocab.txt has %d entries, not %d" % (
            entries,
            checkpoint.vocab_size,
        )
    try:
        shape = _read_shape(os.path.join(folder, "bert_config.json"))
    except InputError as error:
        return "its %s" % error
    if shape != checkpoint.shape:
        return (
            "layers, hidden size and heads in its bert_config.json are %s, not %s"
            % (
                shape,
                checkpoint.shape,
            )
        )
    return None


def _read_shape(path):
    """Layers, hidden size and heads in a config; None for those that it lacks."""
    name = os.path.basename(path)
    config = json_files.read(path, "the model's sizes", "it is damaged", name=name)
    return tuple(config.get(key) for key in _SHAPE_KEYS)


def summary(checkpoint, _):
    """A line about what was verified."""
    layers, hidden_size, _ = checkpoint.shape
    return "  Verified: %s; %s vocabulary entries, %d layers, hidden size %d" % (
        "SHA-256 of weights, vocabulary and config"
        if checkpoint.sha256
        else "zip, vocabulary and config (no SHA-256 is published)",
        format(checkpoint.vocab_size, ","),
        layers,
        hidden_size,
    )
