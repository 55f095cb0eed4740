"""The files that the runs of a sweep leave: their state, and their results."""

import os

from finetuning.evaluation.result_files import EVAL_JSON
from finetuning.evaluation.scoring import MAIN_SCORE
from finetuning.run_info import fingerprints
from finetuning.utils import json_files
from finetuning.utils.errors import InputError

RUN_FILE = "sweep_run.json"


def read_state(directory):
    """Reads what a sweep knows about one of its runs.

    Returns:
      Dictionary: `seconds`, `finished` and `error`; None for a run that never started.

    Raises:
      InputError: the file is damaged.
    """
    path = os.path.join(directory, RUN_FILE)
    if not os.path.exists(path):
        return None
    return json_files.read(
        path,
        "seconds, and whether the run is finished",
        "remove %s to repeat the run" % directory,
        _check_state,
    )


def _check_state(content):
    state = {"finished": False, "error": None, **content}
    if not _is_number(state["seconds"]) or type(state["finished"]) is not bool:
        raise TypeError
    return state


def read(directory):
    """Returns the result of a finished run, or None if the run is not finished.

    Returns:
      Dictionary of the run's eval_results.json with `seconds`, the time it took.

    Raises:
      InputError: one of its files is damaged.
    """
    state = read_state(directory)
    path = os.path.join(directory, EVAL_JSON)
    if not (state and state["finished"] and os.path.exists(path)):
        return None
    return dict(_read_scores(path), seconds=state["seconds"])


def problem(directory):
    """What is wrong with the results that a run has just written, or None."""
    path = os.path.join(directory, EVAL_JSON)
    if not os.path.exists(path):
        return "no %s was written" % EVAL_JSON
    try:
        _read_scores(path)
    except InputError as error:
        return str(error)
    return None


def _read_scores(path):
    return json_files.read(
        path,
        "the scores of an evaluation with %s" % MAIN_SCORE,
        "remove %s to repeat the run" % os.path.dirname(path),
        check,
        allow_nan=True,
    )


def check(content):
    """Checks the entries of an eval_results.json that scripts read; returns it.

    Raises:
      KeyError: one is missing.
      ValueError: one has another type; the message names it.
    """
    scores = content["results"]
    if not isinstance(scores, dict) or not all(map(_is_number, scores.values())):
        raise ValueError("results is no object of numbers")
    scores[MAIN_SCORE]
    if not _is_number(content["majority_score"]):
        raise ValueError("majority_score is no number")
    if not isinstance(content["task"], str):
        raise ValueError("task is no string")
    _require_strings(content["main_metrics"], "main_metrics")
    content["predicted_one_class"]
    if "data_sha256" in content:
        _require_strings([content["data_sha256"]], "data_sha256")
        _require_strings(content.get("data_files", []), "data_files")
    training = content.get("training") or {}
    fingerprints.check(training.get("fingerprints") or {})
    for part in (content, training):
        if not isinstance(part.get("versions") or {}, dict):
            raise ValueError("versions is no object")
    return content


def _require_strings(values, name):
    if not isinstance(values, list) or not all(isinstance(n, str) for n in values):
        raise ValueError("%s is no list of strings" % name)


def _is_number(value):
    return type(value) in (int, float)
