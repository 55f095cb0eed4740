"""Every program under scripts/ starts by its path and as a module."""

import os
import subprocess
import sys

import pytest

from tests.support.paths import ROOT

PROGRAMS = ["bert_page", "demo", "errors_page", "export", "fetch", "launch"]
PROGRAMS += ["make_submission", "predict", "report", "scores_page", "serve", "sweep"]


@pytest.mark.parametrize("as_module", [False, True])
@pytest.mark.parametrize("name", PROGRAMS)
def test_help(name, as_module, tmp_path):
    """Help does not import TensorFlow, whose name -X importtime would print."""
    path = os.path.join(ROOT, "scripts", name + ".py")
    start = ["-m", "scripts." + name] if as_module else [path]
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *start, "--help"],
        capture_output=True,
        text=True,
        cwd=ROOT if as_module else str(tmp_path),
        env=dict(os.environ, COLUMNS="80"),
    )
    assert done.returncode == 0, done.stderr
    assert "usage: %s" % name in done.stdout
    assert " tensorflow" not in done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 80
