"""Whether a checkpoint is intact: reads every tensor and so verifies its checksum."""

import contextlib
import functools
import os

import tensorflow.compat.v1 as tf

from finetuning.checkpoints import restoring
from finetuning.utils import files, huggingface
from finetuning.utils.errors import InputError

# The footer of an index, in the format of LevelDB's tables.
_FOOTER_LENGTH = 48
_MAGIC = bytes.fromhex("57fb808b247547db")
_BLOCK_TRAILER = 5  # One byte for the compression type, four for the checksum.


def damage(prefix):
    """Returns in one line why a checkpoint is corrupt; None: it is intact.

    TensorFlow verifies the checksums of the index and of each tensor when it reads
    them, so only reading everything finds a changed byte. This takes about 2 seconds
    per gigabyte; results are cached until the files change. Weights in Hugging Face
    format have no checksums: there, only the header and the size of a file can tell.
    """
    return _damage(prefix, file_states(prefix))


def file_states(prefix):
    """Returns (name, size, time of change...) of each file of a checkpoint."""
    directory = os.path.dirname(prefix)
    if not files.is_directory(directory or "."):
        return ()
    states = []
    for name in _file_names(prefix):
        # A running training process may remove old checkpoints.
        with contextlib.suppress(OSError, tf.errors.NotFoundError):
            path = os.path.join(directory, name)
            if not files.is_remote(path):
                files.refuse_special(path)
            states.append((name, *files.state(path)))
    return tuple(states)


def _file_names(prefix):
    if huggingface.is_weights(prefix):
        if not files.exists(prefix):
            return []
        return [os.path.basename(p) for p in huggingface.identifying_files(prefix)]
    directory, start = os.path.split(prefix)
    names = files.list_directory(directory or ".")
    return [name for name in names if name.startswith(start + ".")]


def exists(prefix):
    """Whether the file is still there without which there is no checkpoint."""
    is_single = huggingface.is_weights(prefix)
    return files.exists(prefix if is_single else prefix + ".index")


@functools.lru_cache(maxsize=64)
def _damage(prefix, file_states):
    if huggingface.is_weights(prefix):
        return _header_damage(prefix)
    if os.path.basename(prefix) + ".index" not in [state[0] for state in file_states]:
        return "its .index is missing"
    fatal = index_damage(prefix + ".index")
    if fatal is not None:
        return fatal
    try:
        with restoring.open_reader(prefix) as reader:
            for name in reader.get_variable_to_shape_map():
                reader.get_tensor(name)
    except (tf.errors.OpError, ValueError, RuntimeError, IndexError) as error:
        return " ".join(str(error).split())
    return None


def _header_damage(path):
    try:
        with restoring.open_reader(path):
            return None
    except (OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        return str(error)


def index_damage(path):
    """Returns why TensorFlow would crash when reading an index; None: it would not.

    TensorFlow allocates memory for two blocks whose positions are in the footer, and
    aborts the process if these positions are wrong. It reports any other damage itself.

    Raises:
      InputError: the file cannot be read.
    """
    with files.open_binary(path) as file:
        content = file.read()
    footer = content[-_FOOTER_LENGTH:]
    if len(footer) < _FOOTER_LENGTH or not footer.endswith(_MAGIC):
        return None
    numbers = _varints(footer[: -len(_MAGIC)])
    if len(numbers) < 4:
        return "the footer of its .index is corrupt"
    max_end = len(content) - _FOOTER_LENGTH - _BLOCK_TRAILER
    if max(numbers[0] + numbers[1], numbers[2] + numbers[3]) > max_end:
        return "its .index refers to a block beyond its end"
    return None


def _varints(encoded):
    """Decodes numbers of 7 bits per byte, the lowest bits first."""
    numbers, value, shift = [], 0, 0
    for byte in encoded:
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            numbers.append(value)
            value, shift = 0, 0
    return numbers
