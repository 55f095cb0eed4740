"""A lock file that one process at a time holds and that names this process.

The operating system releases the lock when its holder ends for whatever reason.
"""

import contextlib
import errno
import os
import socket
import time

try:
    import fcntl
except ImportError:  # Not a POSIX system.
    fcntl = None
from finetuning.utils import files
from finetuning.utils.console import log
from finetuning.utils.errors import InputError

# `holder` takes the lock for a moment, so `acquire` tries several times.
_TRIES, _SECONDS_BETWEEN = 5, 0.1
_UNKNOWN = "unknown process"
_HELD = (errno.EWOULDBLOCK, errno.EACCES)


class HeldError(Exception):
    """Another process holds the lock; the message says which, and since when."""


def acquire(path):
    """Takes a lock.

    Args:
      path: the lock file, in an existing directory; it is created if missing.

    Returns:
      The open file, which releases the lock when it is closed, unless a child process
      has inherited it; None, with a warning, if the file system has no locks.

    Raises:
      HeldError: another process holds the lock.
    """
    if files.is_remote(path) or fcntl is None:
        _warn(path, "this path does not support locks")
        return None
    file = files.open_append(path)
    for attempt in range(_TRIES):
        if attempt:
            time.sleep(_SECONDS_BETWEEN)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in _HELD:
                file.close()
                _warn(path, error.strerror)
                return None
        else:
            _write_holder(file)
            return file
    file.close()
    raise HeldError(_read_holder(path))


def holder(path):
    """Describes who holds a lock; None: nobody, or it is unknown."""
    if files.is_remote(path) or fcntl is None:
        return None
    try:
        with open(path, encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError as error:
                return _read_holder(path) if error.errno in _HELD else None
    except OSError:
        pass  # The file does not exist or is not readable.
    return None


@contextlib.contextmanager
def held_briefly(directory):
    """Waits for other processes that are in this context for the same directory.

    Locks the directory itself, so there is no file that could be removed or be a link.
    Without effect where the file system has no such locks.
    """
    if files.is_remote(directory) or fcntl is None:
        yield
        return
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _write_holder(file):
    now = time.strftime("%Y-%m-%d %H:%M:%S")
    file.truncate(0)
    file.write("process %d on %s, since %s" % (os.getpid(), socket.gethostname(), now))
    file.flush()


def _read_holder(path):
    try:
        return files.read_text(path) or _UNKNOWN
    except (OSError, InputError):
        return _UNKNOWN


def _warn(path, reason):
    log.warning(
        "Cannot lock %s (%s): make sure that only one training run writes there",
        os.path.dirname(path),
        reason,
    )
