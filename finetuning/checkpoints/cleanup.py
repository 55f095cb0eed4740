"""Removes temporary files that a run left because it was killed while writing."""

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
# A process on another machine that is still writing changes its file more often.
_QUIET_SECONDS = 60.0


def remove_leftovers(output_dir):
    """Removes temporary files of dead runs; the caller must hold the training lock.

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
        for name in files.list_directory(directory):
            path = os.path.join(directory, name)
            if _is_leftover(path, name) and os.path.isfile(path):
                files.remove_if_exists(path)
                removed.append(os.path.join(folder, name))
    return removed


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
