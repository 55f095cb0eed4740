"""What differs between TensorFlow versions, and how every session is configured.

All other modules import `tensorflow.compat.v1` and run on TensorFlow 1.14 and 2 alike.
"""

import contextlib
import ctypes
import logging
import os
import re
import sys
import tempfile

from finetuning.utils import streams

# M_ARENA_MAX, M_MMAP_MAX, M_TRIM_THRESHOLD and M_TOP_PAD of
# https://man7.org/linux/man-pages/man3/mallopt.3.html
_MALLOC_OPTIONS = ((-8, 1), (-4, 0), (-1, 2**31 - 1), (-2, 2**28))
# Targets of TensorFlow 1's wheels for CUDA 9 and 10, which do not list them.
_TF1_TARGETS = ("sm_30", "sm_35", "sm_37", "sm_52", "sm_60", "sm_61", "sm_70", "sm_75")


def is_tensorflow_1(version):
    return version.startswith("1.")


def start(log_level="2", deterministic=True):
    """Imports TensorFlow without its start-up messages and sets its global options.

    Malloc keeps freed memory, CPUs compute with oneDNN unless TF_ENABLE_ONEDNN_OPTS is
    set in the environment, float32 is not rounded to TensorFloat-32, and ops are
    deterministic where TensorFlow supports it. Programs call this once; importing a
    module of this package changes nothing.

    Args:
      log_level: what TensorFlow's C++ code logs, unless TF_CPP_MIN_LOG_LEVEL is set in
        the environment: "2": errors; "3": not even these.
      deterministic: False only to measure what deterministic ops cost.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", log_level)
    # The host issues a step while a GPU still computes the one before it. What is
    # fetched or saved is copied when it is complete all the same.
    os.environ.setdefault("TF_SYNC_ON_FINISH", "0")
    # TensorFlow 2 leaves it off on CPUs without AVX512-VNNI, where it is faster, too.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    _keep_freed_memory()
    # TensorFlow 2 imports Keras, and with it Matplotlib, but works without them. They
    # take a third of the time of the import.
    with muted_native_stderr(), _without("keras", "scipy"):
        import tensorflow.compat.v1 as tf
    tf.logging.set_verbosity(tf.logging.ERROR)
    set_tensor_float_32(False)
    enable_determinism = _determinism_switch(tf)
    if deterministic and enable_determinism is not None:
        enable_determinism()


@contextlib.contextmanager
def _without(*packages):
    """Makes imports of packages fail, unless they have been imported before.

    Afterwards they can be imported as always.
    """
    hidden = [name for name in packages if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


def set_tensor_float_32(enabled):
    """Sets whether GPUs may round the factors of float32 products to TensorFloat-32.

    TensorFlow 1 never does, and has no such setting.
    """
    import tensorflow.compat.v1 as tf

    experimental = tf.config.experimental
    if hasattr(experimental, "enable_tensor_float_32_execution"):
        experimental.enable_tensor_float_32_execution(enabled)


def has_tensor_float_32():
    """Whether this TensorFlow can use TensorFloat-32."""
    import tensorflow.compat.v1 as tf

    return hasattr(tf.config.experimental, "enable_tensor_float_32_execution")


def peak_gpu_bytes():
    """The most memory of the first GPU that this process has used; None in 1.14."""
    import tensorflow.compat.v1 as tf

    experimental = tf.config.experimental
    if not hasattr(experimental, "get_memory_info"):
        return None
    return experimental.get_memory_info("GPU:0")["peak"]


def uses_onednn():
    """Whether ops on a CPU are those of oneDNN, whose rounding differs."""
    import tensorflow.compat.v1  # noqa: F401
    from tensorflow.python.framework import test_util

    return test_util.IsMklEnabled()


def has_deterministic_ops():
    """Whether this TensorFlow can use deterministic ops, which `start` enables."""
    import tensorflow.compat.v1 as tf

    return _determinism_switch(tf) is not None


def _determinism_switch(tf):
    """TensorFlow 2's function, which `compat.v1` does not offer; None in 1.14."""
    if not hasattr(tf.compat, "v2"):
        return None
    experimental = tf.compat.v2.config.experimental
    return getattr(experimental, "enable_op_determinism", None)


def exact_gelu():
    """The form of the exact GELU that is the fastest in this TensorFlow, a function.

    1.14 computes the error function one number at a time, seven times as slowly.
    """
    import tensorflow.compat.v1 as tf

    from encoder import layers

    if is_tensorflow_1(tf.VERSION):
        return layers.exact_gelu_by_sigmoid
    return layers.exact_gelu


def all_reduce(tensor, group_size, group_key, instance_key, use_nccl):
    """The sum of a tensor over the members of a group, as an op of TensorFlow's.

    Args:
      tensor: a tensor whose shape is known and the same on each member.
      group_size: the number of members.
      group_key: int, the group's number.
      instance_key: int, the number by which the members' ops find each other.
      use_nccl: whether GPUs exchange the tensor themselves.
    """
    import tensorflow.compat.v1 as tf

    hint = {}
    if not is_tensorflow_1(tf.VERSION):  # 1.14 has an option of the session instead.
        hint["communication_hint"] = "nccl" if use_nccl else "ring"
    return tf.raw_ops.CollectiveReduce(
        input=tensor,
        group_size=group_size,
        group_key=group_key,
        instance_key=instance_key,
        merge_op="Add",
        final_op="Id",
        subdiv_offsets=[0],
        **hint,
    )


def enable_nccl(config):
    """Lets GPUs exchange tensors themselves, where a `tf.ConfigProto` decides it."""
    import tensorflow.compat.v1 as tf

    if is_tensorflow_1(tf.VERSION):
        config.experimental.collective_nccl = True


def _keep_freed_memory():
    """Makes glibc keep freed memory, because the next training step needs it again.

    By default, the pages of a large tensor are returned to the system and zeroed again
    at every step.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:  # Other C libraries do not have it.
        for parameter, value in _MALLOC_OPTIONS:
            mallopt(parameter, value)


def session_config(num_threads=0):
    """Returns the `tf.ConfigProto` of every session.

    Ops without a GPU kernel run on the CPU.

    Args:
      num_threads: CPU threads of one op; 0: one for each physical core.
    """
    import tensorflow.compat.v1 as tf

    threads = num_threads or physical_cores()
    return tf.ConfigProto(
        allow_soft_placement=True,
        intra_op_parallelism_threads=threads,
        # Two ops at a time fill the gaps that small ops leave; more were no faster.
        inter_op_parallelism_threads=min(threads, 2),
    )


def batches_in_flight(kind, num_threads=0):
    """How many batches of inference a session computes at a time.

    On a CPU two, so that its threads always find work. On a GPU one, because memory
    for two may be lacking there, and on one thread one, because no thread would wait.

    Args:
      kind: "GPU" or "CPU".
      num_threads: see `session_config`.
    """
    return 1 if kind == "GPU" else min(num_threads or physical_cores(), 2)


def physical_cores(topology="/sys/devices/system/cpu/cpu%d/topology/"):
    """Counts the physical cores that this process may use.

    Matrix products are not faster on two threads of a core. Where the system does not
    report which CPUs share a core, all CPUs are counted.
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
    if hasattr(os, "sched_getaffinity"):
        return os.sched_getaffinity(0)
    return range(os.cpu_count())


def gpu_build():
    """Returns what this TensorFlow was built for, as far as it is known.

    TensorFlow 1 does not report it: there, the versions are those of the libraries that
    this process has loaded.

    Returns:
      The versions of CUDA and cuDNN, each None if unknown, and the tuple of targets
      (see `gpu_support.problem`), empty if unknown.
    """
    import tensorflow.compat.v1 as tf

    if hasattr(tf.sysconfig, "get_build_info"):
        info = tf.sysconfig.get_build_info()
        targets = tuple(info.get("cuda_compute_capabilities", ()))
        return info.get("cuda_version"), info.get("cudnn_version"), targets
    with open("/proc/self/maps") as maps:
        loaded = maps.read()
    cuda, cudnn = library_version("cudart", loaded), library_version("cudnn", loaded)
    # A TensorFlow 1 for a later CUDA is a custom build, for unknown targets.
    is_official = cuda is None or int(cuda.split(".")[0]) <= 10
    return cuda, cudnn, _TF1_TARGETS if is_official else ()


def library_version(name, maps):
    """Returns the version in the file name of a loaded shared library, or None.

    Args:
      name: such as "cudart".
      maps: content of /proc/self/maps.
    """
    match = re.search(r"/lib%s\.so\.([0-9.]+)" % re.escape(name), maps)
    return match.group(1).rstrip(".") if match else None


@contextlib.contextmanager
def silent_tensorflow():
    """Hides what TensorFlow logs, in a program that has not called `start`.

    Afterwards everything is as it was before.
    """
    with muted_native_stderr():
        # Before its level is set, because the import may set it.
        import tensorflow.compat.v1  # noqa: F401

        logger = logging.getLogger("tensorflow")
        level = logger.level
        logger.setLevel(max(level, logging.ERROR))
        try:
            yield
        finally:
            logger.setLevel(level)


@contextlib.contextmanager
def muted_native_stderr():
    """Hides what TensorFlow's C++ code writes to stderr, unless something fails.

    No setting silences the messages that precede TensorFlow's own logging. Users who
    want to see them set TF_CPP_MIN_LOG_LEVEL=0.
    """
    if os.environ.get("TF_CPP_MIN_LOG_LEVEL") == "0":
        yield
        return
    streams.Tolerant(sys.stderr).flush()
    saved = os.dup(2)
    with tempfile.TemporaryFile() as hidden:
        os.dup2(hidden.fileno(), 2)
        try:
            yield
        except Exception:
            os.dup2(saved, 2)
            hidden.seek(0)
            os.write(2, hidden.read())
            raise
        finally:
            os.dup2(saved, 2)
            os.close(saved)
