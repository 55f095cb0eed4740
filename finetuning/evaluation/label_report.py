"""The scores of each label, and which labels are taken for which."""

import warnings

from finetuning.evaluation.metrics import sklearn_metrics
from finetuning.utils.console import align_columns
from finetuning.utils.errors import in_one_line

SCORES = ("precision", "recall", "f1")
# More labels than this are only in the results file.
_MAX_SHOWN = 20
_MAX_NAME = 16


def compute(labels, part, gold, predicted):
    """Counts and scores each label.

    Args:
      labels: the labels in the order of their ids.
      part: the half of the dev set, such as "matched"; "" if there is only one.
      gold: int [examples], the ids of the true labels.
      predicted: int [examples], those of the predicted ones.

    Returns:
      Dictionary of JSON values: `part`; `labels`, a list of dictionaries with `label`,
      `precision`, `recall`, `f1` (0 where the denominator is 0) and `examples`; and
      `confusion_matrix`, whose rows are the true labels and columns the predicted ones.
    """
    ids = list(range(len(labels)))
    with warnings.catch_warnings():
        # scikit-learn warns that it returns 0 for a label that does not occur.
        warnings.simplefilter("ignore")
        columns = sklearn_metrics().precision_recall_fscore_support(
            gold, predicted, labels=ids
        )
    matrix = sklearn_metrics().confusion_matrix(gold, predicted, labels=ids)
    rows = []
    for label, *scores, count in zip(labels, *(column.tolist() for column in columns)):
        row = dict(zip(SCORES, scores), label=label, examples=int(count))
        rows.append(row)
    return {"part": part, "labels": rows, "confusion_matrix": matrix.tolist()}


def lines(report, width):
    """Formats a report as two tables; the confusion matrix only if there is room.

    Args:
      report: what `compute` returned.
      width: maximum length of a line.
    """
    if len(report["labels"]) > _MAX_SHOWN:
        return ["Scores of %d labels: eval_results.json" % len(report["labels"])]
    names = [in_one_line(row["label"])[:_MAX_NAME] for row in report["labels"]]
    rows = [("label", *SCORES, "examples")]
    for name, row in zip(names, report["labels"]):
        scores = ["%.4f" % row[score] for score in SCORES]
        rows.append((name, *scores, str(row["examples"])))
    shown = [" ".join(filter(None, ["Scores of each label", report["part"]]))]
    shown += ["  " + line for line in align_columns(rows)]
    counts = [map(str, row) for row in report["confusion_matrix"]]
    matrix = align_columns(
        [("", *names)] + [(name, *row) for name, row in zip(names, counts)]
    )
    if len(matrix[0]) + 2 <= width:
        shown.append("Predicted labels (columns) of the examples of each label (rows)")
        shown += ["  " + line for line in matrix]
    return shown
