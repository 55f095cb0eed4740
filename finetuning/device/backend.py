"""What differs between TensorFlow versions and machines; nothing else branches on it.

Everywhere else `tensorflow.compat.v1` is imported as it is and runs on TensorFlow 1.14
and 2 alike.
"""

import contextlib
import ctypes
import os
import sys
import tempfile

# M_ARENA_MAX, M_MMAP_MAX, M_TRIM_THRESHOLD and M_TOP_PAD of
# https://man7.org/linux/man-pages/man3/mallopt.3.html
_MALLOC_OPTIONS = ((-8, 1), (-4, 0), (-1, 2**31 - 1), (-2, 2**28))


def start():
    """Imports TensorFlow without its start-up noise, and keeps its log to errors.

    Also has freed memory kept, for the whole process, float32 mean float32 on GPUs, and
    each operation give the same result every time, where TensorFlow can do so. The
    program calls this once; a module that is imported elsewhere changes nothing.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    _keep_freed_memory()
    with native_stderr_held_back():
        import tensorflow.compat.v1 as tf
    tf.logging.set_verbosity(tf.logging.ERROR)
    # Else newer GPUs round what they multiply to the 10 bits of TensorFloat-32.
    experimental = tf.config.experimental
    if hasattr(experimental, "enable_tensor_float_32_execution"):
        experimental.enable_tensor_float_32_execution(False)
    make_ops_deterministic = determinism_switch(tf)
    if make_ops_deterministic is not None:
        make_ops_deterministic()


def determinism_switch(tf):
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


@contextlib.contextmanager
def native_stderr_held_back():
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
