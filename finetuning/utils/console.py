"""The program's log: lines on the screen, and the same lines in a log file."""

import contextlib
import logging
import os
import shlex
import sys
import time

from tqdm import tqdm

from finetuning.utils import appending, files, streams

LOG_FILE = "run.log"
WORKER_LOG_FILE = "run.worker_%d.log"
_REMOTE_FLUSH_SECONDS = 60.0
_DEFAULT_WIDTH = 80
# A bar gives up what is written behind it before it becomes shorter than this. Without
# a width, tqdm makes it 10 long.
_MIN_BAR, _FREE_BAR = 5, 10
_OFF = logging.CRITICAL + 1
log = logging.getLogger("finetuning")


def width():
    """The number of columns of the terminal; 80 where there is none.

    COLUMNS in the environment comes first, as in other programs.
    """
    columns = os.environ.get("COLUMNS", "")
    if columns.isdigit() and int(columns):
        return int(columns)
    for descriptor in (2, 1):
        with contextlib.suppress(OSError):
            found = os.get_terminal_size(descriptor).columns
            if found:  # It is 0 in some terminals that are not shown anywhere.
                return found
    return _DEFAULT_WIDTH


class Bar(tqdm):
    """A progress bar of one line, above which the log's lines are written.

    It has no monitor thread: that of tqdm 4.32, the release of TensorFlow 1.14's time,
    waits forever if it wakes up while a bar is closed.
    """

    monitor_interval = 0

    def __init__(self, file=None, **options):
        # With a width, which `format_meter` replaces, tqdm does not look for one.
        options["ncols"] = _DEFAULT_WIDTH
        super().__init__(file=streams.Tolerant(file or sys.stderr), **options)
        # As if it were not known: tqdm shows nothing where a terminal has 0 lines.
        self.nrows = None

    @staticmethod
    def format_meter(n, total, elapsed, postfix=None, **options):
        """Fits the line into the terminal, which tqdm alone does not.

        The facts in `postfix`, separated by commas, are left out from the last one.
        """
        columns = width()
        del options["ncols"]
        facts = postfix.split(", ") if postfix else []
        while True:
            options["postfix"] = ", ".join(facts)
            free = tqdm.format_meter(n, total, elapsed, ncols=None, **options)
            if not facts or len(free) - _FREE_BAR + _MIN_BAR <= columns:
                return tqdm.format_meter(n, total, elapsed, columns, **options)[
                    :columns
                ]
            facts.pop()


class _Lines(logging.Formatter):
    """Formats the message only, with the level in front of warnings and errors."""

    def __init__(self, tracebacks):
        super().__init__()
        self._tracebacks = tracebacks

    def format(self, record):
        message = record.getMessage()
        if record.levelno >= logging.WARNING:
            message = "%s: %s" % (record.levelname, message)
        if self._tracebacks and record.exc_info:
            message += "\n" + self.formatException(record.exc_info)
        return message


class _NotTwice(logging.Filter):
    """Drops a warning that was logged before."""

    def __init__(self):
        super().__init__()
        self._logged = set()

    def filter(self, record):
        if record.levelno != logging.WARNING:
            return True
        message = record.getMessage()
        is_new = message not in self._logged
        self._logged.add(message)
        return is_new


class _Screen(logging.Handler):
    """Writes to standard output, errors to standard error, above a progress bar.

    It stops writing to a stream that fails, because a terminal or the reading end of a
    pipe was closed, or it is a file on a full disk. The run continues.
    """

    def __init__(self):
        super().__init__()
        self._failed = set()

    def emit(self, record):
        if getattr(record, "only_in_file", False):
            return
        name = "stderr" if record.levelno >= logging.ERROR else "stdout"
        if name in self._failed:
            return
        stream = getattr(sys, name)
        # The lock is taken here, because tqdm 4.32 keeps it if this is interrupted, and
        # no other thread could log from then on.
        with Bar.get_lock(), Bar.external_write_mode(file=stream, nolock=True):
            if not streams.write_line(stream, self.format(record)):
                self._failed.add(name)
                streams.discard_unwritten()


class _File(logging.Handler):
    """Writes to a file; to an object store only once a minute."""

    def __init__(self, path):
        super().__init__()
        self._path = path
        self.is_new = not files.exists(path)
        self._stream = appending.open_append(path)
        self._flush_seconds = _REMOTE_FLUSH_SECONDS if files.is_remote(path) else 0.0
        self._flushed = time.monotonic()

    def emit(self, record):
        stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(record.created))
        try:
            self._stream.write("%s  %s\n" % (stamp, self.format(record)))
            if time.monotonic() - self._flushed >= self._flush_seconds:
                self._stream.flush()
                self._flushed = time.monotonic()
        except OSError as error:
            # A log that cannot be written is no reason to end the run.
            self.setLevel(_OFF)
            log.warning("No longer writing to %s: %s", self._path, error.strerror)

    def write_command(self, command):
        line = "$ python " + " ".join(map(shlex.quote, command))
        if not self.is_new:
            with contextlib.suppress(OSError):
                self._stream.write("\n")
        self.emit(log.makeRecord(log.name, logging.INFO, "", 0, line, (), None))

    def close(self):
        with contextlib.suppress(OSError):
            self._stream.close()
        super().close()


@contextlib.contextmanager
def screen(tracebacks=False):
    """Shows the log on the screen within the context, no warning twice.

    A record with the attribute `only_in_file` is not shown.

    Args:
      tracebacks: whether to show the tracebacks of errors, too.
    """
    streams.open_closed()
    level, propagate = log.level, log.propagate
    log.setLevel(logging.INFO)
    log.propagate = False
    not_twice = _NotTwice()
    log.addFilter(not_twice)
    try:
        with _handling(_Screen(), tracebacks):
            yield
    finally:
        log.removeFilter(not_twice)
        log.setLevel(level)
        log.propagate = propagate
        streams.discard_unwritten()


@contextlib.contextmanager
def log_file(output_dir, name=LOG_FILE, command=()):
    """Appends the log to a file in a directory within the context.

    Args:
      output_dir: the directory.
      name: of the file.
      command: the arguments that this run was started with; the file first gets a line
        with them, and a blank one before it if it has lines of earlier runs.
    """
    handler = _File(os.path.join(output_dir, name))
    with _handling(handler, tracebacks=True):
        if command:
            handler.write_command(command)
        yield


@contextlib.contextmanager
def only_warnings():
    """Shows nothing but warnings and errors on the screen within the context."""
    handlers = [handler for handler in log.handlers if isinstance(handler, _Screen)]
    for handler in handlers:
        handler.setLevel(logging.WARNING)
    try:
        yield
    finally:
        for handler in handlers:
            handler.setLevel(logging.NOTSET)


@contextlib.contextmanager
def _handling(handler, tracebacks):
    handler.setFormatter(_Lines(tracebacks))
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)
        handler.close()


def align_columns(rows):
    """Formats rows of strings as lines; all columns but the first are right-aligned."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    return [
        "  ".join(
            [row[0].ljust(widths[0])]
            + [cell.rjust(width) for cell, width in zip(row[1:], widths[1:])]
        )
        for row in rows
    ]
