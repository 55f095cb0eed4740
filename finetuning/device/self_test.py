"""Whether the device computes right: tried before anything else is computed."""

import os

import numpy as np
import tensorflow.compat.v1 as tf

from finetuning.device import backend, failures, gpu_support
from finetuning.utils.errors import InputError

# Rows, inner width and columns of the product that a device is tried with.
_TRIED = (192, 320, 256)
# Its greatest error, as a fraction of its norm: float32 has some 1e-7, TensorFloat-32
# 3e-4; the 16-bit types 3e-4 and 2e-3.
_TOLERANCES = {"float32": 1e-5, "float16": 1e-3, "bfloat16": 6e-3}
# What shows that a machine has a GPU of NVIDIA's; the last of them under Windows.
_GPU_TRACES = ("/proc/driver/nvidia/gpus", "/dev/nvidia0", "/dev/dxg")


def check_device(device, types=("float32",), num_threads=0):
    """Tries whether the device computes right: one matrix product of each type.

    Args:
      device: `detect.Device`.
      types: names of the products' types.
      num_threads: see `backend.session_config`.

    Returns:
      Lines about what the user should know of the device, as a list.

    Raises:
      InputError: this TensorFlow was not built for the device, or a product fails or is
        not numpy's.
    """
    notes = []
    if device.kind == "GPU":
        name = device.description.split(",")[0]
        wrong = gpu_support.problem(
            name, device.capability, device.targets, device.tensorflow
        )
        if wrong:
            raise InputError(wrong)
        notes.append(gpu_support.note(device.capability, device.targets))
    elif has_unused_gpu():
        notes.append(
            gpu_support.unused(tf.test.is_built_with_cuda(), device.tensorflow)
        )
    for name in types:
        _check_product(device, name, num_threads)
    return [each for each in notes if each]


def has_unused_gpu(traces=_GPU_TRACES):
    """Whether the system shows a GPU that the user has not hidden from TensorFlow."""
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES")
    if hidden is not None and hidden.strip() in ("", "-1", "none", "NoDevFiles"):
        return False
    return any(os.path.exists(trace) for trace in traces)


def _check_product(device, name, num_threads):
    rows, inner, columns = _TRIED
    random = np.random.RandomState(0)
    left = random.randn(rows, inner).astype(np.float32)
    right = random.randn(inner, columns).astype(np.float32)
    advice = (
        "do not trust this device: check the driver and TensorFlow's CUDA libraries, "
        'or run on the CPU with CUDA_VISIBLE_DEVICES=""'
        if device.kind == "GPU"
        else "this machine or its TensorFlow is broken: set it up anew"
    )
    try:
        found = _product(device, left, right, name, num_threads)
    except Exception as error:  # Libraries that do not fit raise what they like.
        raise InputError(
            "%s: a matrix product in %s fails: %s; %s"
            % (device.line(), name, failures.reason(error), advice)
        ) from None
    expected = left.astype(np.float64).dot(right)
    error = np.linalg.norm(found - expected) / np.linalg.norm(expected)
    if not error <= _TOLERANCES[name]:  # Nor is it if it is not a number.
        raise InputError(
            "%s: a matrix product in %s is wrong by %.2g of its size, expected at most "
            "%.2g; %s" % (device.line(), name, error, _TOLERANCES[name], advice)
        )


def _product(device, left, right, name, num_threads):
    """The product of two float32 matrices, computed by the device in a type."""
    dtype = tf.as_dtype(name)
    with tf.Graph().as_default(), tf.device("/%s:0" % device.kind.lower()):
        # Fed: what is constant would be computed by the CPU.
        factors = [tf.placeholder(tf.float32, each.shape) for each in (left, right)]
        product = tf.matmul(*[tf.cast(each, dtype) for each in factors])
        product = tf.cast(product, tf.float32)
        with tf.Session(config=backend.session_config(num_threads)) as session:
            return session.run(product, dict(zip(factors, (left, right))))
