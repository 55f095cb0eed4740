"""Writes the flags of a run to a file that `--flagfile` reads, to repeat the run."""

import os

from finetuning.flags.settings import NO_EFFECT, as_flag, flags_with
from finetuning.utils import files

FILE = "run.flags"
# A repetition needs a directory of its own. If the file contained --output_dir too, the
# last of the two would win, and the repetition could write into the finished run.
_LEFT_OUT = ("output_dir", "random_seed", "check", "debug", "allow_changes")


def write(settings, description, changes=()):
    """Writes `run.flags` into the output directory.

    Args:
      settings: `settings.Settings`.
      description: what `provenance.describe` returned.
      changes: settings that were changed during the run, one line each.
    """
    path = os.path.join(settings.output_dir, FILE)
    files.write_text(path, text(settings, description, changes))


def text(settings, description, changes=()):
    """The content of the file: a comment, all flags with a value, and the seed."""
    return "\n".join(_heading(description, changes) + _flags(settings, description))


def _heading(description, changes):
    lines = [
        "To repeat the run in this directory:",
        "  python run_classifier.py --flagfile=%s --output_dir=NEW" % FILE,
        "Flags after --flagfile override those in the file. The run used",
        "Python %s and %s;"
        % (description["versions"]["python"], description["device"]),
        "git revision %s." % (description["git_revision"] or "unknown"),
    ]
    if changes:
        lines.append("NOT A REPETITION: settings were changed during the run:")
        lines += ["  " + change for change in changes]
    return ["# " + " ".join(line.splitlines()) for line in lines]


def _flags(settings, description):
    left_out = _LEFT_OUT + flags_with(group=NO_EFFECT)
    lines = []
    for name, value in settings.as_dict().items():
        if name not in left_out and value is not None:
            lines.append(_line(name, value))
    return [*lines, _line("random_seed", description["random_seed"]), ""]


def _line(name, value):
    if name in flags_with(is_path=True) and not files.is_remote(value):
        value = os.path.abspath(value)
    line = as_flag(name, value)
    # Absl strips each line of a flag file, and splits it at any line break.
    if line != line.strip() or "\n" in line or "\r" in line:
        return "# cannot be written to a file; pass it on the command line: %r" % line
    return line
