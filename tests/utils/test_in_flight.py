"""Several calls at a time: how many, which results, and what is left when it ends."""

import contextlib
import itertools
import threading

import pytest

from finetuning.utils import in_flight


class Calls:
    """A function to call: it counts up to `last`, and how many calls run at once.

    The calls wait for each other in groups of `at_once`.
    """

    def __init__(self, last, at_once):
        self._numbers = itertools.count(1)
        self._last = last
        self._together = threading.Barrier(at_once, timeout=20)
        self._lock = threading.Lock()
        self.running = self.most = self.begun = 0

    def __call__(self):
        with self._lock:
            number = next(self._numbers)
            self.begun += 1
            self.running += 1
            self.most = max(self.most, self.running)
        if number <= self._last:
            self._together.wait()
        with self._lock:
            self.running -= 1
        return number if number <= self._last else None


@pytest.mark.parametrize("at_once", [1, 2, 3])
def test_all_results_come_and_so_many_calls_run_at_once(at_once):
    calls = Calls(12, at_once)
    assert sorted(in_flight.results(calls, at_once)) == list(range(1, 13))
    assert calls.most == at_once and calls.running == 0


def test_the_end_comes_before_the_result_of_an_earlier_call():
    ended = threading.Event()
    order = iter([lambda: ended.wait(20) and "late", lambda: ended.set()])
    lock = threading.Lock()

    def call():
        with lock:
            work = next(order, lambda: None)
        return work()

    assert list(in_flight.results(call, 2)) == ["late"]


def test_an_error_is_raised_after_the_other_call_has_ended():
    release, ended = threading.Event(), []
    numbers = itertools.count()

    def call():
        if next(numbers) == 0:
            release.wait(20)
            ended.append(True)
            return 1
        threading.Timer(0.2, release.set).start()
        raise KeyError("lost")

    with pytest.raises(KeyError, match="lost"):
        list(in_flight.results(call, 2))
    assert ended == [True]


def test_nothing_runs_after_it_was_closed():
    calls = Calls(100, 1)
    with contextlib.closing(in_flight.results(calls, 2)) as results:
        next(results)
    begun = calls.begun
    assert calls.running == 0 and begun < 100
