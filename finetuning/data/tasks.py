"""The tasks: labels, metrics, and the layout of each file.

To add a task, add it to `_TASKS`. Sources of the layouts and row counts:
https://gluebenchmark.com/tasks and, for XNLI,
https://github.com/google-research/bert/blob/master/multilingual.md.
"""

import difflib
from dataclasses import dataclass, field, replace
from typing import Mapping, NamedTuple, Optional, Tuple

from finetuning.flags.settings import CUSTOM
from finetuning.utils import characters
from finetuning.utils.errors import InputError

# The flag whose phase reads each split.
_PHASE_FLAGS = {"train": "do_train", "dev": "do_eval", "test": "do_predict"}


@dataclass(frozen=True)
class InputExample:
    """One example as text.

    Attributes:
      guid: unique name, such as "dev-17".
      text_a: first sentence.
      text_b: second sentence; None for a single sentence.
      label: one of the task's labels; None if there is none.
    """

    guid: str
    text_a: str
    text_b: Optional[str] = None
    label: Optional[str] = None


@dataclass(frozen=True)
class FileLayout:
    """The layout of one file of a task. Columns are counted from 0.

    Attributes:
      file: path relative to the task's data directory.
      text_a: column of the first sentence.
      text_b: column of the second sentence; None for single sentences.
      label: column of the label, negative if counted from the end; None if the file has
        no labels.
      header: whether the first line is a header.
      columns: number of columns; None: as many as the first line has.
      label_name: name of the label's column in the header.
      guid: column of the example's id; None: its line number, counted from 0.
      renamed_labels: maps labels in the file to labels of the task.
      only: (column, value) of the rows to read; None for all rows.
      quoted: whether the file is CSV, with commas and quotes, or TSV without quoting.
      part: which half of the split it is ("matched"), if the task has two; else "".
      rows: number of examples in the official file; None if not known.
      other_rows: second known number of examples, in another copy of the file.
      short_rows: prefixes of the lines of the official file that are known to lack
        columns. They are skipped; any other such line is an error.
      submission: name of the file with predictions that GLUE's server accepts, without
        extension; None if it accepts none.
      first_line: cells of the first line of a file of the user's own task.
    """

    file: str
    text_a: int
    text_b: Optional[int]
    label: Optional[int]
    header: bool = True
    columns: Optional[int] = None
    label_name: Optional[str] = None
    guid: Optional[int] = None
    renamed_labels: Mapping[str, str] = field(default_factory=dict)
    only: Optional[Tuple[int, str]] = None
    quoted: bool = False
    part: str = ""
    rows: Optional[int] = None
    other_rows: Optional[int] = None
    short_rows: Tuple[str, ...] = ()
    submission: Optional[str] = None
    first_line: Tuple[str, ...] = ()


class DataFile(NamedTuple):
    """A file that a run reads.

    Attributes:
      split: "train", "dev" or "test".
      layout: its `FileLayout`.
      path: path of the file.
      suffix: suffix of its results' names if the split has two files: "_mismatched" for
        the second, "" for the first.
    """

    split: str
    layout: FileLayout
    path: str
    suffix: str = ""


@dataclass(frozen=True)
class Task:
    """One task.

    Attributes:
      name: the usual spelling of its name.
      labels: labels in the order of their ids; empty in a regression, whose labels are
        numbers.
      metrics: names of functions in `metrics.METRICS`, in the order they are shown.
      main: names of the scores whose mean is the task's main score, as in GLUE.
      train, dev, test: the `FileLayout`s of each split, if any.
      bounds: minimum and maximum label of a regression; None for any number.
      remark: advice to log if a file lacks rows.
    """

    name: str
    labels: Tuple[str, ...]
    metrics: Tuple[str, ...]
    main: Tuple[str, ...]
    train: Tuple[FileLayout, ...] = ()
    dev: Tuple[FileLayout, ...] = ()
    test: Tuple[FileLayout, ...] = ()
    bounds: Optional[Tuple[float, float]] = None
    remark: str = ""

    @property
    def is_regression(self):
        return not self.labels

    @property
    def unlabelled(self):
        """The label of unlabelled examples in record files, as in the original."""
        return self.labels[0] if self.labels else "0"

    @property
    def num_outputs(self):
        """Number of logits."""
        return len(self.labels) or 1

    def layouts(self, split):
        """The `FileLayout`s of a split: "train", "dev" or "test".

        Raises:
          InputError: the task has no such file.
        """
        layouts = getattr(self, split)
        if not layouts:
            raise InputError(
                "--task_name=%s has no %s file; omit --%s"
                % (self.name, split, _PHASE_FLAGS[split])
            )
        return layouts

    def layout(self, split):
        """The first of `layouts`."""
        return self.layouts(split)[0]


def unofficial(layout):
    """The same layout for a file of the user's, without official counts."""
    return replace(
        layout, part="", rows=None, other_rows=None, short_rows=(), submission=None
    )


_NLI_LABELS = ("contradiction", "entailment", "neutral")
_ENTAILMENT_LABELS = ("entailment", "not_entailment")
_BINARY = ("0", "1")
BINARY_METRICS = ("accuracy", "f1_precision_recall", "confusion_counts")
_ACCURACY = ("accuracy",)


def _mnli(file, rows, part="", submission=None):
    """A file of MNLI; all have the same columns, those for submissions no label."""
    layout = FileLayout(file, 8, 9, None, guid=0, rows=rows, part=part)
    if submission is None:
        return replace(layout, label=-1, label_name="gold_label")
    return replace(layout, submission=submission)


def _test(text_a, text_b, rows, submission):
    """A file test.tsv of GLUE, with the ids in the first column."""
    return FileLayout(
        "test.tsv", text_a, text_b, None, guid=0, rows=rows, submission=submission
    )


def _pairs(file, label=3, **layout):
    """A file with the columns index, two sentences and, if any, the label."""
    name = None if label is None else "label"
    return FileLayout(file, 1, 2, label, label_name=name, guid=0, **layout)


# Eleven of Quora's pairs contain a line break within a question, which splits them into
# two rows each: the first begins with the pair's id, the second with the text after the
# line break. See https://github.com/nyu-mll/GLUE-baselines/issues/5 for one of them.
_SPLIT_ROWS_OF_QQP = (
    *("2332\t", "12330\t", "65477\t", "174372\t", "196865\t", "198200\t"),
    *("227767\t", "264607\t", "282584\t", "283933\t", "364931\t"),
    *('"\t', "I would like Tamils to respond", "\\1. -5 ["),
)


def _qqp(file, **layout):
    """A labelled file of QQP."""
    layout.update(label_name="is_duplicate", short_rows=_SPLIT_ROWS_OF_QQP)
    return FileLayout(file, 3, 4, 5, guid=0, **layout)


_TASKS = (
    Task(
        name="MRPC",
        labels=_BINARY,
        metrics=BINARY_METRICS,
        main=("accuracy", "f1"),
        train=(FileLayout("train.tsv", 3, 4, 0, label_name="Quality", rows=3668),),
        dev=(FileLayout("dev.tsv", 3, 4, 0, label_name="Quality", rows=408),),
        test=(_test(3, 4, 1725, "MRPC"),),
        remark="Copies of MRPC that lack rows are common; make data TASK=MRPC creates "
        "the files from the three official ones",
    ),
    Task(
        name="CoLA",
        labels=_BINARY,
        metrics=("matthews_correlation",) + BINARY_METRICS,
        main=("matthews_correlation",),
        train=(
            FileLayout("train.tsv", 3, None, 1, header=False, columns=4, rows=8551),
        ),
        dev=(FileLayout("dev.tsv", 3, None, 1, header=False, columns=4, rows=1043),),
        test=(_test(1, None, 1063, "CoLA"),),
    ),
    Task(
        name="SST-2",
        labels=_BINARY,
        metrics=BINARY_METRICS,
        main=_ACCURACY,
        train=(FileLayout("train.tsv", 0, None, 1, label_name="label", rows=67349),),
        dev=(FileLayout("dev.tsv", 0, None, 1, label_name="label", rows=872),),
        test=(_test(1, None, 1821, "SST-2"),),
    ),
    Task(
        name="STS-B",
        labels=(),
        metrics=("pearson_spearman",),
        main=("pearson", "spearman"),
        train=(
            FileLayout("train.tsv", 7, 8, 9, label_name="score", guid=0, rows=5749),
        ),
        dev=(FileLayout("dev.tsv", 7, 8, 9, label_name="score", guid=0, rows=1500),),
        test=(_test(7, 8, 1379, "STS-B"),),
        bounds=(0.0, 5.0),
    ),
    Task(
        name="QQP",
        labels=_BINARY,
        metrics=BINARY_METRICS,
        main=("accuracy", "f1"),
        # Without the split rows; Hugging Face's copy, which also ends lines at carriage
        # returns, has three fewer.
        train=(_qqp("train.tsv", rows=363849, other_rows=363846),),
        dev=(_qqp("dev.tsv", rows=40430),),
        test=(_test(1, 2, 390965, "QQP"),),
    ),
    Task(
        name="MNLI",
        labels=_NLI_LABELS,
        metrics=_ACCURACY,
        main=_ACCURACY,
        train=(_mnli("train.tsv", 392702),),
        dev=(
            _mnli("dev_matched.tsv", 9815, "matched"),
            _mnli("dev_mismatched.tsv", 9832, "mismatched"),
        ),
        test=(
            _mnli("test_matched.tsv", 9796, "matched", "MNLI-m"),
            _mnli("test_mismatched.tsv", 9847, "mismatched", "MNLI-mm"),
        ),
    ),
    Task(
        name="QNLI",
        labels=_ENTAILMENT_LABELS,
        metrics=_ACCURACY,
        main=_ACCURACY,
        train=(_pairs("train.tsv", rows=104743),),
        dev=(_pairs("dev.tsv", rows=5463),),
        test=(_pairs("test.tsv", None, rows=5463, submission="QNLI"),),
    ),
    Task(
        name="RTE",
        labels=_ENTAILMENT_LABELS,
        metrics=_ACCURACY,
        main=_ACCURACY,
        train=(_pairs("train.tsv", rows=2490),),
        dev=(_pairs("dev.tsv", rows=277),),
        test=(_pairs("test.tsv", None, rows=3000, submission="RTE"),),
    ),
    Task(
        name="WNLI",
        labels=_BINARY,
        metrics=_ACCURACY,
        main=_ACCURACY,
        train=(_pairs("train.tsv", rows=635),),
        dev=(_pairs("dev.tsv", rows=71),),
        test=(_pairs("test.tsv", None, rows=146, submission="WNLI"),),
    ),
    Task(
        # The diagnostic set, for a model trained on MNLI.
        name="AX",
        labels=_NLI_LABELS,
        metrics=(),
        main=(),
        test=(_pairs("AX.tsv", None, rows=1104, submission="AX"),),
    ),
    Task(
        name="XNLI",
        labels=_NLI_LABELS,
        metrics=_ACCURACY,
        main=_ACCURACY,
        train=(
            FileLayout(
                *("multinli/multinli.train.zh.tsv", 0, 1, 2),
                label_name="label",
                renamed_labels={"contradictory": "contradiction"},
            ),
        ),
        dev=(
            FileLayout(
                "xnli.dev.tsv", 6, 7, 1, label_name="gold_label", only=(0, "zh")
            ),
        ),
    ),
)
TASKS = {task.name.lower(): task for task in _TASKS}


def find_task(name):
    """The task with this name, in any case.

    Raises:
      InputError: there is none.

    Example:
      >>> find_task("mrpc").labels
      ('0', '1')
    """
    task = TASKS.get(name.lower())
    if task is not None:
        return task
    known = ", ".join([task.name for task in _TASKS] + [CUSTOM])
    nearest = difflib.get_close_matches(name.lower(), list(TASKS) + [CUSTOM], n=1)
    spelling = {CUSTOM: CUSTOM, **{key: task.name for key, task in TASKS.items()}}
    hint = characters.hint(name)
    hint += "; did you mean %s?" % spelling[nearest[0]] if nearest else ""
    raise InputError("--task_name=%s is unknown; known: %s%s" % (name, known, hint))
