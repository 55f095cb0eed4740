"""Which device is found, how it is described, and its 16-bit type."""

from types import SimpleNamespace

import pytest
import tensorflow.compat.v1 as tf
from tensorflow.python.client import device_lib

from finetuning.device import backend, detect
from finetuning.device.detect import Device
from finetuning.utils.errors import InputError

V100 = (
    "device: 0, name: Tesla V100-SXM2-16GB, pci bus id: 0000:00:1e.0, "
    "compute capability: 7.0"
)


def local_device(kind, description="", memory=2**28):
    return SimpleNamespace(
        device_type=kind, physical_device_desc=description, memory_limit=memory
    )


@pytest.fixture
def find(monkeypatch):
    """A function that finds a device among those that TensorFlow lists."""

    def find_among(*devices, num_threads=0):
        monkeypatch.setattr(device_lib, "list_local_devices", lambda *_: list(devices))
        return detect.find_device(num_threads)

    monkeypatch.setattr(backend, "physical_cores", lambda: 5)
    monkeypatch.setattr(backend, "gpu_build", lambda: ("10.0", None, ("sm_70",)))
    return find_among


def test_without_a_gpu(find):
    device = find(local_device("CPU"), local_device("XLA_GPU", "device: XLA"))
    assert device.line() == "CPU, 5 threads (TensorFlow %s)" % tf.__version__
    assert device.determinism.startswith("not guaranteed (CPU, 5 threads")


def test_one_thread_is_deterministic(find):
    device = find(local_device("CPU"), num_threads=1)
    assert device.description == "1 thread"
    assert device.determinism == "bit for bit (CPU, one thread)"


def test_the_first_gpu_is_used(find):
    others = local_device("CPU"), local_device("GPU", "name: other")
    device = find(others[0], local_device("GPU", V100, 15864515789), others[1])
    assert device.line() == (
        "GPU, Tesla V100-SXM2-16GB, 15.9 GB, compute capability 7.0 "
        "(TensorFlow %s, CUDA 10.0, cuDNN unknown)" % tf.__version__
    )
    assert (device.capability, device.targets) == ("7.0", ("sm_70",))
    assert device.determinism.startswith("not guaranteed (GPU")


@pytest.mark.parametrize("description", ["", "something else"])
def test_a_gpu_that_tensorflow_does_not_describe(find, description):
    device = find(local_device("GPU", description, 2 * 10**9))
    assert device.description == "unknown, 2.0 GB, compute capability unknown"
    assert device.capability is None


def test_the_device_of_this_machine():
    device = detect.find_device()
    assert device.kind == ("GPU" if tf.test.is_gpu_available() else "CPU")
    assert "(TensorFlow %s" % tf.__version__ in device.line()


@pytest.mark.parametrize("feature", ["amx_bf16", "avx512_bf16", "bf16"])
def test_bfloat16_on_a_cpu_that_has_it(tmp_path, feature):
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("model name : some\nflags\t\t: fpu sse2 %s\n" % feature)
    device = Device("CPU", "2 threads", "2.21.0")
    assert detect.short_type(device, str(cpuinfo)) == "bfloat16"
    old = Device("CPU", "2 threads", "1.14.0")
    with pytest.raises(InputError, match="TensorFlow 1.14.0 has no 16-bit products"):
        detect.short_type(old, str(cpuinfo))


def test_no_bfloat16_on_another_cpu(tmp_path):
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("flags : fpu avx512f\n")
    device = Device("CPU", "2 threads", "2.21.0")
    for path in (cpuinfo, tmp_path / "missing"):
        with pytest.raises(InputError, match="--precision=mixed.*no bfloat16"):
            detect.short_type(device, str(path))


@pytest.mark.parametrize("version", ["1.14.0", "2.21.0"])
def test_float16_on_a_gpu(version):
    assert detect.short_type(Device("GPU", "any", version)) == "float16"
