"""How far a loop has come: a bar on a terminal, plain lines in logs."""

import sys
import time

from tqdm import tqdm

from finetuning.utils.console import log

# A log gets a line every twentieth of the way, but no two within the first of these
# spans of time, in seconds, and none later than the second.
_LINES = 20
_LEAST_SECONDS = 2.0
_MOST_SECONDS = 30.0
_BAR = "{desc}: {percentage:3.0f}%|{bar}| {n}/{total} [{elapsed}<{remaining}{postfix}]"


class Progress:
    """Shows the steps of one loop. Times are in seconds."""

    def __init__(
        self, label, total, first=0, examples_each=1, unit="step", brief=False
    ):
        """Starts showing.

        Args:
          label: what goes on, such as "training".
          total: steps at the end.
          first: steps that were done before.
          examples_each: examples in a step.
          unit: what a step is called.
          brief: whether the first and the last step go without a line, because what
            comes after tells enough.
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
        # The first step builds kernels and buffers: rates count from its end.
        self._timed_from = None
        self._seconds_per_step = None
        self._bar = None
        if sys.stderr.isatty():
            self._bar = tqdm(
                total=total,
                initial=first,
                desc=label,
                bar_format=_BAR,
                dynamic_ncols=True,
                leave=not brief,
                file=sys.stderr,
            )

    @property
    def examples_per_second(self):
        """Mean rate after the first step; None where nothing is timed yet."""
        if not self._seconds_per_step:
            return None
        return self._examples_each / self._seconds_per_step

    def update(self, step, facts=""):
        """Shows that `step` steps of all are done.

        Args:
          step: counted over the whole loop, those done before included; may be several
            more than at the last call.
          facts: shown beside it, such as "loss 0.61".
        """
        now = time.monotonic()
        if self._timed_from is None:
            self._timed_from = (now, step)
        elif step > self._timed_from[1]:
            started, first_step = self._timed_from
            self._seconds_per_step = (now - started) / (step - first_step)
        if self._bar is not None:
            self._bar.set_postfix_str(self._with_rate(facts), refresh=False)
            self._bar.update(step - self._bar.n)
        if self._line_is_due(step, now):
            self._line_time = now
            log.info(self._line(step, facts), extra={"shown_by_bar": bool(self._bar)})
        self._step = step

    def leave_out(self, seconds):
        """Has a pause that is over not count in rates and the time left."""
        if self._timed_from is not None:
            started, step = self._timed_from
            self._timed_from = (started + seconds, step)

    def close(self):
        if self._bar is not None:
            self._bar.close()

    def _line_is_due(self, step, now):
        waited = now - self._line_time
        if self._brief:
            return waited >= _MOST_SECONDS
        on_turn = self._turn(step) > self._turn(self._step)
        return (
            self._step == self._first
            or step == self._total
            or (on_turn and waited >= _LEAST_SECONDS)
            or waited >= _MOST_SECONDS
        )

    def _turn(self, step):
        return (step - self._first) // self._line_every

    def _line(self, step, facts):
        parts = ["%s: %s %d of %d" % (self._label, self._unit, step, self._total)]
        parts.append(self._with_rate(facts))
        if self._seconds_per_step and step < self._total:
            left = (self._total - step) * self._seconds_per_step
            parts.append("%s left" % duration(left))
        return ", ".join(filter(None, parts))

    def _with_rate(self, facts):
        rate = self.examples_per_second
        return ", ".join(filter(None, [facts, rate and "%.1f examples/s" % rate]))


def duration(seconds):
    """Seconds as people say them: "4 s", "2 min 05 s", "1 h 02 min"."""
    seconds = int(round(seconds))
    if seconds < 60:
        return "%d s" % seconds
    if seconds < 3600:
        return "%d min %02d s" % divmod(seconds, 60)
    return "%d h %02d min" % divmod(seconds // 60, 60)
