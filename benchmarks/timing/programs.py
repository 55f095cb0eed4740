"""Programs in processes of their own, which take turns: noise affects them alike."""

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from typing import Any, Dict, Optional, Tuple

from benchmarks import ROOT

LOSS_TOLERANCE = 1e-4
_KINDS = {
    "ours": "this program",
    "original": "the original",
    "hf": "Hugging Face",
    "products": "products alone",
}
_LOG_CHARACTERS = 2000


class BenchmarkError(Exception):
    """A program ended, with the end of its log; or it computes another model."""


@dataclass(frozen=True)
class Program:
    """A program to time: one row of a table.

    Attributes:
      kind: "ours", "original", "hf" or "products".
      stack: name and version of the library below it.
      dtype: of the matrix products; None where there are none.
      python: path of the interpreter.
      module: of `benchmarks.workers`.
      specs: dictionaries for the worker; of several, the fastest is timed.
      directory: where its modules are.
      changes: what differs from the program's own command: "NAME=VALUE", a variable of
        the environment, or a change that the worker makes.
    """

    kind: str
    stack: str
    dtype: Optional[str]
    python: str
    module: str
    specs: Tuple[Dict[str, Any], ...]
    directory: str = ROOT
    changes: Tuple[str, ...] = ()

    @property
    def name(self):
        facts = ", ".join(filter(None, (self.stack, self.dtype, *self.changes)))
        return "%s (%s)" % (_KINDS[self.kind], facts)

    @property
    def environment(self):
        """The variables among the changes, by name."""
        return dict(change.split("=", 1) for change in self.changes if "=" in change)

    def facts(self):
        """Dictionary: name, kind, stack, dtype."""
        names = ("name", "kind", "stack", "dtype")
        return {name: getattr(self, name) for name in names}


def interpreter(command):
    """The absolute path of an interpreter, for processes in other directories."""
    return os.path.abspath(shutil.which(command) or command)


def positive(text):
    """The whole number above 0 that a flag gives, for argparse."""
    if not re.fullmatch("[0-9]{1,9}", text) or int(text) == 0:
        raise argparse.ArgumentTypeError("%r is not a whole number above 0" % text)
    return int(text)


def positive_numbers(text):
    """The comma-separated whole numbers above 0 that a flag gives, as a list."""
    return [positive(part) for part in text.split(",")]


class Worker:
    """A process that works on request; see `workers.serving`.

    Attributes:
      facts: dictionary that it reported when it was ready.
      peak_bytes: its peak memory so far; None before its first turn.
    """

    def __init__(self, python, module, spec, directory=ROOT, variables=()):
        """Starts the process and waits until it is ready.

        Args:
          python: see `Program`.
          module: see `Program`.
          spec: dictionary for the worker.
          directory: see `Program`.
          variables: see `Program.environment`.
        """
        self.peak_bytes = None
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115
        with tempfile.NamedTemporaryFile("w", suffix=".json", delete=False) as file:
            json.dump(spec, file)
        environment = dict(os.environ, PYTHONPATH=ROOT, PYTHONWARNINGS="ignore")
        self._process = subprocess.Popen(
            [python, "-m", "benchmarks.workers." + module, file.name],
            cwd=directory,  # Where Python looks for modules before PYTHONPATH.
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            universal_newlines=True,
            env=dict(environment, TF_CPP_MIN_LOG_LEVEL="3", **dict(variables)),
        )
        try:
            self.facts = self._read()
        except BaseException:
            self.close()
            raise
        finally:
            os.remove(file.name)

    def run(self, **request):
        """Does the work once; returns its seconds."""
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer = self._read()
        self.peak_bytes = answer["peak_bytes"]
        return answer["seconds"]

    def close(self):
        self._process.stdin.close()
        try:
            self._process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._log.close()

    def _read(self):
        line = self._process.stdout.readline()
        if not line:
            self._log.seek(0)
            raise BenchmarkError(self._log.read()[-_LOG_CHARACTERS:])
        return json.loads(line)


def time_programs(programs, rounds, warm_up=0, divisor=1, **request):
    """Times programs that take turns.

    Args:
      programs: sequence of `Program`.
      rounds: in each, every program has one turn.
      warm_up: turns of each program before the first round, which do not count.
      divisor: what the seconds of a turn are divided by.
      **request: the work of a turn.

    Returns:
      A row for each program, a dictionary: name, kind, stack, dtype, seconds (of each
      round), median_seconds, peak_bytes, and the worker's facts.

    Raises:
      BenchmarkError: a program ended, or the losses of the first batch are not equal.
    """
    workers = []
    try:
        for program in programs:
            _show_progress("starting %s" % program.name)
            workers.append(_start_fastest(program, request))
        rows = [
            dict(worker.facts, **program.facts())
            for program, worker in zip(programs, workers)
        ]
        check_losses(
            {
                program.name: row.get("first_loss")
                for program, row in zip(programs, rows)
                if not program.changes  # They may change the precision.
            }
        )
        _show_progress("%d rounds" % rounds)
        for row, worker, turns in zip(
            rows, workers, _take_turns(workers, rounds, warm_up, request)
        ):
            row["seconds"] = [seconds / divisor for seconds in turns]
            row["median_seconds"] = statistics.median(row["seconds"])
            row["peak_bytes"] = worker.peak_bytes
        return rows
    finally:
        for worker in workers:
            worker.close()


def check_losses(losses):
    """Raises BenchmarkError unless the losses, by name, are equal; None: unknown."""
    known = {name: loss for name, loss in losses.items() if loss is not None}
    if not known or max(known.values()) - min(known.values()) <= LOSS_TOLERANCE:
        return
    raise BenchmarkError(
        "the programs' losses on the first batch, without dropout, differ by more than "
        "%g: %s"
        % (LOSS_TOLERANCE, ", ".join("%s %.6f" % item for item in known.items()))
    )


def _show_progress(line):
    print("... " + line, file=sys.stderr, flush=True)


def _start_fastest(program, request):
    """The `Worker` of the fastest of the program's specs."""
    workers = [
        Worker(
            program.python,
            program.module,
            spec,
            program.directory,
            program.environment,
        )
        for spec in program.specs
    ]
    if len(workers) == 1:
        return workers[0]
    seconds = {}
    for worker in workers:
        worker.run(**request)  # Warms up.
        seconds[worker] = min(worker.run(**request) for _ in range(2))
    fastest, *slower = sorted(workers, key=seconds.get)
    for worker in slower:
        worker.close()
    fastest.run(steps=0, restart=True)  # So that all start with the same examples.
    return fastest


def _take_turns(workers, rounds, warm_up, request):
    """The seconds of each round, one list for each worker."""
    for worker in workers:
        for _ in range(warm_up):
            worker.run(**request)
    seconds = [[] for _ in workers]
    for number in range(rounds):
        # A turn is affected by the one before it, so the first place rotates.
        for place in range(len(workers)):
            index = (number + place) % len(workers)
            seconds[index].append(workers[index].run(**request))
    return seconds
