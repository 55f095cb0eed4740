"""The connections between two machines, when the cable is cut."""

import time

import pytest

from tests.support.machines import HOSTS, made
from tests.support.worker_processes import END_SECONDS, Worker

pytestmark = pytest.mark.slow

READY = "workers.broadcast(); log.info('ready')\n"
SLEEP = READY + "time.sleep(60)"
# What the workers do when the cable is cut.
SCRIPTS = {
    "elsewhere": (SLEEP, SLEEP),
    "waiting": (READY + "workers.gather()", SLEEP),
    "receiving": (SLEEP, READY + "workers.broadcast()"),
    "sending": (
        READY + "while True: workers.broadcast(0, [np.zeros(10_000_000)])",
        READY + "while True: workers.broadcast()",
    ),
}


@pytest.fixture
def machines():
    with made() as machines:
        yield machines


def test_both_sides_notice_that_the_network_is_cut(machines):
    workers = {}
    for number, (name, scripts) in enumerate(SCRIPTS.items()):
        addresses = ["%s:%d" % (host, 7000 + number) for host in HOSTS]
        workers[name] = [
            Worker(
                script,
                addresses,
                index,
                prefix=machines.command(index),
            )
            for index, script in enumerate(scripts)
        ]
    for pair in workers.values():
        for worker in pair:
            worker.has_logged("ready")
    machines.cut()
    begin = time.monotonic()
    ends = {}
    for number, (name, pair) in enumerate(workers.items()):
        for index, worker in enumerate(pair):
            assert worker.wait(END_SECONDS) == 1, (name, worker.out, worker.err)
            ends[name, index] = time.monotonic() - begin
            other = "worker %d (%s:%d)" % (1 - index, HOSTS[1 - index], 7000 + number)
            assert worker.err.startswith("ERROR: %s was lost: no answer" % other)
            assert worker.err.count("\n") == 1
    assert max(ends.values()) < END_SECONDS
