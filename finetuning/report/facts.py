"""What the files of a run say about its last evaluation."""

import os
from dataclasses import dataclass, replace
from typing import Dict, Optional, Tuple

import numpy as np

from finetuning import trained_model
from finetuning.checkpoints import finding
from finetuning.data import features
from finetuning.data.tasks import InputExample
from finetuning.evaluation import history, result_files, training_history
from finetuning.run_info import fingerprints
from finetuning.utils import files, json_files
from finetuning.utils.errors import InputError

# What the report reads from `eval_results.json`, and its type.
_RESULTS = {
    "checkpoint": str,
    "data_files": list,
    "device": str,
    "labels": list,
    "main_metrics": list,
    "majority_score": float,
    "num_examples": int,
    "results": dict,
    "settings": dict,
    "sha256": dict,
    "task": str,
    "time": str,
    "versions": dict,
    "warnings": list,
}


@dataclass(frozen=True)
class Examples:
    """The evaluated examples, in file order.

    Attributes:
      ids: as in `eval_predictions.tsv`; those of a second half of the dev set, such as
        MNLI's, follow with its name in front: "mismatched:17".
      gold: int [examples], indices of the labels; in a regression float64, the numbers.
      predicted: the same of what the model predicted.
      probabilities: float64 [examples, L]; in a regression [examples, 0].
      texts: `InputExample` of each, whose tabs and line ends are blanks; None if an
        earlier version evaluated, which did not write them.
      lengths: int [examples], tokens before truncation; None if texts or vocabulary are
        missing.
      truncated: bool [examples], or None.
    """

    ids: Tuple[str, ...]
    gold: np.ndarray
    predicted: np.ndarray
    probabilities: np.ndarray
    texts: Optional[Tuple[InputExample, ...]] = None
    lengths: Optional[np.ndarray] = None
    truncated: Optional[np.ndarray] = None

    @property
    def gold_probabilities(self):
        """Float64 [examples]: how probable the model found the true label."""
        return self.probabilities[np.arange(len(self.gold)), self.gold]

    @property
    def errors(self):
        """Float64 [examples]: 1 for a wrong label; in a regression the difference."""
        if self.gold.dtype == np.float64:
            return self.predicted - self.gold
        return (self.gold != self.predicted).astype(np.float64)


@dataclass(frozen=True)
class Facts:
    """All that the report shows, except for the attention.

    Attributes:
      directory: the output directory.
      results: the content of `eval_results.json`.
      labels: the labels in the order of their ids; empty for a regression.
      examples: `Examples`.
      model: `trained_model.TrainedModel` that was evaluated; None if it is not there.
      curve: the `training_history.Row`s of the training run.
      evaluations: those during training, a dictionary from step to figures.
      best: the step of the best of these, or None.
      notes: why something is missing, one line each.
    """

    directory: str
    results: dict
    labels: Tuple[str, ...]
    examples: Examples
    model: Optional[trained_model.TrainedModel]
    curve: Tuple[training_history.Row, ...]
    evaluations: Dict[int, dict]
    best: Optional[int]
    notes: Tuple[str, ...]

    @property
    def is_regression(self):
        return not self.labels


def collect(directory):
    """Reads the files of a run.

    Args:
      directory: its output directory.

    Returns:
      `Facts`.

    Raises:
      InputError: there is no evaluation, or its files are damaged or of two
        evaluations.
    """
    results, notes = _read_results(directory), []
    labels = tuple(results["labels"])
    examples = _read_predictions(directory, results, labels)
    model = _load_model(directory, results, notes)
    if examples.texts is None:
        notes.append(
            "There are no texts and no lengths in this report: an earlier version "
            "evaluated; evaluate again with --do_eval=true"
        )
    elif model:
        examples = _with_lengths(examples, model)
    past = history.History(directory, resumed=True)
    return Facts(
        directory,
        results,
        labels,
        examples,
        model,
        tuple(training_history.read(directory)),
        past.rows,
        past.best(float("inf")),
        tuple(notes),
    )


def _read_results(directory):
    path = os.path.join(directory, result_files.EVAL_JSON)
    if not files.exists(path):
        raise InputError(
            "%s has no %s, and the report is about an evaluation; %s"
            % (directory, result_files.EVAL_JSON, _remedy(directory))
        )
    return json_files.read(
        path,
        "the results of an evaluation",
        "evaluate again with --do_eval=true",
        _parse_results,
        allow_nan=True,
    )


def _remedy(directory):
    """What to do where there are no results."""
    run_directory = os.path.dirname(os.path.abspath(directory))
    if os.path.basename(os.path.abspath(directory)) == finding.BEST and files.exists(
        os.path.join(run_directory, result_files.EVAL_JSON)
    ):
        return "pass the output directory, %s" % run_directory
    if not files.exists(directory):
        return "there is no such directory%s" % files.missing_hint(directory)
    return "evaluate first: python run_classifier.py --do_eval=true --output_dir=%s" % (
        directory
    )


def _parse_results(content):
    for name, kind in _RESULTS.items():
        value = content[name]
        if not isinstance(value, kind) and not (kind is float and value == 0):
            raise ValueError("%s is %s" % (name, type(value).__name__))
    for names in ("labels", "main_metrics", "data_files", "warnings"):
        if not all(isinstance(value, str) for value in content[names]):
            raise ValueError("%s is no list of texts" % names)
    if not all(isinstance(n, (int, float)) for n in content["results"].values()):
        raise ValueError("a score is no number")
    return content


def _read_predictions(directory, results, labels):
    """The `Examples` of all prediction files of an evaluation, without lengths."""
    parts = []
    for name in sorted(results["sha256"]):
        if name.startswith(result_files.EVAL_PREDICTIONS.split("%")[0]):
            path = os.path.join(directory, name)
            _require_same(path, results["sha256"][name])
            part = name[len("eval_predictions") : -len(".tsv")].lstrip("_")
            parts.append(_parse_predictions(path, labels, part))
    if not parts or sum(len(part.ids) for part in parts) != results["num_examples"]:
        raise InputError(
            "%s lists no predictions of %d examples; evaluate again with --do_eval=true"
            % (os.path.join(directory, result_files.EVAL_JSON), results["num_examples"])
        )
    return Examples(
        sum((part.ids for part in parts), ()),
        np.concatenate([part.gold for part in parts]),
        np.concatenate([part.predicted for part in parts]),
        np.concatenate([part.probabilities for part in parts]),
        sum((part.texts for part in parts), ()) if parts[0].texts else None,
    )


def _require_same(path, digest):
    if not files.exists(path) or fingerprints.sha256(path) != digest:
        raise InputError(
            "%s is missing or is not the file that %s describes; restore it, or "
            "evaluate again with --do_eval=true" % (path, result_files.EVAL_JSON)
        )


def _parse_predictions(path, labels, part):
    lines = [line.split("\t") for _, line in files.read_text_lines(path)]
    heading, rows = lines[0], lines[1:]
    cells = [files.tsv_line([label])[:-1] for label in labels]
    read = {cell: index for index, cell in enumerate(cells)}.get if labels else float
    columns = [heading.index("probability_" + cell) for cell in cells]
    id_, label, gold = (heading.index(name) for name in ("id", "label", "gold"))
    texts = [heading.index(name) for name in ("text_a", "text_b") if name in heading]
    kind = np.int64 if labels else np.float64
    prefix = part + ":" if part else ""
    return Examples(
        tuple(prefix + row[id_] for row in rows),
        np.array([read(row[gold]) for row in rows], kind),
        np.array([read(row[label]) for row in rows], kind),
        np.array([[float(row[n]) for n in columns] for row in rows], np.float64),
        tuple(InputExample(row[id_], *(row[n] for n in texts)) for row in rows)
        if texts
        else None,
    )


def _load_model(directory, results, notes):
    """The model that was evaluated, also if the directory was moved since."""
    folder, name = os.path.split(results["checkpoint"])
    candidates = [os.path.join(directory, name), results["checkpoint"]]
    if os.path.basename(folder) == finding.BEST:
        candidates.insert(0, os.path.join(directory, finding.BEST, name))
    for prefix in candidates:
        if files.exists(prefix + ".index"):
            try:
                return trained_model.load(prefix)
            except InputError as error:
                notes.append("The model cannot be loaded: %s" % error)
                return None
    notes.append("The evaluated weights are not there any more: %s" % candidates[-1])
    return None


def _with_lengths(examples, model):
    encoded = [encode(model, example) for example in examples.texts]
    return replace(
        examples,
        lengths=np.array([one.full_length for one in encoded]),
        truncated=np.array([one.truncated for one in encoded]),
    )


def encode(model, example):
    """The `EncodedExample` of an `InputExample`, whose label does not matter."""
    label = model.labels[0] if model.labels else "0"
    return features.encode_example(
        replace(example, label=label),
        model.labels,
        model.settings.max_seq_length,
        model.tokenizer,
    )
