"""Finding checkpoints: by path, by the `checkpoint` file, the latest intact one."""

import os
import re
from dataclasses import dataclass
from typing import Optional, Tuple

import tensorflow.compat.v1 as tf

from finetuning.checkpoints import integrity
from finetuning.run_info import saved_run
from finetuning.utils import files, huggingface
from finetuning.utils.errors import InputError

# The directory of the best weights, below the output directory.
BEST = "best"
# TensorFlow's file that names the checkpoints of a directory, the latest first.
STATE_FILE = "checkpoint"
_NAMES_SHOWN = 5
_CORRUPT_SHOWN = 2
# What follows the prefix in the file names of one checkpoint.
_PART = re.compile(r"\.(index|meta|data-\d{5}-of-\d{5})$")
_RUN_CHECKPOINT = re.compile(r"model\.ckpt-(\d+)\.index$")


def resolve(path, flag=None):
    """Returns the prefix of a checkpoint that is given by prefix, file or directory.

    Args:
      path: `.../model.ckpt-12`, the same followed by `.index`, `.meta` or `.data-...`,
        or a directory that contains one checkpoint or a `checkpoint` file; or weights
        in Hugging Face format, or their directory.
      flag: name of the flag that gave the path, for the message; None: there is none.

    Raises:
      InputError: there is no checkpoint.
    """
    what = "--%s=%s" % (flag, path) if flag else path
    if files.is_directory(path):
        return _resolve_directory(path, what)
    for prefix in (path, _PART.sub("", path)):
        if files.exists(prefix + ".index"):
            return prefix
    if huggingface.find_weights(path):
        return path
    raise InputError(
        "%s: no checkpoint found (%s.index is missing); pass the prefix of one, such "
        "as .../bert_model.ckpt%s" % (what, path, files.missing_hint(path))
    )


def _resolve_directory(path, what):
    latest = latest_in(path)
    if latest:
        return latest
    names = [
        name[: -len(".index")]
        for name in files.list_directory(path)
        if name.endswith(".index")
    ]
    if len(names) == 1:
        return os.path.join(path, names[0])
    if not names and huggingface.find_weights(path):
        return huggingface.find_weights(path)
    raise InputError(
        "%s: the directory contains %s; pass the prefix of one, such as "
        ".../bert_model.ckpt, or a Hugging Face directory with model.safetensors"
        % (what, first_few(names) if names else "no checkpoint")
    )


def all_in(directory):
    """Lists the prefixes of a run's checkpoints, the latest last.

    These are the checkpoints that the `checkpoint` file lists or, if it is corrupt,
    those in the directory, without corrupt ones that are later than the latest intact
    one. Only files in the directory itself count: the `checkpoint` file of a copied
    directory may still name the checkpoints of the original run.
    """
    listed = _listed(directory)
    prefixes = _candidates(directory, listed)
    if listed:
        prefixes = [prefix for prefix in prefixes if os.path.basename(prefix) in listed]
    corrupt = [prefix for prefix, _ in find_latest(directory).corrupt]
    return [prefix for prefix in prefixes[::-1] if prefix not in corrupt]


@dataclass(frozen=True)
class LatestCheckpoint:
    """The latest intact checkpoint of a directory.

    Attributes:
      directory: where it was looked for.
      prefix: its prefix; None if there is none.
      corrupt: (prefix, reason) of each later checkpoint that is corrupt.
    """

    directory: str
    prefix: Optional[str]
    corrupt: Tuple[Tuple[str, str], ...] = ()

    def warnings(self):
        """Yields a line for each checkpoint that was skipped."""
        use = "using %s instead" % self.prefix if self.prefix else "it is not used"
        for prefix, reason in self.corrupt:
            yield "CORRUPT CHECKPOINT %s (%s): %s" % (prefix, reason, use)

    def intact_prefix(self):
        """Returns the prefix, or None if the directory contains no checkpoint at all.

        Raises:
          InputError: there are checkpoints, and all of them are corrupt.
        """
        if self.prefix is None and self.corrupt:
            reasons = ["%s: %s" % pair for pair in self.corrupt[:_CORRUPT_SHOWN]]
            raise InputError(
                "%s contains no intact checkpoint (%s); restore one from a copy, or "
                "use another directory" % (self.directory, "; ".join(reasons))
            )
        return self.prefix


def latest_in(directory):
    """Returns the prefix of the latest intact checkpoint of a directory, or None.

    Raises:
      InputError: there are checkpoints, and all of them are corrupt.
    """
    return find_latest(directory).intact_prefix()


def find_latest(directory):
    """Looks for the latest intact checkpoint of a directory.

    The `checkpoint` file names it, also in a directory that was moved or copied since.
    If that checkpoint or the file itself is corrupt, the other checkpoints are tried,
    the highest step first. Checkpoints that the file does not list are tried only in
    the output directory of this program (it contains `run_settings.json`): nothing else
    writes files of these names there.

    Returns:
      `LatestCheckpoint`.
    """
    while True:
        listed = _listed(directory)
        latest = _first_intact(directory, listed)
        # If the list has changed, a training run there has replaced its checkpoints.
        if not latest.corrupt or listed == _listed(directory):
            return latest


def _first_intact(directory, listed):
    prefixes, corrupt = _candidates(directory, listed), []
    if prefixes and not listed:
        corrupt.append((os.path.join(directory, STATE_FILE), "missing or unreadable"))
    elif prefixes and os.path.basename(prefixes[0]) != listed[0]:
        missing = os.path.join(directory, listed[0])
        corrupt.append((missing, "all of its files are missing"))
    for prefix in prefixes:
        reason = integrity.damage(prefix)
        if reason is None:
            return LatestCheckpoint(directory, prefix, tuple(corrupt))
        corrupt.append((prefix, reason))
    return LatestCheckpoint(directory, None, tuple(corrupt))


def _listed(directory):
    """The names in the `checkpoint` file, the latest first; none if it is corrupt."""
    path = os.path.join(directory, STATE_FILE)
    if not files.is_remote(path) and os.path.exists(path):
        files.refuse_special(path)
    try:
        state = tf.train.get_checkpoint_state(directory)
    except (ValueError, tf.errors.OpError):  # ValueError: empty, or not UTF-8.
        state = None
    if state is None:
        return []
    paths = [state.model_checkpoint_path] + list(state.all_model_checkpoint_paths)[::-1]
    # Paths may have been written on Windows: `D:\\out\\model.ckpt-458`.
    return list(dict.fromkeys(re.split(r"[\\/]", path)[-1] for path in paths))


def _candidates(directory, listed):
    """Prefixes that have at least one file, in the order in which to try them."""
    names = files.list_directory(directory) if files.is_directory(directory) else []
    present = {part_of(name) for name in names}
    # The user may have made an older checkpoint the first of the list by hand.
    first = [name for name in listed[:1] if name in present]
    others = {name for name in listed[1:] if name in present}
    if belongs_to_a_run(directory):
        others |= {part_of(name) for name in names if _RUN_CHECKPOINT.match(name)}
    others.difference_update(first)
    in_order = sorted(others, key=lambda name: (step_in_name(name), name), reverse=True)
    return [os.path.join(directory, name) for name in first + in_order]


def files_of(prefix):
    """Lists the paths of the files of a checkpoint, its index first.

    By exact names: TensorFlow's own functions take a prefix as a pattern, in which
    [1] means 1, and would find another checkpoint's files.
    """
    directory, start = os.path.split(prefix)
    directory = directory or os.curdir
    names = files.list_directory(directory) if files.is_directory(directory) else []
    parts = [name for name in names if part_of(name) == start]
    parts.sort(key=lambda name: not name.endswith(".index"))
    return [os.path.join(directory, name) for name in parts]


def part_of(name):
    """Returns the name of the checkpoint that a file is part of, or None."""
    return _PART.sub("", name) if _PART.search(name) else None


def step_in_name(prefix):
    """Returns the step in the name of a checkpoint, or -1 if it has none."""
    digits = prefix.rpartition("-")[2]
    return int(digits) if digits.isdigit() else -1


def belongs_to_a_run(directory):
    """Whether a directory is an output directory of this program, or its `best/`."""
    return is_run(_run_of(directory))


def run_directory(prefix):
    """Returns the output directory of the run that wrote a checkpoint."""
    return _run_of(os.path.dirname(prefix))


def is_run(directory):
    """Whether a training run of this program has saved its settings in a directory."""
    return files.exists(os.path.join(directory, saved_run.SETTINGS_FILE))


def _run_of(directory):
    """The output directory above `best/`; any other directory is returned as it is.

    An output directory may be called "best", too: it has settings of its own.
    """
    path = directory.rstrip("/")
    if os.path.basename(path) in ("", os.curdir) and not files.is_remote(path):
        path = os.path.abspath(directory)
    parent, name = os.path.split(path)
    is_best = name == BEST and not is_run(path) and is_run(parent)
    return parent if is_best else directory


def first_few(names):
    """Joins names for a message; of many, the first few and the number of the rest."""
    shown = ", ".join(names[:_NAMES_SHOWN])
    more = len(names) - _NAMES_SHOWN
    return shown + (" and %d more" % more if more > 0 else "")
