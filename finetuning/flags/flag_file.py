"""Flag files: those that --flagfile reads, and the one that a run writes."""

import os

from finetuning.flags.settings import NO_EFFECT, WORKERS, as_flag, flags_with
from finetuning.flags.values import empty_flag, resolve_path
from finetuning.utils import files
from finetuning.utils.errors import InputError

FILE = "run.flags"
# A repetition needs a directory of its own. If the file contained --output_dir too, the
# last of the two would win, and the repetition could write into the finished run.
_LEFT_OUT = ("output_dir", "random_seed", "check", "debug", "allow_changes")
_FIRST_LINE = "# To repeat the run in this directory:"
_DIRECTIVES = ("--flagfile", "-flagfile")


def expand(arguments):
    """Replaces each --flagfile=PATH by the flags in that file, as absl does.

    A file has one flag in each line; those that are blank, or start with # or //, are
    skipped. It may contain --flagfile, too.

    Args:
      arguments: list of str, without the program's name.

    Returns:
      The arguments, and the paths of all flag files, two lists of str.

    Raises:
      InputError: a file is missing, cannot be read or refers to itself.
    """
    expanded, paths, waiting = [], [], list(arguments)
    while waiting:
        argument = waiting.pop(0)
        name, equals, path = argument.partition("=")
        if argument == "--":
            return expanded + [argument] + waiting, paths
        if name not in _DIRECTIVES:
            expanded.append(argument)
            continue
        if not equals:
            path = waiting.pop(0) if waiting else ""
        lines, nested = _expand_file(path.strip(), ())
        expanded += lines
        paths += nested
    return expanded, paths


def _expand_file(path, outer):
    """Returns the flags of a file and the paths of it and of all files in it."""
    if not path:
        raise InputError(empty_flag("flagfile"))
    path = resolve_path("flagfile", path)
    files.require_file("--flagfile=%s" % path, path)
    if path in outer:
        raise InputError("--flagfile=%s: the file refers to itself" % path)
    flags, paths = [], [path]
    for number, line in files.read_text_lines(path):
        line = line.strip()
        if not line or line.startswith(("#", "//")):
            continue
        name, _, nested = line.partition("=")
        if name in _DIRECTIVES:
            more, more_paths = _expand_file(nested.strip(), (*outer, path))
            flags += more
            paths += more_paths
        elif line.endswith("\\"):
            raise InputError(
                "%s, line %d ends with a backslash; remove it: in a flag file each "
                "line is a flag of its own" % (path, number)
            )
        else:
            flags.append(line)
    return flags, paths


def require_kept(paths, output_dir):
    """Checks that no flag file of the user's own would be replaced by a run's.

    Args:
      paths: from `expand`.
      output_dir: where the run writes one.

    Raises:
      InputError: one would.
    """
    own = os.path.join(output_dir, FILE)
    for path in paths:
        if files.is_same(path, own) and not files.read_text(path).startswith(
            _FIRST_LINE
        ):
            raise InputError(
                "--flagfile=%s: the run would replace it by its own %s; give it "
                "another name" % (path, FILE)
            )


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
        _FIRST_LINE[2:],
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
    # Weights do not depend on the number of workers; these are of one worker.
    left_out = _LEFT_OUT + flags_with(group=NO_EFFECT) + flags_with(group=WORKERS)
    lines = []
    for name, value in settings.as_dict().items():
        if name not in left_out and value is not None:
            lines.append(_line(name, value))
    return [*lines, _line("random_seed", description["random_seed"]), ""]


def _line(name, value):
    if name in flags_with(is_path=True) and not files.is_remote(value):
        value = os.path.abspath(value)
    line = as_flag(name, value)
    # See `_expand_file`.
    if line != line.strip() or line.endswith("\\") or "\n" in line or "\r" in line:
        return "# cannot be written to a file; pass it on the command line: %r" % line
    return line
