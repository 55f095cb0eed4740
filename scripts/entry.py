"""What the scripts share: the flag parser, and exit statuses for errors."""

import argparse
import os
import re
import textwrap

from finetuning.device import backend
from finetuning.flags import values
from finetuning.utils import console, exit_status
from finetuning.utils.errors import InputError

# The root of the repository.
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class _HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Wraps the paragraphs of a description, not its examples."""

    def _fill_text(self, text, width, indent):
        del indent
        return "\n\n".join(
            part if part.startswith("  ") else textwrap.fill(part, width)
            for part in re.split(r"\n{2,}", text.strip("\n"))
        )


class Parser(argparse.ArgumentParser):
    """An `argparse.ArgumentParser` that raises `InputError` for wrong arguments."""

    def __init__(self, *arguments, **options):
        options.setdefault("formatter_class", _HelpFormatter)
        super().__init__(*arguments, allow_abbrev=False, **options)
        self._paths = []

    def add_path(self, *arguments, **options):
        """Like `add_argument`, for a path or a list of paths; see `resolve_path`."""
        self._paths.append(self.add_argument(*arguments, **options))

    def parse_known_args(self, args=None, namespace=None):
        namespace, rest = super().parse_known_args(args, namespace)
        for action in self._paths:
            given = getattr(namespace, action.dest, None)
            resolved = [_resolve(action, path) for path in _as_list(given)]
            setattr(
                namespace,
                action.dest,
                resolved if isinstance(given, list) else (resolved or [None])[0],
            )
        return namespace, rest

    def error(self, message):
        raise InputError("%s (see --help)" % message)


def require_at_least(flags, **minimums):
    """Checks flags that are whole numbers for the machine.

    Args:
      flags: what a `Parser` returned.
      minimums: the lowest value of each flag.

    Raises:
      InputError: one is lower, or more than 31 bits hold.
    """
    for name, minimum in minimums.items():
        if not minimum <= getattr(flags, name) < 2**31:
            raise InputError(
                "--%s=%d: expected %d to 2147483647"
                % (name, getattr(flags, name), minimum)
            )


# The lowest values of `add_predictor_flags`, for `require_at_least`.
PREDICTOR_MINIMUMS = {"batch_size": 1, "num_threads": 0}


def add_predictor_flags(parser):
    """Adds the flags of programs that predict with the model at `flags.path`."""
    parser.add_argument(
        "--batch_size", type=int, default=32, help="examples computed at once"
    )
    parser.add_argument(
        "--num_threads",
        type=int,
        default=0,
        help="CPU threads; 0: one for each physical core",
    )


def load_predictor(flags):
    """The `Predictor` of a program with `add_predictor_flags`."""
    # Imported here, so that --help and a misspelt flag do not wait for TensorFlow.
    from finetuning.predictor import Predictor

    threads = flags.num_threads or backend.physical_cores()
    return Predictor(flags.path, flags.batch_size, threads)


def _as_list(given):
    if given is None:
        return []
    return given if isinstance(given, list) else [given]


def _resolve(action, path):
    if not action.option_strings:
        return values.resolve_path(action.metavar, path, shown=path)
    return values.resolve_path(action.option_strings[0].lstrip("-"), path)


def status_of(action, failures=(), interrupted="interrupted"):
    """Runs a command, logging to the screen, and returns its exit status.

    Args:
      action: function without arguments; returns the status, or None for success.
      failures: exception types that the user did not cause, such as network errors:
        they end the command with `exit_status.FAILURE` and their message.
      interrupted: what is logged after Ctrl-C.
    """
    with console.screen():
        try:
            return action() or exit_status.SUCCESS
        except failures as error:
            console.log.error("%s", error)
            return exit_status.FAILURE
        except (InputError, OSError, ModuleNotFoundError, KeyboardInterrupt) as error:
            return exit_status.report(error, interrupted=interrupted)
