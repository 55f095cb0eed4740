"""What XLA compiles during a run, and how long that takes."""

import time
from typing import Any, NamedTuple

import tensorflow.compat.v1 as tf

from finetuning.utils.console import log


class Compilations(tf.train.SessionRunHook):
    """Logs each compilation: a cluster is compiled when a shape occurs first.

    It is a hook for a monitored session; for any other it has `run` and `watch`.
    """

    def __init__(self, what, num_rows):
        """Watches what a session runs.

        Args:
          what: what is compiled, such as "the training step".
          num_rows: int32 scalar, the only size in the shapes that enter the cluster
            which differs between runs of it; None: nothing is compiled.
        """
        self._what, self._num_rows = what, num_rows
        self._compiled = {}  # When the first run of each number of rows began.
        self._started = None

    def before_run(self, run_context):
        del run_context
        if self._num_rows is None:
            return None
        self._started = time.monotonic()
        return tf.train.SessionRunArgs(self._num_rows)

    def after_run(self, run_context, run_values):
        del run_context
        if self._num_rows is not None:
            self._add(int(run_values.results), self._started)

    def run(self, session, fetches):
        """As `session.run` of a tensor, an op or a sequence of them."""
        if self._num_rows is None:
            return session.run(fetches)
        started = time.monotonic()
        results, num_rows = session.run((fetches, self._num_rows))
        self._add(int(num_rows), started)
        return results

    def watch(self, session):
        """A session that does nothing but run, and each time as `run` does."""
        return _WatchedSession(self, session)

    def _add(self, num_rows, started):
        # In one step, because two threads may run batches.
        if self._compiled.setdefault(num_rows, started) is not started:
            return
        log.info(
            "XLA compiled %s for %s tokens: %.1f s, its first run included",
            self._what,
            f"{num_rows:,}",
            time.monotonic() - started,
        )


class _WatchedSession(NamedTuple):
    compilations: Compilations
    session: Any

    def run(self, fetches):
        return self.compilations.run(self.session, fetches)
