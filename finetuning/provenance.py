"""What a reader needs to trust and repeat a run: settings, seed, versions, revision."""

import json
import os
import platform
import random
import subprocess
import sys
import time

import numpy
import scipy
import sklearn

from finetuning import files
from finetuning.console import log
from finetuning.errors import InputError
from finetuning.settings import MAX_SEED

SETTINGS_FILE = "run_settings.json"
_ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def choose_seed(settings):
    """The run's seed: the flag's, else the saved one, else a new one.

    Says which, if the run trains.
    """
    saved = saved_seed(settings.output_dir)
    given = settings.random_seed
    if given is not None:
        seed, source = given, "as given"
    elif saved is not None:
        seed, source = saved, "as saved in %s" % settings.output_dir
    else:
        # From the system's entropy: no state of the program decides it.
        seed = random.SystemRandom().randint(0, MAX_SEED)
        source = "drawn; --random_seed=%d repeats this run" % seed
    if settings.do_train:
        log.info("Random seed: %d, %s", seed, source)
        if saved not in (None, seed):
            log.warning("The training in %s began with another", settings.output_dir)
    return seed


def saved_seed(output_dir):
    """The seed of the training that a directory holds; None where none is saved.

    Raises:
      InputError: the file of settings there is damaged.
    """
    path = os.path.join(output_dir, SETTINGS_FILE)
    if not files.exists(path):
        return None
    try:
        return int(json.loads(files.read_text(path))["random_seed"])
    except (ValueError, KeyError, TypeError):
        raise InputError(
            "%s is damaged: no random_seed can be read from it; give --random_seed and "
            "remove the file, or give another --output_dir" % path
        ) from None


def describe(settings, seed, device):
    """A dictionary that goes into JSON as it is."""
    return {
        "settings": settings.as_dict(),
        "random_seed": seed,
        "device": device.line(),
        "versions": {
            "python": platform.python_version(),
            "tensorflow": device.tensorflow,
            "cuda": device.cuda,
            "cudnn": device.cudnn,
            "numpy": numpy.__version__,
            "scipy": scipy.__version__,
            "scikit-learn": sklearn.__version__,
        },
        "git_revision": git_revision(),
        "command": sys.argv,
        "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    }


def save(output_dir, description):
    """Writes what `describe` returned beside the checkpoints of a training."""
    write_json(os.path.join(output_dir, SETTINGS_FILE), description)


def write_json(path, value):
    files.write_text(path, json.dumps(value, indent=2, sort_keys=True) + "\n")


def git_revision():
    """The program's commit, with "-dirty" where files differ from it; or None."""
    top = _git("rev-parse", "--show-toplevel")
    if top is None or not os.path.samefile(top, _ROOT):
        return None  # No checkout, or one of something else around the program.
    return _git("describe", "--always", "--dirty", "--abbrev=40", "--exclude=*")


def _git(*arguments):
    try:
        shown = subprocess.run(
            ["git"] + list(arguments),
            cwd=_ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            check=True,
            timeout=10,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return shown.stdout.decode("utf-8").strip() or None
