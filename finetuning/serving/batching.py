"""Computes the requests that wait at the same time in one batch."""

import queue
import threading
from concurrent.futures import Future


class Batcher:
    """A thread that computes all rows that wait, while the next ones come in.

    A request that comes alone is computed at once: nobody waits for a batch to fill.
    """

    def __init__(self, run, max_rows):
        """Starts the thread.

        Args:
          run: function from a list of rows to a dictionary of arrays [rows, ...], such
            as `Predictor.run`.
          max_rows: how many rows make a batch that takes no further request.
        """
        self._run, self._max_rows = run, max_rows
        self._waiting = queue.Queue()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def run(self, rows):
        """Like the function that was given; called by any thread."""
        future = Future()
        self._waiting.put((rows, future))
        return future.result()

    def close(self):
        """Ends the thread after all that waits is computed."""
        self._waiting.put(None)
        self._thread.join()

    def _work(self):
        is_open = True
        while is_open:
            jobs = [self._waiting.get()]
            while jobs[-1] and sum(len(job[0]) for job in jobs) < self._max_rows:
                try:
                    jobs.append(self._waiting.get_nowait())
                except queue.Empty:
                    break
            is_open = jobs[-1] is not None
            self._answer([job for job in jobs if job is not None])

    def _answer(self, jobs):
        if not jobs:
            return
        try:
            outputs = self._run([row for rows, _ in jobs for row in rows])
        except Exception as error:  # The requests answer it.
            for _, future in jobs:
                future.set_exception(error)
            return
        start = 0
        for rows, future in jobs:
            end = start + len(rows)
            future.set_result({name: outputs[name][start:end] for name in outputs})
            start = end
