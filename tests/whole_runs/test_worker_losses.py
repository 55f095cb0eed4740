"""Runs with two workers that are killed, stopped or cut off, and rerun."""

import os
import random
import re
import signal
import time

import pytest

from tests.support import disturbed_runs, worker_runs
from tests.support.running import without
from tests.support.worker_processes import END_SECONDS, LOST, end_within, free_addresses

# The last line before the data is read, the graph is built, and training begins.
MARK = "Random seed: "
STOPPED = re.compile(r"WARNING: STOPPED by SIGTERM after step (\d+) of 45, saved ")
_START_SECONDS = 120


@pytest.fixture(scope="module")
def flags(evaluated_run):
    return disturbed_runs.flags_of(evaluated_run)


@pytest.fixture(scope="module")
def undisturbed(flags, tmp_path_factory):
    """The output directory of a run that nothing disturbed, and its seconds of work."""
    out = str(tmp_path_factory.mktemp("undisturbed") / "out")
    with worker_runs.started(flags, [out, out + "_1"]) as workers:
        workers[0].has_logged(MARK, _START_SECONDS)
        started = time.monotonic()
        statuses = end_within(workers, _START_SECONDS)
    assert statuses == [0, 0], workers[0].err + workers[1].err
    return out, time.monotonic() - started


@pytest.fixture
def outs(tmp_path):
    return [str(tmp_path / "out"), str(tmp_path / "out_1")]


def assert_lost(worker, lost, addresses):
    """A worker must have ended with nothing but the line about another one."""
    assert worker.process.returncode == 1, worker.out + worker.err
    assert worker.err == LOST % (lost, addresses[lost])
    assert "Traceback" not in worker.out


@pytest.mark.slow
def test_killed_at_random_moments(flags, undisturbed, tmp_path, iterations):
    """Runs that end before they are killed are compared, and others are begun."""
    expected, seconds = undisturbed
    draw = random.Random(6)
    victims = [0, 1] * iterations(5, 1)
    draw.shuffle(victims)
    out, done = str(tmp_path / "random_0"), 0
    while victims:
        victim, addresses = victims[-1], free_addresses(2)
        outs = [out, str(tmp_path / "others")]
        with worker_runs.started(flags, outs, addresses=addresses) as workers:
            workers[0].has_logged(MARK, _START_SECONDS)
            time.sleep(draw.uniform(0, seconds / 2))
            workers[victim].kill()
            statuses = end_within(workers, END_SECONDS)
        if statuses[1 - victim] == 0:  # The results were complete.
            disturbed_runs.assert_same_results(out, expected)
            done += 1
            out = str(tmp_path / ("random_%d" % done))
            continue
        victims.pop()
        assert statuses[victim] == -signal.SIGKILL
        assert_lost(workers[1 - victim], victim, addresses)
    worker_runs.succeed(flags, outs)
    disturbed_runs.assert_same_results(out, expected)


@pytest.mark.parametrize("victim", [0, 1])
def test_killed_while_it_trains(flags, outs, victim):
    flags = [
        *without(flags, "num_train_epochs", "early_stop"),
        "--num_train_epochs=999",
    ]
    addresses = free_addresses(2)
    with worker_runs.started(flags, outs, addresses=addresses) as workers:
        workers[0].has_logged("Saved %s/model.ckpt-4\n" % outs[0], _START_SECONDS)
        workers[victim].kill()
        end_within(workers)
    assert_lost(workers[1 - victim], victim, addresses)
    assert os.listdir(outs[1]) == ["run.worker_1.log"]


@pytest.mark.slow
@pytest.mark.parametrize("index", [0, 1])
def test_only_the_servers_are_disconnected(flags, outs, index):
    """Such a worker waits whether another one is lost, and then ends."""
    commands = [worker_runs.program(), worker_runs.program()]
    commands[index] = worker_runs.program("disconnect", 4)
    workers = worker_runs.finished(flags, outs, commands=commands)
    for worker in workers:
        assert worker.process.returncode == 1, worker.out + worker.err
        assert worker.err.count("\n") == 1, worker.err
    assert "between TensorFlow's servers broke (Socket closed)" in workers[index].err
    assert "ERROR: worker %d (" % index in workers[1 - index].err


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stopped", "action", "step", "last"),
    [
        # The others learn of it in the next step.
        (0, "stop", 4, 5),
        (1, "stop", 4, 5),
        # An evaluation that is cut short is repeated when training resumes.
        (0, "stop_evaluation", 9, 9),
        (1, "stop_evaluation", 9, 9),
    ],
)
def test_sigterm_to_one_worker(flags, undisturbed, outs, stopped, action, step, last):
    commands = [worker_runs.program(), worker_runs.program()]
    commands[stopped] = worker_runs.program(action, step)
    for worker in worker_runs.finished(flags, outs, commands=commands):
        assert worker.process.returncode == 143, worker.out + worker.err
        assert STOPPED.search(worker.out).group(1) == str(last)
        assert "ERROR" not in worker.err
    assert os.path.exists(os.path.join(outs[0], "model.ckpt-%d.index" % last))
    worker_runs.succeed(flags, outs)
    disturbed_runs.assert_same_results(outs[0], undisturbed[0])
