"""What is said of the device, and how TensorFlow is kept quiet."""

import os
import subprocess
import sys
from types import SimpleNamespace

import pytest
import tensorflow.compat.v1 as tf
from tensorflow.python.client import device_lib

from finetuning.device import backend, detect, determinism, failures
from finetuning.device.detect import Device
from finetuning.utils.errors import InputError

V100 = (
    "device: 0, name: Tesla V100-SXM2-16GB, pci bus id: 0000:00:1e.0, "
    "compute capability: 7.0"
)
H100 = (
    "device: 1, name: NVIDIA H100 80GB HBM3, pci bus id: 0000:53:00.0, "
    "compute capability: 9.0"
)


# Words


@pytest.mark.parametrize(
    "described, memory, shown",
    [
        (V100, 15864515789, "Tesla V100-SXM2-16GB, 15.9 GB, compute capability 7.0"),
        (H100, 79051800576, "NVIDIA H100 80GB HBM3, 79.1 GB, compute capability 9.0"),
        (
            "name: A, compute capability: 12.0",
            10**9,
            "A, 1.0 GB, compute capability 12.0",
        ),
        ("", 0, "unknown, 0.0 GB, compute capability unknown"),
        (
            "something else",
            2 * 10**9,
            "unknown, 2.0 GB, compute capability unknown",
        ),
    ],
)
def test_describe_gpu(described, memory, shown):
    assert detect.describe_gpu(described, memory) == shown


MAPS = """\
7f00-7f01 r-xp 00000000 08:01 1 /opt/conda/envs/tf/lib/libcudart.so.10.1.243
7f01-7f02 r-xp 00000000 08:01 2 /usr/lib/x86_64-linux-gnu/libcudnn.so.7.6.5
7f02-7f03 r-xp 00000000 08:01 3 /usr/lib/x86_64-linux-gnu/libcublas.so.10
7f03-7f04 r-xp 00000000 08:01 4 /usr/lib/libcudnn_ops_infer.so.8.9.1
7f04-7f05 r-xp 00000000 08:01 5 /usr/lib/libcufft.so
7f05-7f06 r-xp 00000000 08:01 6 /usr/lib/mylibcusolver.so.11
7f06-7f07 r-xp 00000000 08:01 7 /usr/lib/libcurand.so.10.3.2 (deleted)
"""


@pytest.mark.parametrize(
    "name, version",
    [
        ("cudart", "10.1.243"),
        ("cudnn", "7.6.5"),
        ("cublas", "10"),
        ("curand", "10.3.2"),
        ("cudnn_ops_infer", "8.9.1"),
        ("cufft", None),
        ("cusolver", None),
        ("cuda", None),
        ("cud.rt", None),
    ],
)
def test_library_version(name, version):
    assert detect.library_version(name, MAPS) == version


def test_library_version_where_none_is_loaded():
    assert detect.library_version("cudart", "") is None


def test_lines():
    cpu = Device("CPU", "8 threads", "2.21.0")
    assert cpu.line() == "CPU, 8 threads (TensorFlow 2.21.0)"
    gpu = Device("GPU", "Tesla V100, 15.9 GB", "1.14.0", "10.0.130", "7.6.5")
    assert gpu.line() == (
        "GPU, Tesla V100, 15.9 GB (TensorFlow 1.14.0, CUDA 10.0.130, cuDNN 7.6.5)"
    )
    unknown = Device("GPU", "Tesla V100", "1.14.0")
    assert unknown.line() == (
        "GPU, Tesla V100 (TensorFlow 1.14.0, CUDA unknown, cuDNN unknown)"
    )


# The device


def found(monkeypatch, *devices):
    monkeypatch.setattr(device_lib, "list_local_devices", lambda *_: list(devices))
    return detect.find_device()


CPU = SimpleNamespace(device_type="CPU", physical_device_desc="", memory_limit=2**28)
XLA = SimpleNamespace(
    device_type="XLA_GPU", physical_device_desc="device: XLA", memory_limit=1
)
GPU = SimpleNamespace(
    device_type="GPU", physical_device_desc=V100, memory_limit=15864515789
)


@pytest.mark.parametrize("devices", [[CPU], [CPU, XLA]])
def test_without_a_gpu(monkeypatch, devices):
    monkeypatch.setattr(backend, "physical_cores", lambda: 5)
    device = found(monkeypatch, *devices)
    same = determinism.guarantee("CPU", 5, tf.__version__, has_switch())
    assert device == Device("CPU", "5 threads", tf.__version__, determinism=same)


def has_switch():
    return hasattr(tf.compat, "v2") and hasattr(
        tf.compat.v2.config.experimental, "enable_op_determinism"
    )


def test_one_thread_is_exact(monkeypatch):
    monkeypatch.setattr(device_lib, "list_local_devices", lambda *_: [CPU])
    one = detect.find_device(1)
    assert one.determinism == "bit for bit (CPU, one thread)"
    assert one.description == "1 thread"
    two = detect.find_device(2).determinism
    assert two.startswith(
        "not guaranteed (CPU, 2 threads, TensorFlow " + tf.__version__
    )
    assert ("with deterministic ops" in two) == has_switch()


def test_first_gpu(monkeypatch):
    other = SimpleNamespace(
        device_type="GPU", physical_device_desc="name: other", memory_limit=1
    )
    monkeypatch.setattr(detect, "_cuda_versions", lambda _: ("10.0", "7.6.5"))
    assert found(monkeypatch, CPU, XLA, GPU, other) == Device(
        "GPU",
        "Tesla V100-SXM2-16GB, 15.9 GB, compute capability 7.0",
        tf.__version__,
        "10.0",
        "7.6.5",
        "7.0",
        detect._targets(tf, "10.0"),
        determinism.guarantee("GPU", 1, tf.__version__, has_switch()),
    )


def test_versions_that_tensorflow_was_built_with():
    built = SimpleNamespace(
        sysconfig=SimpleNamespace(
            get_build_info=lambda: {"cuda_version": "12.5.1", "cudnn_version": "9"}
        )
    )
    assert detect._cuda_versions(built) == ("12.5.1", "9")
    for_cpu = SimpleNamespace(sysconfig=SimpleNamespace(get_build_info=dict))
    assert detect._cuda_versions(for_cpu) == (None, None)


def test_versions_of_the_libraries_in_use():
    """TensorFlow 1.14 does not say what it was built with."""
    if detect.find_device().kind == "GPU":
        pytest.skip("here a GPU's libraries are in use")
    silent = SimpleNamespace(sysconfig=SimpleNamespace())
    assert detect._cuda_versions(silent) == (None, None)


@pytest.mark.parametrize(
    "version, cuda, known",
    [("1.14.0", "10.0", True), ("1.14.0", None, True), ("1.15.5", "12.1", False)],
)
def test_what_tensorflow_1_was_built_for(version, cuda, known):
    """A later CUDA has GPUs of its own: somebody's own build."""
    silent = SimpleNamespace(sysconfig=SimpleNamespace(), __version__=version)
    assert bool(detect._targets(silent, cuda)) is known


def test_what_tensorflow_2_says_that_it_was_built_for():
    info = {"cuda_compute_capabilities": ["sm_60", "compute_90"]}
    for said, targets in ((info, ("sm_60", "compute_90")), ({}, ())):
        sysconfig = SimpleNamespace(get_build_info=lambda said=said: said)
        built = SimpleNamespace(sysconfig=sysconfig, __version__="2.21.0")
        assert detect._targets(built, "12") == targets


def test_device_of_this_machine():
    device = detect.find_device()
    assert device.kind == ("GPU" if tf.test.is_gpu_available() else "CPU")
    assert device.line().startswith(device.kind + ", ")
    assert "(TensorFlow %s" % tf.__version__ in device.line()


def test_sessions_put_what_has_no_gpu_kernel_on_the_cpu():
    assert backend.session_config().allow_soft_placement is True


# Threads, XLA, 16-bit types


@pytest.mark.parametrize("given, threads, at_once", [(1, 1, 1), (2, 2, 2), (7, 7, 2)])
def test_threads_that_are_asked_for(given, threads, at_once):
    config = backend.session_config(num_threads=given)
    assert config.intra_op_parallelism_threads == threads
    assert config.inter_op_parallelism_threads == at_once


def test_threads_by_default_are_the_physical_cores(monkeypatch):
    monkeypatch.setattr(backend, "physical_cores", lambda: 5)
    assert backend.session_config().intra_op_parallelism_threads == 5


def test_two_threads_of_a_core_are_one_core(tmp_path, monkeypatch):
    """CPUs 0 and 2 share a core; of CPU 5 the system tells nothing."""
    for cpu, siblings in ((0, "0,2"), (1, "1,3"), (2, "0,2"), (3, "1,3")):
        directory = tmp_path / ("cpu%d" % cpu)
        directory.mkdir()
        (directory / "thread_siblings_list").write_text(siblings + "\n")
    monkeypatch.setattr(backend, "_usable_cpus", lambda: {0, 1, 2, 5})
    assert backend.physical_cores(str(tmp_path) + "/cpu%d/") == 3


def test_the_device_question_leaves_the_threads_to_the_flag(root):
    """The first session of a process decides: here it is the one that asks."""
    script = (
        "import os\n"
        "from finetuning.device import backend\n"
        "backend.start()\n"
        "import tensorflow.compat.v1 as tf\n"
        "from finetuning.device import detect\n"
        "detect.find_device(40)\n"
        "with tf.Graph().as_default():\n"
        "    session = tf.Session(config=backend.session_config(40))\n"
        "    session.run(tf.matmul(tf.ones([9, 9]), tf.ones([9, 9])))\n"
        "print(len(os.listdir('/proc/self/task')))\n"
    )
    if not os.path.isdir("/proc/self/task"):
        pytest.skip("this system does not list a process's threads")
    out = subprocess.check_output([sys.executable, "-c", script], cwd=root)
    assert int(out) >= 40


def test_xla_only_where_it_is_asked_for():
    def level(**options):
        options = backend.session_config(**options).graph_options.optimizer_options
        return options.global_jit_level

    assert level() == tf.OptimizerOptions.DEFAULT
    assert level(xla=True) == tf.OptimizerOptions.ON_1


def cpuinfo(tmp_path, features):
    path = tmp_path / "cpuinfo"
    path.write_text("model name : some\nflags\t\t: fpu sse2 %s\n" % features)
    return str(path)


@pytest.mark.parametrize("feature", ["amx_bf16", "avx512_bf16", "bf16"])
def test_bfloat16_on_a_cpu_that_has_it(tmp_path, feature):
    device = detect.Device("CPU", "2 threads", "2.21.0")
    assert detect.short_type(device, cpuinfo(tmp_path, feature)) == "bfloat16"


def test_no_16_bits_on_another_cpu(tmp_path):
    device = detect.Device("CPU", "2 threads", "2.21.0")
    with pytest.raises(InputError, match="--precision=mixed: this CPU has no bfloat16"):
        detect.short_type(device, cpuinfo(tmp_path, "avx512f"))
    with pytest.raises(InputError, match="this CPU has no bfloat16"):
        detect.short_type(device, str(tmp_path / "none"))


def test_no_16_bits_on_a_cpu_under_tensorflow_1(tmp_path):
    device = detect.Device("CPU", "2 threads", "1.14.0")
    with pytest.raises(InputError, match="TensorFlow 1.14.0 has no 16-bit products"):
        detect.short_type(device, cpuinfo(tmp_path, "amx_bf16"))


@pytest.mark.parametrize("version", ["1.14.0", "2.21.0"])
def test_float16_on_a_gpu(version):
    assert detect.short_type(detect.Device("GPU", "any", version)) == "float16"


# Memory


@pytest.mark.parametrize(
    "message, line",
    [
        ("No room\nand more", "No room"),
        ("", "InternalError"),
        (
            "Graph execution error:\n\nDetected:\nNode: 'MatMul'\nBlas failed",
            "Blas failed",
        ),
        ("Graph execution error:\n", "Graph execution error:"),
    ],
)
def test_the_line_that_says_what_happened(message, line):
    assert failures.reason(tf.errors.InternalError(None, None, message)) == line


OOM = "OOM when allocating tensor with shape[9,9] and type float\nand more"


@pytest.mark.parametrize(
    "error",
    [
        tf.errors.ResourceExhaustedError(None, None, OOM),
        tf.errors.InternalError(None, None, "CUDA_ERROR_OUT_OF_MEMORY: out of memory"),
        tf.errors.InternalError(None, None, "failed: CUBLAS_STATUS_ALLOC_FAILED"),
        MemoryError(),
        MemoryError("Unable to allocate 9 GiB"),
    ],
)
def test_out_of_memory_says_what_was_under_way_and_what_to_try(error):
    with pytest.raises(InputError) as caught, failures.out_of_memory_errors(
        "all", "try less"
    ):
        raise error
    message = str(caught.value)
    assert message.startswith("out of memory in all: ")
    assert message.endswith("; try less")
    assert "\n" not in message


@pytest.mark.parametrize(
    "error",
    [
        tf.errors.ResourceExhaustedError(None, None, "x; No space left on device"),
        tf.errors.ResourceExhaustedError(None, None, "x; Too many open files"),
        tf.errors.InternalError(None, None, "Blas GEMM launch failed"),
        ValueError("OOM when"),
    ],
)
def test_other_errors_are_not_want_of_memory(error):
    with pytest.raises(type(error)) as caught, failures.out_of_memory_errors(
        "all", "x"
    ):
        raise error
    assert caught.value is error


@pytest.mark.parametrize(
    "error, line",
    [
        (tf.errors.ResourceExhaustedError(None, None, "full; why"), "out of memory or"),
        (tf.errors.PermissionDeniedError(None, None, "/x; Permission denied"), "/x; P"),
        (tf.errors.NotFoundError(None, None, "/x; No such file"), "/x; No such"),
        (tf.errors.UnimplementedError(None, None, "no 'gs' scheme"), "no 'gs' scheme"),
        (tf.errors.UnknownError(None, None, "within: InputError: a.tsv: bad"), "a.tsv"),
    ],
)
@pytest.mark.parametrize("of_files_alone", [False, True])
def test_errors_that_are_the_users(error, line, of_files_alone):
    told = pytest.raises(InputError)
    with told as caught, failures.tensorflow_errors(of_files_alone):
        raise error
    assert str(caught.value).startswith(line)


def test_errors_where_files_alone_are_dealt_with():
    error = tf.errors.FailedPreconditionError(None, None, "/x; Is a directory")
    told = pytest.raises(InputError)
    with told as caught, failures.tensorflow_errors(of_files_alone=True):
        raise error
    assert str(caught.value) == "a file cannot be reached: /x; Is a directory"
    passed_on = pytest.raises(tf.errors.FailedPreconditionError)
    with passed_on as caught, failures.tensorflow_errors():
        raise error
    assert caught.value is error


# Quiet


def test_native_errors_are_held_back(capfd):
    with backend.native_stderr_held_back():
        os.write(2, b"noise\n")
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "after\n"


def test_standard_output_is_not_held_back(capfd):
    with backend.native_stderr_held_back():
        os.write(1, b"shown\n")
    assert capfd.readouterr().out == "shown\n"


@pytest.mark.parametrize("error", [ValueError, ImportError, KeyboardInterrupt])
def test_native_errors_are_shown_after_all_if_python_raises(capfd, error):
    @backend.native_stderr_held_back()
    def failing():
        os.write(2, b"the cause\n")
        raise error

    with pytest.raises(error):
        failing()
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "the cause\nafter\n"


def test_no_file_is_left_open():
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        with backend.native_stderr_held_back():
            pass
    assert len(os.listdir("/proc/self/fd")) == before


def run_python(root, code, **environment):
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=root,
        env=dict(os.environ, **environment),
        capture_output=True,
    )
    return done.returncode, done.stdout.decode("utf-8"), done.stderr.decode("utf-8")


def test_start_is_quiet(root):
    code = (
        "import os; os.environ.pop('TF_CPP_MIN_LOG_LEVEL', None)\n"
        "from finetuning.device import backend\n"
        "backend.start()\n"
        "import tensorflow.compat.v1 as tf\n"
        "assert tf.logging.get_verbosity() == tf.logging.ERROR\n"
        "assert os.environ['TF_CPP_MIN_LOG_LEVEL'] == '2'\n"
        "from finetuning.device import detect\n"
        "print(detect.find_device().line())\n"
    )
    code, printed, errors = run_python(root, code)
    assert (code, errors) == (0, "")
    assert printed.count("\n") == 1


def test_start_keeps_the_users_log_level(root):
    code = (
        "import os, sys, types\n"
        "logging = types.SimpleNamespace(ERROR=1, set_verbosity=print)\n"
        "for name in ('tensorflow', 'tensorflow.compat', 'tensorflow.compat.v1'):\n"
        "    sys.modules[name] = types.ModuleType(name)\n"
        "    sys.modules[name].logging = logging\n"
        "    sys.modules[name].config = types.SimpleNamespace(experimental=None)\n"
        "    sys.modules[name].compat = None\n"
        "sys.modules['tensorflow'].compat = sys.modules['tensorflow.compat']\n"
        "sys.modules['tensorflow.compat'].v1 = sys.modules['tensorflow.compat.v1']\n"
        "from finetuning.device import backend\n"
        "backend.start()\n"
        "print(os.environ['TF_CPP_MIN_LOG_LEVEL'])\n"
    )
    result = run_python(root, code, TF_CPP_MIN_LOG_LEVEL="0")
    assert result == (0, "1\n0\n", "")
