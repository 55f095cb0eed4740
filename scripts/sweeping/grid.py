"""The points of a sweep: every combination of settings, each with every seed."""

import dataclasses
import itertools
from dataclasses import dataclass

from finetuning.flags.settings import Settings, type_of
from finetuning.utils.errors import InputError

# Flag of the sweep -> the flag of run_classifier.py whose values it lists.
SWEPT = {
    "learning_rates": "learning_rate",
    "batch_sizes": "train_batch_size",
    "epochs": "num_train_epochs",
}
# https://arxiv.org/abs/1810.04805, appendix A.3.
GRIDS = {
    "paper": {
        "learning_rates": "5e-5,3e-5,2e-5",
        "batch_sizes": "16,32",
        "epochs": "2,3,4",
    }
}
_MAX_RUNS = 10000


@dataclass(frozen=True)
class Point:
    """The settings of one run that the sweep varies."""

    learning_rate: float
    batch_size: int
    epochs: float
    seed: int

    @property
    def setting(self):
        """The settings without the seed, as shown in tables."""
        values = (self.learning_rate, self.batch_size, self.epochs)
        return "rate %g, batch %d, epochs %g" % values

    @property
    def name(self):
        """Name of the run's directory."""
        setting = self.setting.replace(" ", "").replace(",", "_")
        return "%s_seed%d" % (setting, self.seed)

    def flags(self):
        return [
            "--learning_rate=%r" % self.learning_rate,
            "--train_batch_size=%d" % self.batch_size,
            "--num_train_epochs=%r" % self.epochs,
            "--random_seed=%d" % self.seed,
        ]


def points(arguments, settings):
    """Returns the tuple of `Point`s to run; the seeds of a setting are adjacent.

    Args:
      arguments: namespace with `seeds`, `grid` and the flags in `SWEPT`, each a string
        or None.
      settings: `Settings` that supplies the value of each flag without a list.

    Raises:
      InputError: a list is malformed, or a run would be repeated.
    """
    lists = {name: getattr(arguments, name) for name in SWEPT}
    if arguments.grid:
        given = ["--" + name for name, text in lists.items() if text is not None]
        if given:
            raise InputError(
                "--grid=%s already sets %s; leave one of them out"
                % (arguments.grid, ", ".join(given))
            )
        lists = GRIDS[arguments.grid]
    types = {field.name: type_of(field) for field in dataclasses.fields(Settings)}
    values = [
        [getattr(settings, flag)]
        if lists[name] is None
        else _numbers(name, lists[name], types[flag])
        for name, flag in SWEPT.items()
    ]
    combinations = itertools.product(*values, _seeds(arguments.seeds))
    planned = tuple(Point(*combination) for combination in combinations)
    if len({point.name for point in planned}) < len(planned):
        raise InputError("--seeds or another list repeats a number; remove the repeat")
    return planned


def _seeds(text):
    numbers = _numbers("seeds", text, int)
    if "," in text:
        return numbers
    if not 1 <= numbers[0] <= _MAX_RUNS:
        raise InputError(
            "--seeds=%s: a single number is the number of seeds, from 1 to %d (for one "
            "particular seed: --seeds=%s,)" % (text, _MAX_RUNS, text)
        )
    return range(1, numbers[0] + 1)


def _numbers(name, text, kind):
    try:
        numbers = [kind(part) for part in text.split(",") if part.strip()]
    except ValueError:
        numbers = []
    if not numbers:
        expected = "integers" if kind is int else "numbers"
        raise InputError(
            "--%s=%s: expected comma-separated %s" % (name, text, expected)
        )
    return numbers
