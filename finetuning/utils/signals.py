"""Signals that end the program: SIGINT (Ctrl-C), SIGTERM and SIGHUP.

Usually such a signal ends the program immediately. Nothing is lost, because files are
written completely or not at all. A training run, which would lose its last steps, first
finishes the current step and saves a checkpoint; a second signal ends it immediately.
"""

import contextlib
import os
import signal
import threading

NAMES = ("SIGINT", "SIGTERM", "SIGHUP")
_NOTE = "\n%s: stopping after this step; send it again to stop immediately\n"


class Interrupted(KeyboardInterrupt):
    """A signal ends the program immediately; the message says which.

    Attributes:
      status: the exit status, 128 plus the signal's number.
    """

    def __init__(self, number):
        super().__init__(
            "interrupted by %s; all files are intact; rerun the same command to resume "
            "from the latest checkpoint, if there is one" % signal.Signals(number).name
        )
        self.status = 128 + number


class Stopped(KeyboardInterrupt):
    """A training run was stopped by a signal, after its state was saved.

    Attributes:
      status: the exit status, 128 plus the signal's number.
    """

    def __init__(self, message, request):
        """Takes the message and the `StopRequest` that ended the run."""
        super().__init__(message)
        self.status = request.status


class StopRequest:
    """Whether a signal has asked the training run to stop; true once it has.

    Attributes:
      name: the signal's, such as "SIGTERM"; None: there was none.
      status: the exit status, 128 plus the signal's number; 0: there was none.
    """

    name = None
    status = 0

    def __bool__(self):
        return self.name is not None

    def record(self, name):
        """Records the name of a signal, of this process or another."""
        self.name, self.status = name, 128 + signal.Signals[name]

    def handle(self, number, frame):
        """Records the first signal; the second one ends the program."""
        del frame
        if self:
            raise Interrupted(number)
        self.record(signal.Signals(number).name)
        # Not logged: the signal may have interrupted the logging of another line.
        with contextlib.suppress(OSError):
            os.write(2, (_NOTE % self.name).encode("ascii"))


@contextlib.contextmanager
def handling_signals():
    """Makes each of the signals raise `Interrupted` within the context.

    Signals that are ignored, like SIGHUP under nohup, or that have a handler already
    are left alone. So are all of them in a thread other than the main one, where Python
    allows no handlers.
    """

    def interrupt(number, frame):
        del frame
        raise Interrupted(number)

    defaults = (signal.SIG_DFL, signal.default_int_handler)
    numbers = [number for number in _numbers() if signal.getsignal(number) in defaults]
    with _handlers(numbers, interrupt):
        yield


@contextlib.contextmanager
def deferring_signals(request):
    """Lets a `StopRequest` handle the signals of `handling_signals` in the context."""
    numbers = [
        number
        for number in _numbers()
        if getattr(signal.getsignal(number), "__module__", None) == __name__
    ]
    with _handlers(numbers, request.handle):
        yield


def _numbers():
    if threading.current_thread() is not threading.main_thread():
        return []
    return [getattr(signal, name) for name in NAMES if hasattr(signal, name)]


@contextlib.contextmanager
def _handlers(numbers, handler):
    before = [(number, signal.signal(number, handler)) for number in numbers]
    try:
        yield
    finally:
        for number, old_handler in before:
            signal.signal(number, old_handler)
