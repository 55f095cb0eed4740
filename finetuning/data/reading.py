"""Reading the tasks' TSV and CSV files, row by row."""

import collections
import csv
import itertools
import math
import re

import numpy as np

from finetuning.data.tasks import InputExample
from finetuning.utils import files
from finetuning.utils.errors import InputError

_SAMPLE_SEED = 0
# The csv module refuses longer fields; its own limit is 128 KB.
_LONGEST_FIELD = 2**31 - 1
_NUMBER = re.compile(r" *[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)? *\Z", re.ASCII)
_GREATEST = float(np.finfo(np.float32).max)


def read_examples(task, data_file, notes=None):
    """Reads a file of a task, row by row.

    Args:
      task: `tasks.Task`.
      data_file: `tasks.DataFile`; its kind begins each example's guid.
      notes: list that gets a line about rows that are left out, if there are any.

    Yields:
      `InputExample`, in file order.

    Raises:
      InputError: a row lacks columns, a label is unknown, bytes are not UTF-8; with
        file and line.
    """
    layout = data_file.layout

    def is_label(text):
        return number(text) is not None if task.is_regression else text in task.labels

    rows = _read_rows(data_file, is_label, [] if notes is None else notes)
    for line, columns in rows:
        name = line - 1 if layout.guid is None else columns[layout.guid]
        yield InputExample(
            guid="%s-%s" % (data_file.split, name),
            text_a=columns[layout.text_a],
            text_b=None if layout.text_b is None else columns[layout.text_b],
            label=_label(task, data_file, columns, line),
        )


def find_labels(data_file, most):
    """The different labels of a file, as a set; one more than `most` at the most.

    Raises:
      InputError: as `read_examples`; a label is empty or has blanks around it; or that
        of the first line seems to be a header's.
    """
    counts, first = collections.Counter(), None
    for line, columns in _read_rows(data_file, lambda _: False, []):
        label = columns[data_file.layout.label]
        if not label or label != label.strip():
            raise InputError(
                "%s, line %d: the label %r in column %d is empty or has blanks around "
                "it; write it as the others, or leave the row out"
                % (data_file.path, line, label, data_file.layout.label + 1)
            )
        first = label if line == 1 else first
        counts[label] += 1
        if len(counts) > most:
            break
    _check_first_label(data_file, first, counts)
    return set(counts)


def _check_first_label(data_file, first, counts):
    """Refuses a label of line 1 alone where all others have more than one example."""
    others = [count for label, count in counts.items() if label != first]
    if first is not None and counts[first] == 1 and others and min(others) > 1:
        raise InputError(
            "%s, line 1: no other line has the label %r; if the line is a header give "
            "--has_header=true, if it is an example name all labels by --labels"
            % (data_file.path, first)
        )


def sample(read, most):
    """At most so many of the examples, spread at random; always the same ones.

    The first ones would be of one label where a file is sorted by it. In memory are 9
    bytes for each of all examples while it is decided, and 1 from then on.

    Args:
      read: function without arguments that gives an iterator over all of them.
      most: how many to keep.

    Returns:
      Iterator over `InputExample`, in file order.
    """
    count = sum(1 for _ in read())
    kept = np.zeros(count, bool)
    kept[np.random.RandomState(_SAMPLE_SEED).permutation(count)[:most]] = True
    return itertools.compress(read(), kept)


def first_columns(path, quoted):
    """The columns of a file's first line, or of its first CSV record; [] if empty."""
    return next((columns for _, columns in _columns(path, quoted)), [])


def _columns(path, quoted):
    """Yields (line number from 1, columns) of every line; a blank one has none."""
    _check_line_ends(path)
    lines = files.read_text_lines(path)
    if not quoted:
        for number, line in lines:
            yield number, line.split("\t") if line else []
        return
    csv.field_size_limit(_LONGEST_FIELD)
    # A quoted field may hold line ends; the reader counts the lines that it takes.
    reader = csv.reader((line + "\n" for _, line in lines), strict=True)
    number = 1
    try:
        for columns in reader:
            yield number, columns
            number = reader.line_num + 1
    except csv.Error as error:
        raise InputError(
            '%s, line %d: not CSV: %s; quote fields with " and double the quotes '
            "within them, or give the file as .tsv, tab-separated"
            % (path, number, error)
        ) from None


def _check_line_ends(path):
    """Refuses a file without line feeds, which would be read as a single line."""
    with files.opened(path) as file:
        first = next(iter(file), b"")
    if b"\r" in first.rstrip(b"\r") and not first.endswith(b"\n"):
        raise InputError(
            "%s: its lines end with a carriage return alone, as on old Macs; save it "
            "with line feeds (tr '\\r' '\\n' < OLD > NEW)" % path
        )


def _read_rows(data_file, is_label, notes):
    """Yields (line number from 1, columns) of the rows that count."""
    layout, path = data_file.layout, data_file.path
    needed = 1 + max(
        column
        for column in (layout.text_a, layout.text_b, layout.label, layout.guid)
        if column is not None
    )
    width, short, surplus = layout.columns, [], _Surplus()
    for line, columns in _lines_in_use(path, layout.quoted):
        width = width or len(columns)
        if line == 1 and layout.header:
            check_header(path, columns, layout, is_label)
            continue
        if len(columns) < needed:
            _check_short_row(path, line, columns, needed, layout)
            short.append(line)
            continue
        if len(columns) > width:
            surplus.add(line)
        if layout.only is None or columns[layout.only[0]] == layout.only[1]:
            yield line, columns
    if short:
        notes.append(
            "%s: %d rows that lack columns are left out, as is known of the official "
            "file: line %s" % (path, len(short), ", ".join(map(str, short)))
        )
    if surplus.rows:
        notes.append(
            "%s: rows with more than %d columns, which are read without what is "
            "surplus: %d, the first in line %d"
            % (path, width, surplus.rows, surplus.first_line)
        )


class _Surplus:
    """Counts the rows that have more columns than are expected."""

    def __init__(self):
        self.rows, self.first_line = 0, None

    def add(self, line):
        self.rows += 1
        self.first_line = self.first_line or line


def _lines_in_use(path, quoted):
    """Yields (line number from 1, columns), without the blank ones at the end.

    Raises:
      InputError: one stands before others.
    """
    blank_line = None
    for line, columns in _columns(path, quoted):
        if not columns:
            blank_line = blank_line or line
            continue
        if blank_line:
            raise InputError(
                "%s, line %d: the line is empty; remove it" % (path, blank_line)
            )
        yield line, columns


def _check_short_row(path, line, columns, needed, layout):
    """Refuses a row that lacks columns, unless it is known of the official file."""
    separator, name = (",", "commas") if layout.quoted else ("\t", "tabs")
    if layout.short_rows and separator.join(columns).startswith(layout.short_rows):
        return
    raise InputError(
        "%s, line %d: %d columns, expected %d or more, separated by %s%s"
        % (path, line, len(columns), needed, name, header_hint(line, columns, layout))
    )


def _label(task, data_file, columns, line):
    layout = data_file.layout
    if layout.label is None:
        return task.unlabelled
    label = columns[layout.label]
    label = layout.renamed_labels.get(label, label)
    if task.is_regression:
        least, most = task.bounds or (-math.inf, math.inf)
        value = number(label)
        fits = value is not None and least <= value <= most
        wanted = "a number" + (" of %g to %g" % task.bounds if task.bounds else "")
    else:
        fits = label in task.labels
        wanted = "one of: %s" % ", ".join(task.labels)
    if not fits:
        place = layout.label % len(columns) + 1
        if data_file.split == "test":
            wanted += "; to predict without labels, leave the column out"
        wanted += header_hint(line, columns, layout)
        raise InputError(
            "%s, line %d: label %r in column %d, expected %s"
            % (data_file.path, line, label, place, wanted)
        )
    return label


def number(text):
    """The number that a text is in decimal digits, or None if a float32 holds none."""
    if not _NUMBER.match(text):  # Python reads "1_000" and other scripts' digits, too.
        return None
    value = float(text)
    return value if abs(value) <= _GREATEST else None


# What the header of each of GLUE's test files begins with, and of a labelled one, too.
_INDEX = ("index", "id")
NO_HEADER = (
    "no header is expected here: if this line is one, remove it, or with "
    "--task_name=custom give --has_header=true"
)


def check_header(path, columns, layout, is_label):
    """Judges a first line where a header is expected.

    Args:
      path: the file.
      columns: of its first line.
      layout: `tasks.FileLayout`.
      is_label: function from a text to whether it is one of the task's labels.

    Raises:
      InputError: the line is an example, which would be lost; or it is the header of
        a test file where labels are expected.
    """
    if layout.label is None:
        _check_unlabelled(path, columns, layout)
        return
    if layout.label_name is not None and _is_of_test_file(columns, layout):
        raise InputError("%s, line 1: %s" % (path, _test_file(layout)))
    if len(columns) > max(layout.label, 0) and is_label(columns[layout.label]):
        raise InputError(
            "%s, line 1: expected a header that names the columns, found the label %r; "
            "put one before the first example" % (path, columns[layout.label])
        )


def _check_unlabelled(path, columns, layout):
    """Only a file that numbers its examples shows that its first line is one."""
    if layout.guid is None or len(columns) <= layout.guid:
        return
    found = columns[layout.guid]
    if found.isascii() and found.isdigit():
        raise InputError(
            "%s, line 1: expected a header that names the columns, found the example "
            "%s; put one before it" % (path, found)
        )


def header_hint(line, columns, layout):
    """What to add to the message about a row, if it is the first of its file; or ""."""
    if line != 1 or layout.header:
        return ""
    if layout.label is not None and _is_of_test_file(columns, layout):
        return "; " + _test_file(layout)
    return "; " + NO_HEADER


def _is_of_test_file(columns, layout):
    return columns[0] in _INDEX and layout.label_name not in columns


def _test_file(layout):
    wanted = (
        "labels in column %d" % (layout.label + 1) if layout.label >= 0 else "labels"
    )
    if layout.label_name is not None:
        wanted = "a column %s" % layout.label_name
    return (
        "this looks like a test file, which has no labels; expected one with %s"
        % wanted
    )
