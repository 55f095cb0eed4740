"""The control connection, between real processes."""

import os
import signal
import time

import numpy as np
import pytest

from finetuning.workers import cluster, ending
from tests.support.worker_processes import LOST, end_within, free_addresses, started

READY = "workers.broadcast(); log.info('ready')\n"
# What the workers do when one of them is lost.
ELSEWHERE = READY + "time.sleep(60)"
WAITING = READY + "workers.index == %d and time.sleep(60)\n"
WAITING += "workers.gather(); workers.broadcast()"


def test_values_and_arrays_reach_all():
    script = """
value, arrays = workers.broadcast(
    {"seed": (1, None, "é", float("inf"))} if workers.is_chief else 0,
    [np.arange(6, dtype=np.int64).reshape(2, 3).T, np.float16(0.5), np.zeros((0, 2))],
)
assert value == {"seed": [1, None, "é", float("inf")]}, value
assert [a.tolist() for a in arrays] == [[[0, 3], [1, 4], [2, 5]], 0.5, []]
assert [(a.dtype.name, a.shape) for a in arrays[1:]] == [
    ("float16", ()), ("float64", (0, 2))
]
found = workers.gather({"me": workers.index}, [np.full(2, workers.index)])
if workers.is_chief:
    assert [value["me"] for value, _ in found] == [0, 1, 2]
    assert [arrays[0].tolist() for _, arrays in found] == [[0, 0], [1, 1], [2, 2]]
else:
    assert found is None
assert workers.count == 3 and workers.address_of(workers.index)[0] == "127.0.0.1"
"""
    with started(script, 3) as workers:
        assert end_within(workers) == [0, 0, 0], [worker.err for worker in workers]
        assert [worker.err for worker in workers] == [""] * 3


def test_large_arrays():
    script = """
large = np.arange(50_000_000, dtype=np.float32)  # 200 MB
_, (found,) = workers.broadcast(0, [large] if workers.is_chief else [])
assert np.array_equal(found, large)
gathered = workers.gather(0, [found])
assert gathered is None or np.array_equal(gathered[1][1][0], large)
"""
    with started(script) as workers:
        assert end_within(workers, 60) == [0, 0], [worker.err for worker in workers]


def test_alone():
    alone = cluster.Alone()
    with alone:
        arrays = (np.ones(2),)
        assert alone.gather((1,), arrays) == [([1], list(arrays))]
        assert alone.broadcast((1,), arrays) == ([1], list(arrays))
        alone.agree({"a": 1})
        alone.check_error(ValueError())
    assert alone.is_chief and alone.count == 1


def test_differences_end_all_workers():
    script = """
rate = [1, 1, 2, 3][workers.index]
workers.agree({"version": "1", "--learning_rate": rate, "--seed": rate})
"""
    addresses = free_addresses(4)
    with started(script, 4, addresses) as workers:
        assert end_within(workers) == [1, 1, 2, 2]
        line = (
            "ERROR: --learning_rate differs: %d on worker %d (%s), 1 on worker 0 (%s) "
            "(--seed differs, too); make it the same on all workers and start them "
            "again\n"
        )
        lines = [line % (k, k, addresses[k], addresses[0]) for k in (2, 3)]
        assert [worker.err for worker in workers] == [lines[0]] * 3 + lines[1:]


@pytest.mark.parametrize("seeds, is_same", [("[7, None]", True), ("[None, 7]", False)])
def test_what_is_not_given_is_not_compared(seeds, is_same):
    script = "workers.agree({'--random_seed': %s[workers.index]}, ['--random_seed'])"
    with started(script % seeds) as workers:
        assert end_within(workers) == ([0, 0] if is_same else [1, 2])
        assert ("not given on worker 0" in workers[0].err) != is_same


# ---- The end of a worker ----


@pytest.mark.parametrize("victim", [0, 2])
@pytest.mark.parametrize("is_waiting", [False, True])
def test_a_killed_worker_ends_all_others(is_waiting, victim):
    addresses = free_addresses(3)
    script = WAITING % victim if is_waiting else ELSEWHERE
    with started(script, 3, addresses) as workers:
        for worker in workers:
            worker.has_logged("ready")
        workers[victim].kill()
        del workers[victim]
        assert end_within(workers, 5) == [1, 1]
        assert [w.err for w in workers] == [LOST % (victim, addresses[victim])] * 2


def test_a_child_process_does_not_hide_the_loss(tmp_path):
    fork = """
if os.fork() == 0:
    os.close(1), os.close(2), time.sleep(8), os._exit(0)
log.info("forked"), time.sleep(60)
"""
    with started([ELSEWHERE, READY + fork]) as workers:
        workers[1].has_logged("forked")
        workers[1].kill()
        assert end_within(workers[:1], 5) == [1]


def test_an_error_ends_the_others_with_its_message():
    script = READY + "raise InputError('a.tsv, line 3: no label')"
    addresses = free_addresses(3)
    with started([ELSEWHERE, script, ELSEWHERE], 3, addresses) as workers:
        assert end_within(workers) == [1, 2, 1]
        assert workers[1].err == "ERROR: a.tsv, line 3: no label\n"
        told = "ERROR: worker 1 (%s) has ended: a.tsv, line 3: no label\n"
        assert [w.err for w in workers[::2]] == [told % addresses[1]] * 2


def test_a_signal_ends_the_others():
    with started(WAITING % 0) as workers:
        workers[1].has_logged("ready")
        workers[0].kill(signal.SIGTERM)
        assert end_within(workers) == [128 + signal.SIGTERM, 1]
        assert "worker 0" in workers[1].err
        assert "has ended: interrupted by SIGTERM" in workers[1].err
        assert workers[1].err.count("\n") == 1


@pytest.mark.parametrize("stays", [0, 1])
def test_a_worker_that_has_finished_may_leave(stays):
    script = READY + "workers.index == %d and time.sleep(1)" % stays
    with started(script) as workers:
        assert end_within(workers) == [0, 0]
        assert [worker.err for worker in workers] == ["", ""]


def test_a_stop_request_is_no_error():
    script = """
from finetuning.utils import signals
if workers.index:
    request = signals.StopRequest()
    request.name, request.status = "SIGTERM", 143
    raise signals.Stopped("stopped", request)
time.sleep(1)
"""
    with started(script) as workers:
        assert end_within(workers) == [0, 143]
        assert workers[0].err == ""


def test_an_error_that_a_lost_worker_caused():
    script = """
try:
    raise RuntimeError("connection reset")
except RuntimeError as error:
    log.info("ready")
    workers.check_error(error)
    raise
"""
    addresses = free_addresses(2)
    with started([script, ELSEWHERE], 2, addresses) as workers:
        workers[0].has_logged("ready")
        workers[1].kill()
        assert end_within(workers[:1], 5) == [1]
        assert workers[0].err == LOST % (1, addresses[1])


def test_an_error_of_its_own():
    script = """
from finetuning.workers import ending
ending.LOSS_SECONDS = 0.1
try:
    raise RuntimeError("own")
except RuntimeError as error:
    workers.check_error(error)
    raise InputError("is raised as it is") from None
"""
    with started([script, ELSEWHERE]) as workers:
        assert end_within(workers) == [2, 1]
        assert workers[0].err == "ERROR: is raised as it is\n"


def test_clean_up(tmp_path):
    """Also if one function fails and another hangs."""
    script = """
def fail():
    raise OSError("cannot be removed")

workers.on_exit(lambda: time.sleep(60))
workers.on_exit(lambda: os.mkdir(%r))
workers.on_exit(fail)
"""
    made = str(tmp_path / "made")
    with started([script % made + ELSEWHERE, ELSEWHERE]) as workers:
        workers[0].has_logged("ready")
        workers[1].kill()
        assert end_within(workers[:1], 6) == [1]
        assert os.path.isdir(made)
        assert workers[0].err.count("\n") == 1


@pytest.mark.slow
def test_a_worker_that_is_stopped_is_not_lost():
    """Its machine answers: a busy process looks the same. Also with data on the way."""
    script = (
        READY
        + """
large = np.zeros(30_000_000)
workers.broadcast(0, [large] if workers.is_chief else [])
"""
    )
    wait = "time.sleep(3)\n"
    with started([script, script.replace("large", wait + "large", 1)]) as workers:
        workers[1].has_logged("ready")
        workers[1].kill(signal.SIGSTOP)
        time.sleep(ending.LOSS_SECONDS + 8)
        assert workers[0].process.poll() is None
        workers[1].kill(signal.SIGCONT)
        assert end_within(workers) == [0, 0], [worker.err for worker in workers]
