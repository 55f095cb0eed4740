"""Two machines, which are network namespaces of this one, and a cable that is cut."""

import contextlib
import os
import subprocess

import pytest

HOSTS = ("10.77.31.1", "10.77.31.2")


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
        for name, host in zip(self.names, HOSTS):
            _ip("-n", name, "addr", "add", host + "/24", "dev", "eth0")
            _ip("-n", name, "link", "set", "eth0", "up")

    def command(self, index):
        """What runs a command on a machine when it is put before it."""
        return ["ip", "netns", "exec", self.names[index]]

    def cut(self):
        _ip("-n", self.names[1], "link", "set", "eth0", "down")

    def mend(self):
        _ip("-n", self.names[1], "link", "set", "eth0", "up")

    def remove(self):
        for name in self.names:
            subprocess.run(["ip", "netns", "delete", name], check=False)


def _ip(*arguments):
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


@contextlib.contextmanager
def made():
    """Yields `Machines`, or skips the test where they are not permitted."""
    machines = Machines()
    try:
        machines.make()
    except (OSError, subprocess.CalledProcessError) as error:
        machines.remove()
        pytest.skip("needs network namespaces (iproute2, root): %s" % error)
    try:
        yield machines
    finally:
        machines.remove()
