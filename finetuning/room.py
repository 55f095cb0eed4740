"""A full disk, said in one line, whoever meets it: Python or TensorFlow."""

import contextlib
import errno
import re

import tensorflow.compat.v1 as tf

from finetuning.errors import InputError

# Disk, quota, or the limit that `ulimit -f` sets.
_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
# How TensorFlow's file layer words them. A file's temporary name ends in a number.
_WORDS = re.compile(
    r"^\s*(\S.*?)(?:\.tempstate\d+|\.\d+\.tmp|\.tmp[0-9a-f]{32})?; "
    r"(No space left on device|Disk quota exceeded|File too large)",
    re.MULTILINE,
)


@contextlib.contextmanager
def asked_for_in_one_line():
    """Turns what is raised for want of room into one line.

    Raises:
      InputError: instead of such an error; other errors pass as they are.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _ERRORS:
            raise
        raise InputError(_line(error.filename, error.strerror)) from None
    except tf.errors.OpError as error:
        # It may be any subclass: a file that grows too large is an OutOfRangeError.
        found = _WORDS.search(str(error.message))
        if found is None:
            raise
        raise InputError(_line(*found.groups())) from None


def _line(path, reason):
    return (
        "%s cannot be written: %s. What was whole before still is: make room, then "
        "give the same command again" % (path or "a file", reason)
    )
