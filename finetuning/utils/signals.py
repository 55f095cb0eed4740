"""Signals that ask the program to end, and a training's time to end by them.

They are SIGINT (Ctrl-C), SIGTERM and SIGHUP. At most times such a signal ends the
program at once: nothing is lost by it, because all files are written whole or not at
all. A training, which would lose its last steps, puts it off to the end of the running
step, once.
"""

import contextlib
import os
import signal
import threading

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP")
_TAKEN_NOTE = "\n%s: ending after this step; once more ends at once\n"


class Interrupted(KeyboardInterrupt):
    """A signal ends the program at once; the message says which.

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
    """Whether somebody wants the training to end; it turns true when a signal comes.

    Attributes:
      name: the signal's; None: there is none.
      status: the exit status that tells of it.
    """

    name = None
    status = 0

    def __bool__(self):
        return self.name is not None

    def take(self, number, frame):
        """Handles a signal: takes note of the first, ends the program at the second."""
        del frame
        if self:
            raise Interrupted(number)
        self.name, self.status = signal.Signals(number).name, 128 + number
        # Not by the log, in the middle of whose work this may be.
        with contextlib.suppress(OSError):
            os.write(2, (_TAKEN_NOTE % self.name).encode("ascii"))


@contextlib.contextmanager
def handling_signals():
    """Has each of the signals raise `Interrupted` while the context lasts.

    Not those that are ignored, as SIGHUP under nohup, or that somebody handles already;
    and none in a thread other than the main one, where Python allows no handlers.
    """

    def end(number, frame):
        del frame
        raise Interrupted(number)

    usual = (signal.SIG_DFL, signal.default_int_handler)
    ours = [each for each in _signals() if signal.getsignal(each) in usual]
    with _handled(ours, end):
        yield


@contextlib.contextmanager
def deferring_signals(wish):
    """Has a `signals.StopRequest` take the signals of `heeded` while the context lasts."""
    ours = [
        each
        for each in _signals()
        if getattr(signal.getsignal(each), "__module__", None) == __name__
    ]
    with _handled(ours, wish.take):
        yield


def _signals():
    """Those that this system has, where handlers may be set; else none."""
    if threading.current_thread() is not threading.main_thread():
        return []
    return [getattr(signal, name) for name in _NAMES if hasattr(signal, name)]


@contextlib.contextmanager
def _handled(numbers, handler):
    before = [(number, signal.signal(number, handler)) for number in numbers]
    try:
        yield
    finally:
        for number, old in before:
            signal.signal(number, old)
