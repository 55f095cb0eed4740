"""What a person sees while the program works: progress lines, screen and log file."""

import io
import logging
import re
import sys

import pytest

from finetuning.utils import console, progress
from finetuning.utils.console import log
from finetuning.utils.progress import Progress, duration


class Clock:
    """A clock that stands until it is moved."""

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
    """The console's screen; a function that gives the lines shown since last asked."""
    with console.screen():
        yield lambda: capsys.readouterr().out.splitlines()


def run(shown, clock, steps, seconds_each, facts="", first=0):
    for step in range(first + 1, first + steps + 1):
        clock.now += seconds_each
        shown.update(step, facts)
    shown.close()


# Progress without a terminal


def test_first_and_last_step_are_shown(clock, screen):
    run(Progress("training", 100), clock, 100, 0.001)
    assert screen() == [
        "training: step 1 of 100",
        "training: step 100 of 100, 1000.0 examples/s",
    ]


def test_a_single_step(clock, screen):
    run(Progress("evaluation", 1), clock, 1, 5.0)
    assert screen() == ["evaluation: step 1 of 1"]


def test_steps_may_come_many_at_once(clock, screen):
    """As examples do, in batches of any size."""
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


def test_facts_rate_and_time_left(clock, screen):
    """5 examples a step, 4 seconds a step; the first step's 50 do not count."""
    shown = Progress("training", 10, examples_each=5)
    assert shown.examples_per_second is None
    clock.now += 50.0
    shown.update(1, "loss 0.7000")
    assert shown.examples_per_second is None
    clock.now += 4.0
    shown.update(2, "loss 0.6000")
    assert shown.examples_per_second == pytest.approx(1.25)
    clock.now += 4.0
    shown.update(3, "loss 0.5000")
    shown.close()
    assert screen() == [
        "training: step 1 of 10, loss 0.7000",
        "training: step 2 of 10, loss 0.6000, 1.2 examples/s, 32 s left",
        "training: step 3 of 10, loss 0.5000, 1.2 examples/s, 28 s left",
    ]


def test_the_rate_is_a_mean_over_all_steps_but_the_first(clock, screen):
    shown = Progress("training", 100, examples_each=3)
    for step, seconds in enumerate([100.0, 1.0, 3.0, 2.0, 6.0], 1):
        clock.now += seconds
        shown.update(step)
    assert shown.examples_per_second == pytest.approx(3 * 4 / 12.0)


def test_a_line_every_twentieth_of_the_way(clock, screen):
    run(Progress("training", 733), clock, 733, 0.1)
    steps = [int(re.search(r"step (\d+) of 733", line).group(1)) for line in screen()]
    assert steps == [1] + list(range(36, 733, 36)) + [733]


def test_lines_are_two_seconds_apart(clock, screen):
    """A twentieth takes 0.75 s here: each third one is shown."""
    run(Progress("training", 100), clock, 100, 0.15)
    steps = [int(line.split()[2]) for line in screen()]
    assert steps == [1, 15, 30, 45, 60, 75, 90, 100]


def test_no_more_than_half_a_minute_without_a_line(clock, screen):
    run(Progress("training", 1000), clock, 50, 10.0)
    steps = [int(line.split()[2]) for line in screen()]
    assert steps == list(range(1, 50, 3)) + [50]


def test_slow_steps_are_all_shown(clock, screen):
    run(Progress("training", 5), clock, 5, 3600.0)
    assert [line.split(", ")[-1] for line in screen()] == [
        "training: step 1 of 5",
        "3 h 00 min left",
        "2 h 00 min left",
        "1 h 00 min left",
        "0.0 examples/s",
    ]


def test_a_resumed_loop_counts_from_where_it_stopped(clock, screen):
    """20 steps are left: each is a twentieth; the first one done is step 81."""
    shown = Progress("training", 100, first=80, examples_each=2)
    run(shown, clock, 20, 4.0, first=80)
    lines = screen()
    assert lines[0] == "training: step 81 of 100"
    assert lines[1] == "training: step 82 of 100, 0.5 examples/s, 1 min 12 s left"
    assert lines[-1] == "training: step 100 of 100, 0.5 examples/s"
    assert len(lines) == 20


def test_a_resumed_loop_has_its_lines_counted_from_where_it_stopped(clock, screen):
    """100 steps are left: each fifth of them is a twentieth of the way."""
    run(Progress("training", 107, first=7), clock, 100, 1.0, first=7)
    steps = [int(line.split()[2]) for line in screen()]
    assert steps == [8] + list(range(12, 108, 5))


# Progress on a terminal


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_on_a_terminal_a_bar_stands_for_the_lines(clock, tmp_path, monkeypatch, capsys):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with console.screen(), console.log_file(str(tmp_path)):
        run(Progress("training", 4, examples_each=2), clock, 4, 3.0, "loss 0.5")
        log.info("done")
    assert capsys.readouterr().out.splitlines() == ["done"]
    drawn = terminal.getvalue()
    assert "training" in drawn
    assert "4/4" in drawn
    assert "loss 0.5" in drawn
    lines = (tmp_path / "run.log").read_text().splitlines()
    assert [line.split("  ", 1)[1] for line in lines] == [
        "training: step 1 of 4, loss 0.5",
        "training: step 2 of 4, loss 0.5, 0.7 examples/s, 6 s left",
        "training: step 3 of 4, loss 0.5, 0.7 examples/s, 3 s left",
        "training: step 4 of 4, loss 0.5, 0.7 examples/s",
        "done",
    ]


def test_without_a_terminal_nothing_is_drawn(clock, screen, monkeypatch):
    errors = io.StringIO()
    monkeypatch.setattr(sys, "stderr", errors)
    run(Progress("training", 4), clock, 4, 3.0)
    assert errors.getvalue() == ""


# Spans of time


@pytest.mark.parametrize(
    "seconds, shown",
    [
        (0, "0 s"),
        (0.4, "0 s"),
        (4.4, "4 s"),
        (4.6, "5 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (60, "1 min 00 s"),
        (125, "2 min 05 s"),
        (3599.4, "59 min 59 s"),
        (3599.6, "1 h 00 min"),
        (3720, "1 h 02 min"),
        (3779, "1 h 02 min"),
        (100 * 3600, "100 h 00 min"),
    ],
)
def test_duration(seconds, shown):
    assert duration(seconds) == shown


# Screen and log file


def test_warnings_and_errors_say_that_they_are(capsys):
    with console.screen():
        log.info("fine")
        log.warning("odd: %d", 3)
        log.error("bad")
    shown = capsys.readouterr()
    assert shown.out == "fine\nWARNING: odd: 3\n"
    assert shown.err == "ERROR: bad\n"


def test_debug_lines_are_not_shown(screen):
    log.debug("detail")
    assert screen() == []


def test_percent_signs_and_other_alphabets(screen):
    log.info("100 %")
    log.info("%s", "50 % \u535a")
    assert screen() == ["100 %", "50 % \u535a"]


def test_the_log_file_gets_the_lines_of_the_screen(screen, tmp_path):
    log.info("before")
    with console.log_file(str(tmp_path)):
        log.info("one \u00e9")
        log.warning("two")
    log.info("after")
    assert screen() == ["before", "one \u00e9", "WARNING: two", "after"]
    lines = (tmp_path / "run.log").read_bytes().decode("utf-8").splitlines()
    stamp = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d  "
    assert len(lines) == 2
    assert re.match(stamp + "one \u00e9$", lines[0])
    assert re.match(stamp + "WARNING: two$", lines[1])


def test_lines_are_in_the_file_at_once(screen, tmp_path):
    with console.log_file(str(tmp_path)):
        log.info("one")
        assert (tmp_path / "run.log").read_text().endswith("  one\n")


def test_the_log_file_is_appended_to(screen, tmp_path):
    for text in ("one", "two"):
        with console.log_file(str(tmp_path)):
            log.info(text)
    lines = (tmp_path / "run.log").read_text().splitlines()
    assert [line.split("  ")[1] for line in lines] == ["one", "two"]


def test_the_log_file_is_closed_where_something_is_raised(screen, tmp_path):
    @console.log_file(str(tmp_path))
    def failing():
        log.info("one")
        raise ValueError

    before = list(log.handlers)
    with pytest.raises(ValueError):
        failing()
    assert log.handlers == before
    assert (tmp_path / "run.log").read_text().endswith("  one\n")


def test_log_file_by_a_path_of_tensorflows_file_layer(screen, tmp_path):
    with console.log_file("file://" + str(tmp_path)):
        log.info("one \u00e9")
        log.info("two")
    lines = (tmp_path / "run.log").read_bytes().decode("utf-8").splitlines()
    assert [line.split("  ")[1] for line in lines] == ["one \u00e9", "two"]


@pytest.fixture
def foreign_log():
    """The log as another program has set it."""
    before = log.level, log.propagate
    log.setLevel(logging.WARNING)
    log.propagate = True
    yield
    log.setLevel(before[0])
    log.propagate = before[1]


def test_the_screen_is_left_as_it_was(capsys, foreign_log):
    handlers = list(log.handlers)
    with console.screen():
        log.info("shown")
    log.info("not shown")
    assert capsys.readouterr().out == "shown\n"
    assert log.handlers == handlers
    assert log.level == logging.WARNING
    assert log.propagate


def test_a_line_is_shown_once_whatever_the_root_logger_does(capsys):
    root_lines = []
    handler = logging.Handler()
    handler.emit = root_lines.append
    logging.getLogger().addHandler(handler)
    try:
        with console.screen():
            log.info("one")
    finally:
        logging.getLogger().removeHandler(handler)
    assert capsys.readouterr().out == "one\n"
    assert root_lines == []


# Beside another loop


def test_a_brief_loop_shows_nothing_but_that_it_goes_on(clock, screen):
    run(Progress("evaluation", 10, brief=True), clock, 10, 1.0)
    assert screen() == []
    shown = Progress("evaluation", 10, brief=True)
    run(shown, clock, 10, 20.0)
    lines = screen()
    assert lines and all(line.startswith("evaluation: step ") for line in lines)
    assert "step 1 of" not in lines[0]


def test_a_pause_counts_in_no_rate(clock, screen):
    """Two steps a second, with ten minutes between two of them."""
    shown = Progress("training", 9, examples_each=8)
    for step in range(1, 9):
        clock.now += 0.5
        shown.update(step)
        if step == 4:
            clock.now += 600.0
            shown.leave_out(600.0)
    assert shown.examples_per_second == pytest.approx(16.0)


def test_a_pause_before_the_first_step_is_nobodys(clock, screen):
    shown = Progress("training", 9)
    shown.leave_out(600.0)
    clock.now += 0.5
    shown.update(1)
    clock.now += 0.5
    shown.update(2)
    assert shown.examples_per_second == pytest.approx(2.0)
