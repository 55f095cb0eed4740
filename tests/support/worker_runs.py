"""Whole runs with several workers, each in a process and a directory of its own."""

import contextlib
import os
import sys

from tests.support.paths import ROOT
from tests.support.running import ONE_THREAD
from tests.support.worker_processes import Process, end_within, ending, free_addresses

PROGRAM = os.path.join(ROOT, "run_classifier.py")
HOOKED = os.path.join(ROOT, "tests", "support", "hooked_run.py")
_SECONDS = 240


@contextlib.contextmanager
def started(flags, directories, own=None, addresses=None, commands=None):
    """Starts the workers of one run, and kills those that are left at the end.

    Args:
      flags: of all workers.
      directories: the --output_dir of each.
      own: further flags of each worker.
      addresses: of all workers; otherwise free ports of this machine.
      commands: for each worker the command, a list of str, that takes the flags;
        otherwise the program.

    Yields:
      List of `Process`.
    """
    count = len(directories)
    addresses = addresses or free_addresses(count)
    own, commands = own or [[]] * count, commands or [program()] * count
    workers = []
    with ending(workers):
        for index, directory in enumerate(directories):
            command = [*commands[index], *flags, "--num_threads=1"]
            command += ["--workers=" + ",".join(addresses), "--worker_index=%d" % index]
            command += ["--output_dir=" + str(directory), *own[index]]
            workers.append(Process(command, ONE_THREAD))
        yield workers


def program(*hook, python=sys.executable):
    """A command for `started`; `hook` are arguments of `hooked_run.py`."""
    # The program's own choice of what TensorFlow logs is part of the test.
    return [
        "env",
        "-u",
        "TF_CPP_MIN_LOG_LEVEL",
        python,
        "-u",
        *([HOOKED, *map(str, hook)] if hook else [PROGRAM]),
    ]


def finished(flags, directories, **options):
    """Runs all workers to their ends; see `started`."""
    with started(flags, directories, **options) as workers:
        end_within(workers, _SECONDS)
    return workers


def succeed(flags, directories, **options):
    """Like `finished`; all workers must succeed, with nothing on standard error."""
    workers = finished(flags, directories, **options)
    for worker in workers:
        assert worker.process.returncode == 0, worker.out + worker.err
        assert worker.err == "", worker.err
    return workers
