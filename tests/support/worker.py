"""A worker of a run, for tests of the control connection, in a process of its own.

  python worker.py SCRIPT FLAGS

SCRIPT is Python code that uses `workers`, the `cluster.Cluster`; what it logs and how
it ends is shown as by run_classifier.py.
"""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", ".."))

import time

import numpy as np

from finetuning.flags.settings import Settings
from finetuning.utils import console, exit_status, signals
from finetuning.utils.console import log
from finetuning.utils.errors import InputError
from finetuning.workers import cluster


def main(script, flags):
    settings = Settings(
        workers=flags[0],
        worker_index=int(flags[1]),
        cluster_secret_file=flags[2] or None,
        connect_timeout=int(flags[3]),
    )
    with console.screen(), signals.handling_signals():
        try:
            with cluster.from_settings(settings) as workers:
                names = {"InputError": InputError, "workers": workers, "log": log}
                exec(script, dict(names, np=np, os=os, time=time))
        except (Exception, KeyboardInterrupt) as error:
            return exit_status.report(error)
    return exit_status.SUCCESS


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
