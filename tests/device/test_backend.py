"""Session options, TensorFlow's build, and messages that TensorFlow must not print."""

import os
import re
import subprocess
import sys
from types import SimpleNamespace

import pytest
import tensorflow.compat.v1 as tf

from finetuning.device import backend
from tests.support.paths import ROOT

IS_TF1 = tf.__version__.startswith("1.")
MAPS = """\
7f00-7f01 r-xp 00000000 08:01 1 /opt/conda/envs/tf/lib/libcudart.so.10.1.243
7f01-7f02 r-xp 00000000 08:01 2 /usr/lib/x86_64-linux-gnu/libcudnn.so.7.6.5
7f02-7f03 r-xp 00000000 08:01 3 /usr/lib/x86_64-linux-gnu/libcublas.so.10
7f03-7f04 r-xp 00000000 08:01 4 /usr/lib/libcudnn_ops_infer.so.8.9.1
7f04-7f05 r-xp 00000000 08:01 5 /usr/lib/libcufft.so
7f05-7f06 r-xp 00000000 08:01 6 /usr/lib/mylibcusolver.so.11
7f06-7f07 r-xp 00000000 08:01 7 /usr/lib/libcurand.so.10.3.2 (deleted)
"""


# Sessions


@pytest.mark.parametrize("given, threads, at_once", [(1, 1, 1), (2, 2, 2), (7, 7, 2)])
def test_threads_of_a_session(given, threads, at_once):
    config = backend.session_config(num_threads=given)
    assert config.intra_op_parallelism_threads == threads
    assert config.inter_op_parallelism_threads == at_once
    assert config.allow_soft_placement is True


def test_by_default_a_session_has_a_thread_for_each_physical_core(monkeypatch):
    monkeypatch.setattr(backend, "physical_cores", lambda: 5)
    assert backend.session_config().intra_op_parallelism_threads == 5


@pytest.mark.parametrize(
    "kind, threads, expected",
    [("CPU", 1, 1), ("CPU", 2, 2), ("CPU", 8, 2), ("GPU", 8, 1)],
)
def test_batches_in_flight(kind, threads, expected):
    assert backend.batches_in_flight(kind, threads) == expected


def test_two_threads_of_a_core_count_once(tmp_path, monkeypatch):
    """CPUs 0 and 2 share a core; the system tells nothing about CPU 5."""
    for cpu, siblings in ((0, "0,2"), (1, "1,3"), (2, "0,2"), (3, "1,3")):
        directory = tmp_path / ("cpu%d" % cpu)
        directory.mkdir()
        (directory / "thread_siblings_list").write_text(siblings + "\n")
    monkeypatch.setattr(backend, "_usable_cpus", lambda: {0, 1, 2, 5})
    assert backend.physical_cores(str(tmp_path) + "/cpu%d/") == 3


# What TensorFlow was built for


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
    assert backend.library_version(name, MAPS) == version


def test_tensorflow_2_tells_what_it_was_built_for(monkeypatch):
    info = {"cuda_version": "12.5.1", "cuda_compute_capabilities": ["sm_60", "sm_70"]}
    sysconfig = SimpleNamespace(get_build_info=lambda: info)
    monkeypatch.setattr(tf, "sysconfig", sysconfig)
    assert backend.gpu_build() == ("12.5.1", None, ("sm_60", "sm_70"))


@pytest.mark.parametrize(
    "cuda, is_official", [("10.0", True), (None, True), ("12.1", False)]
)
def test_tensorflow_1_does_not_tell(monkeypatch, cuda, is_official):
    monkeypatch.setattr(tf, "sysconfig", SimpleNamespace())
    versions = {"cudart": cuda, "cudnn": "7.6.5"}
    monkeypatch.setattr(backend, "library_version", lambda name, _: versions[name])
    assert backend.gpu_build()[:2] == (cuda, "7.6.5")
    assert ("sm_75" in backend.gpu_build()[2]) == is_official


# Messages


def test_native_messages_are_hidden_and_standard_output_is_not(capfd):
    before = len(os.listdir("/proc/self/fd"))
    with backend.muted_native_stderr():
        os.write(2, b"noise\n")
        os.write(1, b"shown\n")
    os.write(2, b"after\n")
    assert tuple(capfd.readouterr()) == ("shown\n", "after\n")
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize(
    "error, shown", [(ImportError, "the cause\n"), (KeyboardInterrupt, "")]
)
def test_native_messages_are_shown_if_python_fails(capfd, error, shown):
    @backend.muted_native_stderr()
    def fail():
        os.write(2, b"the cause\n")
        raise error

    with pytest.raises(error):
        fail()
    os.write(2, b"after\n")
    assert capfd.readouterr().err == shown + "after\n"


def test_the_users_log_level_is_kept(capfd, monkeypatch):
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "0")
    backend.start()
    assert os.environ["TF_CPP_MIN_LOG_LEVEL"] == "0"
    with backend.muted_native_stderr():
        os.write(2, b"wanted\n")
    assert capfd.readouterr().err == "wanted\n"


@pytest.mark.parametrize("given, expected", [(None, "0"), ("1", "1")])
def test_sessions_do_not_wait_for_a_gpu_unless_the_user_wants_it(
    monkeypatch, given, expected
):
    monkeypatch.setenv("TF_SYNC_ON_FINISH", given or "")
    if given is None:
        monkeypatch.delenv("TF_SYNC_ON_FINISH")
    backend.start()
    assert os.environ["TF_SYNC_ON_FINISH"] == expected


def test_tensorflow_reads_whether_to_wait(root):
    """No other effect of the variable shows without a GPU."""
    code = "import tensorflow.compat.v1 as tf; tf.Session().close()"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=root,
        env=dict(os.environ, TF_SYNC_ON_FINISH="maybe", TF_CPP_MIN_LOG_LEVEL="0"),
        capture_output=True,
        check=True,
    )
    assert re.search(b"TF_SYNC_ON_FINISH.* into bool: maybe", done.stderr)


def test_a_new_process_starts_quietly_with_the_threads_asked_for(root):
    """The first session of a process, here that of `find_device`, sets its threads."""
    code = (
        "import os; os.environ.pop('TF_CPP_MIN_LOG_LEVEL', None)\n"
        "from finetuning.device import backend, detect\n"
        "backend.start()\n"
        "import tensorflow.compat.v1 as tf\n"
        "assert tf.logging.get_verbosity() == tf.logging.ERROR\n"
        "print(detect.find_device(40).line())\n"
        "with tf.Graph().as_default():\n"
        "    session = tf.Session(config=backend.session_config(40))\n"
        "    session.run(tf.matmul(tf.ones([9, 9]), tf.ones([9, 9])))\n"
        "assert len(os.listdir('/proc/self/task')) >= 40\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=root,
        capture_output=True,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.count(b"\n") == 1


# oneDNN

STARTED = """
import os
import run_classifier
from finetuning.device import backend
backend.start()
print(os.environ["TF_ENABLE_ONEDNN_OPTS"], backend.uses_onednn())
"""
LIBRARIES = """
import os
import tensorflow  # Which sets variables of its own.
before = dict(os.environ)
import modeling, optimization, tokenization
from finetuning import classifier, model_session, predictor
assert dict(os.environ) == before
"""


def run_without_the_variable(root, code, **variables):
    environment = dict(os.environ, TF_CPP_MIN_LOG_LEVEL="3")
    environment.pop("TF_ENABLE_ONEDNN_OPTS", None)
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=root,
        env=dict(environment, **variables),
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.decode()


def test_importing_the_libraries_leaves_the_environment_alone(root):
    run_without_the_variable(root, LIBRARIES)


@pytest.mark.parametrize(
    "given, expected", [({}, "1"), ({"TF_ENABLE_ONEDNN_OPTS": "0"}, "0")]
)
def test_programs_compute_with_onednn_unless_the_user_decides(root, given, expected):
    shown = run_without_the_variable(root, STARTED, **given)
    # The wheels of TensorFlow 1 are built without it.
    is_used = expected == "1" and not tf.__version__.startswith("1.")
    assert shown.split() == [expected, str(is_used)]


def test_determinism_can_be_left_out_to_measure_its_cost(monkeypatch):
    calls = []
    monkeypatch.setattr(
        backend, "_determinism_switch", lambda _: lambda: calls.append(1)
    )
    backend.start(deterministic=False)
    assert calls == []
    backend.start()
    assert calls == [1]


def test_tensor_float_32_is_off_unless_it_is_enabled():
    if not backend.has_tensor_float_32():
        pytest.skip("TensorFlow 1 has no TensorFloat-32")
    is_enabled = tf.config.experimental.tensor_float_32_execution_enabled
    backend.set_tensor_float_32(True)
    assert is_enabled()
    backend.start()
    assert not is_enabled()


def test_programs_start_without_keras_and_can_import_it_later():
    """TensorFlow 2 imports it, and with it Matplotlib, which takes seconds."""
    program = (
        "import sys; from finetuning.device import backend; backend.start(); "
        "assert 'keras' not in sys.modules; assert 'matplotlib' not in sys.modules; "
        "import keras, scipy"
    )
    if IS_TF1:  # It has no package of this name.
        program = program.replace("import keras, ", "import ")
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)
