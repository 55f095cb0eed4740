"""The command line of scripts/export.py."""

import os
import subprocess
import sys

import pytest

from scripts import export
from tests.support.paths import ROOT


def run(capsys, *arguments):
    """The exit status and what was written to standard output and error."""
    status = export.main(list(arguments))
    shown = capsys.readouterr()
    return status, shown.out, shown.err


@pytest.mark.parametrize("name", ["huggingface", "saved_model", "checkpoint"])
def test_an_export_says_how_to_use_it(finished_run, tmp_path, capsys, name):
    path = str(tmp_path / "export")
    arguments = ["--format=" + name, finished_run.directory, "--output=" + path]
    status, shown, errors = run(capsys, *arguments)
    assert (status, errors) == (0, "")
    first, _, *usage = shown.splitlines()
    prefix = os.path.join(finished_run.directory, "model.ckpt-15")
    assert first == "%s was exported to %s" % (prefix, path)
    assert any(path in line for line in usage)
    if name == "saved_model":  # The next export is its next version.
        assert os.listdir(path) == ["1"]
        return
    status, _, errors = run(capsys, *arguments)
    assert status == 2 and errors.count("\n") == 1
    assert "--output=%s exists and is not an empty directory" % path in errors


def test_nothing_of_tensorflow_is_shown(finished_run, tmp_path):
    """As where it was built for GPUs, and there is none."""
    script = os.path.join(ROOT, "scripts", "export.py")
    arguments = ["--format=saved_model", finished_run.directory]
    done = subprocess.run(
        [sys.executable, script, *arguments, "--output=%s" % (tmp_path / "export")],
        stderr=subprocess.PIPE,
        timeout=300,
    )
    assert (done.returncode, done.stderr) == (0, b"")


def test_the_latest_weights_are_not_taken_for_the_best(evaluated_run, tmp_path, capsys):
    out = ["--format=checkpoint", "--output=%s" % (tmp_path / "export")]
    status, shown, _ = run(capsys, evaluated_run.directory, *out)
    assert status == 0
    best = os.path.join(evaluated_run.directory, "best")
    assert "to export the best weights, pass %s" % best in shown
    out = ["--format=checkpoint", "--output=%s" % (tmp_path / "best")]
    assert "to export" not in run(capsys, best, *out)[1]


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["RUN"], "required: --format, --output"),
        (["RUN", "--format=onnx", "--output=x"], "invalid choice: 'onnx'"),
        (
            ["RUN", "--format=checkpoint", "--output=x", "--version=2"],
            "--version is a flag of --format=saved_model only",
        ),
        (
            ["RUN", "--format=saved_model", "--output=x", "--version=v2"],
            "argument --version: invalid int value: 'v2'",
        ),
        (["nowhere", "--format=checkpoint", "--output=x"], "nowhere: no checkpoint"),
        (
            ["RUN", "--format=checkpoint", "--output=gs://b"],
            "expected a local directory",
        ),
        (["RUN", "--format=checkpoint", "--output=RUN"], "is not an empty directory"),
        (["RUN", "--format=checkpoint", "--output=RUN/run.log/x"], "run.log"),
    ],
)
def test_errors_are_one_line(finished_run, capsys, arguments, message):
    run_dir = finished_run.directory
    status, _, errors = run(capsys, *(a.replace("RUN", run_dir) for a in arguments))
    assert status == 2 and errors.count("\n") == 1
    assert errors.startswith("ERROR: ") and message in errors
