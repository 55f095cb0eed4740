"""The self-test of the device."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from encoder import layers
from finetuning import run
from finetuning.device import detect, self_test
from finetuning.device.detect import Device
from finetuning.flags.settings import Settings
from finetuning.utils.errors import InputError

IS_TF1 = tf.__version__.startswith("1.")
CPU = Device("CPU", "2 threads", "2.21.0")
TF2 = ("sm_60", "sm_70", "sm_80", "sm_89", "compute_90")


def gpu(capability="8.0", targets=TF2):
    return Device("GPU", "NVIDIA X, 40 GB", "2.21.0", "12", "9", capability, targets)


@pytest.fixture(autouse=True)
def no_unused_gpu(monkeypatch):
    monkeypatch.setattr(self_test, "has_unused_gpu", lambda: False)


@pytest.fixture
def use_product(monkeypatch):
    """A function that replaces the product of two matrices on the device."""

    def use(product):
        def multiply(device, left, right, name, num_threads):
            return product(left, right)

        monkeypatch.setattr(self_test, "_multiply", multiply)

    return use


def test_this_device_multiplies_correctly():
    device = detect.find_device()
    assert self_test.check_device(device) == []
    ones = np.ones((3, 2), np.float32)
    product = self_test._multiply(device, np.eye(3), ones, "float32", 0)
    np.testing.assert_array_equal(product, ones)


def test_xla_compiles_for_this_device():
    self_test.check_xla(detect.find_device())


def test_xla_that_cannot_compile_is_refused(monkeypatch):
    """As that of a TensorFlow which was built without it."""

    def compiled(build):
        build()
        raise tf.errors.InvalidArgumentError(None, None, "no XlaLaunch\nkernel")

    monkeypatch.setattr(self_test, "compiled", compiled)
    with pytest.raises(
        InputError, match="^--xla=true: .* no XlaLaunch.*omit the flag$"
    ):
        run.choose_compute_options(Settings(xla=True), CPU)


def test_this_device_multiplies_correctly_in_16_bits():
    device = detect.find_device()
    try:
        name = detect.short_type(device)
    except InputError:
        pytest.skip("this device has no fast 16-bit products")
    assert self_test.check_device(device, ("float32", name)) == []


@pytest.mark.parametrize("name", ["float16", "bfloat16"])
def test_the_rounding_of_16_bits_is_accepted_in_16_bits_only(use_product, name):
    """TensorFloat-32 rounds its factors like float16, and is refused as float32."""
    dtype = tf.as_dtype(name).as_numpy_dtype

    def product(left, right):
        left, right = [m.astype(dtype).astype(np.float32) for m in (left, right)]
        return left.dot(right).astype(dtype).astype(np.float32)

    use_product(product)
    self_test.check_device(CPU, (name,))
    with pytest.raises(InputError, match="product in float32 has a relative error"):
        self_test.check_device(CPU, ("float32",))


@pytest.mark.parametrize(
    "change",
    [
        lambda product: product * 1.0001,
        lambda product: product + np.eye(*product.shape) * 0.1,
        lambda product: product * np.nan,
        lambda product: product[::-1],
    ],
)
def test_a_wrong_product_is_refused(use_product, change):
    use_product(lambda left, right: change(left.dot(right)))
    with pytest.raises(InputError) as caught:
        self_test.check_device(gpu())
    message = str(caught.value)
    assert message.startswith("GPU, NVIDIA X, 40 GB (TensorFlow 2.21.0, CUDA 12, cuDNN")
    assert "a matrix product in float32 has a relative error of " in message
    assert "run on the CPU with CUDA_VISIBLE_DEVICES" in message


@pytest.mark.parametrize(
    "error",
    [
        tf.errors.InternalError(None, None, "Blas GEMM launch failed\nwith a.shape=2"),
        RuntimeError("Blas GEMM launch failed"),
    ],
)
def test_a_product_that_fails_is_refused(use_product, error):
    def product(*_):
        raise error

    use_product(product)
    with pytest.raises(InputError, match="float32 failed: Blas GEMM launch failed; do"):
        self_test.check_device(gpu())


def test_an_unsupported_gpu_is_refused_without_a_product(use_product):
    use_product(lambda *_: pytest.fail("a product is computed"))
    with pytest.raises(InputError, match="GPU NVIDIA X has compute capability 5.2"):
        self_test.check_device(gpu("5.2"))


def test_warnings(use_product, monkeypatch):
    use_product(np.dot)
    assert self_test.check_device(gpu("8.6")) == []
    (warning,) = self_test.check_device(gpu("9.0"))
    assert "compiles it on the first start" in warning
    monkeypatch.setattr(self_test, "has_unused_gpu", lambda: True)
    (warning,) = self_test.check_device(CPU)
    assert warning.startswith("THE GPU IS NOT USED")


@pytest.mark.skipif(IS_TF1, reason="TensorFlow 1.14 has no such norm on a CPU")
def test_the_norm_of_this_device_is_exact():
    assert self_test.has_row_norm(detect.find_device())


@pytest.mark.parametrize("factor", [1.0001, float("nan")])
def test_a_norm_that_is_wrong_is_not_used(monkeypatch, factor):
    def normalize(self, inputs, gamma, beta):
        return layers.layer_norm(inputs) * factor

    monkeypatch.setattr(layers.RowNorm, "normalize", normalize)
    assert not self_test.has_row_norm(detect.find_device())


def test_a_norm_that_fails_is_not_used(monkeypatch):
    def normalize(self, inputs, gamma, beta):
        with tf.control_dependencies([tf.assert_equal(inputs, 0.0)]):
            return tf.identity(inputs)

    monkeypatch.setattr(layers.RowNorm, "normalize", normalize)
    assert not self_test.has_row_norm(detect.find_device())


@pytest.mark.parametrize("works", [True, False])
def test_a_gpu_computes_with_few_ops(monkeypatch, works):
    monkeypatch.setattr(self_test, "has_row_norm", lambda *_: works)
    options = run.choose_compute_options(Settings(), gpu())
    assert (options.few_ops, options.fused_norm) == (True, works)
    options = run.choose_compute_options(Settings(), CPU)
    assert (options.few_ops, options.fused_norm) == (False, False)


@pytest.mark.parametrize(
    "visible, exists, unused",
    [
        (None, True, True),
        ("0", True, True),
        (None, False, False),
        ("", True, False),
        ("-1", True, False),
    ],
)
def test_whether_there_is_a_gpu_that_is_not_hidden(
    monkeypatch, tmp_path, visible, exists, unused
):
    monkeypatch.undo()
    if visible is None:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    else:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    trace = tmp_path / "nvidia0"
    if exists:
        trace.write_text("")
    assert self_test.has_unused_gpu((str(tmp_path / "other"), str(trace))) is unused


def test_a_run_tests_the_types_that_it_computes_in(monkeypatch):
    tested = []

    def check_device(device, types, num_threads):
        tested.append((list(types), num_threads))

    monkeypatch.setattr(self_test, "check_device", check_device)
    monkeypatch.setattr(detect, "short_type", lambda _: "bfloat16")
    run.choose_device(Settings(num_threads=1))
    run.choose_device(Settings(precision="mixed"))
    assert tested == [(["float32"], 1), (["float32", "bfloat16"], 0)]
