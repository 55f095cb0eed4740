"""The points of a sweep: every combination of settings, each with every seed."""

import itertools
from dataclasses import dataclass

from finetuning.utils.errors import InputError

# https://arxiv.org/abs/1810.04805, appendix A.3.
GRIDS = {
    "paper": {
        "batch_sizes": "16,32",
        "learning_rates": "5e-5,3e-5,2e-5",
        "epochs": "2,3,4",
    }
}
_MOST_RUNS = 10000


@dataclass(frozen=True)
class Point:
    """One run: what the sweep varies of it."""

    learning_rate: float
    batch_size: int
    epochs: float
    seed: int

    @property
    def setting(self):
        """For people, and the name of the group over whose seeds means are taken."""
        return "rate %g, batch %d, epochs %g" % (
            self.learning_rate,
            self.batch_size,
            self.epochs,
        )

    @property
    def name(self):
        """Of the run's directory."""
        return "rate%g_batch%d_epochs%g_seed%d" % (
            self.learning_rate,
            self.batch_size,
            self.epochs,
            self.seed,
        )

    def flags(self):
        return [
            "--learning_rate=%r" % self.learning_rate,
            "--train_batch_size=%d" % self.batch_size,
            "--num_train_epochs=%r" % self.epochs,
            "--random_seed=%d" % self.seed,
        ]


def points(own, chosen):
    """The tuple of `Point`s that are asked for, the seeds of a setting together.

    Args:
      own: has `seeds`, `learning_rates`, `batch_sizes`, `epochs` and `grid`, each text
        or None.
      chosen: `settings.Settings`, whose value stands where a list is not given.

    Raises:
      InputError: a list holds no numbers, or a run would come twice.
    """
    lists = {
        name: getattr(own, name) for name in ("learning_rates", "batch_sizes", "epochs")
    }
    if own.grid:
        given = ["--" + name for name, value in lists.items() if value is not None]
        if given:
            raise InputError(
                "--grid=%s says %s; leave one of them out"
                % (own.grid, ", ".join(given))
            )
        lists = GRIDS[own.grid]
    rates = _numbers("learning_rates", lists["learning_rates"], float)
    sizes = _numbers("batch_sizes", lists["batch_sizes"], int)
    epochs = _numbers("epochs", lists["epochs"], float)
    combinations = itertools.product(
        rates or [chosen.learning_rate],
        sizes or [chosen.train_batch_size],
        epochs or [chosen.num_train_epochs],
        _seeds(own.seeds),
    )
    found = tuple(Point(*combination) for combination in combinations)
    if len({point.name for point in found}) < len(found):
        raise InputError("--seeds or another list holds a number twice; leave it out")
    return found


def _seeds(text):
    numbers = _numbers("seeds", text, int)
    if "," in text:
        return numbers
    if not 1 <= numbers[0] <= _MOST_RUNS:
        raise InputError(
            "--seeds=%s: a single number says how many seeds: expected 1 to %d (one "
            "certain seed: --seeds=%s,)" % (text, _MOST_RUNS, text)
        )
    return list(range(1, numbers[0] + 1))


def _numbers(name, text, kind):
    if text is None:
        return []
    try:
        numbers = [kind(part) for part in text.split(",") if part.strip()]
    except ValueError:
        numbers = []
    if not numbers:
        raise InputError(
            "--%s=%s: expected %s with commas between"
            % (name, text, "whole numbers" if kind is int else "numbers")
        )
    return numbers
