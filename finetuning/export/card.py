"""The model card: what the model was trained on, its scores, and how to use it."""

import json
import os

from finetuning.checkpoints import finding
from finetuning.data import label_map, tasks
from finetuning.evaluation import result_files
from finetuning.flags.settings import as_flag, flags_with
from finetuning.utils import files, json_files
from finetuning.utils.console import log

_HEADER = """---
library_name: transformers
pipeline_tag: text-classification
tags:
- bert
---

# BERT for %s
"""
_PATH = "path of this directory"
_TRUNCATION = (
    "If both texts of a pair are truncated and the remaining number of tokens is odd, "
    "transformers keeps one more of the longer text, and the program that trained this "
    "model one more of the first."
)


def usage(model, path):
    """Lines of Python that load an export and use it.

    Args:
      model: `trained_model.TrainedModel`.
      path: the directory of the export.
    """
    texts = '{"text": "A text.", "text_pair": "Another."}'
    return [
        "from transformers import pipeline",
        'classify = pipeline("text-classification", %s)' % json.dumps(path),
        "classify(%s, truncation=True)" % (texts if model.takes_pairs else '"A text."'),
    ]


def text(model):
    """The card in Markdown.

    Args:
      model: `trained_model.TrainedModel`.

    Raises:
      InputError: the run's `eval_results.json` is damaged.
    """
    settings, results = model.settings, _results(model.contents)
    lines = [_HEADER % _task_name(settings)]
    lines += _table(
        ("labels", label_map.as_text(model.labels)),
        ("texts", "pairs" if model.takes_pairs else "single"),
        ("case", "lower-cased" if settings.do_lower_case else "kept"),
        ("tokens", "at most %d" % settings.max_seq_length),
        ("weights", os.path.basename(model.contents.prefix)),
    )
    if results:
        lines += _results_lines(results)
    lines += ["## Use", "", "```python", *usage(model, _PATH), "```", "", _TRUNCATION]
    return "\n".join(lines) + "\n"


def _task_name(settings):
    if settings.is_custom:
        return settings.task_name.lower()
    return tasks.find_task(settings.task_name).name


def _results(contents):
    """The content of the run's `eval_results.json`; None: none of these weights."""
    directory = finding.run_directory(contents.prefix)
    path = os.path.join(directory, result_files.EVAL_JSON)
    if not files.exists(path):
        return None
    results = json_files.read(
        path,
        "the results of an evaluation",
        "evaluate again, or remove it",
        _parse,
        allow_nan=True,
    )
    evaluated = results["checkpoint"]
    if os.path.basename(evaluated) == os.path.basename(contents.prefix):
        return results
    log.info("No scores in the model card: %s is about %s", path, evaluated)
    return None


def _parse(content):
    """Checks the types of what the card shows."""
    content["checkpoint"] + ""
    content["results"].items()
    content["warnings"] + []
    if content["training"] is not None:
        content["training"]["settings"].get("task_name")
        content["training"]["random_seed"]
    return content


def _results_lines(results):
    scores = [
        (name[len("eval_") :], "%.4g" % score)
        for name, score in sorted(results["results"].items())
        if name.startswith("eval_")
    ]
    lines = ["## Scores on %s examples" % results["num_examples"], "", *_table(*scores)]
    if results["warnings"]:
        lines += ["## Warnings", ""]
        lines += ["- " + warning for warning in results["warnings"]] + [""]
    training = results["training"]
    if training is not None:
        lines += ["## Training", "", "```"]
        lines += [as_flag("random_seed", training["random_seed"])]
        lines += [
            as_flag(name, training["settings"][name])
            for name in flags_with(affects="weights", is_path=False)
            if name != "random_seed" and training["settings"].get(name) is not None
        ]
        lines += ["```", ""]
    return lines


def _table(*rows):
    """Lines of a Markdown table of names and values."""
    cells = ["| %s | %s |" % (name, value.replace("|", "\\|")) for name, value in rows]
    return ["| | |", "| --- | --- |", *cells, ""]
