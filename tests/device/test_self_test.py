"""The device is tried before anything is computed with it."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from finetuning.device import detect, self_test
from finetuning.device.detect import Device
from finetuning.utils.errors import InputError
from tests.support.running import Run, refused

CPU = Device("CPU", "2 threads", "2.21.0")
TF2 = ("sm_60", "sm_70", "sm_80", "sm_89", "compute_90")


def gpu(capability="8.0", targets=TF2):
    return Device("GPU", "NVIDIA X, 40 GB", "2.21.0", "12", "9", capability, targets)


@pytest.fixture(autouse=True)
def no_gpu_of_this_machine(monkeypatch):
    monkeypatch.setattr(self_test, "has_unused_gpu", lambda: False)


def multiply(change):
    """A stand-in for the device's product: the true one, changed."""

    def product(device, left, right, name, num_threads):
        del device, name, num_threads
        return change(left.dot(right))

    return product


def test_this_device_multiplies_right():
    device = detect.find_device()
    assert self_test.check_device(device) == []
    product = self_test._product(
        device, np.eye(3, dtype=np.float32), np.ones((3, 2)), "float32", 0
    )
    np.testing.assert_array_equal(product, np.ones((3, 2), np.float32))


def test_this_device_multiplies_in_16_bits():
    device = detect.find_device()
    try:
        name = detect.short_type(device)
    except InputError:
        pytest.skip("this device has no 16-bit products")
    assert self_test.check_device(device, ("float32", name)) == []


@pytest.mark.parametrize("name", ["float16", "bfloat16"])
def test_rounding_to_16_bits_is_right_in_16_bits_alone(monkeypatch, name):
    """TensorFloat-32 rounds its factors as float16 does, and is not float32."""
    dtype = tf.as_dtype(name).as_numpy_dtype

    def product(device, left, right, name, num_threads):
        left, right = [each.astype(dtype).astype(np.float32) for each in (left, right)]
        return left.dot(right).astype(dtype).astype(np.float32)

    monkeypatch.setattr(self_test, "_product", product)
    self_test.check_device(CPU, (name,))
    with pytest.raises(InputError, match="a matrix product in float32 is wrong by"):
        self_test.check_device(CPU, ("float32",))


@pytest.mark.parametrize(
    "change",
    [
        lambda right: right * 1.0001,
        lambda right: right + np.eye(*right.shape) * 0.1,
        lambda right: right * np.nan,
        lambda right: right * 0,
        lambda right: right[::-1],
    ],
)
def test_a_product_that_is_wrong(monkeypatch, change):
    monkeypatch.setattr(self_test, "_product", multiply(change))
    with pytest.raises(InputError) as caught:
        self_test.check_device(gpu())
    message = str(caught.value)
    assert message.startswith("GPU, NVIDIA X, 40 GB (TensorFlow 2.21.0, CUDA 12, cuDNN")
    assert "a matrix product in float32 is wrong by " in message
    assert "run on the CPU with CUDA_VISIBLE_DEVICES" in message
    assert "\n" not in message


@pytest.mark.parametrize(
    "error",
    [
        tf.errors.InternalError(None, None, "Blas GEMM launch failed\nwith a.shape=2"),
        RuntimeError("Blas GEMM launch failed"),
    ],
)
def test_a_product_that_fails(monkeypatch, error):
    def product(*_):
        raise error

    monkeypatch.setattr(self_test, "_product", product)
    with pytest.raises(InputError) as caught:
        self_test.check_device(gpu())
    message = str(caught.value)
    assert (
        "a matrix product in float32 fails: Blas GEMM launch failed; do not" in message
    )


def test_a_gpu_that_this_tensorflow_was_not_built_for_is_not_tried(monkeypatch):
    def product(*_):
        raise AssertionError

    monkeypatch.setattr(self_test, "_product", product)
    with pytest.raises(
        InputError, match="^the GPU NVIDIA X has compute capability 5.2"
    ):
        self_test.check_device(gpu("5.2"))


def test_a_gpu_whose_code_is_compiled_at_the_start_is_tried(monkeypatch):
    monkeypatch.setattr(self_test, "_product", multiply(lambda right: right))
    (note,) = self_test.check_device(gpu("9.0"))
    assert "compiled at the first start" in note
    assert self_test.check_device(gpu("8.6")) == []


def test_a_gpu_that_is_not_used_is_said(monkeypatch):
    monkeypatch.setattr(self_test, "has_unused_gpu", lambda: True)
    (note,) = self_test.check_device(CPU)
    assert note.startswith("THE GPU IS NOT USED")


@pytest.mark.parametrize(
    "visible, there, unused",
    [
        (None, True, True),
        ("0", True, True),
        (None, False, False),
        ("", True, False),
        ("-1", True, False),
    ],
)
def test_whether_a_gpu_is_there_and_not_hidden(
    monkeypatch, tmp_path, visible, there, unused
):
    monkeypatch.undo()
    if visible is None:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    else:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    trace = tmp_path / "nvidia0"
    if there:
        trace.write_text("")
    assert self_test.has_unused_gpu((str(tmp_path / "other"), str(trace))) is unused


# As the user meets it


COMMAND = ["--task_name=MRPC", "--do_eval", "--data_dir=/nowhere", "--vocab_file=v"]
COMMAND += ["--bert_config_file=c", "--output_dir=/nowhere/out"]


def test_the_device_comes_before_the_files(monkeypatch):
    monkeypatch.setattr(self_test, "_product", multiply(lambda right: right * 2))
    assert "a matrix product in float32 is wrong" in refused(COMMAND)
    monkeypatch.setattr(self_test, "_product", multiply(lambda right: right))
    assert "--data_dir=/nowhere is not a directory" in refused(COMMAND)


def test_the_types_that_the_run_computes_in_are_tried(monkeypatch):
    tried = []

    def check_device(device, types, num_threads):
        tried.append((tuple(types), num_threads))
        return []

    monkeypatch.setattr(self_test, "check_device", check_device)
    monkeypatch.setattr(detect, "short_type", lambda _: "bfloat16")
    Run([*COMMAND, "--num_threads=1"])
    Run([*COMMAND, "--precision=mixed"])
    assert tried == [(("float32",), 1), (("float32", "bfloat16"), 0)]
