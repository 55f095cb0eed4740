"""Files that are opened by name to be written into: the log and the lock file.

A link there would lead into another file of the user's.
"""

import os
import stat

from finetuning.utils import files
from finetuning.utils.errors import InputError

# Flags of `os.open`: links are an error, and opening a pipe does not wait.
NO_LINK = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


def open_append(path):
    """Opens a UTF-8 text file for appending; creates it if it is missing.

    Raises:
      InputError: see `require_own`.
    """
    if files.is_remote(path):
        import tensorflow.compat.v1 as tf

        return tf.io.gfile.GFile(path, "a")
    require_own(path)
    # The flags are for what may have taken its place since: a link, a pipe.
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | NO_LINK
    return open(os.open(path, flags, 0o666), "a+", encoding="utf-8")


def require_own(path):
    """Refuses to write into a local file that may belong to something else.

    `files.replacing` needs no such check: it replaces a link itself, not the file that
    it refers to.

    Raises:
      InputError: it is a symbolic link, has hard links, or is no regular file.
    """
    if files.is_remote(path) or not os.path.lexists(path):
        return
    status = os.lstat(path)
    if stat.S_ISLNK(status.st_mode):
        problem = "is a symbolic link to %s" % os.readlink(path)
    elif stat.S_ISDIR(status.st_mode):
        problem = "is a directory"
    elif not stat.S_ISREG(status.st_mode):
        problem = "is a pipe, a socket or a device"
    elif status.st_nlink > 1:
        problem = "is also a file of another name (a hard link)"
    else:
        return
    raise InputError(
        "%s %s, and a run would write into it; remove it (a run creates the file "
        "anew), or use another --output_dir" % (path, problem)
    )
