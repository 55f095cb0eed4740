"""A worker with a control connection, and nothing else, in a process of its own.

  python worker.py SCRIPT SETTINGS

SCRIPT is Python code that uses `workers`, a `cluster.Cluster`; SETTINGS are values of
flags, as JSON. What ends the worker is shown as run_classifier.py shows it.
"""

import json
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

_NAMES = {
    "np": np,
    "os": os,
    "time": time,
    "log": log,
    "InputError": InputError,
}


def main(script, settings):
    with console.screen(), signals.handling_signals():
        try:
            with cluster.from_settings(Settings(**json.loads(settings))) as workers:
                exec(script, dict(_NAMES, workers=workers))
        except (Exception, KeyboardInterrupt) as error:
            return exit_status.report(error)
    return exit_status.SUCCESS


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
