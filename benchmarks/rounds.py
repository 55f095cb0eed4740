"""Worker processes that take turns, so that the machine's noise meets them alike."""

import json
import os
import subprocess
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))


class WorkerError(Exception):
    """A worker ended; the message holds the end of what it wrote."""


class Worker:
    """A program in a process of its own, which works when it is told to.

    Attributes:
      facts: dictionary that it said when it was ready.
      peak_bytes: the most memory it has held; None before its first turn.
    """

    def __init__(self, python, script, spec):
        """Starts the process and waits until it is ready.

        Args:
          python: interpreter.
          script: file name in this directory.
          spec: dictionary for the worker.
        """
        self.peak_bytes = None
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115
        with tempfile.NamedTemporaryFile("w", suffix=".json", delete=False) as file:
            json.dump(spec, file)
        self._process = subprocess.Popen(
            [python, os.path.join(HERE, script), file.name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            universal_newlines=True,
            env=dict(os.environ, TF_CPP_MIN_LOG_LEVEL="3", PYTHONWARNINGS="ignore"),
        )
        try:
            self.facts = self._read()
        except BaseException:
            self.close()
            raise
        finally:
            os.remove(file.name)

    def run(self, **request):
        """Does the work once: its answer, see `serving`."""
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer = self._read()
        self.peak_bytes = answer["peak_bytes"]
        return answer

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
            raise WorkerError(self._log.read()[-2000:])
        return json.loads(line)


def fastest(workers, **request):
    """The worker that does this request fastest; closes the others."""
    if len(workers) > 1:
        seconds = {}
        for worker in workers:
            worker.run(**request)
            seconds[worker] = min(worker.run(**request)["seconds"] for _ in range(2))
        workers = sorted(workers, key=seconds.get)
        for worker in workers[1:]:
            worker.close()
        workers[0].run(steps=0, restart=True)  # The rounds begin where others begin.
    return workers[0]


def take_turns(workers, count, warm_up, **request):
    """Rounds in which every worker has one turn.

    Args:
      workers: dictionary from name to `Worker`.
      count: rounds.
      warm_up: turns of each before the first round, which do not count.
      **request: of each turn.

    Returns:
      Dictionary from name to the seconds of each round.
    """
    for worker in workers.values():
        for _ in range(warm_up):
            worker.run(**request)
    seconds = {name: [] for name in workers}
    for number in range(count):
        # Whoever goes first meets what the last turn left behind: that changes too.
        names = list(workers)
        names = names[number % len(names) :] + names[: number % len(names)]
        for name in names:
            seconds[name].append(workers[name].run(**request)["seconds"])
    return seconds
