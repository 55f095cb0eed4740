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

from finetuning.flags import flag_file
from finetuning.flags.settings import MAX_SEED
from finetuning.run_info import saved_run
from finetuning.utils import files

_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def choose_seed(settings, saved):
    """Chooses the seed of a run: that of the flag, else the saved one, else a new one.

    Args:
      settings: `settings.Settings`.
      saved: `saved_run.SavedRun` of the output directory.

    Returns:
      The seed, and a phrase that says where it comes from.
    """
    if settings.random_seed is not None:
        return settings.random_seed, "as given"
    if saved.random_seed is not None:
        return saved.random_seed, "as saved in %s" % settings.output_dir
    # From the system's entropy: no state of the program decides it.
    seed = random.SystemRandom().randint(0, MAX_SEED)
    return seed, "drawn; --random_seed=%d repeats this run" % seed


def describe(settings, seed, device):
    """A dictionary that goes into JSON as it is."""
    return {
        "settings": settings.as_dict(),
        "random_seed": seed,
        "device": device.line(),
        "determinism": device.determinism,
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


def save(settings, description, **facts):
    """Writes what `describe` returned beside a training's checkpoints.

    Also as a flag file, which repeats the run.

    Args:
      settings: `settings.Settings`.
      description: what `describe` returned.
      **facts: what else goes into the file of settings: `fingerprints` of its files,
        `changes` that were made to it on the way, `planned_steps`.
    """
    path = os.path.join(settings.output_dir, saved_run.SETTINGS_FILE)
    write_json(path, dict(description, **facts))
    flag_file.write(settings, description, facts.get("changes", ()))


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
