"""How the scripts here end: one set of exit statuses, one line about what is wrong."""

import argparse
import sys

from finetuning.utils.errors import InputError

EXIT_FAILURE = 1
EXIT_BAD_INPUT = 2
EXIT_INTERRUPTED = 130


class Parser(argparse.ArgumentParser):
    """Says what is wrong with a command line as everything else is said."""

    def __init__(self, *arguments, **options):
        options.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(*arguments, **options)

    def error(self, message):
        raise InputError("%s (see --help)" % message)


def status_of(action, failures=(), interrupted="interrupted"):
    """Runs a command; returns its exit status.

    Args:
      action: function without arguments; returns the status, or None for 0.
      failures: types of further errors that are the machine's or the network's.
      interrupted: what Ctrl-C is answered with.
    """
    try:
        return action() or 0
    except InputError as error:
        say_error(error)
        return EXIT_BAD_INPUT
    except (OSError, *failures) as error:
        say_error(_in_words(error))
        return EXIT_FAILURE
    except KeyboardInterrupt:
        say_error(interrupted)
        return EXIT_INTERRUPTED


def say_error(message):
    print("ERROR: %s" % message, file=sys.stderr, flush=True)


def _in_words(error):
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        return "%s: %s" % (error.filename, error.strerror)
    return error
