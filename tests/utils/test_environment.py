"""A Python that cannot run the programs says so in one line, and what to do."""

import glob
import os
import shutil
import subprocess
import sys

import pytest

from finetuning.utils import environment
from tests.support.paths import ROOT

PROGRAMS = ["run_classifier.py", "benchmarks/gpu_report.py"]
PROGRAMS += [
    "scripts/" + name
    for name in sorted(os.listdir(os.path.join(ROOT, "scripts")))
    if name.endswith(".py") and name not in ("__init__.py", "entry.py")
]
NEEDS_PACKAGES = ["run_classifier.py", "scripts/predict.py", "scripts/fetch.py"]


def old_pythons():
    """The Pythons before 3.7 of pyenv, or else of PATH."""
    pyenv = os.environ.get("PYENV_ROOT", os.path.expanduser("~/.pyenv"))
    found = glob.glob(os.path.join(pyenv, "versions", "[23].[67].*", "bin", "python"))
    found = found or [shutil.which(name) for name in ("python2.7", "python3.6")]
    return [path for path in found if path and "3.7." not in path]


@pytest.mark.parametrize("program", PROGRAMS)
def test_an_old_python(program):
    pythons = old_pythons()
    if not pythons:
        pytest.skip("needs a Python 2.7 or 3.6, on PATH or in pyenv")
    for python in pythons:
        refusal(python, program, "is too old: 3.7 or later is needed")


@pytest.mark.parametrize("program", NEEDS_PACKAGES)
def test_missing_packages(program, tmp_path):
    """A virtual environment without any package."""
    subprocess.run(
        [sys.executable, "-m", "venv", "--without-pip", str(tmp_path)], check=True
    )
    refusal(str(tmp_path / "bin" / "python"), program, "tqdm; activate the environment")


def refusal(python, program, expected):
    run = subprocess.run(
        [python, os.path.join(ROOT, program)],
        capture_output=True,
        check=False,
        env={"PYTHONDONTWRITEBYTECODE": "1"},
    )
    shown = run.stderr.decode("utf-8")
    assert run.returncode == 2, shown
    assert shown.startswith("ERROR: Python ") and shown.count("\n") == 1
    assert expected in shown
    assert run.stdout == b""


def test_the_environments_that_exist_are_named(tmp_path, monkeypatch):
    monkeypatch.setattr(environment, "_ROOT", str(tmp_path))
    assert "conda activate bert-glue" in environment.activation()
    script = tmp_path / ".venv" / "tf2" / "bin" / "activate"
    script.parent.mkdir(parents=True)
    script.touch()
    assert environment.activation().endswith("first: source %s" % script)
    monkeypatch.chdir(tmp_path)
    assert environment.activation().endswith(": source .venv/tf2/bin/activate")
