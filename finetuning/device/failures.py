"""Errors of TensorFlow and the system, turned into one line that says what to do."""

import contextlib
import re

from finetuning.utils.errors import InputError, is_disk_full

# Messages of TensorFlow's allocators and the CUDA libraries.
_OUT_OF_MEMORY = re.compile(
    r"OOM when|out of memory|OUT_OF_MEMORY|failed to allocate memory|"
    r"CUBLAS_STATUS_ALLOC_FAILED|CUDNN_STATUS_ALLOC_FAILED|std::bad_alloc",
    re.IGNORECASE,
)
# The message of TensorFlow's file layer, with a temporary file's name.
_DISK_FULL = re.compile(
    r"^\s*(\S.*?)(?:\.tempstate\d+|\.\d+\.finetuning\.tmp|\.tmp[0-9a-f]{32})?; "
    r"(No space left on device|Disk quota exceeded|File too large)",
    re.MULTILINE,
)


@contextlib.contextmanager
def tensorflow_errors(only_files=False):
    """Turns TensorFlow's errors about memory, disk and files into `InputError`s.

    Also restores an `InputError` that was raised in a Python function which TensorFlow
    called, because TensorFlow preserves only its text.

    Args:
      only_files: whether the context does nothing but read files, so that every other
        error of TensorFlow's is about a file, too.

    Raises:
      InputError: instead of such an error; other errors are raised unchanged.
    """
    import tensorflow.compat.v1 as tf

    try:
        yield
    except tf.errors.ResourceExhaustedError as error:
        raise InputError(
            "out of memory or disk space: %s; lower the batch size or "
            "--max_seq_length, or free disk space" % reason(error)
        ) from None
    except (
        tf.errors.PermissionDeniedError,
        tf.errors.NotFoundError,
        tf.errors.UnimplementedError,  # A path with an unknown scheme.
    ) as error:
        raise InputError(reason(error)) from None
    except tf.errors.OpError as error:
        wrapped = re.search(r"\bInputError: (.*)", str(error.message))
        if wrapped is not None:
            raise InputError(wrapped.group(1)) from None
        if only_files:
            raise InputError("cannot access a file: " + reason(error)) from None
        raise


def is_out_of_memory(message):
    """Whether the message of an error says that memory was not enough."""
    return _OUT_OF_MEMORY.search(message) is not None


@contextlib.contextmanager
def out_of_memory_errors(where, remedy):
    """Turns out-of-memory errors into an `InputError` that says what to try.

    Args:
      where: what was running, such as "training with --train_batch_size=32".
      remedy: what to try.

    Raises:
      InputError: instead of such an error; other errors are raised unchanged.
    """
    import tensorflow.compat.v1 as tf

    try:
        yield
    except (tf.errors.OpError, MemoryError) as error:
        message = getattr(error, "message", None) or str(error)
        if not (isinstance(error, MemoryError) or is_out_of_memory(message)):
            raise
        raise InputError(
            "out of memory in %s: %s; %s" % (where, reason(error), remedy)
        ) from None


@contextlib.contextmanager
def disk_full_errors():
    """Turns errors about a full disk into an `InputError`.

    Raises:
      InputError: instead of such an error; other errors are raised unchanged.
    """
    import tensorflow.compat.v1 as tf

    try:
        yield
    except OSError as error:
        if not is_disk_full(error):
            raise
        raise InputError(_disk_full_line(error.filename, error.strerror)) from None
    except tf.errors.OpError as error:
        # Any subclass: TensorFlow raises OutOfRangeError for a file that is too large.
        match = _DISK_FULL.search(str(error.message))
        if match is None:
            raise
        raise InputError(_disk_full_line(*match.groups())) from None


def _disk_full_line(path, cause):
    return (
        "cannot write %s: %s; existing files are intact; free disk space and rerun the "
        "same command" % (path or "a file", cause)
    )


def reason(error):
    """Returns the line of an error's message that says what happened."""
    message = str(getattr(error, "message", None) or error)
    lines = [line.strip() for line in message.split("\n") if line.strip()]
    # TensorFlow 2 first lists where in Python the op was created.
    nodes = [at for at, line in enumerate(lines[:-1]) if line.startswith("Node: ")]
    if nodes and lines[0].startswith("Graph execution error"):
        return lines[nodes[0] + 1]
    return lines[0] if lines else type(error).__name__
