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
# A training that goes on with another value of these is another training.
SHAPE_TRAINING = (
    "task_name",
    "data_dir",
    "train_file",
    "text_a_column",
    "text_b_column",
    "label_column",
    "has_header",
    "labels",
    "regression",
    "max_train_examples",
    "class_weights",
    "adam_bias_correction",
    "vocab_file",
    "bert_config_file",
    "init_checkpoint",
    "do_lower_case",
    "max_seq_length",
    "train_batch_size",
    "learning_rate",
    "num_train_epochs",
    "warmup_proportion",
    "precision",
)
# Weights that see text through other values of these are not what was trained.
SHAPE_READING = ("do_lower_case", "max_seq_length", "text_a_column", "text_b_column")
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


def saved(output_dir):
    """What `save` wrote for the training that a directory holds; None: nothing there.

    Raises:
      InputError: the file of settings there is damaged.
    """
    path = os.path.join(output_dir, SETTINGS_FILE)
    if not files.exists(path):
        return None
    try:
        content = json.loads(files.read_text(path))
        content["random_seed"] = int(content["random_seed"])
        if not 0 <= content["random_seed"] <= MAX_SEED:
            raise ValueError
        return content
    except (ValueError, KeyError, TypeError):
        raise InputError(
            "%s is damaged: no random_seed can be read from it; give --random_seed and "
            "remove the file, or give another --output_dir" % path
        ) from None


def saved_seed(output_dir):
    """The seed of the training that a directory holds; None where none is saved."""
    content = saved(output_dir)
    return None if content is None else content["random_seed"]


def changed_settings(output_dir, settings):
    """How the settings that shape a training differ from the saved ones: lines."""
    return _changed(output_dir, settings, SHAPE_TRAINING)


def changed_reading(output_dir, settings):
    """How text is read otherwise than by the training that a directory holds: lines."""
    return _changed(output_dir, settings, SHAPE_READING)


def _changed(output_dir, settings, names):
    content = saved(output_dir) or {}
    before = content.get("settings") or {}
    now = settings.as_dict()
    return [
        "--%s was %s, is %s" % (name, _shown(before[name]), _shown(now[name]))
        for name in names
        if name in before and before[name] != now[name]
    ]


def _shown(value):
    """As it is written on a command line."""
    return str(value).lower() if isinstance(value, bool) else value


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
