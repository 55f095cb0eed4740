"""Executes one run of a sweep in a process of its own and saves what it prints."""

import collections
import os
import signal
import subprocess
import sys

from finetuning.utils import appending, streams
from finetuning.utils.console import Bar

# How long an interrupted run may take to finish its step and save a checkpoint: a step
# of a large model on a CPU can take a minute. A second Ctrl-C kills it immediately.
_GRACE_SECONDS = 300
_LINES_KEPT = 200


def execute(command, output, lock):
    """Runs a command to its end, appending its output to a file.

    The latest line is shown on a terminal. If this process is interrupted, so is the
    command. The command inherits the lock, so it is held as long as the command runs
    even if this process is killed.

    Args:
      command: list of the program and its arguments.
      output: path of the file.
      lock: `locking.Lock`, or None.

    Returns:
      None on success, otherwise the command's error message as one line.
    """
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        # Ctrl-C reaches only this process, which passes it on.
        start_new_session=True,
        # In the background of a shell script SIGINT is ignored, and that is inherited.
        preexec_fn=_accept_interrupts,
        pass_fds=() if lock is None else lock.descriptors,
        env=dict(os.environ, PYTHONUNBUFFERED="1"),
    )
    lines = collections.deque(maxlen=_LINES_KEPT)
    try:
        with appending.open_append(output) as file, _status_line() as status_line:
            for line in process.stdout:
                file.write(line)
                file.flush()
                lines.append(line.rstrip("\n"))
                status_line.set_description_str(lines[-1])
        status = process.wait()
    except BaseException:
        _interrupt(process)
        raise
    return _error(status, lines)


def _accept_interrupts():
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _interrupt(process):
    process.send_signal(signal.SIGINT)
    try:
        process.communicate(timeout=_GRACE_SECONDS)
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        process.kill()
        process.wait()


def _status_line():
    """Returns a line on the terminal that is overwritten by its next text."""
    return Bar(
        bar_format="  {desc}",
        dynamic_ncols=True,
        leave=False,
        disable=not streams.is_terminal(sys.stdout),
        file=sys.stdout,
    )


def _error(status, lines):
    if status == 0:
        return None
    printed = [line for line in lines if line.strip()]
    errors = [line for line in printed if line.startswith("ERROR")]
    last = (errors or printed or ["no output"])[-1]
    # The sweep's own message already says that it is an error.
    last = last[len("ERROR: ") :] if last.startswith("ERROR: ") else last
    if status < 0:
        return "killed by signal %d (out of memory?); last output: %s" % (-status, last)
    return last
