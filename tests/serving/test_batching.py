"""Requests that wait are computed together."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from finetuning.serving.batching import Batcher


class Model:
    """Doubles numbers; the first call waits until `go` is set."""

    def __init__(self):
        self.sizes, self.go, self.started = [], threading.Event(), threading.Event()

    def run(self, rows):
        self.sizes.append(len(rows))
        self.started.set()
        assert self.go.wait(60)
        if None in rows:
            raise ValueError("no number")
        return {"doubled": 2 * np.array(rows)}


def _requests(model, batcher, requests):
    """Starts one request, then the others while it is computed."""
    with ThreadPoolExecutor(len(requests)) as pool:
        futures = [pool.submit(batcher.run, requests[0])]
        assert model.started.wait(60)
        for number, rows in enumerate(requests[1:], 1):
            futures.append(pool.submit(batcher.run, rows))
            while batcher._waiting.qsize() < number:
                pass
        model.go.set()
        return futures


def test_what_waits_is_one_batch():
    model = Model()
    batcher = Batcher(model.run, max_rows=100)
    futures = _requests(model, batcher, [[1], [2, 3], [4], [5, 6, 7]])
    batcher.close()
    assert model.sizes == [1, 6]
    answers = [future.result()["doubled"].tolist() for future in futures]
    assert answers == [[2], [4, 6], [8], [10, 12, 14]]


def test_a_full_batch_takes_no_more():
    model = Model()
    batcher = Batcher(model.run, max_rows=3)
    _requests(model, batcher, [[1], [2, 3], [4], [5, 6, 7]])
    batcher.close()
    assert model.sizes == [1, 3, 3]


def test_an_error_is_raised_where_it_was_asked_for():
    model = Model()
    batcher = Batcher(model.run, max_rows=1)
    futures = _requests(model, batcher, [[1], [None], [2]])
    assert futures[0].result()["doubled"].tolist() == [2]
    with pytest.raises(ValueError, match="no number"):
        futures[1].result()
    assert futures[2].result()["doubled"].tolist() == [4]
    batcher.close()
