"""Writes docs/ERRORS.md by running the program on every bad input in the tests.

make errors
"""

import os
import sys

if not __package__:  # Started by its path.
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from finetuning.utils import environment

if __name__ == "__main__":
    environment.require()

from finetuning.device import backend
from finetuning.utils import files
from finetuning.utils.console import log
from scripts import entry


def run(argv):
    entry.Parser(prog="errors_page.py", description=__doc__).parse_args(argv)
    os.environ["CUDA_VISIBLE_DEVICES"] = ""  # The answers are those of a CPU.
    backend.start()
    from tests.support import bad_inputs
    from tests.support.bad_input_cases import CASES

    page = bad_inputs.page(CASES, list(bad_inputs.answers(CASES)))
    files.write_text(bad_inputs.PAGE, page)
    log.info("%d cases written to %s", len(CASES), bad_inputs.PAGE)


def main(argv=None):
    """Writes the page; returns the exit status."""
    return entry.status_of(lambda: run(argv))


if __name__ == "__main__":
    sys.exit(main())
