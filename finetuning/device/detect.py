"""Which device does the work, and what is known of it."""

import re
from dataclasses import dataclass
from typing import Optional, Tuple

from finetuning.device import backend, determinism
from finetuning.utils.errors import InputError

_GIGABYTE = 1e9
# CPU features, x86's and Arm's names, with which bfloat16 products are fast.
_BFLOAT16_CPUS = {"amx_bf16", "avx512_bf16", "bf16"}
# What TensorFlow 1's builds for CUDA 9 and 10 hold, which do not say it themselves.
_TF1_TARGETS = ("sm_30", "sm_35", "sm_37", "sm_52", "sm_60", "sm_61", "sm_70", "sm_75")


@dataclass(frozen=True)
class Device:
    """The device that does the work.

    Attributes:
      kind: "GPU" or "CPU".
      description: for people: name, memory and compute capability, or threads.
      tensorflow: its version.
      cuda, cudnn: versions of the libraries in use; None on a CPU.
      capability: of a GPU, such as "7.5"; None where it is not told.
      targets: what this TensorFlow was compiled for, see `gpu_support.problem`.
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

    with backend.native_stderr_held_back():
        devices = device_lib.list_local_devices(backend.session_config(num_threads))
    gpus = [device for device in devices if device.device_type == "GPU"]
    if not gpus:
        threads = num_threads or backend.physical_cores()
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
        num_threads or backend.physical_cores(),
        tf.__version__,
        backend.determinism_switch(tf) is not None,
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
    """What this TensorFlow was compiled for, see `gpu_support.problem`; () where not known."""
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
