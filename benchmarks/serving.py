"""A worker's side of the talk with bench.py: JSON lines, one for each request.

  worker_NAME.py SPEC.json

A worker sets itself up, says its facts, then answers each request (a dictionary of
arguments) with the seconds it took, its peak memory so far, and what the work returned.
"""

import itertools
import json
import os
import resource
import sys
import time


def serve(set_up):
    """Runs a worker to its end.

    Args:
      set_up: function from the spec (a dictionary) to the facts (a dictionary) and the
        function that does the work.
    """
    # Whatever else writes to standard output must not come between the lines.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    with open(sys.argv[1], encoding="utf-8") as file:
        spec = json.load(file)
    sys.argv = sys.argv[:1]  # The original's import reads flags from here.

    def say(content):
        answers.write(json.dumps(content) + "\n")
        answers.flush()

    facts, work = set_up(spec)
    say(facts)
    for line in sys.stdin:
        request = json.loads(line)
        started = time.perf_counter()
        result = work(**request)
        seconds = time.perf_counter() - started
        say({"seconds": seconds, "peak_bytes": peak_bytes(), "result": result})


def in_turn(do, items, together=False):
    """A worker's work: does the next so many of these items, over and over again.

    Args:
      do: function of one item.
      items: iterable.
      together: whether all of them count as one.
    """
    turns = [list(items)] if together else [[item] for item in items]
    endless = itertools.cycle(turns)

    def work(steps, restart=False):
        nonlocal endless
        if restart:
            endless = itertools.cycle(turns)
        for turn in itertools.islice(endless, steps):
            for item in turn:
                do(item)

    return work


def peak_bytes():
    """The most memory that this process has held, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # Linux counts in KiB.
