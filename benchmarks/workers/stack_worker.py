"""A worker that reports what its TensorFlow is and runs on, and writes weights.

Its facts: tensorflow (version), dtypes (in which its products are fast), hf_dtypes (in
which Hugging Face's are), line (for the report). A request contains path (of the
file) and shape (of the model).
"""

import dataclasses
import platform

import numpy as np

from benchmarks.timing import examples
from benchmarks.workers import serving
from finetuning.device import detect
from finetuning.utils.errors import InputError


def set_up(spec):
    del spec
    device = detect.find_device()
    versions = (device.line(), platform.python_version(), np.__version__)
    facts = {
        "tensorflow": device.tensorflow,
        "dtypes": _fast_types(device),
        "hf_dtypes": _fast_types(dataclasses.replace(device, tensorflow="2")),
        "line": "%s, Python %s, NumPy %s" % versions,
    }
    return facts, write_weights


def _fast_types(device):
    try:
        return ["float32", detect.short_type(device)]
    except InputError:
        return ["float32"]


def write_weights(path, shape):
    np.savez(path, **examples.random_weights(shape))


if __name__ == "__main__":
    serving.serve(set_up)
