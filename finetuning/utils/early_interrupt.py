"""A Ctrl-C while a program is still being imported: one line, no traceback."""

# Nothing else is imported here, because every import takes a moment.
import os
import sys

_STATUS = 130  # 128 plus the number of SIGINT.


def report():
    """Makes an interrupt outside `main` end the program in one line.

    Programs call this before their other imports.
    """
    sys.excepthook = _excepthook


def _excepthook(kind, error, traceback):
    if not issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, traceback)
        return
    try:
        os.write(2, b"ERROR: interrupted by SIGINT\n")
    finally:
        os._exit(_STATUS)
