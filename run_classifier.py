"""Fine-tunes BERT on a GLUE task, evaluates it and predicts with it.

  python run_classifier.py --help

This module parses the command line, calls `finetuning.run.main`, and turns exceptions
into exit statuses. It also offers the names that existing BERT code imports from it.
"""

import sys

# Up to here, also Python 2.7 can run this module, and it can read all of it.
from finetuning.utils import early_interrupt, environment

if __name__ == "__main__":
    early_interrupt.report()
    environment.require()

from contextlib import ExitStack, suppress

from finetuning.data.features import (
    InputFeatures,
    convert_examples_to_features,
    convert_single_example,
)
from finetuning.data.tasks import InputExample
from finetuning.device import backend
from finetuning.flags import command_line
from finetuning.utils import console, exit_status, signals
from finetuning.workers import addresses

__all__ = [
    "InputExample",
    "InputFeatures",
    "convert_examples_to_features",
    "convert_single_example",
    "create_model",
    "main",
]


def create_model(*args, **kwargs):
    """Calls `finetuning.classifier.create_model`."""
    # Imported here, so that --help and a misspelt flag do not wait for TensorFlow.
    from finetuning import classifier

    return classifier.create_model(*args, **kwargs)


def main(argv=None):
    """Runs one command line; returns the exit status.

    Args:
      argv: program name and flags. Without any, `sys.argv` is used, also for the calls
        `main(0)` and `main("")` of notebooks for the original.
    """
    argv = argv or sys.argv
    debug = command_line.has_debug_flag(argv)
    with console.screen(debug), signals.handling_signals(), ExitStack() as resources:
        try:
            if command_line.has_help_flag(argv):
                _show(command_line.help_text(argv[0]))
                return exit_status.SUCCESS
            if command_line.has_version_flag(argv):
                backend.start()
                # Imported here, so that --help does not wait for scikit-learn.
                from finetuning.run_info import provenance

                _show(provenance.version_line(argv[0]))
                return exit_status.SUCCESS
            settings, notes = command_line.parse(argv)
            # That a worker was lost is one line, for which TensorFlow logs dozens.
            backend.start("3" if addresses.are_given(settings) else "2")
            # Imported here, so that --help and a misspelt flag need no TensorFlow.
            from finetuning import run

            run.main(settings, notes, resources)
        except (Exception, KeyboardInterrupt) as error:
            return exit_status.report(error, debug)
    return exit_status.SUCCESS


def _show(text):
    with suppress(BrokenPipeError):  # As by --help | head.
        sys.stdout.write(text + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
