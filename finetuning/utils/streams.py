"""Standard output and standard error, which may be closed, replaced or full.

None of this may end a run: it does not depend on what it shows.
"""

import contextlib
import os
import sys

# AttributeError: a replacement that lacks a method; ValueError: the stream is closed.
_ERRORS = (AttributeError, ValueError, OSError)


class Tolerant:
    """A stream whose errors are ignored, for what may be lost, such as progress bars.

    It equals the stream itself: tqdm compares where its bars and lines are.
    """

    def __init__(self, stream):
        self._stream = stream

    def __getattr__(self, name):
        return getattr(self._stream, name)

    def __eq__(self, other):
        return self._stream == getattr(other, "_stream", other)

    def __hash__(self):
        return hash(self._stream)

    def isatty(self):
        return is_terminal(self._stream)

    def write(self, text):
        with contextlib.suppress(*_ERRORS):
            self._stream.write(text)

    def flush(self):
        with contextlib.suppress(*_ERRORS):
            self._stream.flush()


def is_terminal(stream):
    """Whether a stream is a terminal, and still there; a replacement may not know."""
    try:
        stream.flush()
        return stream.isatty()
    except _ERRORS:
        return False


def write_line(stream, text):
    """Writes a line at once, with escapes for what the encoding does not support.

    Returns:
      Whether this succeeded.
    """
    # A replacement may not have an encoding, and still not support every character.
    for encoding in (getattr(stream, "encoding", None) or "utf-8", "ascii"):
        try:
            stream.write(_encodable(text, encoding) + "\n")
            stream.flush()
        except UnicodeEncodeError:
            continue
        except _ERRORS:
            return False
        return True
    return False


def _encodable(text, encoding):
    return text.encode(encoding, "backslashreplace").decode(encoding)


def open_closed():
    """Opens the standard streams that are closed, as files that discard everything.

    Otherwise the next file that is opened would get the number of the stream, and what
    TensorFlow writes to standard error would go into that file.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            # The system gives the lowest number that is free.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w"))


def discard_unwritten():
    """Makes the process's own streams discard everything if they cannot be written to.

    Otherwise each flush would fail again: when tqdm draws a bar on the other stream,
    and when Python ends, which would change the exit status.
    """
    for stream in (sys.__stdout__, sys.__stderr__):
        try:
            stream.flush()
        except OSError:
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, stream.fileno())
            os.close(null)
        except (AttributeError, ValueError):
            pass  # It was closed before, or while the program ran.
