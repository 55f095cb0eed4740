"""The facts about a machine that its measurements depend on.

  python -m benchmarks.timing.machine

prints as JSON what the interpreter's TensorFlow reports; see `ask_stack`.
"""

import json
import os
import platform
import subprocess
import sys

from benchmarks import ROOT
from finetuning.device import backend, detect
from finetuning.utils import errors


def describe():
    """Processor, cores, memory and system, in one line for people."""
    cpu = platform.processor() or "unknown processor"
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            names = [line for line in file if line.startswith("model name")]
        cpu = names[0].partition(":")[2].strip() if names else cpu
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return "%s, %d physical cores, %.0f GB of memory, %s" % (
        cpu,
        backend.physical_cores(),
        memory / 1e9,
        platform.platform(),
    )


def dtypes(kind, tensorflow="2"):
    """Names of the types in which a "CPU" or "GPU" multiplies fast, float32 first."""
    try:
        return ["float32", detect.short_type(detect.Device(kind, "", tensorflow))]
    except errors.InputError:
        return ["float32"]


def ask_stack(python):
    """Asks an interpreter which TensorFlow it has and what it runs on.

    Returns:
      Dictionary: python (path), tensorflow, kind ("CPU" or "GPU"), dtypes (of its
      products), line (for people); None if it has no TensorFlow that starts.
    """
    done = subprocess.run(
        [python, "-m", "benchmarks.timing.machine"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    return None if done.returncode else dict(json.loads(done.stdout), python=python)


def _describe_stack():
    import numpy

    device = detect.find_device()
    versions = (device.line(), platform.python_version(), numpy.__version__)
    return {
        "tensorflow": device.tensorflow,
        "kind": device.kind,
        "dtypes": dtypes(device.kind, device.tensorflow),
        "line": "%s, Python %s, NumPy %s" % versions,
    }


if __name__ == "__main__":
    json.dump(_describe_stack(), sys.stdout)
