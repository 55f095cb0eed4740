"""Progress of a loop: a bar on a terminal, plain lines in logs."""

import sys
import time

from finetuning.utils import console, streams
from finetuning.utils.console import Bar, log

# A log gets about this many lines, with at least and at most these seconds between.
_LINES = 20
_MIN_SECONDS = 2.0
_MAX_SECONDS = 30.0
_BAR = "{desc}: {percentage:3.0f}%|{bar}| {n}/{total} [{elapsed}<{remaining}{postfix}]"


class Progress:
    """Shows how many steps of a loop are done.

    Example:
      progress = Progress("training", total=343, examples_each=32)
      for step in range(1, 344):
          progress.update(step, "loss 0.61")
      progress.close()
    """

    def __init__(
        self, label, total, first=0, examples_each=1, unit="step", brief=False
    ):
        """Starts showing progress.

        Args:
          label: what the loop does, such as "training".
          total: number of steps at the end.
          first: number of steps that were done before.
          examples_each: examples per step.
          unit: what a step is called.
          brief: whether to show only lines that are `_MAX_SECONDS` apart.
        """
        self._brief = brief
        self._label = label
        self._unit = unit
        self._total = total
        self._first = first
        self._examples_each = examples_each
        self._line_every = max(1, (total - first) // _LINES)
        self._line_time = time.monotonic()
        self._step = first
        # Time and step from which the rate counts: the end of the first step, because
        # that one builds kernels and buffers.
        self._timed_from = None
        self._seconds_per_step = None
        self._bar = None
        if streams.is_terminal(sys.stderr):
            self._bar = Bar(
                total=total,
                initial=first,
                desc=label,
                bar_format=_BAR,
                leave=not brief,
                file=sys.stderr,
            )

    @property
    def examples_per_second(self):
        """Mean rate after the first step; None before the second one."""
        if not self._seconds_per_step:
            return None
        return self._examples_each / self._seconds_per_step

    @property
    def seconds_left(self):
        """Expected seconds until the last step; None before the second one."""
        if not self._seconds_per_step:
            return None
        return (self._total - self._step) * self._seconds_per_step

    def update(self, step, *facts):
        """Shows that `step` steps are done, in a line as wide as the terminal.

        Args:
          step: number of all steps that are done, those before `first` included; it may
            grow by more than one between two calls.
          *facts: shown next to it, such as "loss 0.61"; if there is no room, all but
            the first are left out.
        """
        now = time.monotonic()
        if self._timed_from is None:
            self._timed_from = (now, step)
        elif step > self._timed_from[1]:
            started, first_step = self._timed_from
            self._seconds_per_step = (now - started) / (step - first_step)
        if self._bar is not None:
            shown = [*facts[:1], *self._rate(), *facts[1:]]
            self._bar.set_postfix_str(", ".join(shown), refresh=False)
            self._bar.update(step - self._bar.n)
        is_due = self._line_is_due(step, now)
        self._step = step
        if is_due:
            self._line_time = now
            log.info(self._line(facts), extra={"only_in_file": bool(self._bar)})

    def leave_out(self, seconds):
        """Excludes a pause from the rate and the remaining time."""
        if self._timed_from is not None:
            started, step = self._timed_from
            self._timed_from = (started + seconds, step)

    def close(self):
        if self._bar is not None:
            self._bar.close()

    def _line_is_due(self, step, now):
        waited = now - self._line_time
        if waited >= _MAX_SECONDS or self._brief:
            return waited >= _MAX_SECONDS
        is_first_or_last = self._step == self._first or step == self._total
        return is_first_or_last or (
            self._lines_until(step) > self._lines_until(self._step)
            and waited >= _MIN_SECONDS
        )

    def _lines_until(self, step):
        return (step - self._first) // self._line_every

    def _line(self, facts):
        line = "%s: %s %d of %d" % (self._label, self._unit, self._step, self._total)
        parts = [line, *facts[:1], *self._rate()]
        if self.seconds_left:
            parts.append(duration(self.seconds_left) + " left")
        more = list(facts[1:])
        while more and len(", ".join(parts + more)) > console.width():
            more.pop()
        return ", ".join(parts + more)[: console.width()]

    def _rate(self):
        rate = self.examples_per_second
        return [] if rate is None else ["%.1f examples/s" % rate]


def duration(seconds):
    """Formats a number of seconds, such as "4 s", "2 min 05 s", "1 h 02 min"."""
    seconds = int(round(seconds))
    if seconds < 60:
        return "%d s" % seconds
    if seconds < 3600:
        return "%d min %02d s" % divmod(seconds, 60)
    return "%d h %02d min" % divmod(seconds // 60, 60)
