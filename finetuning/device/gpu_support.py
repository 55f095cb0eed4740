"""Whether this TensorFlow was built for a GPU of a given compute capability.

See "Compute Capabilities", "Binary Compatibility" and "PTX Compatibility" in
https://docs.nvidia.com/cuda/cuda-c-programming-guide/.
"""

import re

from finetuning.device import backend

_USE_CPU = 'run on the CPU with CUDA_VISIBLE_DEVICES="" in the environment'
# The capabilities that the wheels of each requirements file support.
_TF1 = "TensorFlow 1.14 (requirements-tf1.txt) supports 3.5 to 7.5"
_TF2 = "TensorFlow 2 (requirements-tf2.txt) supports 6.0 and newer"
_TF1_RANGE = ((3, 5), (7, 5))
_TF2_MIN = (6, 0)


def problem(name, capability, targets, tensorflow):
    """Returns one line on why a GPU cannot be used, or None.

    Args:
      name: the GPU's.
      capability: such as "7.5"; anything else counts as unknown, and None is returned.
      targets: what TensorFlow was compiled for, such as "sm_70" (code for 7.x from 7.0
        on), "compute_90" (code that every GPU from 9.0 on compiles when it starts) or
        "8.0" (both); empty: unknown, and None is returned.
      tensorflow: its version.
    """
    parsed = parse(capability)
    if parsed is None or not targets:
        return None
    if any(_runs(parsed, t) or _compiles(parsed, t) for t in targets):
        return None
    supported_by = []
    if _TF1_RANGE[0] <= parsed <= _TF1_RANGE[1]:
        supported_by.append(_TF1)
    if parsed >= _TF2_MIN:
        supported_by.append(_TF2)
    return (
        "the GPU %s has compute capability %s, but TensorFlow %s was built for %s: it "
        "would fail or give wrong results; %s, or %s"
        % (
            name,
            capability,
            tensorflow,
            ", ".join(targets),
            " and ".join(supported_by) or "no supported TensorFlow version can use it",
            _USE_CPU,
        )
    )


def note(capability, targets):
    """Returns a line if the GPU has to compile all code at the first start, or None."""
    parsed = parse(capability)
    if parsed is None or any(_runs(parsed, target) for target in targets):
        return None
    if not any(_compiles(parsed, target) for target in targets):
        return None
    return (
        "This TensorFlow has no compiled code for compute capability %s: the driver "
        "compiles it on the first start, which can take minutes; set "
        "CUDA_CACHE_MAXSIZE=4294967296 in the environment to cache the result"
        % capability
    )


def unused(built_with_cuda, tensorflow):
    """Returns the warning for a machine with a GPU that TensorFlow does not find."""
    if not built_with_cuda:
        package = '"tensorflow[and-cuda]" (requirements-tf2.txt)'
        if backend.is_tensorflow_1(tensorflow):
            package = "tensorflow-gpu instead (requirements-tf1.txt)"
        reason = "it was built without CUDA: install %s" % package
    else:
        reason = (
            "its CUDA libraries are missing (TensorFlow 2: install "
            '"tensorflow[and-cuda]"), the driver is too old, or the GPU is not '
            "supported: %s, %s; set TF_CPP_MIN_LOG_LEVEL=0 in the environment to "
            "see why" % (_TF1, _TF2)
        )
    return (
        "THE GPU IS NOT USED: this machine has one, but TensorFlow %s does not find it "
        'and runs on the CPU; %s; set CUDA_VISIBLE_DEVICES="" if this is intended'
        % (tensorflow, reason)
    )


def parse(text):
    """Returns a capability such as "7.5" as a pair of ints, or None if it is none."""
    match = re.match(r"(\d+)\.(\d+)$", text or "")
    return (int(match.group(1)), int(match.group(2))) if match else None


def _runs(capability, target):
    """Whether a target is machine code for a GPU: of its major version."""
    built_for = _parse_target(target)
    if built_for is None or target.startswith("compute_"):
        return False
    return built_for[0] == capability[0] and built_for <= capability


def _compiles(capability, target):
    """Whether a target is intermediate code that the driver of a GPU can compile."""
    built_for = _parse_target(target)
    if built_for is None or target.startswith("sm_"):
        return False
    return built_for <= capability


def _parse_target(target):
    """(9, 0) for "sm_90", "compute_90" or "9.0"; None for anything else."""
    match = re.match(r"(?:sm_|compute_)(\d+)(\d)[af]?$", target)
    return (int(match.group(1)), int(match.group(2))) if match else parse(target)
