"""Whether a checkpoint is whole: every tensor is read, and its checksum with it."""

import contextlib
import functools
import os

import tensorflow.compat.v1 as tf

from finetuning.utils import files


def damage(prefix):
    """Why a checkpoint cannot be used, in a line; None: it is intact.

    TensorFlow compares checksums as it reads, those of the index's blocks and of each
    tensor: only reading all of it finds a byte that has changed. It takes about 2
    seconds a gigabyte, once for each state of the files.
    """
    return _damage(prefix, _state(prefix))


def _state(prefix):
    """What tells states of a checkpoint's files apart; nothing where there is none."""
    directory, start = os.path.split(prefix)
    start += "."
    if not files.is_directory(directory or "."):
        return ()
    found = []
    for name in files.list_directory(directory or "."):
        if name.startswith(start):
            # Another process may remove what it no longer needs.
            with contextlib.suppress(OSError, tf.errors.NotFoundError):
                found.append((name,) + _stamp(os.path.join(directory, name)))
    return tuple(found)


def _stamp(path):
    if files.is_remote(path):
        stat = tf.io.gfile.stat(path)
        return stat.length, stat.mtime_nsec
    files.refuse_special(path)
    # TensorFlow's own tells the time in whole seconds.
    stat = os.stat(path)
    return stat.st_size, stat.st_mtime_ns, stat.st_ino


@functools.lru_cache(maxsize=64)
def _damage(prefix, state):
    """What `damage` returns; the state of the files is there for the cache."""
    if os.path.basename(prefix) + ".index" not in [file[0] for file in state]:
        return "its .index is missing"
    fatal = index_damage(prefix + ".index")
    if fatal is not None:
        return fatal
    try:
        reader = tf.train.NewCheckpointReader(prefix)
        for name in reader.get_variable_to_shape_map():
            reader.get_tensor(name)
    except (tf.errors.OpError, ValueError, RuntimeError, IndexError) as error:
        return " ".join(str(error).split())
    return None


_LENGTH = 48
_MAGIC = bytes.fromhex("57fb808b247547db")
_BLOCK_TRAILER = 5  # A byte for the kind of compression, four of checksum.


def index_damage(path):
    """Why an index must not be given to TensorFlow, or None; it finds other faults.

    Args:
      path: the `.index` file; it need not exist.

    Raises:
      InputError: it cannot be read.
    """
    if not files.exists(path):
        return None
    with files.open_binary(path) as file:
        content = file.read()
    footer = content[-_LENGTH:]
    if len(footer) < _LENGTH or not footer.endswith(_MAGIC):
        return None
    numbers = _numbers(footer)
    if len(numbers) < 4:
        return "the end of its .index names no blocks"
    within = len(content) - _LENGTH - _BLOCK_TRAILER
    if numbers[0] + numbers[1] > within or numbers[2] + numbers[3] > within:
        return "a block of its .index lies outside"
    return None


def _numbers(footer):
    """Offset and size of two blocks: numbers of 7 bits a byte, the lowest first."""
    numbers, value, shift = [], 0, 0
    for byte in footer[: -len(_MAGIC)]:
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            numbers.append(value)
            value, shift = 0, 0
    return numbers[:4]
