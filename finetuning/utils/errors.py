"""InputError, for mistakes that the user can fix, and WorkerError."""

import errno

# The disk or the quota is full, or a file would exceed the limit of `ulimit -f`.
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class InputError(ValueError):
    """Something that the user gave cannot be used.

    The message is one line that says what was given, where (flag, file and line,
    variable name), what was expected and how to fix it. The command line prints it
    without a traceback and exits with status 2. It may quote any bytes of the user's
    files, because it goes through `in_one_line`.
    """

    def __init__(self, message):
        super().__init__(in_one_line(message))


class WorkerError(Exception):
    """Another worker of the run was lost, or has ended with an error.

    The message is one line that names it. The command line prints it without a
    traceback and exits with status 1.
    """

    def __init__(self, message):
        super().__init__(in_one_line(message))


def in_one_line(text):
    """Returns the text with line ends, control characters and surrogates escaped."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii")
        for char in text
    )


def is_disk_full(error):
    """Whether an `OSError` means that there is no space left to write to."""
    return error.errno in _DISK_FULL
