"""Workers that do not fit together end before the first step, each with one line."""

import os
import shutil
import socket
import sys
import time

import pytest

from tests.support import corpus, worker_runs
from tests.support.running import text, value
from tests.support.worker_processes import end_within, free_addresses
from tests.support.worker_runs import program

pytestmark = pytest.mark.slow

# By then all workers must have ended.
SECONDS = 30


@pytest.fixture
def outs(tmp_path):
    return [str(tmp_path / "out"), str(tmp_path / "out_1")]


@pytest.fixture
def flags(corpus_flags):
    return [*corpus_flags, "--do_train", "--do_eval", "--connect_timeout=5"]


def ended(flags, outs, **options):
    """What each worker wrote to standard error, which must be one line, and its status.

    Nothing may be written to the output directories.
    """
    with worker_runs.started(flags, outs, **options) as workers:
        begin = time.monotonic()
        statuses = end_within(workers, SECONDS)
        assert time.monotonic() - begin < SECONDS
    for worker in workers:
        assert worker.err.count("\n") == 1, worker.out + worker.err
        assert worker.err.startswith("ERROR: ")
        assert "Traceback" not in worker.out
    for out in outs:
        assert not os.path.exists(out)
    return [worker.err for worker in workers], statuses


def assert_differs(errors, statuses, what):
    """Worker 1 must be told what differs, and worker 0 that worker 1 differs."""
    assert errors[0] == errors[1]
    assert errors[1].startswith("ERROR: " + what)
    assert "on worker 1 (" in errors[1]
    assert statuses == [1, 2]


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("train.tsv", "the content of the training set differs: "),
        ("dev.tsv", "the content of the dev set differs: "),
    ],
)
def test_data_differ(flags, outs, tmp_path, name, what):
    data = shutil.copytree(value(flags, "data_dir"), str(tmp_path / "data"))
    lines = text(data, name).splitlines()
    corpus.write_lines(os.path.join(data, name), lines[:-1])
    errors, statuses = ended(flags, outs, own=[[], ["--data_dir=" + data]])
    assert_differs(errors, statuses, what)


@pytest.mark.parametrize(
    ("flag", "what"),
    [
        ("--learning_rate=1e-4", "--learning_rate differs: 0.0001 on worker 1 ("),
        ("--random_seed=12", "--random_seed differs: 12 on worker 1 ("),
        ("--do_eval=false", "--do_eval differs: False on worker 1 ("),
    ],
)
def test_flags_differ(flags, outs, flag, what):
    errors, statuses = ended(flags, outs, own=[[], [flag]])
    assert_differs(errors, statuses, what)


def test_tensorflow_differs(flags, outs):
    found = os.path.join(worker_runs.ROOT, ".venv", "tf%d", "bin", "python")
    other = found % (1 if sys.version_info >= (3, 8) else 2)
    if not os.path.exists(other):
        pytest.skip("needs the other environment, too: make env")
    commands = [program(), program(python=other)]
    errors, statuses = ended(flags, outs, commands=commands)
    assert_differs(errors, statuses, "TensorFlow's version differs: ")


@pytest.mark.parametrize("index", [0, 1])
def test_port_is_in_use(flags, outs, index):
    addresses = free_addresses(2)
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", int(addresses[index].split(":")[1])))
        sock.listen(1)
        errors, statuses = ended(flags, outs, addresses=addresses)
    assert "worker %d, %s, is in use" % (index, addresses[index]) in errors[index]
    assert statuses[index] == 2
    assert "worker %d (%s)" % (index, addresses[index]) in errors[1 - index]


def test_one_worker_is_missing(flags, outs):
    """Each is started alone, with another address for the other one."""
    for index in range(2):
        one = free_addresses(2)
        other = free_addresses(2)
        addresses = [one[0], other[1]]
        with worker_runs.started(flags, outs, addresses=addresses) as workers:
            workers[1 - index].kill()
            assert end_within(workers[index : index + 1], SECONDS) == [1]
        assert workers[index].err.count("\n") == 1
        expected = "worker %d (%s) " % (1 - index, addresses[1 - index])
        assert workers[index].err.startswith("ERROR: " + expected)


@pytest.mark.parametrize(
    ("flag", "says"),
    [
        ("--train_batch_size=9", "cannot be divided among 2 workers; use a multiple"),
        ("--accumulate_steps=3", "each of 2 workers; use one of 1, 2, 4, or another"),
    ],
)
def test_batch_that_cannot_be_divided(flags, outs, flag, says):
    errors, statuses = ended([*flags, flag], outs)
    assert statuses == [2, 2]
    for error in errors:
        assert error.startswith("ERROR: %s" % flag)
        assert says in error
