"""What differs between TensorFlow versions and machines; nothing else branches on it.

Everywhere else `tensorflow.compat.v1` is imported as it is and runs on TensorFlow 1.14
and 2 alike.
"""

import contextlib
import ctypes
import os
import re
import sys
import tempfile
from dataclasses import dataclass
from typing import Optional, Tuple

from finetuning import determinism
from finetuning.errors import InputError

_GIGABYTE = 1e9
# M_ARENA_MAX, M_MMAP_MAX, M_TRIM_THRESHOLD and M_TOP_PAD of
# https://man7.org/linux/man-pages/man3/mallopt.3.html
_MALLOC_OPTIONS = ((-8, 1), (-4, 0), (-1, 2**31 - 1), (-2, 2**28))
# CPU features, x86's and Arm's names, with which bfloat16 products are fast.
_BFLOAT16_CPUS = {"amx_bf16", "avx512_bf16", "bf16"}
# What TensorFlow 1's builds for CUDA 9 and 10 hold, which do not say it themselves.
_TF1_TARGETS = ("sm_30", "sm_35", "sm_37", "sm_52", "sm_60", "sm_61", "sm_70", "sm_75")
# Words of TensorFlow's allocators, and of CUDA's libraries that ask for memory of
# their own; a full disk has others.
_OUT_OF_MEMORY = re.compile(
    r"OOM when|out of memory|OUT_OF_MEMORY|failed to allocate memory|"
    r"CUBLAS_STATUS_ALLOC_FAILED|CUDNN_STATUS_ALLOC_FAILED|std::bad_alloc",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Device:
    """The device that does the work.

    Attributes:
      kind: "GPU" or "CPU".
      description: for people: name, memory and compute capability, or threads.
      tensorflow: its version.
      cuda, cudnn: versions of the libraries in use; None on a CPU.
      capability: of a GPU, such as "7.5"; None where it is not told.
      targets: what this TensorFlow was compiled for, see `gpu.problem`.
      determinism: see `determinism.guarantee`.
    """

    kind: str
    description: str
    tensorflow: str
    cuda: Optional[str] = None
    cudnn: Optional[str] = None
    capability: Optional[str] = None
    targets: Tuple[str, ...] = ()
    determinism: Optional[str] = None

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

    Also has freed memory kept, for the whole process, float32 mean float32 on GPUs, and
    each operation give the same result every time, where TensorFlow can do so. The
    program calls this once; a module that is imported elsewhere changes nothing.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    _keep_freed_memory()
    with _native_stderr_held_back():
        import tensorflow.compat.v1 as tf
    tf.logging.set_verbosity(tf.logging.ERROR)
    # Else newer GPUs round what they multiply to the 10 bits of TensorFloat-32.
    experimental = tf.config.experimental
    if hasattr(experimental, "enable_tensor_float_32_execution"):
        experimental.enable_tensor_float_32_execution(False)
    make_ops_deterministic = _switch_of_determinism(tf)
    if make_ops_deterministic is not None:
        make_ops_deterministic()


def _switch_of_determinism(tf):
    """TensorFlow's function, which its old interface does not offer; or None."""
    if not hasattr(tf.compat, "v2"):
        return None
    experimental = tf.compat.v2.config.experimental
    return getattr(experimental, "enable_op_determinism", None)


def _keep_freed_memory():
    """Has the C library keep what is freed: a training step asks for it again at once.

    Else a large tensor's pages come anew from the system, zeroed, at every step.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:  # It is glibc's.
        for parameter, value in _MALLOC_OPTIONS:
            mallopt(parameter, value)


@contextlib.contextmanager
def errors_in_one_line(of_files_alone=False):
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
def memory_errors(where, remedy):
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


def session_config(num_threads=0, xla=False):
    """The `tf.ConfigProto` of every session: what has no GPU kernel runs on the CPU.

    Args:
      num_threads: CPU threads of one operation; 0: one a physical core.
      xla: whether TensorFlow compiles what it can for the GPU.
    """
    import tensorflow.compat.v1 as tf

    threads = num_threads or physical_cores()
    config = tf.ConfigProto(
        allow_soft_placement=True,
        intra_op_parallelism_threads=threads,
        # Two at once fill the gaps that small operations leave; more gained nothing.
        inter_op_parallelism_threads=min(threads, 2),
    )
    if xla:
        optimizer_options = config.graph_options.optimizer_options
        optimizer_options.global_jit_level = tf.OptimizerOptions.ON_1
    return config


def physical_cores(topology="/sys/devices/system/cpu/cpu%d/topology/"):
    """Physical cores that this process may use; where that is not told, all CPUs.

    Products gain nothing from the second thread of a core.
    """
    cores = set()
    for cpu in _usable_cpus():
        try:
            with open((topology % cpu) + "thread_siblings_list") as file:
                cores.add(file.read().strip())
        except OSError:
            cores.add(cpu)
    return len(cores)


def _usable_cpus():
    """CPUs that this process may use; not every system can say which."""
    if hasattr(os, "sched_getaffinity"):
        return os.sched_getaffinity(0)
    return range(os.cpu_count())


def short_type(device, cpuinfo="/proc/cpuinfo"):
    """The name of the 16-bit type in which the device computes products.

    Raises:
      InputError: it is a CPU that gains nothing by one.
    """
    if device.kind == "GPU":
        return "float16"
    if device.tensorflow.startswith("1."):
        raise InputError(
            "--precision=mixed: TensorFlow %s has no 16-bit products for a CPU; leave "
            "the flag out, or run on a GPU or on TensorFlow 2" % device.tensorflow
        )
    try:
        with open(cpuinfo) as file:
            features = set(file.read().split())
    except OSError:
        features = set()
    if not features & _BFLOAT16_CPUS:
        raise InputError(
            "--precision=mixed: this CPU has no bfloat16 products (none of %s is in "
            "%s), without which it is slower than float32; leave the flag out"
            % (", ".join(sorted(_BFLOAT16_CPUS)), cpuinfo)
        )
    return "bfloat16"


def find_device(num_threads=0):
    """Asks TensorFlow which device it will use.

    Args:
      num_threads: see `session_config`; the first to ask decides for the process.

    Returns:
      `Device`: the first GPU that this TensorFlow can drive, or the CPU.
    """
    import tensorflow.compat.v1 as tf
    from tensorflow.python.client import device_lib

    with _native_stderr_held_back():
        devices = device_lib.list_local_devices(session_config(num_threads))
    gpus = [device for device in devices if device.device_type == "GPU"]
    if not gpus:
        threads = num_threads or physical_cores()
        described = "%d thread%s" % (threads, "" if threads == 1 else "s")
        same = _guarantee(tf, "CPU", num_threads)
        return Device("CPU", described, tf.__version__, determinism=same)
    cuda, cudnn = _cuda_versions(tf)
    described = gpus[0].physical_device_desc
    return Device(
        "GPU",
        describe_gpu(described, gpus[0].memory_limit),
        tf.__version__,
        cuda,
        cudnn,
        _parts(described).get("compute capability"),
        _targets(tf, cuda),
        _guarantee(tf, "GPU", num_threads),
    )


def _guarantee(tf, kind, num_threads):
    return determinism.guarantee(
        kind,
        num_threads or physical_cores(),
        tf.__version__,
        _switch_of_determinism(tf) is not None,
    )


def describe_gpu(physical_device_desc, memory_limit):
    """Name, memory and compute capability, from what TensorFlow says of a GPU.

    Args:
      physical_device_desc: such as "device: 0, name: Tesla V100, pci bus id: ...,
        compute capability: 7.0".
      memory_limit: bytes that TensorFlow may use of it.
    """
    parts = _parts(physical_device_desc)
    return "%s, %.1f GB, compute capability %s" % (
        parts.get("name", "unknown"),
        memory_limit / _GIGABYTE,
        parts.get("compute capability", "unknown"),
    )


def _parts(physical_device_desc):
    """What TensorFlow says of a GPU, as a dictionary of strings."""
    return dict(
        part.split(": ", 1) for part in physical_device_desc.split(", ") if ": " in part
    )


def _targets(tf, cuda):
    """What this TensorFlow was compiled for, see `gpu.problem`; () where not known."""
    if hasattr(tf.sysconfig, "get_build_info"):
        return tuple(tf.sysconfig.get_build_info().get("cuda_compute_capabilities", ()))
    # A TensorFlow 1 with a later CUDA is somebody's own build.
    old = cuda is None or int(cuda.split(".")[0]) <= 10
    return _TF1_TARGETS if old and tf.__version__.startswith("1.") else ()


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
