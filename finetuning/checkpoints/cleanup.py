"""Removes what a run left because it was killed while it replaced files."""

import os
import re
import time

from finetuning.checkpoints import finding
from finetuning.utils import files

# TensorFlow's temporary files of a checkpoint; only training runs write them.
_OF_TENSORFLOW = re.compile(
    r"model\.ckpt-\d+\.(index|data-\d{5}-of-\d{5})\.tempstate\d+$"
    r"|(model\.ckpt-\d+\.meta|graph\.pbtxt)\.tmp[0-9a-f]{32}$"
)
# Files of the best weights, which are saved without a graph.
_WEIGHTS = re.compile(r"model\.ckpt-\d+\.(index|data-\d{5}-of-\d{5})$")
# A process on another machine that is still writing changes its file more often.
_QUIET_SECONDS = 60.0


def remove_leftovers(output_dir):
    """Removes files of dead runs; the caller must hold the training lock.

    These are temporary files, and weights in `best/` that better ones have replaced.

    Returns:
      The names of the removed files, relative to `output_dir`.
    """
    removed = []
    for folder in ("", finding.BEST):
        directory = os.path.join(output_dir, folder)
        if files.is_remote(directory) or not files.is_directory(directory):
            continue
        if folder and finding.is_run(directory):
            continue  # The output directory of another run.
        replaced = _replaced_weights(directory) if folder else ()
        for name in files.list_directory(directory):
            path = os.path.join(directory, name)
            if not os.path.isfile(path):
                continue
            if name in replaced or _is_leftover(path, name):
                files.remove_if_exists(path)
                removed.append(os.path.join(folder, name))
    return removed


def _replaced_weights(directory):
    """The files of all but the latest weights in `best/`, which keeps one checkpoint.

    None of them if those that the `checkpoint` file names are not intact: then others
    may be the ones that count.
    """
    latest = finding.find_latest(directory)
    if latest.prefix is None or latest.corrupt:
        return set()
    kept = os.path.basename(latest.prefix)
    steps = {
        name: finding.step_in_name(finding.part_of(name))
        for name in files.list_directory(directory)
        if _WEIGHTS.match(name)
    }
    return {n for n, step in steps.items() if step < finding.step_in_name(kept)}


def _is_leftover(path, name):
    if _OF_TENSORFLOW.match(name):
        return True
    match = files.TEMPORARY_NAME.match(name)
    if not match:
        return False
    if match.group("name") == finding.STATE_FILE:
        return True  # Only the run that holds the lock writes it.
    # Evaluations and predictions, which need no lock, may still be writing.
    if _is_running(int(match.group("process"))):
        return False
    return time.time() - os.path.getmtime(path) > _QUIET_SECONDS


def _is_running(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True  # Another user's process, or not a process number.
    return True
