"""The runs of a sweep: which are finished, which remain, and what to keep of them."""

import os
import time
from dataclasses import dataclass, field
from typing import Dict, List, Optional, Tuple

from finetuning.evaluation.scoring import MAIN_SCORE
from finetuning.flags import command_line
from finetuning.flags.settings import as_flag, flags_with
from finetuning.run_info import fingerprints
from finetuning.utils import files, json_files, locking
from finetuning.utils.console import log
from finetuning.utils.errors import InputError
from finetuning.utils.progress import duration
from scripts.sweeping import grid, inputs, process, run_files, summary

KEEP = ("best", "all", "none")
SWEEP_FILE, OUTPUT = "sweep_settings.json", "output.txt"
RUNS_DIR = "runs"
_LOCK = ".lock"


@dataclass
class Sweep:
    """All runs in one sweep directory, which is locked while the context is entered.

    Attributes:
      directory: path of the sweep directory.
      python: path of the interpreter of the runs.
      script: path of the program.
      flags: list of the flags that all runs share.
      points: tuple of `grid.Point`.
      keep: one of `KEEP`. None: the value saved in the directory, or "best".
      failed: name of each run that failed -> its error message as one line.

    Example:
      with Sweep("sweep", "python", "run_classifier.py", flags, points) as sweep:
          for results in sweep.run():
              print(len(results), "runs are done")
    """

    directory: str
    python: str
    script: str
    flags: List[str]
    points: Tuple[grid.Point, ...]
    keep: Optional[str] = None
    failed: Dict[str, str] = field(default_factory=dict)

    def __enter__(self):
        """Locks the directory and saves the sweep's settings there.

        Raises:
          InputError: it contains other files, a sweep with other settings or of other
            files, or a running sweep; or an input file is missing.
        """
        saved = _load_settings(self.directory)
        self._inputs = inputs.take(self._settings())
        if _has_trained(self.directory):
            # Files are compared by content; by path only if none was saved.
            ignored = flags_with(is_path=True) if "inputs" in saved else ()
            _require_same(self.directory, saved["fixed"], self._fixed(), ignored)
            before = saved.get("inputs", {})
            inputs.require_same(self.directory, before, self._inputs)
            self._read_results()
        self.keep = self.keep or saved.get("keep_checkpoints") or "best"
        files.make_directory(os.path.join(self.directory, RUNS_DIR))
        try:
            self._lock = locking.acquire(os.path.join(self.directory, _LOCK))
        except locking.HeldError as error:
            raise InputError(
                "--sweep_dir=%s: another sweep, or a run it started, is still running "
                "there (%s)" % (self.directory, error)
            ) from None
        path = os.path.join(self.directory, SWEEP_FILE)
        json_files.write(path, self.description())
        return self

    def __exit__(self, *_):
        if self._lock is not None:
            self._lock.close()

    def description(self):
        """Returns a dictionary: `fixed`, `inputs`, `flags` and `keep_checkpoints`."""
        return {
            "fixed": self._fixed(),
            "inputs": self._inputs,
            "flags": self.flags,
            "keep_checkpoints": self.keep,
        }

    def _fixed(self):
        """Returns what must stay the same once a run has trained, as a dictionary."""
        settings = self._settings()
        names = set(flags_with(affects="weights") + flags_with(affects="scores"))
        names -= {*grid.SWEPT.values(), "random_seed"}
        values = {name: getattr(settings, name) for name in sorted(names)}
        return dict(values, python=self.python, script=os.path.abspath(self.script))

    def _settings(self):
        """Returns the `Settings` of the first run."""
        return command_line.parse(self._command(self.points[0]))[0]

    def _command(self, point):
        """Returns the command line of one run: the program and its arguments."""
        phases = ["--do_train=true", "--do_eval=true"]
        output_dir = "--output_dir=" + self.run_dir(point)
        return [self.script, *self.flags, *phases, output_dir, *point.flags()]

    def run_dir(self, point):
        return os.path.join(self.directory, RUNS_DIR, point.name)

    def run(self):
        """Executes the runs that are not finished yet.

        Yields:
          Before the first and after each run: dictionary of each finished `Point` to
          its result from `run_files.read`.

        Raises:
          InputError: an input file changed while a run used it.
        """
        results = self._read_results()
        if results:
            log.info("Skipping %d runs that are already finished", len(results))
        yield results
        remaining = [point for point in self.points if point not in results]
        started = time.monotonic()
        for index, point in enumerate(remaining):
            number = self.points.index(point) + 1
            label = "run %d of %d" % (number, len(self.points))
            log.info("%s: %s, seed %d", label, point.setting, point.seed)
            error = self._execute(point)
            if error is None:
                results[point] = self._read_result(point)
                self._remove_checkpoints(results)
                _log_result(
                    label, results[point], _time_left(remaining, index, started)
                )
            else:
                self.failed[point.name] = error
                log.error("%s failed: %s", label, error)
            yield results

    def _read_results(self):
        """Returns a dictionary of each finished point to its result.

        Raises:
          InputError: a file is damaged, or a run used other files than this sweep.
        """
        results = {point: self._read_result(point) for point in self.points}
        return {point: result for point, result in results.items() if result}

    def _read_result(self, point):
        directory = self.run_dir(point)
        result = run_files.read(directory)
        if result:
            inputs.require_same(directory, inputs.of_result(result), self._inputs)
        return result

    def _execute(self, point):
        """Executes one run; returns None on success, otherwise its error message."""
        directory = self.run_dir(point)
        state = _open_run(directory)
        command = [self.python, *self._command(point)]
        started = time.monotonic()
        error = "interrupted"
        try:
            output = os.path.join(directory, OUTPUT)
            failure = process.execute(command, output, self._lock)
            failure = failure or run_files.problem(directory)
            inputs.require_same(directory, self._inputs, inputs.take(self._settings()))
            error = failure
        finally:
            state["seconds"] += time.monotonic() - started
            state.update(finished=error is None, error=error)
            json_files.write(os.path.join(directory, run_files.RUN_FILE), state)
        return error

    def _remove_checkpoints(self, results):
        if self.keep == "all":
            return
        scores = {point: results[point]["results"][MAIN_SCORE] for point in results}
        best = summary.best(scores)
        for point in results:
            if self.keep == "none" or best not in (None, point):
                remove_checkpoints(self.run_dir(point))


def remove_checkpoints(directory):
    """Removes a run's checkpoints and record files, but not its results."""
    if not os.path.exists(os.path.join(directory, run_files.RUN_FILE)):
        return
    for folder in (directory, os.path.join(directory, "best")):
        for name in _names(folder):
            is_checkpoint = name == "checkpoint" or name.startswith("model.ckpt-")
            if is_checkpoint or name.endswith(".tf_record"):
                os.remove(os.path.join(folder, name))


def _load_settings(directory):
    """Returns the saved settings of the sweep in a directory; {} for a new sweep."""
    if os.path.exists(directory) and not os.path.isdir(directory):
        raise InputError("--sweep_dir=%s is a file, expected a directory" % directory)
    path = os.path.join(directory, SWEEP_FILE)
    if os.path.exists(path):
        return json_files.read(
            path, "the settings of a sweep", "use another --sweep_dir", _check_settings
        )
    if _names(directory):
        raise InputError(
            "--sweep_dir=%s contains files that are not from a sweep; use an empty "
            "directory" % directory
        )
    return {}


def _check_settings(saved):
    if not isinstance(saved["fixed"], dict):
        raise ValueError("fixed is no object")
    fingerprints.check(saved.get("inputs", {}))
    if saved.get("keep_checkpoints") not in (None, *KEEP):
        raise ValueError("keep_checkpoints is none of %s" % ", ".join(KEEP))
    return saved


def _has_trained(directory):
    """Returns whether a run is finished or has a checkpoint to resume from."""
    folder = os.path.join(directory, RUNS_DIR)
    runs = [os.path.join(folder, name) for name in _names(folder)]
    return any(run_files.read(run) or "checkpoint" in _names(run) for run in runs)


def _names(directory):
    return os.listdir(directory) if os.path.isdir(directory) else []


def _require_same(directory, saved, now, ignored):
    for name in now:
        if name not in ignored and saved.get(name) != now[name]:
            raise InputError(
                "--sweep_dir=%s contains a sweep with %s instead of %s; choose another "
                "--sweep_dir, or restore the old value"
                % (directory, as_flag(name, saved.get(name)), as_flag(name, now[name]))
            )


def _open_run(directory):
    """Creates a run's directory, or returns the saved state of one to resume.

    Raises:
      InputError: the directory was not made by this sweep.
    """
    path = os.path.join(directory, run_files.RUN_FILE)
    state = run_files.read_state(directory)
    if state is None:
        if _names(directory):
            raise InputError(
                "%s was not made by this sweep; move it elsewhere" % directory
            )
        files.make_directory(directory)
        state = {"seconds": 0.0, "finished": False, "error": None}
        json_files.write(path, state)
    return state


def _time_left(points, index, started):
    """Estimates the seconds for the points after `index` from the epochs so far."""
    epochs = [point.epochs for point in points]
    done, left = sum(epochs[: index + 1]), sum(epochs[index + 1 :])
    return left * (time.monotonic() - started) / done


def _log_result(label, result, seconds_left):
    log.info(
        "%s: main score %.4f in %s%s",
        label,
        result["results"][MAIN_SCORE],
        duration(result["seconds"]),
        ", about %s left" % duration(seconds_left) if seconds_left else "",
    )
