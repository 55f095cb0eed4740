"""TensorFlow and system errors, turned into one line that says what to do."""

import contextlib
import re

from finetuning.utils.errors import InputError, is_disk_full

# Words of TensorFlow's allocators, and of CUDA's libraries that ask for memory of
# their own; a full disk has others.
_OUT_OF_MEMORY = re.compile(
    r"OOM when|out of memory|OUT_OF_MEMORY|failed to allocate memory|"
    r"CUBLAS_STATUS_ALLOC_FAILED|CUDNN_STATUS_ALLOC_FAILED|std::bad_alloc",
    re.IGNORECASE,
)


@contextlib.contextmanager
def tensorflow_errors(of_files_alone=False):
    """Turns what TensorFlow raises for want of memory, disk or rights into one line.

    Also an `InputError` that was raised in a function which TensorFlow called: of it
    TensorFlow passes on the text alone.

    Args:
      of_files_alone: whether nothing but files is dealt with meanwhile, so that all
        other errors of TensorFlow's are theirs, too.

    Raises:
      InputError: instead of such an error; other errors pass as they are.
    """
    import tensorflow.compat.v1 as tf

    try:
        yield
    except tf.errors.ResourceExhaustedError as error:
        raise InputError(
            "out of memory or disk: %s; lower the batch size or --max_seq_length, or "
            "free the disk" % reason(error)
        ) from None
    except (
        tf.errors.PermissionDeniedError,
        tf.errors.NotFoundError,
        tf.errors.UnimplementedError,  # Of a path with a scheme that it does not know.
    ) as error:
        raise InputError(reason(error)) from None
    except tf.errors.OpError as error:
        within = re.search(r"\bInputError: (.*)", str(error.message))
        if within is not None:
            raise InputError(within.group(1)) from None
        if of_files_alone:
            raise InputError("a file cannot be reached: " + reason(error)) from None
        raise


@contextlib.contextmanager
def out_of_memory_errors(where, remedy):
    """Turns what is raised for want of memory into one line that says what to try.

    Args:
      where: what was under way, such as "training with --train_batch_size=32".
      remedy: what to try.

    Raises:
      InputError: instead of such an error; other errors pass, such as of a full disk.
    """
    import tensorflow.compat.v1 as tf

    try:
        yield
    except (tf.errors.OpError, MemoryError) as error:
        message = getattr(error, "message", None) or str(error)
        if not (isinstance(error, MemoryError) or _OUT_OF_MEMORY.search(message)):
            raise
        raise InputError(
            "out of memory in %s: %s; %s" % (where, reason(error), remedy)
        ) from None


def reason(error):
    """The line of an error's message that says what happened."""
    message = str(getattr(error, "message", None) or error)
    lines = [line.strip() for line in message.split("\n") if line.strip()]
    # TensorFlow 2 says first where in Python the operation was made.
    nodes = [at for at, line in enumerate(lines[:-1]) if line.startswith("Node: ")]
    if nodes and lines[0].startswith("Graph execution error"):
        return lines[nodes[0] + 1]
    return lines[0] if lines else type(error).__name__


# How TensorFlow's file layer words them. A file's temporary name ends in a number.
_DISK_FULL_WORDS = re.compile(
    r"^\s*(\S.*?)(?:\.tempstate\d+|\.\d+\.tmp|\.tmp[0-9a-f]{32})?; "
    r"(No space left on device|Disk quota exceeded|File too large)",
    re.MULTILINE,
)


@contextlib.contextmanager
def disk_full_errors():
    """Turns what is raised for want of room into one line.

    Raises:
      InputError: instead of such an error; other errors pass as they are.
    """
    import tensorflow.compat.v1 as tf

    try:
        yield
    except OSError as error:
        if not is_disk_full(error):
            raise
        raise InputError(_disk_full_line(error.filename, error.strerror)) from None
    except tf.errors.OpError as error:
        # It may be any subclass: a file that grows too large is an OutOfRangeError.
        found = _DISK_FULL_WORDS.search(str(error.message))
        if found is None:
            raise
        raise InputError(_disk_full_line(*found.groups())) from None


def _disk_full_line(path, reason):
    return (
        "%s cannot be written: %s. What was whole before still is: make room, then "
        "give the same command again" % (path or "a file", reason)
    )
