"""How the failure of another worker ends this process: with one line, never two."""

import contextlib
import logging
import os
import sys
import threading

from finetuning.utils import exit_status
from finetuning.utils.console import log
from finetuning.utils.errors import WorkerError, in_one_line

# Within this time a lost worker is noticed; see `sockets`.
LOSS_SECONDS = 12.0
# How long the clean-up may take when the process ends at once.
_EXIT_SECONDS = 3.0
_MAX_LINE = 1000
RESUME = "rerun the same command on all workers to resume from the latest checkpoint"


def ended_line(name, error):
    """What the other workers say when an error has ended one of them."""
    line = in_one_line(" ".join(str(error).split())) or type(error).__name__
    if len(line) > _MAX_LINE:
        line = line[: _MAX_LINE - 3] + "..."
    return "%s has ended: %s" % (name, line)


def lost_line(name, reason):
    """What the other workers say when one of them was lost."""
    return "%s was lost: %s; %s" % (name, reason, RESUME)


class Ending:
    """Decides which thread ends the process.

    If the main thread waits in `raising`, the failure is raised there. Otherwise the
    thread that has noticed it ends the process, because a main thread that waits inside
    TensorFlow cannot be interrupted.
    """

    def __init__(self):
        self._exit_functions = []
        self._condition = threading.Condition()
        # All of these are used under the condition.
        self._failure = None
        self._is_waiting = False  # The main thread is in `raising`.
        self._is_exiting = False  # Another thread ends the process.
        self._is_over = False  # The main thread has raised the failure, or leaves.

    def on_exit(self, function):
        """Registers a function for `fail`, where the main thread is not `raising`."""
        self._exit_functions.append(function)

    # ---- The main thread ----

    @contextlib.contextmanager
    def raising(self, cause=None):
        """A context in which the main thread waits; at its end a failure is raised.

        Args:
          cause: of the exception.

        Raises:
          WorkerError: another worker has failed.
        """
        try:
            with self._condition:
                self._leave_to_other_thread()
                self._is_waiting = True
            yield
        finally:
            with self._condition:
                self._is_waiting = False
                if self._failure is not None:
                    self._is_over = True
                    raise self._failure from cause

    def wait(self):
        """Waits in `raising` for as long as it takes to notice a failure."""
        with self._condition:
            self._condition.wait_for(lambda: self._failure is not None, LOSS_SECONDS)

    def leave(self):
        """From now on, failures are ignored; returns whether they were not before."""
        with self._condition:
            self._leave_to_other_thread()
            was_over, self._is_over = self._is_over, True
        return not was_over

    def _leave_to_other_thread(self):
        """Does not return if another thread is ending the process."""
        while self._is_exiting:
            self._condition.wait()

    # ---- The threads that watch ----

    def fail(self, line, tell):
        """Ends the process, unless it ends already.

        Args:
          line: what another worker did, which is shown to the user.
          tell: function without arguments that tells it to the other workers. It is
            called before this process ends, which they would take for the cause.

        Returns:
          Whether the main thread will raise the failure, once nothing blocks it.
        """
        with self._condition:
            if self._failure is not None or self._is_over:
                return False
            tell()
            self._failure = WorkerError(line)
            self._is_exiting = not self._is_waiting
            self._condition.notify_all()
        if self._is_exiting:
            self._exit()
        return True

    def _exit(self):
        timer = threading.Timer(_EXIT_SECONDS, os._exit, [exit_status.FAILURE])
        timer.daemon = True
        timer.start()
        try:
            log.error("%s", self._failure)
            for function in reversed(self._exit_functions):
                with contextlib.suppress(Exception):
                    function()
            logging.shutdown()
            for stream in (sys.stdout, sys.stderr):
                with contextlib.suppress(Exception):
                    stream.flush()
        finally:
            os._exit(exit_status.FAILURE)
