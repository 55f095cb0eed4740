"""Reads and writes files by any path that TensorFlow's file layer supports.

Local paths use Python's own functions: TensorFlow is imported only for paths such as
gs://bucket/file.
"""

import contextlib
import os
import re
import shutil
import stat

from finetuning.utils import characters
from finetuning.utils.errors import InputError

# Names of temporary files, see `replacing`.
TEMPORARY_NAME = re.compile(r"(?P<name>.+)\.(?P<process>\d+)\.finetuning\.tmp$")
# Quoted fields of a CSV file may contain these; cells of a TSV file must not.
_LINE_PARTS = re.compile("[\t\r\n]+")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
# First bytes of files that users often give instead of a text file.
_OTHER_FORMATS = {
    b"\x1f\x8b": "is compressed with gzip; decompress it",
    b"PK\x03\x04": "is a zip archive or a spreadsheet; unzip it, or save it as text",
    b"\xff\xfe": "is encoded as UTF-16; save it as UTF-8",
    b"\xfe\xff": "is encoded as UTF-16; save it as UTF-8",
}


def is_remote(path):
    """True for a path with a scheme (gs://, s3://, hdfs://), False for a local one."""
    return "://" in path


def _gfile():
    import tensorflow.compat.v1 as tf

    return tf.io.gfile


def exists(path):
    return _gfile().exists(path) if is_remote(path) else os.path.exists(path)


def is_directory(path):
    return _gfile().isdir(path) if is_remote(path) else os.path.isdir(path)


def require_file(what, path):
    """Checks that a path is a file.

    Args:
      what: how the message begins, such as "--vocab_file=vocab.txt".
      path: the file.

    Raises:
      InputError: it does not exist or is a directory.
    """
    if not exists(path):
        raise InputError("%s: no such file%s" % (what, missing_hint(path)))
    if is_directory(path):
        raise InputError("%s is a directory, expected a file" % what)


def missing_hint(path):
    """Why a path may be missing, to be appended to the message; often empty."""
    top = "/".join(path.split("/")[:2])
    if os.path.isabs(path) and not os.path.lexists(top):
        nor = "" if top == path else "nor is there %s: " % top
        return " (%swas a shell variable before it unset?)" % nor
    return characters.hint(path)


def directories_with(name, directory):
    """Where near a directory there is a file: up to two levels below, or in its parent.

    Args:
      name: of the file; it may contain directories.
      directory: an existing directory; near one that is not local, nothing is found.
    """
    if is_remote(directory):
        return []
    found = [os.path.dirname(os.path.abspath(directory))]
    level = [directory]
    for _ in range(2):
        level = [entry.path for path in level for entry in _directories_in(path)]
        found += level
    return [path for path in found if os.path.isfile(os.path.join(path, name))]


def _directories_in(directory):
    with contextlib.suppress(OSError), os.scandir(directory) as entries:
        return sorted((e for e in entries if e.is_dir()), key=lambda e: e.name)
    return []


def require_writable(what, directory):
    """Checks that this user may create files in a directory, if it is a local one.

    Args:
      what: how the message begins, such as "--output_dir=out".
      directory: an existing directory.

    Raises:
      InputError: it is not writable.
    """
    if is_remote(directory):
        return
    effective = os.access in os.supports_effective_ids
    if not os.access(directory, os.W_OK | os.X_OK, effective_ids=effective):
        raise InputError(
            "%s: no permission to write in %s, or its file system is read-only; use "
            "another directory" % (what, directory)
        )


def is_same(first, second):
    """Whether two paths name the same file or directory; False if one is missing."""
    if is_remote(first) or is_remote(second):
        return first.rstrip("/") == second.rstrip("/")
    return (
        os.path.exists(first)
        and os.path.exists(second)
        and os.path.samefile(first, second)
    )


def make_directory(path):
    """Creates a directory and its parents, unless it exists."""
    if is_remote(path):
        _gfile().makedirs(path)
    else:
        os.makedirs(path, exist_ok=True)


def list_directory(path):
    """Returns the sorted names in a directory, without the "/" of object stores."""
    names = _gfile().listdir(path) if is_remote(path) else os.listdir(path)
    return sorted(name.rstrip("/") for name in names)


@contextlib.contextmanager
def open_binary(path):
    """Opens a file whose iteration yields lines as bytes, split at line feeds only.

    Raises:
      InputError: the file is a pipe, a socket or a device, or it cannot be opened, or
        reading it fails within the context.
    """
    try:
        if is_remote(path):
            with contextlib.closing(_gfile().GFile(path, "rb")) as file:
                yield file
        else:
            refuse_special(path)
            with open(path, "rb") as file:
                yield file
    except _read_errors(path) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError("%s cannot be read: %s" % (path, reason)) from None


def _read_errors(path):
    if not is_remote(path):
        return OSError
    import tensorflow.compat.v1 as tf

    return (OSError, tf.errors.OpError)


def refuse_special(path):
    """Refuses a local path that cannot be read repeatedly.

    Raises:
      InputError: it is a pipe, a socket or a device.
      OSError: it does not exist.
    """
    mode = os.stat(path).st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise InputError(
            "%s is a pipe, a socket or a device, which can be read only once; save its "
            "output to a file and use that" % path
        )


def state(path):
    """Returns what changes when a file is written to or replaced, to be compared.

    These are its size and time of change, not its inode, which is not constant on file
    systems such as gcsfuse.

    Raises:
      OSError, or an error of TensorFlow's for a remote path: there is no such file.
    """
    if is_remote(path):
        stat_ = _gfile().stat(path)
        return stat_.length, stat_.mtime_nsec
    # TensorFlow's stat has times in whole seconds only.
    stat_ = os.stat(path)
    return stat_.st_size, stat_.st_mtime_ns


def read_text(path):
    """Returns the text of a UTF-8 file, read like `read_text_lines`."""
    return "\n".join(line for _, line in read_text_lines(path))


def read_text_lines(path):
    """Yields (line number from 1, text without line end) of a UTF-8 file.

    Lines end only at LF, not at other Unicode line separators. All carriage returns are
    removed, as by TensorFlow's file layer, which the original reads with. A byte-order
    mark at the start of the file is skipped.

    Raises:
      InputError: the file cannot be opened; or, with line and byte, it contains NUL or
        is not UTF-8.
    """
    with open_binary(path) as file:
        yield from decode_lines(file, path)


def decode_lines(file, name):
    """Like `read_text_lines`, from an open binary file that messages call `name`."""
    for number, raw in enumerate(file, 1):
        start = 0
        if number == 1 and raw.startswith(_BYTE_ORDER_MARK):
            start = len(_BYTE_ORDER_MARK)
        text = raw[start:].replace(b"\n", b"").replace(b"\r", b"")
        if b"\0" in text:
            _refuse_byte(name, number, raw, raw.index(b"\0"), "is a NUL byte")
        try:
            yield number, text.decode("utf-8")
        except UnicodeDecodeError as error:
            kept = [at for at, byte in enumerate(raw) if byte not in b"\r\n"]
            at = kept[start + error.start]
            _refuse_byte(name, number, raw, at, "is not UTF-8")


def _refuse_byte(path, number, raw, at, problem):
    """Raises the `InputError` about byte `at` of the line `raw`."""
    if number == 1:
        for first_bytes, message in _OTHER_FORMATS.items():
            if raw.startswith(first_bytes):
                raise InputError("%s %s" % (path, message)) from None
    raise InputError(
        "%s, line %d, byte %d: 0x%02x %s; save the file as UTF-8"
        % (path, number, at + 1, raw[at], problem)
    ) from None


def rename(source, target):
    """Renames a file, atomically replacing `target` if it exists."""
    if is_remote(target):
        _gfile().rename(source, target, overwrite=True)
    else:
        os.replace(source, target)


def remove_if_exists(path):
    # Not `exists` first, for which "a.json.tmp" on ram:// is enough for "a.json".
    if not is_remote(path):
        with contextlib.suppress(FileNotFoundError):
            os.remove(path)
        return
    import tensorflow.compat.v1 as tf

    with contextlib.suppress(tf.errors.NotFoundError):
        _gfile().remove(path)


def sync(path):
    """Flushes a local file to disk, so that it survives a power failure."""
    if is_remote(path):
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_directory(path):
    """Flushes the names in a directory to disk, if the system supports it."""
    with contextlib.suppress(OSError):
        sync(path or ".")


@contextlib.contextmanager
def temporary_beside(path):
    """Yields the path of a temporary file in the directory of `path`.

    It is removed at the end, unless it was renamed.

    Raises:
      OSError: the file cannot be written; `filename` is set.
    """
    temporary = "%s.%d.finetuning.tmp" % (path, os.getpid())
    try:
        yield temporary
    except OSError as error:
        if error.filename is None:
            raise OSError(error.errno, error.strerror, path) from None
        raise
    finally:
        remove_if_exists(temporary)


@contextlib.contextmanager
def replacing(path):
    """Yields the path of a temporary file that replaces `path` if nothing is raised.

    On failure, the temporary file is removed and `path` is unchanged.

    Example:
      with files.replacing("scores.png") as temporary:
          figure.savefig(temporary)

    Raises:
      OSError: the file cannot be written; `filename` is set.
    """
    with temporary_beside(path) as temporary:
        yield temporary
        sync(temporary)
        rename(temporary, path)
    sync_directory(os.path.dirname(path))


def copy(source, target):
    """Copies a file, completely or not at all.

    Raises:
      InputError: the source cannot be read.
    """
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(open_binary(source))
        temporary = stack.enter_context(replacing(target))
        copied = stack.enter_context(open_write(temporary, "wb"))
        shutil.copyfileobj(file, copied)


def write_text(path, text):
    """Writes a UTF-8 file, completely or not at all."""
    write_lines(path, [text])


def write_lines(path, lines):
    """Writes a UTF-8 file, completely or not at all.

    Args:
      path: the file.
      lines: iterable of strings with their line ends; it is not read into memory.
    """
    with replacing(path) as temporary, open_write(temporary) as file:
        for line in lines:
            file.write(line)


def tsv_line(cells):
    """Joins cells to a line of a TSV file; tabs and line ends in them become blanks."""
    return "\t".join(_LINE_PARTS.sub(" ", cell) for cell in cells) + "\n"


def open_write(path, mode="w"):
    """Opens a file for writing: of bytes ("wb"), or UTF-8 text with LF as line end."""
    if is_remote(path):
        return _gfile().GFile(path, mode)
    if mode == "wb":
        return open(path, mode)
    return open(path, mode, encoding="utf-8", newline="\n")
