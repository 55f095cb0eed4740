"""Two machines, which are network namespaces of this one, and a cable that is cut."""

import os
import subprocess
import time

import pytest

from tests.support.worker_processes import END_SECONDS, Worker

pytestmark = pytest.mark.slow

_HOSTS = ("10.77.31.1", "10.77.31.2")
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


class Machines:
    """Two namespaces that a pair of virtual interfaces joins."""

    def __init__(self):
        self.names = ["worker%d-%d" % (index, os.getpid()) for index in range(2)]

    def make(self):
        for name in self.names:
            _ip("netns", "add", name)
        ends = ["name", "eth0", "netns", self.names[0], "type", "veth"]
        ends += ["peer", "name", "eth0", "netns", self.names[1]]
        _ip("link", "add", *ends)
        for name, host in zip(self.names, _HOSTS):
            _ip("-n", name, "addr", "add", host + "/24", "dev", "eth0")
            _ip("-n", name, "link", "set", "eth0", "up")

    def cut(self):
        _ip("-n", self.names[1], "link", "set", "eth0", "down")

    def remove(self):
        for name in self.names:
            subprocess.run(["ip", "netns", "delete", name], check=False)


def _ip(*arguments):
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


@pytest.fixture
def machines():
    made = Machines()
    try:
        made.make()
    except (OSError, subprocess.CalledProcessError) as error:
        made.remove()
        pytest.skip("needs network namespaces (iproute2, root): %s" % error)
    yield made
    made.remove()


def test_both_sides_notice_that_the_network_is_cut(machines):
    workers = {}
    for number, (name, scripts) in enumerate(SCRIPTS.items()):
        addresses = ["%s:%d" % (host, 7000 + number) for host in _HOSTS]
        workers[name] = [
            Worker(
                script,
                addresses,
                index,
                prefix=("ip", "netns", "exec", machines.names[index]),
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
            other = "worker %d (%s:%d)" % (1 - index, _HOSTS[1 - index], 7000 + number)
            assert worker.err.startswith("ERROR: %s was lost: no answer" % other)
            assert worker.err.count("\n") == 1
    assert max(ends.values()) < END_SECONDS
