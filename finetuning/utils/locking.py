"""A file that only one process at a time may hold, which says who holds it.

The system gives it free when its holder ends, however that ends.
"""

import errno
import os
import socket
import time

try:
    import fcntl
except ImportError:  # No POSIX system.
    fcntl = None
from finetuning.utils import files
from finetuning.utils.console import log
from finetuning.utils.errors import InputError

# A look at who holds it takes a moment, in which nobody else can take it.
_TRIES, _SECONDS_BETWEEN = 5, 0.1
_UNSIGNED = "it has not said who it is"
_TAKEN = (errno.EWOULDBLOCK, errno.EACCES)


class HeldError(Exception):
    """Another process holds it; the message says which, and since when."""


def acquire(path):
    """Takes a lock.

    Args:
      path: the file, in a directory that is there; made where it is missing.

    Returns:
      The open file, whose closing ends the holding, as long as no child process has
      inherited it; None where the file system has no locks, which is said aloud.

    Raises:
      HeldError: another process holds it.
    """
    if files.is_remote(path) or fcntl is None:
        _say_there_is_none(path, "there are none on such a path")
        return None
    file = files.open_append(path)
    for tried in range(_TRIES):
        if tried:
            time.sleep(_SECONDS_BETWEEN)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in _TAKEN:
                file.close()
                _say_there_is_none(path, error.strerror)
                return None
        else:
            _sign(file)
            return file
    file.close()
    raise HeldError(_read(path))


def holder(path):
    """Who holds a lock, in words; None: nobody, or that cannot be told."""
    if files.is_remote(path) or fcntl is None:
        return None
    try:
        with open(path, encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError as error:
                return _read(path) if error.errno in _TAKEN else None
    except OSError:
        pass  # No such file, or none that may be read.
    return None


def _sign(file):
    now = time.strftime("%Y-%m-%d %H:%M:%S")
    file.truncate(0)
    file.write("process %d on %s, since %s" % (os.getpid(), socket.gethostname(), now))
    file.flush()


def _read(path):
    try:
        return files.read_text(path) or _UNSIGNED
    except (OSError, InputError):
        return _UNSIGNED


def _say_there_is_none(path, reason):
    log.warning(
        "No lock in %s (%s): see to it that only one training at a time writes there",
        os.path.dirname(path),
        reason,
    )
