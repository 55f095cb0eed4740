"""Writes a trained model in a form that other programs load.

  python -m scripts.export --format=huggingface RUN --output=DIR
  python -m scripts.export --format=saved_model RUN --output=DIR [--version=N]
  python -m scripts.export --format=checkpoint RUN --output=DIR

RUN is the --output_dir of a run, its best/, or the prefix of a checkpoint in one of
these. The formats are:

%(formats)s

DIR must be new or empty; a SavedModel is a new version in it, the folder DIR/N. Either
appears when it is complete.

Exit status: 0 the export is complete; 2 an error that the user can fix, in one line.
"""

import importlib
import os
import signal
import sys

if not __package__:  # Started by its path.
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from finetuning.utils import early_interrupt, environment

if __name__ == "__main__":
    early_interrupt.report()
    environment.require()

from finetuning.device import backend
from finetuning.utils.console import log
from finetuning.utils.errors import InputError
from scripts import entry

# What each format is for. The module of its name in finetuning/export/ writes it.
FORMATS = {
    "huggingface": "what from_pretrained of Hugging Face's transformers loads",
    "saved_model": "what TensorFlow Serving and TensorFlow load",
    "checkpoint": "the weights and their files for this program, as in best/",
}


def parse(argv):
    """The flags of a command line as a namespace.

    Raises:
      InputError: they are wrong, or --version is given with another format.
    """
    table = "\n".join("  %-12s %s" % pair for pair in FORMATS.items())
    parser = entry.Parser(prog="export.py", description=__doc__ % {"formats": table})
    parser.add_path("run", metavar="RUN", help="see above")
    parser.add_argument("--format", choices=FORMATS, required=True, help="see above")
    parser.add_path("--output", metavar="DIR", required=True, help="directory to write")
    parser.add_argument(
        "--version",
        metavar="N",
        type=int,
        help="number of a SavedModel; without it, one more than the highest in DIR",
    )
    flags = parser.parse_args(argv)
    if flags.version is not None and flags.format != "saved_model":
        raise InputError("--version is a flag of --format=saved_model only")
    return flags


def run(argv):
    """Exports a model and says how to load it."""
    flags = parse(argv)
    backend.start()
    # Imported here, so that --help and a misspelt flag do not wait for TensorFlow.
    from finetuning import trained_model
    from finetuning.checkpoints.output_dir import OutputDir
    from finetuning.device import detect

    options = {} if flags.version is None else {"version": flags.version}
    exporter = importlib.import_module("finetuning.export." + flags.format)
    model = trained_model.load(flags.run)
    detect.find_device()  # Swallows what TensorFlow prints when it looks for GPUs.
    usage = exporter.export(model, flags.output, **options)
    log.info("%s was exported to %s", model.contents.prefix, flags.output)
    best = OutputDir(model.directory).best.prefix
    if best and os.path.isdir(flags.run):
        log.info(
            "These are the latest weights; to export the best weights, pass %s",
            os.path.dirname(best),
        )
    log.info("To use it:")
    for line in usage:
        log.info("  %s", line)


def main(argv=None):
    """Runs one command line; returns the exit status."""
    return entry.status_of(
        lambda: run(argv), interrupted="interrupted; nothing unfinished was left"
    )


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main())
