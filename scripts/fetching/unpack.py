"""Unpacking zips that nobody vouches for."""

import errno
import os
import re
import shutil
import stat
import struct
import zipfile
import zlib

from fetching import workspace

from finetuning.utils.errors import InputError

# The largest of Google's checkpoints is 1.4 GB; GLUE's largest task is smaller.
MOST_BYTES = 4 * 2**30
# Text packs to a quarter; only a zip made for it packs to a hundredth.
MOST_GROWTH = 100
# All that zipfile was seen to raise on bytes that are no zip, or a damaged one.
_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
)


def unpack(archive, folder):
    """Unpacks a zip into an empty folder, all of it or with an error.

    What macOS adds to archives (__MACOSX) is left out.

    Args:
      archive: path of the zip.
      folder: path of the folder.

    Raises:
      InputError: it is no whole zip; a member would land outside the folder, is a link
        or a device, or comes twice; it would unpack to far more than it should; the
        disk has no room. Nothing is unpacked then, or some of it into `folder`.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            members = [
                member
                for member in opened.infolist()
                if not member.filename.startswith("__MACOSX/")
            ]
            _check_names(members, archive)
            _check_size(members, archive, folder)
            for member in members:
                _write(opened, member, folder)
    except InputError:
        raise
    except _BROKEN as error:
        raise InputError(_broken(archive, error)) from None
    except OSError as error:
        # An offset in the archive that lies before its beginning.
        if error.errno == errno.EINVAL:
            raise InputError(_broken(archive, error)) from None
        raise


def _broken(archive, error):
    return "%s is no whole zip (%s); get it anew" % (os.path.basename(archive), error)


def _check_names(members, archive):
    seen = set()
    for member in members:
        trouble = _trouble(member)
        if not trouble and member.filename in seen:
            trouble = "comes twice"
        if trouble:
            raise InputError(
                "%s is not unpacked: its member %r %s"
                % (os.path.basename(archive), member.filename, trouble)
            )
        seen.add(member.filename)


def _trouble(member):
    name = member.filename
    if "\\" in name or name.startswith("/") or re.match("[A-Za-z]:", name):
        return "has an absolute or a foreign path"
    if ".." in name.split("/"):
        return "would be written outside the target folder"
    kind = stat.S_IFMT(member.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is a link or a device"
    return None


def _check_size(members, archive, folder):
    total = sum(member.file_size for member in members)
    if total > min(MOST_BYTES, MOST_GROWTH * os.path.getsize(archive)):
        raise InputError(
            "%s is not unpacked: its %s bytes would become %s"
            % (
                os.path.basename(archive),
                format(os.path.getsize(archive), ","),
                format(total, ","),
            )
        )
    workspace.check_space(folder, total)


def _write(opened, member, folder):
    path = os.path.join(folder, *member.filename.split("/"))
    if member.filename.endswith("/"):
        os.makedirs(path, exist_ok=True)
        return
    os.makedirs(os.path.dirname(path), exist_ok=True)
    # Never more than the declared size is read, and the checksum is compared.
    with opened.open(member) as source, open(path, "xb") as target:
        shutil.copyfileobj(source, target, 2**20)
