"""What all tests share: the golden data, trained runs, and how long tests may take.

Tests over about ten seconds are marked `@pytest.mark.slow`; `make test` leaves them
out, `make test-slow` runs them. With `--short` their loops are shorter: see the fixture
`iterations`. The trained runs are described in `tests/support/shared_runs.py`.
"""

import json
import os
import signal
import sys

import numpy as np
import pytest

from tests.support import huggingface, shared_runs
from tests.support.paths import ROOT

# Seconds after which a test is taken to hang.
TEST_TIMEOUT = 1200


def pytest_addoption(parser):
    parser.addoption(
        "--short",
        action="store_true",
        help="fewer repetitions in slow tests",
    )


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol(item):
    """Makes a test that hangs, in its fixtures or itself, a test that fails."""

    def give_up(*_):
        raise TimeoutError("this test took more than %d seconds" % TEST_TIMEOUT)

    signal.signal(signal.SIGALRM, give_up)
    signal.alarm(TEST_TIMEOUT)
    yield
    signal.alarm(0)


@pytest.fixture(scope="session", autouse=True)
def default_signal_handlers():
    """Gives the signals that end a program their usual effect, here and in children.

    Under nohup or in the background, some of them are ignored at first.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_DFL)


@pytest.fixture(autouse=True)
def nondeterministic_ops_again():
    """Undoes the global TensorFlow setting that a run within the test makes."""
    yield
    config = sys.modules.get("tensorflow.python.framework.config")
    if hasattr(config, "disable_op_determinism"):
        config.disable_op_determinism()


@pytest.fixture(scope="session")
def root():
    return ROOT


@pytest.fixture(scope="session")
def iterations(request):
    """A function from a full and a short count to the one that applies."""

    def choose(full, short):
        return short if request.config.getoption("--short") else full

    return choose


@pytest.fixture
def session():
    """A session on a new graph, which is the default graph during the test."""
    import tensorflow.compat.v1 as tf

    with tf.Graph().as_default(), tf.Session() as session:
        yield session


# Trained runs


@pytest.fixture(scope="session")
def shared_tmp(tmp_path_factory):
    """A temporary directory that all workers of pytest-xdist share."""
    base = str(tmp_path_factory.getbasetemp())
    if os.environ.get("PYTEST_XDIST_WORKER"):
        base = os.path.dirname(base)
    path = os.path.join(base, "shared-runs")
    os.makedirs(path, exist_ok=True)
    return path


@pytest.fixture(scope="session")
def corpus_flags(shared_tmp):
    return shared_runs.once(shared_tmp, "corpus", shared_runs.corpus.write)


def _trained(shared_tmp, flags, make):
    found = shared_runs.once(
        shared_tmp, make.__name__, lambda directory: make(flags, directory)
    )
    return shared_runs.TrainedRun(*found)


@pytest.fixture(scope="session")
def finished_run(shared_tmp, corpus_flags):
    return _trained(shared_tmp, corpus_flags, shared_runs.finished)


@pytest.fixture(scope="session")
def evaluated_run(shared_tmp, corpus_flags):
    return _trained(shared_tmp, corpus_flags, shared_runs.evaluated)


@pytest.fixture(scope="session")
def interrupted_run(shared_tmp, corpus_flags):
    return _trained(shared_tmp, corpus_flags, shared_runs.interrupted)


# Data that is not part of the repository


@pytest.fixture(scope="session")
def shared_dir():
    """The directory of golden data, real data and checkpoints."""
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
    if sys.version_info >= (3, 8):
        pytest.skip("the original runs only on TensorFlow 1")
    return path


@pytest.fixture(scope="session")
def hf_python():
    """The Python of `make bench-env`, with torch and transformers."""
    return huggingface.python()
