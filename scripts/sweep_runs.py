"""Running the points of a sweep, each in a process and a directory of its own."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import Optional, Tuple

from finetuning.evaluation.result_files import EVAL_JSON
from finetuning.evaluation.scoring import MAIN_SCORE
from finetuning.flags.settings import Settings, as_flag
from finetuning.run_info import provenance
from finetuning.utils import files, locking
from finetuning.utils.console import log
from finetuning.utils.errors import InputError
from finetuning.utils.progress import duration

KEEP = ("best", "all", "none")
SWEEP_FILE, RUN_FILE, OUTPUT = "sweep_settings.json", "sweep_run.json", "output.txt"
_LOCK = ".lock"
# What the sweep varies, and what decides no result.
_FREE = {
    "learning_rate",
    "train_batch_size",
    "num_train_epochs",
    "random_seed",
    "output_dir",
    "save_checkpoints_steps",
    "keep_checkpoint_max",
    "require_gpu",
    "num_threads",
    "do_predict",
    "allow_changes",
    "check",
    "debug",
}
# For the command to end its step and save its place once it is asked to end; a step of
# a large model on a CPU takes a minute. A second Ctrl-C does not wait.
_PATIENCE_SECONDS = 300


@dataclass(frozen=True)
class Command:
    """What is run at each point.

    Attributes:
      python: interpreter.
      script: program.
      flags: those that all runs have.
      chosen: `settings.Settings` that they make.
      keep: one of `KEEP`; None: as the sweep was begun, at first "best".
    """

    python: str
    script: str
    flags: Tuple[str, ...]
    chosen: Settings
    keep: Optional[str] = None

    def line(self, point, output_dir):
        always = ["--do_train=true", "--do_eval=true", "--output_dir=" + output_dir]
        start = [self.python, self.script]
        return start + list(self.flags) + always + point.flags()

    def fixed(self):
        """What must not change once a run has trained, as a dictionary."""
        values = self.chosen.as_dict()
        fixed = {name: values[name] for name in sorted(values) if name not in _FREE}
        return dict(fixed, python=self.python, script=os.path.abspath(self.script))


class Sweep:
    """All runs of one directory. As a context it holds the directory for itself.

    Attributes:
      failed: name of each run that failed -> the last line of its error.
    """

    def __init__(self, directory, command, points):
        self._directory = directory
        self._command = command
        self._points = points
        self._lock = None
        self.failed = {}

    def __enter__(self):
        """Takes the directory.

        Raises:
          InputError: it holds something else, another sweep, or one that is running.
        """
        saved = _read_saved(self._directory)
        if _has_trained(self._directory):
            _compare(self._directory, saved["fixed"], self._command.fixed())
        self._keep = self._command.keep or saved.get("keep_checkpoints") or "best"
        files.make_directory(os.path.join(self._directory, "runs"))
        try:
            self._lock = locking.acquire(os.path.join(self._directory, _LOCK))
        except locking.HeldError as error:
            raise InputError(
                "--sweep_dir=%s: another sweep, or a run that one left behind, is "
                "still running there (%s)" % (self._directory, error)
            ) from None
        provenance.write_json(
            os.path.join(self._directory, SWEEP_FILE), self.description()
        )
        return self

    def __exit__(self, *_):
        if self._lock is not None:
            self._lock.close()

    def description(self):
        """Dictionary: `fixed`, `flags` and `keep_checkpoints`."""
        return {
            "fixed": self._command.fixed(),
            "flags": list(self._command.flags),
            "keep_checkpoints": self._keep,
        }

    def directory(self, point):
        return os.path.join(self._directory, "runs", point.name)

    def run(self):
        """Runs what is not done.

        Yields:
          At first and after each run: dictionary from each `Point` that is done to its
          result, what `read_result` returns.
        """
        results = {}
        for point in self._points:
            result = read_result(self.directory(point))
            if result is not None:
                results[point] = result
        left = [point for point in self._points if point not in results]
        if results:
            log.info("%d of them are done already and are skipped", len(results))
        yield results
        clock = _Clock(left)
        for point in left:
            number = self._points.index(point) + 1
            where = "run %d of %d" % (number, len(self._points))
            log.info("%s: %s, seed %d", where, point.setting, point.seed)
            error = self._run(point)
            if error is None:
                results[point] = read_result(self.directory(point))
                self._drop_checkpoints(results)
                _say_result(where, results[point], clock.done(point))
            else:
                self.failed[point.name] = error
                log.error("%s failed: %s", where, error)
                clock.done(point)
            yield results

    def _run(self, point):
        """Runs one point to its end; returns None, or the last line of its error."""
        directory = self.directory(point)
        state = _begin(directory)
        command = self._command.line(point, directory)
        started = time.monotonic()
        error = "interrupted"
        try:
            error = _execute(command, os.path.join(directory, OUTPUT), self._lock)
        finally:
            state["seconds"] += time.monotonic() - started
            if error is None:
                error = _why_no_result(directory)
            state.update(finished=error is None, error=error)
            provenance.write_json(os.path.join(directory, RUN_FILE), state)
        return error

    def _drop_checkpoints(self, results):
        if self._keep == "all":
            return
        kept = None
        if self._keep == "best":
            kept = max(results, key=lambda point: results[point]["results"][MAIN_SCORE])
        for point in results:
            if point != kept:
                drop_checkpoints(self.directory(point))


def read_result(directory):
    """What a run that is done has written.

    Returns:
      Dictionary of its eval_results.json with `seconds`, the time that it took; None
      where the run is not done.
    """
    state = _read_json(os.path.join(directory, RUN_FILE))
    result = _read_json(os.path.join(directory, EVAL_JSON))
    if not (state and state.get("finished") and result):
        return None
    return dict(result, seconds=state["seconds"])


def drop_checkpoints(directory):
    """Removes checkpoints and record files of a run of a sweep; results stay."""
    if not os.path.exists(os.path.join(directory, RUN_FILE)):
        return
    for place in (directory, os.path.join(directory, "best")):
        for name in _names(place):
            is_checkpoint = name == "checkpoint" or name.startswith("model.ckpt-")
            if is_checkpoint or name.endswith(".tf_record"):
                os.remove(os.path.join(place, name))


def _read_json(path):
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except (FileNotFoundError, ValueError):
        return None


def _read_saved(directory):
    """What a sweep that the directory holds was begun with; {} for a new one."""
    if os.path.exists(directory) and not os.path.isdir(directory):
        raise InputError("--sweep_dir=%s is a file; give a directory" % directory)
    path = os.path.join(directory, SWEEP_FILE)
    if os.path.exists(path):
        saved = _read_json(path)
        if not isinstance(saved, dict) or not isinstance(saved.get("fixed"), dict):
            raise InputError("%s is damaged; give another --sweep_dir" % path)
        return saved
    if os.path.isdir(directory) and os.listdir(directory):
        raise InputError(
            "--sweep_dir=%s holds other things than a sweep; give an empty directory"
            % directory
        )
    return {}


def _has_trained(directory):
    """Whether a run is done, or has a checkpoint from which it would go on."""
    place = os.path.join(directory, "runs")
    runs = [os.path.join(place, name) for name in _names(place)]
    return any(read_result(run) or "checkpoint" in _names(run) for run in runs)


def _names(directory):
    return os.listdir(directory) if os.path.isdir(directory) else []


def _compare(directory, saved, now):
    for name in now:
        if saved.get(name) != now[name]:
            raise InputError(
                "--sweep_dir=%s holds a sweep with %s, not %s; give another "
                "--sweep_dir, or the old value"
                % (
                    directory,
                    as_flag(name, saved.get(name)),
                    as_flag(name, now[name]),
                )
            )


def _begin(directory):
    """Makes a run's directory, or finds its state; a directory not ours is refused."""
    path = os.path.join(directory, RUN_FILE)
    if os.path.isdir(directory):
        state = _read_json(path)
        if state is None and os.listdir(directory):
            raise InputError("%s is no run of this sweep; move it away" % directory)
        if state is not None:
            return state
    files.make_directory(directory)
    state = {"seconds": 0.0, "finished": False, "error": None}
    provenance.write_json(path, state)
    return state


def _execute(command, output, lock):
    """Runs a command, its output going to the end of a file, the latest on a terminal.

    The lock stays taken as long as the command runs, even if this process is killed.

    Returns:
      None, or its error in a line.
    """
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        # Ctrl-C reaches this process alone, which hands it on.
        start_new_session=True,
        # It is inherited ignored where a script began this in the background.
        preexec_fn=_heed_interrupts,
        pass_fds=() if lock is None else (lock.fileno(),),
        env=dict(os.environ, PYTHONUNBUFFERED="1"),
    )
    lines = []
    try:
        with open(output, "a", encoding="utf-8") as file, _status_line() as show:
            for line in process.stdout:
                file.write(line)
                file.flush()
                lines = [*lines[-200:], line.rstrip("\n")]
                show(line.rstrip("\n"))
        status = process.wait()
    except BaseException:
        _end(process)
        raise
    return _error(status, lines)


def _heed_interrupts():
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _end(process):
    process.send_signal(signal.SIGINT)
    try:
        process.communicate(timeout=_PATIENCE_SECONDS)
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        process.kill()
        process.wait()


@contextlib.contextmanager
def _status_line():
    """A function that shows a line in place of the one before; nothing in a log."""
    if not sys.stdout.isatty():
        yield lambda _: None
        return

    def show(line):
        width = shutil.get_terminal_size().columns - 3
        sys.stdout.write("\r\x1b[K  %s" % line[:width])
        sys.stdout.flush()

    try:
        yield show
    finally:
        sys.stdout.write("\r\x1b[K")
        sys.stdout.flush()


def _error(status, lines):
    if status == 0:
        return None
    said = [line for line in lines if line.strip()]
    errors = [line for line in said if line.startswith("ERROR")]
    last = (errors or said or ["it said nothing"])[-1]
    # Who shows the line says that it is an error.
    last = last[len("ERROR: ") :] if last.startswith("ERROR: ") else last
    if status < 0:
        last = "ended by signal %d (out of memory?); last: %s" % (-status, last)
    return last


def _why_no_result(directory):
    result = _read_json(os.path.join(directory, EVAL_JSON))
    if result is None:
        return "no %s was written" % EVAL_JSON
    if MAIN_SCORE not in result.get("results", {}):
        return "%s has no %s" % (EVAL_JSON, MAIN_SCORE)
    return None


def _say_result(where, result, left):
    log.info(
        "%s: main score %.4f in %s%s",
        where,
        result["results"][MAIN_SCORE],
        duration(result["seconds"]),
        ", about %s left" % duration(left) if left else "",
    )


class _Clock:
    """How long the rest will take, by the epochs that are done."""

    def __init__(self, points):
        self._left = sum(point.epochs for point in points)
        self._done = 0.0
        self._started = time.monotonic()

    def done(self, point):
        """Counts a run; returns the seconds that the rest will take."""
        self._done += point.epochs
        self._left -= point.epochs
        return self._left * (time.monotonic() - self._started) / self._done
