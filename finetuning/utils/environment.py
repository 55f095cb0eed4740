"""Whether this Python has the packages that the programs need.

Python 2.7 can read this module, and so it reports itself as the wrong Python.
"""

import os
import sys

_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
_PACKAGES = ("absl", "numpy", "scipy", "sklearn", "tensorflow", "tqdm")
_STACKS = ("tf1", "tf2")
_OLDEST = (3, 7)
_STATUS = 2


def require(*packages):
    """Ends the program in one line if this Python cannot run it.

    Programs call this before their other imports.

    Args:
      *packages: modules that the program needs; without any, those of a training run.
    """
    problem = _problem(packages or _PACKAGES)
    if problem is not None:
        sys.stderr.write(
            "ERROR: Python %d.%d (%s) %s; %s\n"
            % (sys.version_info[:2] + (sys.executable, problem, activation()))
        )
        sys.exit(_STATUS)


def _problem(packages):
    if sys.version_info < _OLDEST:
        return "is too old: 3.7 or later is needed"
    from importlib import util  # Python 2.7 does not have it.

    missing = [name for name in packages if util.find_spec(name) is None]
    if missing:
        return "has no " + ", ".join(missing)
    return None


def activation():
    """What makes the right Python the one that `python` starts, as a command."""
    scripts = [os.path.join(_ROOT, ".venv", n, "bin", "activate") for n in _STACKS]
    if os.getcwd() == _ROOT:
        scripts = [os.path.relpath(path) for path in scripts]
    commands = ["source " + path for path in scripts if os.path.exists(path)]
    if commands:
        return "activate the environment first: " + " or ".join(commands)
    return (
        "activate the environment first (conda activate bert-glue), or create one: see "
        "Install in README.md"
    )
