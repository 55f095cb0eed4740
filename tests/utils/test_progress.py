"""Progress of a loop, as lines in a log and as a bar on a terminal."""

import io
import re
import sys
import threading

import pytest

from finetuning.utils import console, progress
from finetuning.utils.console import log
from finetuning.utils.progress import Progress, duration
from tests.support import terminal


class Clock:
    """A clock that moves only when it is told to."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    fake = Clock()
    monkeypatch.setattr(progress.time, "monotonic", fake)
    return fake


@pytest.fixture
def screen(capsys):
    """A function that returns the lines shown since its last call."""
    with console.screen():
        yield lambda: capsys.readouterr().out.splitlines()


def run(shown, clock, steps, seconds_each, *facts, first=0):
    for step in range(first + 1, first + steps + 1):
        clock.now += seconds_each
        shown.update(step, *facts)
    shown.close()


# Lines


def test_the_first_and_the_last_step_are_shown(clock, screen):
    run(Progress("training", 100), clock, 100, 0.001)
    assert screen() == [
        "training: step 1 of 100",
        "training: step 100 of 100, 1000.0 examples/s",
    ]
    run(Progress("evaluation", 1), clock, 1, 5.0)
    assert screen() == ["evaluation: step 1 of 1"]


def test_several_steps_at_once(clock, screen):
    """As with examples, which come in batches of any size."""
    shown = Progress("evaluation", 100, unit="example")
    for done in (7, 30, 33, 34, 77, 100):
        clock.now += 3.0
        shown.update(done)
    shown.close()
    assert screen() == [
        "evaluation: example 7 of 100",
        "evaluation: example 30 of 100, 7.7 examples/s, 9 s left",
        "evaluation: example 77 of 100, 5.8 examples/s, 4 s left",
        "evaluation: example 100 of 100, 6.2 examples/s",
    ]


def test_facts_rate_and_remaining_time(clock, screen):
    """5 examples and 4 seconds per step; the 50 seconds of the first do not count."""
    shown = Progress("training", 10, examples_each=5)
    for step, seconds in enumerate([50.0, 4.0, 4.0], 1):
        assert shown.examples_per_second == (None if step < 3 else 1.25)
        clock.now += seconds
        shown.update(step, "loss 0.%d000" % (8 - step))
    assert screen() == [
        "training: step 1 of 10, loss 0.7000",
        "training: step 2 of 10, loss 0.6000, 1.2 examples/s, 32 s left",
        "training: step 3 of 10, loss 0.5000, 1.2 examples/s, 28 s left",
    ]


@pytest.mark.parametrize(
    "total, first, steps, seconds_each, expected",
    [
        # One line for every twentieth of the steps,
        (733, 0, 733, 0.1, [1, *range(36, 733, 36), 733]),
        (107, 7, 100, 1.0, [8, *range(12, 108, 5)]),
        # at least 2 seconds
        (100, 0, 100, 0.15, [1, 15, 30, 45, 60, 75, 90, 100]),
        # and at most 30 seconds after the one before.
        (1000, 0, 50, 10.0, [*range(1, 50, 3), 50]),
        (5, 0, 5, 3600.0, [1, 2, 3, 4, 5]),
    ],
)
def test_steps_with_a_line(clock, screen, total, first, steps, seconds_each, expected):
    run(Progress("training", total, first), clock, steps, seconds_each, first=first)
    pattern = r"training: step (\d+) of %d" % total
    assert [int(re.match(pattern, line).group(1)) for line in screen()] == expected


def test_a_resumed_loop_is_timed_from_where_it_resumed(clock, screen):
    shown = Progress("training", 100, first=80, examples_each=2)
    run(shown, clock, 20, 4.0, first=80)
    assert screen()[:2] == [
        "training: step 81 of 100",
        "training: step 82 of 100, 0.5 examples/s, 1 min 12 s left",
    ]


def test_a_brief_loop_shows_only_that_it_is_still_running(clock, screen):
    run(Progress("evaluation", 10, brief=True), clock, 10, 1.0)
    assert screen() == []
    run(Progress("evaluation", 10, brief=True), clock, 10, 20.0)
    assert [line.split()[2] for line in screen()] == ["2", "4", "6", "8", "10"]


def test_pauses_do_not_count(clock, screen):
    """Two steps a second, with ten minutes before the first and after the fourth."""
    shown = Progress("training", 9, examples_each=8)
    for step in range(1, 9):
        if step in (1, 5):
            clock.now += 600.0
            shown.leave_out(600.0)
        clock.now += 0.5
        shown.update(step)
    assert shown.examples_per_second == pytest.approx(16.0)
    assert shown.seconds_left == pytest.approx(0.5)


def test_a_line_is_as_wide_as_the_terminal(clock, screen, monkeypatch):
    def last_line(columns):
        monkeypatch.setenv("COLUMNS", str(columns))
        shown = Progress("training", 20, examples_each=5)
        run(shown, clock, 3, 4.0, "loss 0.5", "3 skipped", "4 odd")
        return screen()[-1]

    line = "training: step 3 of 20, loss 0.5, 1.2 examples/s, 1 min 08 s left"
    more = line + ", 3 skipped"
    assert last_line(100) == more + ", 4 odd"
    assert last_line(len(more)) == more
    assert last_line(len(more) - 1) == line
    assert last_line(30) == line[:30]


# A bar


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_on_a_terminal_a_bar_replaces_the_lines(clock, tmp_path, monkeypatch, capsys):
    errors = Terminal()
    monkeypatch.setattr(sys, "stderr", errors)
    with console.screen(), console.log_file(str(tmp_path)):
        run(Progress("training", 4, examples_each=2), clock, 4, 3.0, "loss 0.5")
        log.info("done")
    assert capsys.readouterr().out.splitlines() == ["done"]
    for part in ("training", "4/4", "loss 0.5"):
        assert part in errors.getvalue()
    lines = (tmp_path / "run.log").read_text().splitlines()
    assert [line.split(", ")[0].split("  ", 1)[1] for line in lines] == [
        *("training: step %d of 4" % step for step in range(1, 5)),
        "done",
    ]


@pytest.mark.parametrize("columns", ["200", "80", "60", "40", "20", ""])
def test_a_bar_is_never_wider_than_the_terminal(clock, monkeypatch, columns):
    errors = Terminal()
    monkeypatch.setattr(sys, "stderr", errors)
    monkeypatch.setenv("COLUMNS", columns)
    run(Progress("training", 36815), clock, 4, 4.0, "loss 0.5000", "3 skipped")
    lines = re.split("[\r\n]", errors.getvalue())
    assert max(map(len, lines)) == int(columns or 80)
    assert any("loss 0.5000" in line for line in lines) is (columns not in ("40", "20"))
    if columns in ("200", "60"):
        assert any("3 skipped" in line for line in lines) is (columns == "200")


def test_facts_are_shown_whole_or_not_at_all(clock, monkeypatch):
    for columns in range(60, 100):
        errors = Terminal()
        monkeypatch.setattr(sys, "stderr", errors)
        monkeypatch.setenv("COLUMNS", str(columns))
        run(Progress("training", 36815), clock, 4, 4.0, "loss 0.5000", "3 skipped")
        lines = [line.strip() for line in re.split("[\r\n]", errors.getvalue())]
        assert {line[-1] for line in lines if line} == {"]"}


def test_a_terminal_that_does_not_know_its_height(root):
    """As some of containers and editors; tqdm shows nothing there."""
    code = (
        "from finetuning.utils.progress import Progress; "
        "shown = Progress('training', 4); shown.update(4, 'loss 0.5'); shown.close()"
    )
    status, lines = terminal.run([sys.executable, "-c", code], root, rows=0)
    assert status == 0 and "4/4" in "".join(lines)


def test_a_bar_starts_no_thread(clock, monkeypatch):
    """A monitor thread of tqdm 4.32 may wait for a lock that closing the bar holds."""
    monkeypatch.setattr(sys, "stderr", Terminal())
    before = threading.active_count()
    shown = Progress("training", 4)
    assert threading.active_count() == before
    shown.close()


def test_without_a_terminal_there_is_no_bar(clock, screen, monkeypatch):
    errors = io.StringIO()
    monkeypatch.setattr(sys, "stderr", errors)
    run(Progress("training", 4), clock, 4, 3.0)
    assert errors.getvalue() == ""


@pytest.mark.parametrize(
    "seconds, text",
    [
        (0.4, "0 s"),
        (4.6, "5 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (125, "2 min 05 s"),
        (3599.4, "59 min 59 s"),
        (3599.6, "1 h 00 min"),
        (3779, "1 h 02 min"),
        (100 * 3600, "100 h 00 min"),
    ],
)
def test_duration(seconds, text):
    assert duration(seconds) == text
