"""A lock on a directory that one process at a time holds and that names this process.

Two things are locked for as long as it is held: a lock file, which says who holds it,
and the directory itself, so that removing the lock file admits nobody else. The
operating system releases both when their holder ends for whatever reason.

What is locked for a moment only (`held_briefly`) is another file, because the directory
is taken for as long as a training run lasts.
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
from finetuning.utils import appending, files
from finetuning.utils.console import log
from finetuning.utils.errors import InputError

# `holder` takes the lock for a moment, so `acquire` tries several times.
_TRIES, _SECONDS_BETWEEN = 5, 0.1
_UNKNOWN = "unknown process"
# How the text of a lock file starts.
_START = b"process "
_HELD = (errno.EWOULDBLOCK, errno.EACCES)


class HeldError(Exception):
    """Another process holds the lock; the message says which, and since when."""


class Lock:
    """A lock that is held until it is closed, or until its process ends.

    Attributes:
      descriptors: tuple of the file descriptors that hold it. A child process that
        inherits them holds the lock, too.
    """

    def __init__(self, file, directory):
        self._file, self._directory = file, directory
        self.descriptors = (file.fileno(), directory)

    def close(self):
        self._file.close()
        os.close(self._directory)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def acquire(path):
    """Takes a lock.

    Args:
      path: the lock file, in an existing directory; it is created if missing.

    Returns:
      `Lock`; None, with a warning, if the file system has no locks.

    Raises:
      HeldError: another process holds the lock.
      InputError: the lock file is a link, or no lock file.
    """
    if files.is_remote(path) or fcntl is None:
        _warn(path, "this path does not support locks")
        return None
    with contextlib.ExitStack() as opened:
        directory = os.open(os.path.dirname(path) or os.curdir, os.O_RDONLY)
        opened.callback(os.close, directory)
        # Some network file systems have no locks on directories.
        if _take(directory) in _HELD:
            raise HeldError(_read_holder(path))
        file = opened.enter_context(appending.open_append(path))
        error_number = _take(file)
        if error_number in _HELD:
            raise HeldError(_read_holder(path))
        if error_number:
            _warn(path, os.strerror(error_number))
            return None
        _write_holder(file, path)
        opened.pop_all()
    return Lock(file, directory)


def _take(file):
    """Tries to lock an open file; returns the number of the error, 0 for none."""
    for attempt in range(_TRIES):
        if attempt:
            time.sleep(_SECONDS_BETWEEN)
        error_number = _try(file, fcntl.LOCK_EX)
        if error_number not in _HELD:
            break
    return error_number


def _try(file, kind):
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno
    return 0


def holder(path):
    """Describes who holds a lock; None: nobody, or it is unknown."""
    if files.is_remote(path) or fcntl is None:
        return None
    directory = os.path.dirname(path) or os.curdir
    for locked, flags in ((path, appending.NO_LINK), (directory, 0)):
        try:
            descriptor = os.open(locked, os.O_RDONLY | flags)
        except OSError:
            continue  # It does not exist or is not readable.
        try:
            if _try(descriptor, fcntl.LOCK_SH) in _HELD:
                return _read_holder(path)
        finally:
            os.close(descriptor)
    return None


@contextlib.contextmanager
def held_briefly(path):
    """Waits for other processes that are in this context for the same file.

    Without effect where the file system has no locks.

    Args:
      path: a file that is only appended to, such as run.log, and that is created if
        missing; never the lock file or the directory, which a training run holds.
    """
    if files.is_remote(path) or fcntl is None:
        yield
        return
    with appending.open_append(path) as file:
        with contextlib.suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _write_holder(file, path):
    """Replaces the name of an earlier holder; the user's own file is left alone."""
    if os.pread(file.fileno(), len(_START), 0) not in (b"", _START):
        raise InputError(
            "%s was not written by this program, which needs a lock file of that name; "
            "move it, or use another directory" % path
        )
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
