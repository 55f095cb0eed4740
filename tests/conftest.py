"""What all tests share: the repository on the path, and the golden data, if there."""

import json
import os
import signal
import sys

import numpy as np
import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

# What one test may take, in seconds; the slowest needs a tenth of it on two cores.
PATIENCE = 1200


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol(item):
    """Makes a test that hangs, or what it sets up, a test that fails."""

    def give_up(*_):
        raise TimeoutError("this test took more than %d seconds" % PATIENCE)

    signal.signal(signal.SIGALRM, give_up)
    signal.alarm(PATIENCE)
    yield
    signal.alarm(0)


@pytest.fixture(scope="session", autouse=True)
def signals_as_usual():
    """Gives the signals that end a program their usual effect, here and in children.

    Where the tests run in the background or under nohup, they begin with some ignored.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_DFL)


@pytest.fixture(autouse=True)
def operations_as_usual():
    """Takes back what a run within the test's process has made of TensorFlow."""
    yield
    config = sys.modules.get("tensorflow.python.framework.config")
    if hasattr(config, "disable_op_determinism"):
        config.disable_op_determinism()


@pytest.fixture(scope="session")
def root():
    return ROOT


@pytest.fixture(scope="session")
def shared_dir():
    """The folder of golden data, real data and checkpoints; not part of the project."""
    path = os.environ.get("BERT_SHARED") or os.path.join(ROOT, "..", "shared")
    if not os.path.isdir(path):
        pytest.skip("needs ../shared (or $BERT_SHARED): golden data and checkpoints")
    return os.path.abspath(path)


@pytest.fixture(scope="session")
def golden(shared_dir):
    """A function from a file's stem to its arrays, with `meta` decoded."""

    def load(stem):
        with np.load(os.path.join(shared_dir, "golden", stem + ".npz")) as archive:
            arrays = dict(archive)
        if "meta" in arrays:
            arrays["meta"] = json.loads(str(arrays["meta"]))
        return arrays

    return load


@pytest.fixture(scope="session")
def original_dir():
    """A checkout of google-research/bert, given as `make test ORIGINAL=DIR`."""
    path = os.environ.get("BERT_ORIGINAL")
    if not path:
        pytest.skip("needs a checkout of the original: make test ORIGINAL=DIR")
    return path
