"""The task table and the reading of the tasks' TSV files.

A task is a row of `TASKS`: its labels, its files, and which columns hold what. To add
one, add a row. File layouts: https://gluebenchmark.com/tasks and, for XNLI,
https://github.com/google-research/bert/blob/master/multilingual.md.
"""

import difflib
from dataclasses import dataclass, field
from typing import Mapping, Optional, Tuple

from finetuning import files
from finetuning.errors import InputError


@dataclass(frozen=True)
class InputExample:
    """One example as text.

    Attributes:
      guid: unique name, such as "dev-17".
      text_a: first sentence.
      text_b: second sentence, or None for single sentences.
      label: one of the task's labels; None where there is none.
    """

    guid: str
    text_a: str
    text_b: Optional[str] = None
    label: Optional[str] = None


@dataclass(frozen=True)
class Split:
    """One TSV file of a task: tab-separated, no quoting, columns counted from 0.

    Attributes:
      file: path below the task's data directory.
      text_a: column of the first sentence.
      text_b: column of the second sentence; None: single sentences.
      label: column of the label, negative from the end; None: the file has no labels,
        and each example gets the task's first unlabelled value.
      header: whether the first line names the columns.
      guid: column that names an example; None: its line number from 0.
      renamed_labels: label in the file -> label of the task.
      only: (column, value) that rows must have to be read; None: all rows are.
    """

    file: str
    text_a: int
    text_b: Optional[int]
    label: Optional[int]
    header: bool = True
    guid: Optional[int] = None
    renamed_labels: Mapping[str, str] = field(default_factory=dict)
    only: Optional[Tuple[int, str]] = None


@dataclass(frozen=True)
class Task:
    """One task.

    Attributes:
      name: as people write it.
      labels: label strings; the position of one is its id.
      metrics: names of functions in `metrics.METRICS`, in the order they are shown.
      train, dev, test: `Split`, or None where the task has none.
      unlabelled: label that unlabelled examples are given, as the original does; it
        reaches the record files and nothing else.
    """

    name: str
    labels: Tuple[str, ...]
    metrics: Tuple[str, ...]
    train: Split
    dev: Split
    test: Optional[Split]
    unlabelled: str

    def split(self, name):
        """The `Split` called "train", "dev" or "test".

        Raises:
          InputError: the task has none.
        """
        split = getattr(self, name)
        if split is None:
            raise InputError(
                "--task_name=%s has no %s file; leave out --do_predict"
                % (self.name, name)
            )
        return split


_NLI_LABELS = ("contradiction", "entailment", "neutral")
_CHINESE_CONTRADICTION = {"contradictory": "contradiction"}
_BINARY_METRICS = ("accuracy", "f1_precision_recall", "confusion_counts")

_ROWS = (
    Task(
        name="MRPC",
        labels=("0", "1"),
        metrics=_BINARY_METRICS,
        train=Split("train.tsv", text_a=3, text_b=4, label=0),
        dev=Split("dev.tsv", text_a=3, text_b=4, label=0),
        test=Split("test.tsv", text_a=3, text_b=4, label=None),
        unlabelled="0",
    ),
    Task(
        name="CoLA",
        labels=("0", "1"),
        metrics=("matthews_correlation",) + _BINARY_METRICS,
        train=Split("train.tsv", text_a=3, text_b=None, label=1, header=False),
        dev=Split("dev.tsv", text_a=3, text_b=None, label=1, header=False),
        test=Split("test.tsv", text_a=1, text_b=None, label=None),
        unlabelled="0",
    ),
    Task(
        name="MNLI",
        labels=_NLI_LABELS,
        metrics=("accuracy",),
        train=Split("train.tsv", text_a=8, text_b=9, label=-1, guid=0),
        dev=Split("dev_matched.tsv", text_a=8, text_b=9, label=-1, guid=0),
        test=Split("test_matched.tsv", text_a=8, text_b=9, label=None, guid=0),
        unlabelled="contradiction",
    ),
    Task(
        name="XNLI",
        labels=_NLI_LABELS,
        metrics=("accuracy",),
        train=Split(
            "multinli/multinli.train.zh.tsv",
            text_a=0,
            text_b=1,
            label=2,
            renamed_labels=_CHINESE_CONTRADICTION,
        ),
        dev=Split("xnli.dev.tsv", text_a=6, text_b=7, label=1, only=(0, "zh")),
        test=None,
        unlabelled="contradiction",
    ),
)

TASKS = {row.name.lower(): row for row in _ROWS}


def find_task(name):
    """The task of that name, in any case.

    Raises:
      InputError: there is none.
    """
    task = TASKS.get(name.lower())
    if task is not None:
        return task
    known = ", ".join(row.name for row in _ROWS)
    near = difflib.get_close_matches(name.lower(), TASKS, n=1)
    hint = "; did you mean %s?" % TASKS[near[0]].name if near else ""
    raise InputError("--task_name=%s is unknown; known: %s%s" % (name, known, hint))


def read_examples(task, split_name, path):
    """Reads one split of a task, row by row.

    Args:
      task: `Task`.
      split_name: "train", "dev" or "test"; begins each example's guid.
      path: the file.

    Yields:
      `InputExample`, in file order.

    Raises:
      InputError: a row lacks columns, a label is unknown, bytes are not UTF-8; with
        file and line.
    """
    split = task.split(split_name)
    for number, columns in _read_rows(path, split, task.labels):
        name = number - 1 if split.guid is None else columns[split.guid]
        yield InputExample(
            guid="%s-%s" % (split_name, name),
            text_a=columns[split.text_a],
            text_b=None if split.text_b is None else columns[split.text_b],
            label=_label(task, split, columns, path, number),
        )


def _check_header(path, line, split, labels):
    """Refuses a first line that is an example: taken for a header it would be lost."""
    columns = line.split("\t")
    if split.label is None or len(columns) <= max(split.label, 0):
        return
    if columns[split.label] in labels:
        raise InputError(
            "%s, line 1: expected a header that names the columns, found the label %r; "
            "put one before the first example" % (path, columns[split.label])
        )


def _read_rows(path, split, labels):
    """Yields (line number from 1, columns) of the rows that count."""
    needed = 1 + max(
        column
        for column in (split.text_a, split.text_b, split.label, split.guid)
        if column is not None
    )
    blank_line = None
    for number, line in files.read_text_lines(path):
        if not line:
            blank_line = blank_line or number  # Accepted where the file ends with it.
            continue
        if blank_line:
            raise InputError(
                "%s, line %d: the line is empty; remove it" % (path, blank_line)
            )
        if number == 1 and split.header:
            _check_header(path, line, split, labels)
            continue
        columns = line.split("\t")
        if len(columns) < needed:
            raise InputError(
                "%s, line %d: %d columns, expected %d or more, separated by tabs"
                % (path, number, len(columns), needed)
            )
        if split.only is None or columns[split.only[0]] == split.only[1]:
            yield number, columns


def _label(task, split, columns, path, number):
    if split.label is None:
        return task.unlabelled
    label = columns[split.label]
    label = split.renamed_labels.get(label, label)
    if label not in task.labels:
        raise InputError(
            "%s, line %d: label %r in column %d, expected one of: %s"
            % (
                path,
                number,
                label,
                split.label % len(columns) + 1,
                ", ".join(task.labels),
            )
        )
    return label
