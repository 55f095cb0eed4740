"""Unpacks zips, which may be corrupt or malicious."""

import errno
import os
import struct
import zipfile
import zlib

from finetuning.utils.errors import InputError
from scripts.fetching import workspace

# The largest of Google's checkpoints has 1.4 GB, and GLUE's tasks are smaller.
MAX_BYTES = 4 * 2**30
MAX_FILES = 1000
# Text shrinks to a quarter; only a zip made to fill a disk shrinks to a hundredth.
MAX_RATIO = 100
_NAME_SHOWN = 100
# What zipfile raises for archives that are corrupt or that it cannot read.
_UNREADABLE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    RuntimeError,
    ValueError,
)


def unpack(path, folder, needed):
    """Unpacks a zip.

    `zipfile` writes nothing outside the folder, creates no links, never writes more
    than the size that a file is declared to have, and verifies checksums.

    Args:
      path: of the zip.
      folder: an empty one.
      needed: names of files that must be side by side in the zip.

    Returns:
      The folder that contains those files: `folder`, or a subfolder of it.

    Raises:
      InputError: the zip is corrupt, too large when unpacked, has names with control
        characters, lacks needed files, or contains them twice; or the disk has no space
        for it.
      OSError: it cannot be written.
    """
    name = os.path.basename(path)
    try:
        with zipfile.ZipFile(path) as opened:
            members = opened.infolist()
            _check_size(members, path)
            _check_names(members, name)
            workspace.check_free_space(folder, sum(m.file_size for m in members))
            opened.extractall(folder)
    except InputError:
        raise
    except (OSError, *_UNREADABLE) as error:
        # In corrupt archives, offsets may point before the start of the file.
        if isinstance(error, OSError) and error.errno != errno.EINVAL:
            raise
        raise InputError(
            "%s is not an intact zip (%s); download it again" % (name, error)
        ) from None
    return _find_folder(name, folder, needed)


def _check_size(members, path):
    packed = os.path.getsize(path)
    unpacked = sum(member.file_size for member in members)
    if len(members) > MAX_FILES or unpacked > min(MAX_BYTES, MAX_RATIO * packed):
        raise InputError(
            "%s was not unpacked: its %s bytes would become %s bytes in %d files, more "
            "than expected"
            % (
                os.path.basename(path),
                format(packed, ","),
                format(unpacked, ","),
                len(members),
            )
        )


def _check_names(members, name):
    for member in members:
        if not member.filename.isprintable():
            raise InputError(
                "%s was not unpacked: the name %r in it has control characters"
                % (name, member.filename[:_NAME_SHOWN])
            )


def _find_folder(name, folder, needed):
    inside = (os.path.join(folder, entry) for entry in sorted(os.listdir(folder)))
    candidates = [folder] + [path for path in inside if os.path.isdir(path)]
    complete = [
        path
        for path in candidates
        if all(os.path.isfile(os.path.join(path, file)) for file in needed)
    ]
    if len(complete) != 1:
        raise InputError(
            "%s should contain one folder with %s, but contains %d"
            % (name, ", ".join(needed), len(complete))
        )
    return complete[0]
