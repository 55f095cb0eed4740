"""Which device runs the model, and what it can do."""

from dataclasses import dataclass
from typing import Optional, Tuple

from finetuning.device import backend, determinism
from finetuning.utils.errors import InputError

_GIGABYTE = 1e9
# CPU features, as x86 and Arm call them, with which bfloat16 products are fast.
_BFLOAT16_CPUS = {"amx_bf16", "avx512_bf16", "bf16"}


@dataclass(frozen=True)
class Device:
    """The device that runs the model.

    Attributes:
      kind: "GPU" or "CPU".
      description: name, memory and compute capability of a GPU; threads of a CPU.
      tensorflow: its version.
      cuda, cudnn: versions of the libraries in use; None on a CPU, or if unknown.
      capability: compute capability of a GPU, such as "7.5"; None: unknown.
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
    """Returns the name of the 16-bit type in which the device multiplies fast.

    Raises:
      InputError: the device is a CPU on which 16 bits are not faster.
    """
    if device.kind == "GPU":
        return "float16"
    if backend.is_tensorflow_1(device.tensorflow):
        raise InputError(
            "--precision=mixed: TensorFlow %s has no 16-bit products on a CPU; omit "
            "the flag, or use a GPU or TensorFlow 2" % device.tensorflow
        )
    try:
        with open(cpuinfo) as file:
            features = set(file.read().split())
    except OSError:
        features = set()
    if not features & _BFLOAT16_CPUS:
        raise InputError(
            "--precision=mixed: this CPU has no bfloat16 instructions (%s lists none "
            "of %s), so it would be slower than float32; omit the flag"
            % (cpuinfo, ", ".join(sorted(_BFLOAT16_CPUS)))
        )
    return "bfloat16"


def find_device(num_threads=0):
    """Finds the device that TensorFlow will use.

    Args:
      num_threads: see `backend.session_config`; the first session of a process sets the
        threads of all, and this starts one.

    Returns:
      `Device`: the first GPU that this TensorFlow can use, or the CPU.
    """
    import tensorflow.compat.v1 as tf
    from tensorflow.python.client import device_lib

    with backend.muted_native_stderr():
        devices = device_lib.list_local_devices(backend.session_config(num_threads))
    gpus = [device for device in devices if device.device_type == "GPU"]
    kind = "GPU" if gpus else "CPU"
    threads = num_threads or backend.physical_cores()
    guarantee = determinism.guarantee(
        kind, threads, tf.__version__, backend.has_deterministic_ops()
    )
    if not gpus:
        description = "%d thread%s" % (threads, "" if threads == 1 else "s")
        return Device(kind, description, tf.__version__, determinism=guarantee)
    cuda, cudnn, targets = backend.gpu_build()
    name, capability = _parse_description(gpus[0].physical_device_desc)
    return Device(
        kind,
        "%s, %.1f GB, compute capability %s"
        % (name, gpus[0].memory_limit / _GIGABYTE, capability or "unknown"),
        tf.__version__,
        cuda,
        cudnn,
        capability,
        targets,
        guarantee,
    )


def _parse_description(physical_device_desc):
    """Returns name and compute capability from TensorFlow's description of a GPU.

    It looks like "device: 0, name: Tesla V100, pci bus id: ..., compute capability:
    7.0".
    """
    parts = dict(
        part.split(": ", 1) for part in physical_device_desc.split(", ") if ": " in part
    )
    return parts.get("name", "unknown"), parts.get("compute capability")
