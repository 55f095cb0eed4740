"""Temporary files that a run left because it was killed while writing."""

import os
import re
import time

from finetuning.checkpoints import finding
from finetuning.utils import files

# Of TensorFlow, of a checkpoint and what is written with it: only a training writes
# these.
_OF_TRAINING = re.compile(
    r"model\.ckpt-\d+\.(index|data-\d{5}-of-\d{5})\.tempstate\d+$"
    r"|(model\.ckpt-\d+\.meta|graph\.pbtxt)\.tmp[0-9a-f]{32}$"
)
# Of `files.replacing`, which evaluations and predictions use too: the number is
# that of the process.
_OF_ANY = re.compile(
    r"((train|eval|predict)\w*\.tf_record|(eval|predict)_results\.(txt|json)"
    r"|(eval_predictions|predictions|test_results)\w*\.tsv|eval_history\.tsv"
    r"|run_settings\.json|run\.flags|labels\.json"
    r"|(AX|CoLA|MNLI-mm?|MRPC|QNLI|QQP|RTE|SST-2|STS-B|WNLI)\.tsv"
    r")\.(?P<process>\d+)\.tmp$"
)
_OF_STATE = re.compile(r"checkpoint\.\d+\.tmp$")
# A process on another machine that is still writing touches its file more often.
_QUIET_SECONDS = 60.0


def remove_leftovers(output_dir):
    """Removes those of runs that are dead; the caller holds the training's lock.

    Returns:
      The names of what was removed, below `output_dir`.
    """
    removed = []
    for below in ("", finding.BEST):
        directory = os.path.join(output_dir, below)
        if files.is_remote(directory) or not files.is_directory(directory):
            continue
        for name in files.list_directory(directory):
            path = os.path.join(directory, name)
            if _is_dead(path, name) and os.path.isfile(path):
                files.remove_if_exists(path)
                removed.append(os.path.join(below, name))
    return removed


def _is_dead(path, name):
    if _OF_TRAINING.match(name) or _OF_STATE.match(name):
        return True
    match = _OF_ANY.match(name)
    if not match or _is_running(int(match.group("process"))):
        return False
    return time.time() - os.path.getmtime(path) > _QUIET_SECONDS


def _is_running(number):
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True  # It is somebody else's; or no number of a process.
    return True
