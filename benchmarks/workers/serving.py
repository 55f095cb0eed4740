"""A worker's side of the conversation with bench.py, in lines of JSON.

  python -m benchmarks.workers.NAME SPEC.json

A worker sets itself up, writes facts about itself, then answers each request (the
arguments of its work) with the seconds that the work took and the peak memory so far.
"""

import itertools
import json
import os
import resource
import sys
import time


def serve(set_up, memory_of=resource.RUSAGE_SELF):
    """Runs a worker until its standard input is closed.

    Args:
      set_up: function from the spec (a dictionary) to the facts (a dictionary) and the
        function that does the work.
      memory_of: whose peak memory is reported: RUSAGE_SELF or RUSAGE_CHILDREN.
    """
    # Whatever else writes to standard output must not come between the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    with open(sys.argv[1], encoding="utf-8") as file:
        spec = json.load(file)
    sys.argv = sys.argv[:1]  # The original parses flags from here when it is imported.

    def answer(content):
        answers.write(json.dumps(content) + "\n")
        answers.flush()

    facts, work = set_up(spec)
    answer(facts)
    for line in sys.stdin:
        request = json.loads(line)
        started = time.perf_counter()
        work(**request)
        seconds = time.perf_counter() - started
        peak = resource.getrusage(memory_of).ru_maxrss
        peak_bytes = peak if sys.platform == "darwin" else peak * 1024  # Linux: in KiB.
        answer({"seconds": seconds, "peak_bytes": peak_bytes})


def cycling(do, items):
    """Returns work that does the next `steps` items, starting over after the last.

    Args:
      do: function of one item.
      items: list.
    """
    endless = itertools.cycle(items)

    def work(steps, restart=False):
        nonlocal endless
        if restart:
            endless = itertools.cycle(items)
        for item in itertools.islice(endless, steps):
            do(item)

    return work
