"""What a figure was measured on: processor, memory, GPU, versions.

Run as a program, prints as JSON what one interpreter's TensorFlow says of itself.
"""

import json
import os
import platform
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
sys.path.insert(0, ROOT)

from finetuning.device import backend, detect  # noqa: E402
from finetuning.run_info import provenance  # noqa: E402
from finetuning.utils import errors  # noqa: E402


def describe():
    """Dictionary of what is the same for all programs on this machine."""
    return {
        "cpu": _cpuinfo("model name") or platform.processor() or "unknown",
        "cores": backend.physical_cores(),
        "bfloat16": short_type("CPU") is not None,
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "system": platform.platform(),
        "revision": provenance.git_revision(),
    }


def line(machine):
    """`describe`'s result in one line, for people."""
    return "%s, %d physical cores%s, %.0f GB of memory, %s" % (
        machine["cpu"],
        machine["cores"],
        " with bfloat16" if machine["bfloat16"] else "",
        machine["memory_bytes"] / 1e9,
        machine["system"],
    )


def short_type(kind, tensorflow="2"):
    """The name of the 16-bit type that a "CPU" or "GPU" multiplies fast, or None."""
    try:
        return detect.short_type(detect.Device(kind, "", tensorflow))
    except errors.InputError:
        return None


def ask_stack(python):
    """What an interpreter's TensorFlow is and runs on.

    Returns:
      Dictionary: python (path), tensorflow, numpy, python_version, kind ("CPU" or
      "GPU"), short_type (of its products), device (for people); None where there is no
      TensorFlow.
    """
    done = subprocess.run(
        [python, os.path.abspath(__file__)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    if done.returncode:
        return None
    return dict(json.loads(done.stdout), python=python)


def _describe_stack():
    import numpy

    device = detect.find_device()
    return {
        "tensorflow": device.tensorflow,
        "numpy": numpy.__version__,
        "python_version": platform.python_version(),
        "kind": device.kind,
        "short_type": short_type(device.kind, device.tensorflow),
        "device": device.line(),
    }


def _cpuinfo(key):
    if not os.path.exists("/proc/cpuinfo"):
        return ""
    for row in _read("/proc/cpuinfo").split("\n"):
        name, _, value = row.partition(":")
        if name.strip() == key:
            return value.strip()
    return ""


def _read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


if __name__ == "__main__":
    print(json.dumps(_describe_stack()))
