"""The runs behind the scores page: one JSON file per task under docs/scores.

A run is a dictionary, as `read` returns it. Runs that differ only in their seed form a
row (a list of runs), and the rows that share task, encoder and recipe form a group (a
list of rows).
"""

import functools
import itertools
import json
import os

from finetuning.data import tasks
from finetuning.evaluation.result_files import EVAL_JSON
from finetuning.evaluation.scoring import MAIN_SCORE
from finetuning.utils import json_files
from finetuning.utils.errors import InputError
from scripts.sweeping import run_files, summary

OURS, HUGGING_FACE = "this program", "Hugging Face"
ORIGINAL = "google-research/bert"
PROGRAMS = (OURS, HUGGING_FACE, ORIGINAL)
PUBLISHED = "published.json"
# Runs that agree in these share a recipe; everything else is the program's own choice.
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
# These of them are numbers in every run.
_NUMBERS = _RECIPE[:5]
_TYPES = {
    "program": (str,),
    "encoder": (str,),
    "seed": (int, type(None)),
    "recipe": (dict,),
    "precision": (str,),
    "predicted_one_class": (bool,),
    "adam_bias_correction": (bool,),
    "own_rates": (bool,),
    "versions": (dict,),
    "device": (str,),
    "revision": (str, type(None)),
    "time": (str,),
}
_LIBRARIES = {
    "tensorflow": "TensorFlow",
    "torch": "torch",
    "transformers": "transformers",
    "python": "Python",
}


def read(path):
    """Reads what the page keeps of a run; it contains no path of the machine.

    Args:
      path: the run's eval_results.json. If its weights were evaluated again later, what
        it says about the training run counts.

    Raises:
      InputError: the file is not such a result, or its scores cannot be compared: they
        are not those of a known training run on a task's whole dev set.
    """
    return json_files.read(
        path,
        "the results of an evaluation by this version",
        "evaluate again",
        functools.partial(_parse, path),
        allow_nan=True,
    )


def _parse(path, content):
    run_files.check(content)
    training = content.get("training") or content
    _require_comparable(path, content, training)
    return _check(_run(content, training))


def _check(run):
    """Checks the entries of a run that the page uses; returns the run."""
    for name, kinds in _TYPES.items():
        if type(run[name]) not in kinds:
            raise ValueError("%s is %s" % (name, type(run[name]).__name__))
    run_files.check(run)
    for name in _NUMBERS:
        if type(run["recipe"][name]) not in (int, float):
            raise ValueError("%s is no number" % name)
    if not all(isinstance(version, str) for version in run["versions"].values()):
        raise ValueError("a version is no string")
    return run


def _require_comparable(path, content, training):
    program = content.get("program", OURS)
    if program not in PROGRAMS:
        raise InputError("%s: program %r is unknown" % (path, program))
    task = tasks.TASKS.get(content["task"].lower())
    if task is None:
        raise InputError("%s: task %s is not part of GLUE" % (path, content["task"]))
    sizes = [layout.rows for layout in task.dev]
    # The other programs always score the whole set, and do not write its size.
    if program == OURS and None not in sizes and content["num_examples"] != sum(sizes):
        raise InputError(
            "%s: scored on %s examples, but the dev set of %s has %d; evaluate on all "
            "of it" % (path, content["num_examples"], task.name, sum(sizes))
        )
    settings = training["settings"]
    trained = settings.get("do_train", True) or program != OURS
    if not (trained and settings["init_checkpoint"]):
        raise InputError(
            "%s: its training run is unknown, or started without --init_checkpoint; "
            "add the results of the run that trained the weights" % path
        )


def _run(content, training):
    settings, program = training["settings"], content.get("program", OURS)
    versions = training["versions"]
    known = {name: content[name] for name in ("data_sha256",) if name in content}
    return {
        **known,
        "task": content["task"],
        "results": content["results"],
        "main_metrics": content["main_metrics"],
        "majority_score": content["majority_score"],
        "predicted_one_class": content["predicted_one_class"],
        "program": program,
        "encoder": _encoder(settings["init_checkpoint"]),
        "seed": training["random_seed"],
        "recipe": {name: settings.get(name) for name in _RECIPE},
        "precision": settings.get("precision", "float32"),
        "adam_bias_correction": settings.get("adam_bias_correction", False),
        # Whether its learning rates are Hugging Face's instead of the original's.
        "own_rates": program == HUGGING_FACE and "learning_rates" not in content,
        "versions": {name: versions[name] for name in _LIBRARIES if name in versions},
        "device": training["device"],
        "revision": training["git_revision"],
        "time": training["time"],
    }


def _encoder(checkpoint):
    folder, name = os.path.split(checkpoint.rstrip("/"))
    return os.path.basename(folder) or name if ".ckpt" in name else name


def add(directory, places):
    """Adds the runs below some directories; a rerun with the same seed replaces a run.

    Args:
      directory: docs/scores.
      places: directories; every eval_results.json below them is a run.

    Returns:
      The number of new runs.

    Raises:
      InputError: there is no run below one of the directories, or one is refused, or
        was scored on another dev set than the others of its task.
    """
    known = {_identity(run): run for run in load(directory)}
    before = len(known)
    for place in places:
        paths = [
            os.path.join(folder, EVAL_JSON)
            for folder, _, names in os.walk(place)
            if EVAL_JSON in names
        ]
        if not paths:
            raise InputError("--add=%s: no %s below it" % (place, EVAL_JSON))
        for path in sorted(paths):
            run = read(path)
            others = [known[name] for name in known if name != _identity(run)]
            _require_same_dev_set(path, run, others)
            known[_identity(run)] = run
    os.makedirs(directory, exist_ok=True)
    ordered = sorted(known.values(), key=_order)
    for task, runs in itertools.groupby(ordered, lambda run: run["task"]):
        path = os.path.join(directory, task.lower() + ".json")
        json_files.write(path, list(runs))
    return len(known) - before


def _require_same_dev_set(path, run, others):
    """Checks that a run was scored on the same examples as others of its task.

    Where their hashes are not known, the score of the most frequent label tells.
    """
    for other in others:
        if other["task"].lower() != run["task"].lower():
            continue
        hashes = {of["data_sha256"] for of in (run, other) if "data_sha256" in of}
        baselines = [of["majority_score"] for of in (run, other)]
        if len(hashes) > 1 or abs(baselines[0] - baselines[1]) > 1e-6:
            raise InputError(
                "%s: scored on another dev set than the other runs of %s; evaluate "
                "all of them on the same file, or leave out this directory"
                % (path, run["task"])
            )


def load(directory):
    """Returns all runs under docs/scores, by task.

    Raises:
      InputError: a file there is damaged.
    """
    runs = []
    for name in sorted(os.listdir(directory)) if os.path.isdir(directory) else []:
        if name.endswith(".json") and name != PUBLISHED:
            runs += json_files.read(
                os.path.join(directory, name),
                "a list of runs",
                "restore it, or remove it and add the runs again with --add=DIR",
                lambda content: [_check(run) for run in content],
                kind=list,
                allow_nan=True,
            )
    return runs


def _identity(run):
    """Returns what a run and its rerun share; runs without a seed have no reruns."""
    time = run["time"] if run["seed"] is None else None
    return _group_key(run), _row_key(run), run["seed"], time


def _order(run):
    seed = -1 if run["seed"] is None else run["seed"]
    return _group_key(run), _row_key(run), seed, run["time"]


def _group_key(run):
    recipe = json.dumps(run["recipe"], sort_keys=True)
    return run["task"].lower(), run["encoder"], recipe


def _row_key(run):
    adam = run["adam_bias_correction"]
    program = PROGRAMS.index(run["program"])
    return program, run["precision"], stack(run), adam, run["own_rates"]


def group(runs):
    """Returns the groups of some runs, sorted; see the module's docstring."""
    return [_split(members, _row_key) for members in _split(runs, _group_key)]


def _split(runs, key):
    return [list(part) for _, part in itertools.groupby(sorted(runs, key=key), key)]


def stack(run):
    """Returns the run's libraries and versions, such as "TensorFlow 2.21.0"."""
    return ", ".join(
        "%s %s" % (name, run["versions"][library].split("+")[0])
        for library, name in _LIBRARIES.items()
        if library in run["versions"]
    )


def dtype(row):
    """Returns the type of the matrix products, as far as it is known."""
    types = {run["precision"] for run in row}
    if len(types) > 1:
        return "both types"
    on_cpu = all(run["device"].startswith("CPU") for run in row)
    return "bfloat16" if types == {"mixed"} and on_cpu else types.pop()


def summarize(row, name=MAIN_SCORE):
    """Returns the `summary.summarize` of a score, in points (per cent)."""
    return summary.summarize([100 * run["results"][name] for run in row])


def peer(row, rows, program):
    """Returns the row of a program that is most like another row, or None.

    Equal learning rates count most, then Adam's bias correction, which moves scores
    more than the type of the matrix products.
    """

    def likeness(other):
        names = ("own_rates", "adam_bias_correction", "precision")
        return [row[0][name] == other[0][name] for name in names]

    candidates = [other for other in rows if other[0]["program"] == program]
    return max(candidates, key=likeness, default=None)


def pairs_over_types(rows):
    """Returns pairs of rows (ours, Hugging Face's), each over both types.

    More runs distinguish the programs better. There is a pair where both programs ran
    in both types with the same Adam and the original's learning rates.
    """
    pairs = []
    for corrected in (False, True):
        ours, theirs = [
            [
                run
                for row in rows
                for run in row
                if (run["program"], run["own_rates"]) == (program, False)
                and run["adam_bias_correction"] == corrected
            ]
            for program in (OURS, HUGGING_FACE)
        ]
        types = [{run["precision"] for run in row} for row in (ours, theirs)]
        if len(types[0]) > 1 and types[0] == types[1]:
            pairs.append((ours, theirs))
    return pairs
