"""A self-test that multiplies two matrices on the device before anything else runs."""

import os

import numpy as np
import tensorflow.compat.v1 as tf

from encoder import layers
from encoder.compiling import compiled
from finetuning.device import backend, failures, gpu_support
from finetuning.utils.errors import InputError

# Rows, inner width and columns of the test product.
_SHAPE = (192, 320, 256)
# Its largest accepted error, relative to its norm. Correct products have about 1e-7 in
# float32, 3e-4 in float16 and TensorFloat-32, and 2e-3 in bfloat16.
_TOLERANCES = {"float32": 1e-5, "float16": 1e-3, "bfloat16": 6e-3}
# The largest accepted error of a norm and its gradient, relative to the row's largest
# number. TensorFlow's kernels for CPUs have 2e-7.
_NORM_TOLERANCE = 1e-5
# Paths that show that a machine has a GPU of NVIDIA's; the last one is under Windows.
_GPU_TRACES = ("/proc/driver/nvidia/gpus", "/dev/nvidia0", "/dev/dxg")


def check_device(device, types=("float32",), num_threads=0):
    """Checks that the device is supported and multiplies correctly in each type.

    Args:
      device: `detect.Device`.
      types: names of types, such as "float16".
      num_threads: see `backend.session_config`.

    Returns:
      List of warnings about the device.

    Raises:
      InputError: this TensorFlow was not built for the device, or a product fails or
        differs from numpy's.
    """
    warnings = []
    if device.kind == "GPU":
        name = device.description.split(",")[0]
        problem = gpu_support.problem(
            name, device.capability, device.targets, device.tensorflow
        )
        if problem:
            raise InputError(problem)
        warnings.append(gpu_support.note(device.capability, device.targets))
    elif has_unused_gpu():
        warnings.append(
            gpu_support.unused(tf.test.is_built_with_cuda(), device.tensorflow)
        )
    for name in types:
        _check_product(device, name, num_threads)
    return [warning for warning in warnings if warning]


def has_unused_gpu(traces=_GPU_TRACES):
    """Whether the system has a GPU that the user has not hidden from TensorFlow."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None and visible.strip() in ("", "-1", "none", "NoDevFiles"):
        return False
    return any(os.path.exists(trace) for trace in traces)


def _check_product(device, name, num_threads):
    rows, inner, columns = _SHAPE
    random = np.random.RandomState(0)
    left = random.randn(rows, inner).astype(np.float32)
    right = random.randn(inner, columns).astype(np.float32)
    advice = "this machine or its TensorFlow installation is broken; reinstall it"
    if device.kind == "GPU":
        advice = (
            "do not trust this device: check the driver and TensorFlow's CUDA "
            'libraries, or run on the CPU with CUDA_VISIBLE_DEVICES=""'
        )
    try:
        product = _multiply(device, left, right, name, num_threads)
    except Exception as error:  # Mismatched libraries raise all kinds of errors.
        raise InputError(
            "%s: a matrix product in %s failed: %s; %s"
            % (device.line(), name, failures.reason(error), advice)
        ) from None
    expected = left.astype(np.float64).dot(right)
    error = np.linalg.norm(product - expected) / np.linalg.norm(expected)
    if not error <= _TOLERANCES[name]:  # Also refuses NaN.
        raise InputError(
            "%s: a matrix product in %s has a relative error of %.2g, expected at most "
            "%.2g; %s" % (device.line(), name, error, _TOLERANCES[name], advice)
        )


def _multiply(device, left, right, name, num_threads):
    """Multiplies two float32 matrices in a type on the device; returns float32."""
    dtype = tf.as_dtype(name)

    def multiply(left, right):
        product = tf.matmul(tf.cast(left, dtype), tf.cast(right, dtype))
        return tf.cast(product, tf.float32)

    return _run_on(device, num_threads, multiply, left, right)


def check_xla(device, num_threads=0):
    """Checks that XLA can compile for the device.

    Args:
      device: `detect.Device`.
      num_threads: see `backend.session_config`.

    Raises:
      InputError: it cannot: this TensorFlow was built without it, say, or it does not
        find CUDA's compiler.
    """

    def function(rows):
        return compiled(lambda: [tf.tanh(tf.matmul(rows, rows))])[0]

    try:
        _run_on(device, num_threads, function, np.eye(2, dtype=np.float32))
    except Exception as error:  # Mismatched libraries raise all kinds of errors.
        raise InputError(
            "--xla=true: XLA cannot compile for %s: %s; omit the flag"
            % (device.line(), failures.reason(error))
        ) from None


def has_row_norm(device, num_threads=0):
    """Whether `layers.RowNorm` works on the device, and is as exact as its other ops.

    Args:
      device: `detect.Device`.
      num_threads: see `backend.session_config`.
    """
    random = np.random.RandomState(0)
    scales = np.logspace(-1, 1, _SHAPE[0])[:, np.newaxis]
    rows = (scales * (1.0 + random.randn(*_SHAPE[:2]))).astype(np.float32)
    upstream = random.randn(*rows.shape).astype(np.float32)

    def normalize(rows, upstream):
        ones, zeros = tf.ones(rows.shape[1]), tf.zeros(rows.shape[1])
        normed = layers.RowNorm(rows[:, 0]).normalize(rows, ones, zeros)
        return tf.stack([normed, *tf.gradients(normed, rows, upstream)])

    try:
        computed = _run_on(device, num_threads, normalize, rows, upstream)
    except Exception:  # Mismatched libraries raise all kinds of errors.
        return False
    expected = np.stack(_norm_and_gradient(rows.astype(np.float64), upstream))
    largest = np.abs(expected).max(axis=2, keepdims=True)
    return bool(np.all(np.abs(computed - expected) <= _NORM_TOLERANCE * largest))


def _norm_and_gradient(rows, upstream):
    """The formula of `layers.layer_norm` and its derivative, in numpy."""
    centred = rows - rows.mean(1, keepdims=True)
    inverse = 1 / np.sqrt((centred**2).mean(1, keepdims=True) + 1e-12)
    normed = centred * inverse
    along = normed * (upstream * normed).mean(1, keepdims=True)
    return normed, (upstream - upstream.mean(1, keepdims=True) - along) * inverse


def _run_on(device, num_threads, function, *arrays):
    """The value of a function of tensors, computed on the device."""
    with tf.Graph().as_default(), tf.device("/%s:0" % device.kind.lower()):
        # Placeholders, because constants would be computed with on the CPU.
        inputs = [tf.placeholder(tf.float32, array.shape) for array in arrays]
        outputs = function(*inputs)
        with tf.Session(config=backend.session_config(num_threads)) as session:
            return session.run(outputs, dict(zip(inputs, arrays)))
