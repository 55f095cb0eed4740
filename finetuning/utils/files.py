"""Reading and writing files by any path that TensorFlow's file layer knows.

Local paths go through Python's own functions, so nothing here imports TensorFlow
until a path such as gs://bucket/file asks for it.
"""

import contextlib
import os
import stat

from finetuning.utils.errors import InputError

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
# How files begin that are often given in the place of a text.
_BEGINNINGS = {
    b"\x1f\x8b": "is packed by gzip; unpack it",
    b"PK\x03\x04": "is a zip archive or a spreadsheet; unpack it, or save it as text",
    b"\xff\xfe": "is in UTF-16; save it as UTF-8",
    b"\xfe\xff": "is in UTF-16; save it as UTF-8",
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
    """Refuses a path that is no file.

    Args:
      what: how the message begins, such as "--vocab_file=vocab.txt".
      path: the file.

    Raises:
      InputError: nothing is there, or a directory.
    """
    if not exists(path):
        raise InputError("%s: no such file" % what)
    if is_directory(path):
        raise InputError("%s is a directory; give a file" % what)


def require_writable(what, directory):
    """Refuses a local directory in which this user may not make files.

    Args:
      what: how the message begins, such as "--output_dir=out".
      directory: one that is there.

    Raises:
      InputError: it may not be written to.
    """
    if is_remote(directory):
        return
    effective = os.access in os.supports_effective_ids
    if not os.access(directory, os.W_OK | os.X_OK, effective_ids=effective):
        raise InputError(
            "%s: no permission to write in %s, or its file system is read-only; give "
            "another directory" % (what, directory)
        )


def is_same(first, second):
    """Whether two paths name the same directory; a missing one is no other's."""
    if is_remote(first) or is_remote(second):
        return first.rstrip("/") == second.rstrip("/")
    return (
        os.path.exists(first)
        and os.path.exists(second)
        and os.path.samefile(first, second)
    )


def make_directory(path):
    """Creates the directory and its parents; one that stands there is fine."""
    if is_remote(path):
        _gfile().makedirs(path)
    else:
        os.makedirs(path, exist_ok=True)


def list_directory(path):
    """The names in a directory, sorted, without the trailing "/" of object stores."""
    names = _gfile().listdir(path) if is_remote(path) else os.listdir(path)
    return sorted(name.rstrip("/") for name in names)


def open_binary(path):
    """Opens a file whose iteration gives lines as bytes, split at line feeds alone.

    Raises:
      InputError: it is a pipe, a socket or a device: what is read of it once is gone,
        or has no end.
    """
    if is_remote(path):
        return contextlib.closing(_gfile().GFile(path, "rb"))
    refuse_special(path)
    return open(path, "rb")


def refuse_special(path):
    """Refuses a local path that is a pipe, a socket or a device.

    Raises:
      InputError: it is one.
      OSError: there is nothing.
    """
    mode = os.stat(path).st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise InputError(
            "%s is a pipe, a socket or a device, and is read more than once; save what "
            "it gives to a file, and give that" % path
        )


def open_append(path):
    """Opens a UTF-8 text file whose end is written to."""
    if is_remote(path):
        return _gfile().GFile(path, "a")
    return open(path, "a", encoding="utf-8")


def read_text(path):
    """The whole of a UTF-8 text file, as `read_text_lines` reads it."""
    return "\n".join(line for _, line in read_text_lines(path))


def read_text_lines(path):
    """Yields (line number from 1, text without its line end), decoded as UTF-8.

    Lines end at LF and nowhere else: other Unicode line separators are part of the
    text, carriage returns are no part of it. A byte-order mark at the start of the file
    is dropped.

    Raises:
      InputError: the file cannot be opened; or at the first bytes that are no UTF-8,
        or NUL, with line and column.
    """
    with opened(path) as file:
        for number, raw in enumerate(file, 1):
            mark = len(_BYTE_ORDER_MARK) if _has_mark(number, raw) else 0
            # TensorFlow's file layer, through which the original reads, drops every
            # carriage return, those within a line too.
            text = raw[mark:].replace(b"\n", b"").replace(b"\r", b"")
            if b"\0" in text:
                _refuse(
                    path, number, raw, raw.index(b"\0"), "is NUL, which no text has"
                )
            try:
                yield number, text.decode("utf-8")
            except UnicodeDecodeError as error:
                kept = [at for at, byte in enumerate(raw) if byte not in b"\r\n"]
                _refuse(path, number, raw, kept[mark + error.start], "is not UTF-8")


@contextlib.contextmanager
def opened(path):
    """`open_binary`, for the length of a context.

    Raises:
      InputError: the file cannot be opened, or what follows fails at reading it.
    """
    try:
        with open_binary(path) as file:
            yield file
    except _errors_of(path) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError("%s cannot be read: %s" % (path, reason)) from None


def _errors_of(path):
    """What the opening and reading of that path may raise."""
    if not is_remote(path):
        return OSError
    import tensorflow.compat.v1 as tf

    return (OSError, tf.errors.OpError)


def _refuse(path, number, raw, place, what):
    """Raises the `InputError` about a byte of a line."""
    if number == 1:
        for beginning, message in _BEGINNINGS.items():
            if raw.startswith(beginning):
                raise InputError("%s %s" % (path, message)) from None
    raise InputError(
        "%s, line %d, byte %d: 0x%02x %s; save the file as UTF-8"
        % (path, number, place + 1, raw[place], what)
    ) from None


def _has_mark(number, raw):
    return number == 1 and raw.startswith(_BYTE_ORDER_MARK)


def temporary_path(path):
    """Where to write what is to become `path`: beside it, under a name of this run."""
    return "%s.%d.tmp" % (path, os.getpid())


def rename(source, target):
    """Moves a file over another, which is whole at every moment."""
    if is_remote(target):
        _gfile().rename(source, target, overwrite=True)
    else:
        os.replace(source, target)


def remove_if_there(path):
    if not exists(path):
        return
    if is_remote(path):
        _gfile().remove(path)
    else:
        os.remove(path)


def sync(path):
    """Has a local file outlast a loss of power; a remote one is its store's matter."""
    if is_remote(path):
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_directory(path):
    """The same of the names in a directory, where the system can do so."""
    with contextlib.suppress(OSError):
        sync(path or ".")


def write_text(path, text):
    """`write_lines` of a text in one piece."""
    write_lines(path, [text])


def write_lines(path, lines):
    """Writes a UTF-8 file whole or not at all: a temporary file, then a rename.

    Args:
      path: the file.
      lines: iterable of strings, each with its line end; one is in memory at a time.
    """
    temporary = temporary_path(path)
    try:
        if is_remote(path):
            with _gfile().GFile(temporary, "w") as file:
                for line in lines:
                    file.write(line)
        else:
            with open(temporary, "w", encoding="utf-8", newline="\n") as file:
                file.writelines(lines)
                file.flush()
                os.fsync(file.fileno())
        rename(temporary, path)
    except BaseException as error:
        remove_if_there(temporary)
        if isinstance(error, OSError) and error.filename is None:
            # What a write or a flush raises does not say where.
            raise OSError(error.errno, error.strerror, path) from None
        raise
    sync_directory(os.path.dirname(path))
