"""Google's checkpoints: fetched, unpacked, checked, put in their place."""

import json
import os

import pooch
from fetching import download, sources, unpack, workspace

from finetuning.utils import files
from finetuning.utils.errors import InputError

NEEDED = (sources.WEIGHTS, sources.INDEX, sources.VOCABULARY, sources.CONFIG)
_SHAPE_KEYS = ("num_hidden_layers", "hidden_size", "num_attention_heads")


def state(checkpoint, checkpoint_dir):
    """One word for a list: "there", "incomplete" or "-"."""
    folder = os.path.join(checkpoint_dir, checkpoint.name)
    if not workspace.in_the_way(folder):
        return "-"
    return "incomplete" if _missing(folder) else "there"


def _missing(folder):
    return [n for n in NEEDED if not os.path.isfile(os.path.join(folder, n))]


def fetch_checkpoint(checkpoint, checkpoint_dir, options):
    """Puts a checkpoint's files into <checkpoint_dir>/<name>, unless they are there.

    Args:
      checkpoint: `sources.Checkpoint`.
      checkpoint_dir: folder of the checkpoints' folders.
      options: `download.Options`.

    Raises:
      InputError: something else is there, or what was fetched or given is not right;
        nothing is left in the checkpoint's place then.
      download.NetworkError: the zip could not be fetched.
    """
    target = os.path.join(checkpoint_dir, checkpoint.name)
    if workspace.in_the_way(target):
        trouble = _trouble(checkpoint, target)
        if trouble:
            raise InputError(
                "%s is there, but %s; it was left as it is: move it away, or choose "
                "another folder" % (target, trouble)
            )
        print("%s is there already; nothing was fetched" % target)
    else:
        _fetch_to(checkpoint, target, options)
        print("%s is in %s" % (checkpoint.about, target))
    print("  %s" % _said_of_checks(checkpoint), flush=True)


def _fetch_to(checkpoint, target, options):
    name = checkpoint.remote.name
    download.check_source([checkpoint.remote], options)
    with workspace.beside(target) as work:
        archive = download.fetch(checkpoint.remote, work, options)
        unpacked = os.path.join(work, "unpacked")
        os.mkdir(unpacked)
        unpack.unpack(archive, unpacked)
        try:
            found = workspace.folder_with(unpacked, NEEDED)
        except InputError as error:
            raise InputError("%s is not as expected: %s" % (name, error)) from None
        trouble = _trouble(checkpoint, found)
        if trouble:
            raise InputError(
                "%s is not the published checkpoint: %s; get "
                "it anew from %s"
                % (name, trouble, checkpoint.remote.url(options.base_url))
            )
        workspace.place(found, target)


def _trouble(checkpoint, folder):
    """What is wrong with a checkpoint's files, in a clause; None if all is right."""
    missing = _missing(folder)
    if missing:
        return "it has no %s" % ", ".join(missing)
    for name, known in checkpoint.sha256.items():
        if pooch.file_hash(os.path.join(folder, name)) != known:
            return "the sha256 of its %s is not the published one" % name
    entries = _count_entries(os.path.join(folder, sources.VOCABULARY))
    if entries != checkpoint.vocabulary:
        return "its %s has %d entries, not %d" % (
            sources.VOCABULARY,
            entries,
            checkpoint.vocabulary,
        )
    shape = _read_shape(os.path.join(folder, sources.CONFIG))
    if shape != checkpoint.shape:
        return "its %s names %s layers, hidden size and heads, not %s" % (
            sources.CONFIG,
            shape,
            checkpoint.shape,
        )
    return None


def _count_entries(path):
    with open(path, "rb") as file:
        return sum(1 for _ in file)


def _read_shape(path):
    """Layers, hidden size and heads that a config names; None for what it does not."""
    try:
        config = json.loads(files.read_text(path))
        return tuple(config.get(key) for key in _SHAPE_KEYS)
    except (ValueError, AttributeError):
        return (None, None, None)


def _said_of_checks(checkpoint):
    shape = "its vocabulary has %s entries, its config %d layers of %d" % (
        format(checkpoint.vocabulary, ","),
        checkpoint.shape[0],
        checkpoint.shape[1],
    )
    if checkpoint.sha256:
        return "Checked: sha256 of weights, vocabulary and config; %s" % shape
    return "No checksum is published for it; checked only that it is whole: %s" % shape
