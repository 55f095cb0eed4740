"""The runs that the scores page is made of: kept under docs/scores, a file a task."""

import json
import os
from dataclasses import dataclass, replace
from typing import Optional, Tuple

import spread

from finetuning.data import tasks
from finetuning.evaluation.result_files import EVAL_JSON
from finetuning.evaluation.scoring import MAIN_SCORE
from finetuning.run_info import provenance
from finetuning.utils.errors import InputError

OURS, HUGGING_FACE = "this program", "Hugging Face"
ORIGINAL = "google-research/bert"
PROGRAMS = (OURS, HUGGING_FACE, ORIGINAL)
PUBLISHED = "published.json"
# What makes runs the same recipe; the rest of a run is the program's own.
_RECIPE = (
    "max_seq_length",
    "train_batch_size",
    "learning_rate",
    "num_train_epochs",
    "warmup_proportion",
    "max_train_examples",
    "do_lower_case",
    "class_weights",
    "keep_best",
    "early_stop",
)
_LIBRARIES = ("tensorflow", "torch", "transformers", "python")
_NAMES = {"tensorflow": "TensorFlow", "torch": "torch", "python": "Python"}


@dataclass(frozen=True)
class Row:
    """The runs of one program on one recipe.

    Attributes:
      program: one of `PROGRAMS`.
      stack: the libraries' versions, in words.
      precision: "float32" or "mixed".
      bias_correction: whether Adam's moments are corrected.
      own_rates: whether the learning rates are not the original's, but Hugging Face's
        own, whose decay begins where the warm-up ends.
      runs: the dictionaries of the runs, by seed.
    """

    program: str
    stack: str
    precision: str
    bias_correction: bool
    own_rates: bool
    runs: Tuple[dict, ...]

    def scores(self, name=MAIN_SCORE):
        """`spread.summary` of a score, in points (per cent)."""
        return spread.summary([100 * run["results"][name] for run in self.runs])

    @property
    def dtype(self):
        """The type of the products, as far as the runs tell."""
        if self.precision != "mixed":
            return self.precision
        on_cpu = all(run["device"].startswith("CPU") for run in self.runs)
        return "bfloat16" if on_cpu else "mixed"

    def likeness(self, other):
        """The greater, the more alike: same rates, bias correction, then precision."""
        return (
            self.own_rates == other.own_rates,
            self.bias_correction == other.bias_correction,
            self.precision == other.precision,
        )

    @property
    def failed(self):
        return sum(map(spread.failed_to_train, self.runs))


@dataclass(frozen=True)
class Group:
    """Rows that may be compared: one task, encoder and recipe."""

    task: str
    encoder: str
    recipe: dict
    main_metrics: Tuple[str, ...]
    majority_score: float
    rows: Tuple[Row, ...]

    def peer(self, row, program):
        """The row of a program to hold another against: the most like it, if any.

        Adam's bias correction moves scores more than the type of the products does.
        """
        found = [other for other in self.rows if other.program == program]
        return max(found, key=row.likeness, default=None)

    def over_types(self):
        """Ours and Hugging Face's, each over both types, where both ran in both.

        Returns:
          List of pairs of `Row`s with the same Adam and the same learning rates.
        """
        pairs = []
        for corrected in (False, True):
            ours, theirs = [
                [
                    row
                    for row in self.rows
                    if row.program == program
                    and row.bias_correction == corrected
                    and not row.own_rates
                ]
                for program in (OURS, HUGGING_FACE)
            ]
            types = {row.precision for row in ours}
            if len(types) > 1 and types == {row.precision for row in theirs}:
                pairs.append((_over_types(ours), _over_types(theirs)))
        return pairs


def entry(path):
    """What is kept of a run.

    Args:
      path: its eval_results.json.

    Returns:
      A dictionary that names no place on the machine. What it says of the run is of the
      training: the same weights may have been evaluated by another run since.

    Raises:
      InputError: the file is no such result, or of a version that wrote less; or its
        scores are not those of a known training on a task's own development set.
    """
    try:
        with open(path, encoding="utf-8") as file:
            content = json.load(file)
        made = content.get("training") or content
        _check(path, content, made)
        return _kept(content, made)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            "%s is no result that this version writes (%s: %s); evaluate again"
            % (path, type(error).__name__, error)
        ) from None


def _check(path, content, made):
    """Refuses what cannot be compared with the rest of the page."""
    program = content.get("program", OURS)
    if program not in PROGRAMS:
        raise InputError(
            "%s: program %r, expected one of %s"
            % (path, program, ", ".join(map(repr, PROGRAMS)))
        )
    task = tasks.TASKS.get(content["task"].lower())
    if task is None:
        raise InputError(
            "%s: task %s is none of GLUE's, whose scores the page holds"
            % (path, content["task"])
        )
    known = [split.rows for split in task.dev]
    # The other programs score the whole set, and do not write how much that is.
    found = content["num_examples"] if program == OURS else sum(filter(None, known))
    if None not in known and found != sum(known):
        raise InputError(
            "%s: scored on %s examples, and the development set of %s has %d; evaluate "
            "on the whole of it" % (path, found, task.name, sum(known))
        )
    settings = made["settings"]
    trained = settings.get("do_train", True) or program != OURS
    if not (trained and settings["init_checkpoint"]):
        raise InputError(
            "%s: the weights' training is not known there, or began with no "
            "--init_checkpoint; add the results of the run that trained them" % path
        )


def _kept(content, made):
    settings, program = made["settings"], content.get("program", OURS)
    return {
        "program": program,
        "task": content["task"],
        "encoder": _encoder(settings["init_checkpoint"]),
        "seed": made["random_seed"],
        "recipe": {name: settings.get(name) for name in _RECIPE},
        "precision": settings.get("precision", "float32"),
        "adam_bias_correction": settings.get("adam_bias_correction", False),
        "own_rates": program == HUGGING_FACE and "learning_rates" not in content,
        "versions": {
            name: made["versions"][name]
            for name in _LIBRARIES
            if name in made["versions"]
        },
        "device": made["device"],
        "revision": made["git_revision"],
        "time": made["time"],
        "results": content["results"],
        "main_metrics": content["main_metrics"],
        "majority_score": content["majority_score"],
        "predicted_one_class": content["predicted_one_class"],
    }


def _encoder(checkpoint):
    folder, name = os.path.split(checkpoint.rstrip("/"))
    return os.path.basename(folder) or name if ".ckpt" in name else name


def add(directory, places):
    """Keeps the runs below some directories.

    Args:
      directory: docs/scores.
      places: directories; every eval_results.json below them is a run.

    Returns:
      How many runs are new; one that was done before with the same seed is replaced.

    Raises:
      InputError: a place holds no run.
    """
    found = []
    for place in places:
        paths = [
            os.path.join(folder, EVAL_JSON)
            for folder, _, names in os.walk(place)
            if EVAL_JSON in names
        ]
        if not paths:
            raise InputError("--add=%s: no %s below it" % (place, EVAL_JSON))
        found += [entry(path) for path in sorted(paths)]
    known = {_identity(run): run for run in load(directory)}
    before = len(known)
    known.update((_identity(run), run) for run in found)
    runs = sorted(known.values(), key=_order)
    os.makedirs(directory, exist_ok=True)
    for task in dict.fromkeys(run["task"] for run in runs):
        of_task = [run for run in runs if run["task"] == task]
        path = os.path.join(directory, task.lower() + ".json")
        provenance.write_json(path, of_task)
    return len(known) - before


def load(directory):
    """All runs that are kept, in the order of the tasks' names."""
    runs = []
    for name in sorted(os.listdir(directory)) if os.path.isdir(directory) else []:
        if name.endswith(".json") and name != PUBLISHED:
            with open(os.path.join(directory, name), encoding="utf-8") as file:
                runs += json.load(file)
    return runs


def _identity(run):
    """What is the same of a run and its repetition; without a seed there is none."""
    time = run["time"] if run["seed"] is None else None
    return _group_key(run), _row_key(run), run["seed"], time


def _order(run):
    seed = -1 if run["seed"] is None else run["seed"]
    return _group_key(run), _row_key(run), seed, run["time"]


# ---- Groups and rows ----


def groups(runs):
    """The runs as a list of `Group`, by task."""
    found = []
    for key, members in _by(_group_key, runs):
        rows = tuple(
            _row(of_row) for _, of_row in sorted(_by(_row_key, members), key=_first)
        )
        first = members[0]
        found.append(
            (
                key,
                Group(
                    task=first["task"],
                    encoder=first["encoder"],
                    recipe=first["recipe"],
                    main_metrics=tuple(first["main_metrics"]),
                    majority_score=first["majority_score"],
                    rows=rows,
                ),
            )
        )
    return [group for _, group in sorted(found, key=_first)]


def _first(pair):
    return pair[0]


def _by(key, runs):
    found = {}
    for run in runs:
        found.setdefault(key(run), []).append(run)
    return found.items()


def _group_key(run):
    recipe = json.dumps(run["recipe"], sort_keys=True)
    return run["task"].lower(), run["encoder"], recipe


def _row_key(run):
    place = PROGRAMS.index(run["program"])
    own_rates = run.get("own_rates", False)
    adam = run["adam_bias_correction"]
    return place, run["precision"], stack(run), adam, own_rates


def _row(runs):
    first = runs[0]
    return Row(
        program=first["program"],
        stack=stack(first),
        precision=first["precision"],
        bias_correction=first["adam_bias_correction"],
        own_rates=first.get("own_rates", False),
        runs=tuple(runs),
    )


def _over_types(rows):
    runs = [run for row in rows for run in row.runs]
    return replace(rows[0], precision="both types", runs=tuple(runs))


def stack(run):
    """The libraries of a run in words, without what tells builds apart."""
    return ", ".join(
        "%s %s" % (_NAMES.get(name, name), run["versions"][name].split("+")[0])
        for name in _LIBRARIES
        if name in run["versions"]
    )


def distance(row, other) -> Optional[float]:
    """How far the means of two rows are apart, in pooled standard deviations."""
    return None if other is None else spread.distance(row.scores(), other.scores())
