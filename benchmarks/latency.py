"""Measures how fast a trained model answers: from Python, over HTTP, and transformers.

  python benchmarks/latency.py RUN --huggingface=DIR --data_file=MRPC/dev.tsv

RUN is an output directory of MRPC, DIR its export for transformers, whose pipeline runs
in the Python of `make bench-env`. In each round the three take turns: pairs one after
the other, and the same by eight clients at once. transformers and the Predictor are
called by threads of their process; the server is asked over HTTP by threads of this one
with a connection each. Prints medians over the rounds.
"""

import argparse
import contextlib
import http.client
import json
import os
import re
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

from benchmarks.timing.programs import Worker, interpreter, positive  # noqa: E402

_CLIENTS = 8
_TOLERANCE = 1e-4


class Server:
    """scripts/serve.py in a process of its own."""

    def __init__(self, path, pairs, threads):
        self._process = subprocess.Popen(
            [
                *[sys.executable, os.path.join(ROOT, "scripts", "serve.py"), path],
                *["--port=0", "--num_threads=%d" % threads],
            ],
            stdout=subprocess.PIPE,
            universal_newlines=True,
        )
        match = re.search(r"(127.0.0.1:\d+)(/\S+)", self._process.stdout.readline())
        self._address, self._path = match.groups()
        self._bodies = [
            json.dumps({"instances": [{"text_a": a, "text_b": b}]}) for a, b in pairs
        ]

    def run(self, clients, count):
        """Like `Worker.run`."""
        started = time.perf_counter()
        with ThreadPoolExecutor(clients) as pool:
            list(pool.map(self._ask, range(clients), [count] * clients))
        return time.perf_counter() - started

    def _ask(self, start, count):
        with contextlib.closing(http.client.HTTPConnection(self._address)) as http_:
            for number in range(start, start + count):
                http_.request(
                    "POST", self._path, self._bodies[number % len(self._bodies)]
                )
                response = http_.getresponse()
                if response.status != 200:
                    raise RuntimeError(response.read())
                response.read()

    def close(self):
        self._process.terminate()
        self._process.wait()


def _read_pairs(path):
    with open(path, encoding="utf-8") as file:
        rows = [line.rstrip("\n").split("\t") for line in file][1:]
    return [row[3:5] for row in rows]


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run")
    parser.add_argument("--huggingface", required=True)
    parser.add_argument("--data_file", required=True)
    parser.add_argument("--hf_python", default=".venv/bench/bin/python")
    parser.add_argument("--threads", type=positive, default=os.cpu_count())
    parser.add_argument("--rounds", type=positive, default=7)
    parser.add_argument("--count", type=positive, default=50, help="pairs of a client")
    flags = parser.parse_args()
    pairs = _read_pairs(flags.data_file)
    spec = {"pairs": pairs, "threads": flags.threads}
    with contextlib.ExitStack() as stack:

        def start(make, *arguments):
            return stack.enter_context(contextlib.closing(make(*arguments)))

        ours = start(
            Worker,
            sys.executable,
            "predict_worker",
            dict(spec, kind="predictor", path=os.path.abspath(flags.run)),
        )
        theirs = start(
            Worker,
            interpreter(flags.hf_python),
            "predict_worker",
            dict(spec, kind="pipeline", path=os.path.abspath(flags.huggingface)),
        )
        programs = {
            "Predictor (%s)" % ours.facts["version"]: ours,
            "scripts/serve.py over HTTP": start(
                Server, flags.run, pairs, flags.threads
            ),
            "pipeline (%s)" % theirs.facts["version"]: theirs,
        }
        _require_same(ours.facts["scores"], theirs.facts["scores"])
        _measure(programs, flags.rounds, flags.count)


def _require_same(first, second):
    numbers = [number for scores in (first, second) for row in scores for number in row]
    half = len(numbers) // 2
    worst = max(abs(a - b) for a, b in zip(numbers[:half], numbers[half:]))
    if not worst <= _TOLERANCE:
        raise SystemExit("the probabilities differ by %g" % worst)


def _measure(programs, rounds, count):
    for program in programs.values():
        program.run(clients=_CLIENTS, count=5)
    seconds = {name: {1: [], _CLIENTS: []} for name in programs}
    for _ in range(rounds):
        for clients in (1, _CLIENTS):
            for name, program in programs.items():
                seconds[name][clients].append(program.run(clients=clients, count=count))
    print("load average %.1f, %d CPUs" % (os.getloadavg()[0], os.cpu_count()))
    print("| | one pair | ratio | pairs per second, %d clients | ratio |" % _CLIENTS)
    print("| --- | --- | --- | --- | --- |")
    reference = list(seconds.values())[-1]
    for name, times in seconds.items():
        ratios = {
            clients: statistics.median(
                theirs / ours
                for ours, theirs in zip(times[clients], reference[clients])
            )
            for clients in times
        }
        print(
            "| %s | %.1f ms | %.2f | %.0f | %.2f |"
            % (
                name,
                1e3 * statistics.median(times[1]) / count,
                ratios[1],
                _CLIENTS * count / statistics.median(times[_CLIENTS]),
                ratios[_CLIENTS],
            )
        )


if __name__ == "__main__":
    main()
