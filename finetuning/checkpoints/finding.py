"""Finding the checkpoints of a run: by path, by the `checkpoint` file, the latest intact one."""

import os
import re
from dataclasses import dataclass
from typing import Optional, Tuple

import tensorflow.compat.v1 as tf

from finetuning.checkpoints import integrity
from finetuning.run_info import saved_run
from finetuning.utils import files
from finetuning.utils.errors import InputError

# Where below a training's directory its best weights lie.
BEST = "best"
# It names a directory's checkpoints, the newest first.
STATE_FILE = "checkpoint"
_NAMES_SHOWN = 5
_NEWEST_SHOWN = 2
# What the files of one checkpoint are called behind its prefix.
_PART = re.compile(r"\.(index|meta|data-\d{5}-of-\d{5})$")
_OF_TRAINING = re.compile(r"model\.ckpt-(\d+)\.index$")


def resolve(path, flag):
    """The prefix of a checkpoint that is named by prefix, file or directory.

    Args:
      path: `.../model.ckpt-12`, that with `.index`, `.meta` or `.data-...` behind it,
        or a directory with one checkpoint, or with a `checkpoint` file that names the
        newest.
      flag: name of the flag that gave the path, for the message.

    Raises:
      InputError: there is no checkpoint.
    """
    if files.is_directory(path):
        return _resolve_directory(path, flag)
    for prefix in (path, _PART.sub("", path)):
        if files.exists(prefix + ".index"):
            return prefix
    raise InputError(
        "--%s=%s: no checkpoint there (%s.index is missing); give the prefix of one, "
        "such as .../bert_model.ckpt" % (flag, path, path)
    )


def _resolve_directory(path, flag):
    newest = newest_in(path)
    if newest:
        return newest
    found = [
        name[: -len(".index")]
        for name in files.list_directory(path)
        if name.endswith(".index")
    ]
    if len(found) == 1:
        return os.path.join(path, found[0])
    raise InputError(
        "--%s=%s: the directory holds %s; give the prefix of one, such as "
        ".../bert_model.ckpt"
        % (flag, path, first_few(found) if found else "no checkpoint")
    )


def all_in(directory):
    """Prefixes of a training's checkpoints, the newest last, as `find_newest` sees it.

    Those that the `checkpoint` file lists, or where it is damaged those that lie there;
    without the damaged ones that are newer than the newest intact one. Only what stands
    in the directory itself: the file may still hold the paths of the place that it was
    copied from, and those checkpoints are not this training's.
    """
    listed = _listed(directory)
    found = _candidates(directory, listed)
    if listed:
        found = [each for each in found if os.path.basename(each) in listed]
    damaged = [prefix for prefix, _ in find_newest(directory).damaged]
    return [each for each in found[::-1] if each not in damaged]


@dataclass(frozen=True)
class Newest:
    """What a look for the newest checkpoint of a training directory has found.

    Attributes:
      prefix: the newest that is intact; None: there is none.
      damaged: pairs of the prefix and the damage of those that are newer.
    """

    prefix: Optional[str]
    damaged: Tuple[Tuple[str, str], ...] = ()

    def lines(self):
        """What was passed over, for people."""
        use = "using %s instead" % self.prefix if self.prefix else "it is not used"
        for prefix, reason in self.damaged:
            yield "DAMAGED CHECKPOINT %s (%s): %s" % (prefix, reason, use)


def find_newest(directory):
    """Looks for the newest intact checkpoint of a training directory.

    The `checkpoint` file names it; a directory that was moved or copied since is
    understood too. Where what that file names is damaged, or the file itself is, the
    others that lie there are looked at, the highest step first: but those that the file
    does not list only where a training of this program lies (it has saved its
    settings), which writes no others under such names.

    Returns:
      `Newest`.
    """
    while True:
        listed = _listed(directory)
        newest = _first_intact(directory, listed)
        # Else a training that runs there has removed them, and written newer ones.
        if not newest.damaged or listed == _listed(directory):
            return newest


def _first_intact(directory, listed):
    found, damaged = _candidates(directory, listed), []
    if found and not listed:
        damaged.append((os.path.join(directory, STATE_FILE), "missing or unreadable"))
    elif found and os.path.basename(found[0]) != listed[0]:
        missing = os.path.join(directory, listed[0])
        damaged.append((missing, "none of its files is there"))
    for prefix in found:
        reason = integrity.damage(prefix)
        if reason is None:
            return Newest(prefix, tuple(damaged))
        damaged.append((prefix, reason))
    return Newest(None, tuple(damaged))


def newest_in(directory):
    """Prefix of the newest intact checkpoint of a training directory, or None.

    Raises:
      InputError: there are checkpoints, all of them damaged.
    """
    newest = find_newest(directory)
    if newest.prefix is None and newest.damaged:
        shown = ["%s: %s" % pair for pair in newest.damaged[:_NEWEST_SHOWN]]
        raise InputError(
            "%s holds no checkpoint that is intact (%s); restore one from a copy, or "
            "give another directory" % (directory, "; ".join(shown))
        )
    return newest.prefix


def _listed(directory):
    """Names in the `checkpoint` file, the newest first; none where it is damaged."""
    path = os.path.join(directory, STATE_FILE)
    if not files.is_remote(path) and os.path.exists(path):
        files.refuse_special(path)
    try:
        state = tf.train.get_checkpoint_state(directory)
    except (ValueError, tf.errors.OpError):  # ValueError: empty, or no UTF-8.
        state = None
    if state is None:
        return []
    paths = [state.model_checkpoint_path] + list(state.all_model_checkpoint_paths)[::-1]
    return list(dict.fromkeys(os.path.basename(path) for path in paths))


def _candidates(directory, listed):
    """Prefixes of which any file is there, in the order in which to try them."""
    names = files.list_directory(directory) if files.is_directory(directory) else []
    there = {part_of(name) for name in names}
    # The one named first may be older than others, by the user's own hand.
    first = [name for name in listed[:1] if name in there]
    others = {name for name in listed[1:] if name in there}
    if is_of_training(directory):
        others |= {name[: -len(".index")] for name in names if _OF_TRAINING.match(name)}
    others.difference_update(first)
    in_order = sorted(others, key=lambda name: (step_in_name(name), name), reverse=True)
    return [os.path.join(directory, name) for name in first + in_order]


def part_of(name):
    """The name of the checkpoint that a file is part of, or None."""
    return _PART.sub("", name) if _PART.search(name) else None


def step_in_name(prefix):
    """The step that a checkpoint's name tells; -1 where it tells none."""
    digits = prefix.rpartition("-")[2]
    return int(digits) if digits.isdigit() else -1


def is_of_training(directory):
    """Whether a training of this program writes there, its newest or its best."""
    directory = directory.rstrip("/")
    if os.path.basename(directory) == BEST:
        directory = os.path.dirname(directory)
    return files.exists(os.path.join(directory, saved_run.SETTINGS_FILE))


def training_directory(prefix):
    """The output directory of the training that wrote a checkpoint, newest or best."""
    directory = os.path.dirname(prefix)
    if os.path.basename(directory) == BEST:
        return os.path.dirname(directory)
    return directory


def first_few(names):
    shown = ", ".join(names[:_NAMES_SHOWN])
    left = len(names) - _NAMES_SHOWN
    return shown + (" and %d more" % left if left > 0 else "")
