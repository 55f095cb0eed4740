"""What is needed to repeat a run: settings, seed, device, versions and revision."""

import os
import platform
import random
import subprocess
import sys
import time

import numpy
import scipy

from finetuning.device import backend
from finetuning.flags import flag_file
from finetuning.flags.settings import MAX_SEED
from finetuning.run_info import saved_run
from finetuning.utils import json_files

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
        return settings.random_seed, "from --random_seed"
    if saved.random_seed is not None:
        return saved.random_seed, "saved in %s" % settings.output_dir
    # From the system's entropy, so that it does not depend on seeds of the program.
    seed = random.SystemRandom().randint(0, MAX_SEED)
    return seed, "random; --random_seed=%d repeats this run" % seed


def describe(settings, seed, device, num_workers=1):
    """Describes a run as a dictionary of JSON values.

    Args:
      settings: `settings.Settings`.
      seed: the run's seed.
      device: `detect.Device`; each worker has the same kind.
      num_workers: how many workers compute together.
    """
    return {
        "settings": settings.as_dict(),
        "random_seed": seed,
        "device": device.line(),
        "num_workers": num_workers,
        "determinism": device.determinism,
        "versions": {
            "python": platform.python_version(),
            "tensorflow": device.tensorflow,
            "cuda": device.cuda,
            "cudnn": device.cudnn,
            "onednn": "on" if backend.uses_onednn() else "off",
            "numpy": numpy.__version__,
            "scipy": scipy.__version__,
            "scikit-learn": _sklearn_version(),
        },
        "git_revision": git_revision(),
        "command": sys.argv,
        "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    }


def _sklearn_version():
    """Its version, without importing it, which takes a second."""
    try:
        from importlib import metadata
    except ImportError:  # Python 3.7
        import sklearn

        return sklearn.__version__
    return metadata.version("scikit-learn")


def save(settings, description, **facts):
    """Saves the description of a training run in its output directory.

    Writes `run_settings.json`, and `run.flags`, which repeats the run.

    Args:
      settings: `settings.Settings`.
      description: what `describe` returned.
      **facts: further entries of `run_settings.json`: `fingerprints`, `changes` of
        settings between resumptions, `planned_steps`, `columns`, `activation`.
    """
    path = os.path.join(settings.output_dir, saved_run.SETTINGS_FILE)
    json_files.write(path, dict(description, **facts))
    flag_file.write(settings, description, facts.get("changes", ()))


def version_line(program):
    """Formats the program's revision and the versions that it runs with."""
    import tensorflow.compat.v1 as tf

    return "%s, revision %s (TensorFlow %s, Python %s, numpy %s)" % (
        os.path.basename(program),
        git_revision() or "unknown: no git checkout",
        tf.VERSION,
        platform.python_version(),
        numpy.__version__,
    )


def git_revision():
    """Returns the program's commit, with "-dirty" if files were changed, or None."""
    top = _git("rev-parse", "--show-toplevel")
    if top is None or not os.path.samefile(top, _ROOT):
        return None  # Not a checkout, or inside one of another repository.
    return _git("describe", "--always", "--dirty", "--abbrev=40", "--exclude=*")


def _git(*arguments):
    try:
        done = subprocess.run(
            ["git", *arguments],
            cwd=_ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            check=True,
            timeout=10,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.decode("utf-8").strip() or None
