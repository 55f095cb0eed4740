"""What differs between TensorFlow versions and machines; nothing else branches on it.

Everywhere else `tensorflow.compat.v1` is imported as it is and runs on TensorFlow 1.14
and 2 alike.
"""

import contextlib
import os
import re
import sys
import tempfile
from dataclasses import dataclass
from typing import Optional

from finetuning.errors import InputError

_GIGABYTE = 1e9


@dataclass(frozen=True)
class Device:
    """The device that does the work.

    Attributes:
      kind: "GPU" or "CPU".
      description: for people: name, memory and compute capability, or threads.
      tensorflow: its version.
      cuda, cudnn: versions of the libraries in use; None on a CPU.
    """

    kind: str
    description: str
    tensorflow: str
    cuda: Optional[str] = None
    cudnn: Optional[str] = None

    def line(self):
        libraries = "TensorFlow %s" % self.tensorflow
        if self.kind == "GPU":
            libraries += ", CUDA %s, cuDNN %s" % (
                self.cuda or "unknown",
                self.cudnn or "unknown",
            )
        return "%s, %s (%s)" % (self.kind, self.description, libraries)


def start():
    """Imports TensorFlow without its start-up noise, and keeps its log to errors.

    The program calls this once; a module that is imported elsewhere changes nothing.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    with _native_stderr_held_back():
        import tensorflow.compat.v1 as tf
    tf.logging.set_verbosity(tf.logging.ERROR)


@contextlib.contextmanager
def errors_in_one_line():
    """Turns what TensorFlow raises for want of memory, disk or rights into one line.

    Raises:
      InputError: instead of such an error; other errors pass as they are.
    """
    import tensorflow.compat.v1 as tf

    try:
        yield
    except tf.errors.ResourceExhaustedError as error:
        raise InputError(
            "out of memory or disk: %s; lower the batch size or --max_seq_length, or "
            "free the disk" % _first_line(error)
        ) from None
    except (tf.errors.PermissionDeniedError, tf.errors.NotFoundError) as error:
        raise InputError(_first_line(error)) from None


def _first_line(error):
    return str(error.message).strip().split("\n")[0]


def session_config():
    """The `tf.ConfigProto` of every session: what has no GPU kernel runs on the CPU."""
    import tensorflow.compat.v1 as tf

    return tf.ConfigProto(allow_soft_placement=True)


def find_device():
    """Asks TensorFlow which device it will use.

    Returns:
      `Device`: the first GPU that this TensorFlow can drive, or the CPU.
    """
    import tensorflow.compat.v1 as tf
    from tensorflow.python.client import device_lib

    with _native_stderr_held_back():
        devices = device_lib.list_local_devices(session_config())
    gpus = [device for device in devices if device.device_type == "GPU"]
    if not gpus:
        threads = _cpu_threads()
        return Device("CPU", "%d threads" % threads, tf.__version__)
    cuda, cudnn = _cuda_versions(tf)
    description = describe_gpu(gpus[0].physical_device_desc, gpus[0].memory_limit)
    return Device("GPU", description, tf.__version__, cuda, cudnn)


def _cpu_threads():
    """CPUs that this process may use; not every system can say which."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count()


def describe_gpu(physical_device_desc, memory_limit):
    """Name, memory and compute capability, from what TensorFlow says of a GPU.

    Args:
      physical_device_desc: such as "device: 0, name: Tesla V100, pci bus id: ...,
        compute capability: 7.0".
      memory_limit: bytes that TensorFlow may use of it.
    """
    parts = dict(
        part.split(": ", 1) for part in physical_device_desc.split(", ") if ": " in part
    )
    return "%s, %.1f GB, compute capability %s" % (
        parts.get("name", "unknown"),
        memory_limit / _GIGABYTE,
        parts.get("compute capability", "unknown"),
    )


def _cuda_versions(tf):
    """What TensorFlow says it was built with; 1.14 does not say: what it has loaded."""
    if hasattr(tf.sysconfig, "get_build_info"):
        build = tf.sysconfig.get_build_info()
        return build.get("cuda_version"), build.get("cudnn_version")
    with open("/proc/self/maps") as maps:
        loaded = maps.read()
    return library_version("cudart", loaded), library_version("cudnn", loaded)


def library_version(name, loaded):
    """Version in the file name of a shared library among those loaded, or None."""
    match = re.search(r"/lib%s\.so\.([0-9.]+)" % re.escape(name), loaded)
    return match.group(1).rstrip(".") if match else None


@contextlib.contextmanager
def _native_stderr_held_back():
    """Holds back what TensorFlow's C++ writes; shows it after all if Python raises.

    No setting silences what it writes before its own logging has started. Who sets
    TF_CPP_MIN_LOG_LEVEL=0 wants to see it.
    """
    if os.environ.get("TF_CPP_MIN_LOG_LEVEL") == "0":
        yield
        return
    sys.stderr.flush()
    saved = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            os.dup2(saved, 2)
            held.seek(0)
            os.write(2, held.read())
            raise
        finally:
            os.dup2(saved, 2)
            os.close(saved)
