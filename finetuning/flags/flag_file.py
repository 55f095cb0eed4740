"""The flags of a training as a file that `--flagfile` reads, to repeat it."""

import dataclasses
import os

from finetuning.flags.settings import NO_EFFECT, Settings
from finetuning.utils import files

FILE = "run.flags"
_PATHS = (
    "data_dir",
    "train_file",
    "eval_file",
    "predict_file",
    "vocab_file",
    "bert_config_file",
    "init_checkpoint",
)
# The directory is the repetition's own: the flag that comes last would win, and a file
# that came behind --output_dir would lead into the finished run.
_LEFT_OUT = ("output_dir", "random_seed", "check", "debug", "allow_changes")


def write(settings, description, changes=()):
    """Writes `run.flags` into the output directory.

    Args:
      settings: `settings.Settings`.
      description: what `provenance.describe` returned.
      changes: how the training was begun otherwise, if it was.
    """
    path = os.path.join(settings.output_dir, FILE)
    files.write_text(path, text(settings, description, changes))


def text(settings, description, changes=()):
    """The flag file: all flags that have a value, the seed, and what it is for."""
    return "\n".join(_heading(description, changes) + _flags(settings, description))


def _heading(description, changes):
    versions = description["versions"]
    lines = [
        "Repeats the run whose directory this file stands in:",
        "  python run_classifier.py --flagfile=%s --output_dir=NEW" % FILE,
        "Flags behind --flagfile go before those in it. The run was on",
        "Python %s, TensorFlow %s, %s;"
        % (versions["python"], versions["tensorflow"], description["device"]),
        "revision of the program: %s." % (description["git_revision"] or "unknown"),
    ]
    if changes:
        lines.append("NOT A REPETITION: flags were changed while it was under way:")
        lines += ["  " + each for each in changes]
    return ["# " + " ".join(line.split("\n")) for line in lines]


def _flags(settings, description):
    lines = []
    for field in dataclasses.fields(Settings):
        value = getattr(settings, field.name)
        if field.metadata["group"] == NO_EFFECT or field.name in _LEFT_OUT:
            continue
        if value is not None:
            lines.append(_flag(field.name, value))
    return [*lines, _flag("random_seed", description["random_seed"]), ""]


def _flag(name, value):
    if name in _PATHS and not files.is_remote(value):
        value = os.path.abspath(value)
    shown = str(value).lower() if isinstance(value, bool) else str(value)
    line = "--%s=%s" % (name, shown)
    # The reader of flag files strips each line, and ends it where text ends a line.
    if line != line.strip() or "\n" in line or "\r" in line:
        return "# cannot be written here, give it by hand: %r" % line
    return line
