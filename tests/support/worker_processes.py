"""Starts workers as processes (`worker.py`, whole runs), and watches how they end."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time

from tests.support.paths import ROOT

_PROGRAM = os.path.join(ROOT, "tests", "support", "worker.py")
# By then, a worker must have ended after another one.
END_SECONDS = 15
LOST = (
    "ERROR: worker %d (%s) was lost: its process has ended without a message; rerun "
    "the same command on all workers to resume from the latest checkpoint\n"
)


def free_addresses(count, host="127.0.0.1"):
    """Addresses whose ports nobody uses, as for --workers."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for sock in sockets:
            sock.bind((host, 0))
        return ["%s:%d" % (host, sock.getsockname()[1]) for sock in sockets]


class Process:
    """A process whose output is read while it runs.

    Args:
      command: list of str.
      env: environment variables, in addition.

    Attributes:
      out, err: what it has written so far.
    """

    def __init__(self, command, env=None):
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(os.environ, **(env or {})),
            universal_newlines=True,
        )
        self.out, self.err = "", ""
        self._changed = threading.Condition()
        self._readers = [
            threading.Thread(target=self._read, args=[name], daemon=True)
            for name in ("stdout", "stderr")
        ]
        for reader in self._readers:
            reader.start()

    def _read(self, name):
        for line in getattr(self.process, name):
            with self._changed:
                if name == "stdout":
                    self.out += line
                else:
                    self.err += line
                self._changed.notify_all()

    def has_logged(self, text, seconds=30):
        """Waits for a text in standard output."""
        with self._changed:
            found = self._changed.wait_for(lambda: text in self.out, seconds)
        assert found, self.out + self.err

    def kill(self, number=signal.SIGKILL):
        self.process.send_signal(number)

    def wait(self, seconds=30):
        """Waits for the end; returns the exit status."""
        status = self.process.wait(seconds)
        for reader in self._readers:
            reader.join(seconds)
        return status


class Worker(Process):
    """A process that uses nothing but the connections.

    Args:
      script: what it does, see `worker.py`.
      addresses: of all workers.
      index: which one it is.
      prefix: a command that runs the process.
      env: environment variables, in addition.
      **settings: further flags.
    """

    def __init__(self, script, addresses, index, prefix=(), env=None, **settings):
        settings = dict(workers=",".join(addresses), worker_index=index, **settings)
        command = [sys.executable, _PROGRAM, script, json.dumps(settings)]
        super().__init__([*prefix, *command], env)


@contextlib.contextmanager
def started(script, count=2, addresses=None, **settings):
    """Starts all workers, and kills those that are left at the end.

    Args:
      script: what all of them do, or a list with what each does.
      count: number of workers.
      addresses: of all workers; otherwise free ports of this machine.
      **settings: further flags.

    Yields:
      List of `Worker`.
    """
    addresses = addresses or free_addresses(count)
    scripts = [script] * count if isinstance(script, str) else script
    workers = [
        Worker(script, addresses, index, **settings)
        for index, script in enumerate(scripts)
    ]
    with ending(workers):
        yield workers


@contextlib.contextmanager
def ending(workers):
    """A context at whose end no worker is left."""
    try:
        yield
    finally:
        for worker in workers:
            if worker.process.poll() is None:
                worker.kill()
            worker.wait()


def end_within(workers, seconds=END_SECONDS):
    """Waits for the end of workers; returns their exit statuses."""
    end = time.monotonic() + seconds
    return [worker.wait(max(0.1, end - time.monotonic())) for worker in workers]
