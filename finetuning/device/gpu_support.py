"""Whether a GPU, by its compute capability, is one that this TensorFlow was built for.

What a capability means: https://docs.nvidia.com/cuda/cuda-c-programming-guide/, chapter
"Compute Capabilities"; which compiled code runs on which GPU: chapter "Binary
Compatibility" and "PTX Compatibility" there.
"""

import re

_ON_CPU = 'run on the CPU with CUDA_VISIBLE_DEVICES="" in the environment'
# What each stack's wheels serve.
_TF1 = "TensorFlow 1.14 (requirements-tf1.txt) serves 3.5 to 7.5"
_TF2 = "TensorFlow 2 (requirements-tf2.txt) serves 6.0 and newer"
_SERVED_BY_TF1 = ((3, 5), (7, 5))
_SERVED_BY_TF2 = (6, 0)


def parse(text):
    """A capability such as "7.5" as a pair of ints; None where it is none."""
    match = re.match(r"(\d+)\.(\d+)$", text or "")
    return (int(match.group(1)), int(match.group(2))) if match else None


def problem(name, capability, targets, tensorflow):
    """Why a GPU cannot do the work, in one line; None where nothing speaks against it.

    Args:
      name: the GPU's.
      capability: such as "7.5".
      targets: what TensorFlow was compiled for, such as "sm_70" (code for 7.0 and later
        7s), "compute_90" (code that 9.0 and all later ones compile at the start) or
        "8.0" (both); empty: not known.
      tensorflow: its version.
    """
    found = parse(capability)
    if found is None or not targets:
        return None
    if any(_runs(found, target) or _compiles(found, target) for target in targets):
        return None
    advice = [text for serves, text in _stacks(found) if serves]
    return (
        "the GPU %s has compute capability %s, and TensorFlow %s was built for %s: its "
        "results would be wrong or none; %s, or %s"
        % (
            name,
            capability,
            tensorflow,
            ", ".join(targets),
            " and ".join(advice) or "no stack of this program serves it",
            _ON_CPU,
        )
    )


def note(capability, targets):
    """A line on a GPU for which everything is compiled at the first start, or None."""
    found = parse(capability)
    if found is None or any(_runs(found, target) for target in targets):
        return None
    if not any(_compiles(found, target) for target in targets):
        return None
    return (
        "This TensorFlow has no code for compute capability %s: that for older GPUs is "
        "compiled at the first start, which can take minutes; "
        "CUDA_CACHE_MAXSIZE=4294967296 in the environment keeps it" % capability
    )


def unused(built_with_cuda, tensorflow):
    """What to say where the machine has a GPU and TensorFlow finds none."""
    if not built_with_cuda:
        package = '"tensorflow[and-cuda]" (requirements-tf2.txt)'
        if tensorflow.startswith("1."):
            package = "tensorflow-gpu in its place (requirements-tf1.txt)"
        reason = "this one was built without CUDA: install %s" % package
    else:
        reason = (
            "the CUDA libraries that it wants are missing (TensorFlow 2: install "
            '"tensorflow[and-cuda]"), the driver is too old, or the GPU is: %s, %s; '
            "TF_CPP_MIN_LOG_LEVEL=0 in the environment shows which" % (_TF1, _TF2)
        )
    return (
        "THE GPU IS NOT USED: this machine has one, and TensorFlow %s finds none, so "
        'the CPU does the work; %s; CUDA_VISIBLE_DEVICES="" says that this is wanted'
        % (tensorflow, reason)
    )


def _stacks(found):
    """Pairs of whether a stack's wheels serve a capability, and the words for it."""
    least, most = _SERVED_BY_TF1
    return (least <= found <= most, _TF1), (found >= _SERVED_BY_TF2, _TF2)


def _runs(found, target):
    """Whether there is code for this GPU: of its major version, no later minor."""
    of = _number(target)
    is_code = not target.startswith("compute_")
    return is_code and of is not None and of[0] == found[0] and of <= found


def _compiles(found, target):
    """Whether there is code that this GPU's driver can compile."""
    of = _number(target)
    is_source = not target.startswith("sm_")
    return is_source and of is not None and of <= found


def _number(target):
    """(9, 0) of "sm_90", "compute_90" or "9.0"; None of anything else."""
    match = re.match(r"(?:sm_|compute_)(\d+)(\d)[af]?$", target)
    return (int(match.group(1)), int(match.group(2))) if match else parse(target)
