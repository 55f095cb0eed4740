"""Reads the tasks' TSV and CSV files row by row."""

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
# The csv module's limit on the length of a field is 128 KB by default.
_MAX_FIELD = 2**31 - 1
_NUMBER = re.compile(r" *[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)? *\Z", re.ASCII)
_MAX_FLOAT32 = float(np.finfo(np.float32).max)
# First column of the header of GLUE's test files, and of some labelled files.
_INDEX_NAMES = ("index", "id")
# What the files of GLUE and XNLI call the columns of their sentences.
_TEXT_NAMES = (
    *("sentence", "sentence1", "sentence2", "question", "question1", "question2"),
    *("#1 String", "#2 String", "premise", "hypo"),
)
# A whole field as CSV quotes it.
_QUOTED = re.compile(r'"(?:[^"]|"")*"\Z')
_TEST_FILE = "this looks like a test file; expected a file with labels"


def read_examples(task, data_file, notes=None):
    """Reads the examples of a file.

    Args:
      task: `tasks.Task`.
      data_file: `tasks.DataFile`; guids start with the name of its split.
      notes: list to which a line about irregular rows is appended, if there are any.

    Yields:
      `InputExample`, in file order.

    Raises:
      InputError: a row lacks columns, a label is invalid or the file is not UTF-8. The
        message names file and line.
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


def find_labels(data_file, limit):
    """Collects the different labels of a file.

    Args:
      data_file: `tasks.DataFile`.
      limit: number of labels above which reading stops.

    Returns:
      Set of str, at most `limit` + 1 of them.

    Raises:
      InputError: as from `read_examples`; or a label is empty or has blanks around it;
        or the first line seems to be a header.
    """
    counts, first = collections.Counter(), None
    column = data_file.layout.label
    for line, columns in _read_rows(data_file, lambda _: False, []):
        label = columns[column]
        if not label or label != label.strip():
            raise InputError(
                "%s, line %d: the label %r in column %d is empty or has blanks around "
                "it; correct it, or remove the row"
                % (data_file.path, line, label, column + 1)
            )
        if line == 1:
            first = label
        counts[label] += 1
        if len(counts) > limit:
            break
    _check_first_label(data_file, first, counts)
    return set(counts)


def _check_first_label(data_file, first, counts):
    """Rejects a label that only line 1 has, if all others occur more than once."""
    other_counts = [count for label, count in counts.items() if label != first]
    if first is None or counts[first] > 1 or min(other_counts, default=1) == 1:
        return
    raise InputError(
        "%s, line 1: no other line has the label %r; if the line is a header, pass "
        "--has_header=true; if it is an example, list all labels with --labels"
        % (data_file.path, first)
    )


def sample(read, size):
    """Draws a random sample of the examples, always the same one.

    The first examples would not do, as a file may be sorted by label. Takes 9 bytes of
    memory per example while the sample is drawn, and 1 byte afterwards.

    Args:
      read: function without arguments that returns an iterator over all examples.
      size: maximum number of examples to keep.

    Returns:
      Iterator over `InputExample`, in file order.
    """
    count = sum(1 for _ in read())
    kept = np.zeros(count, bool)
    kept[np.random.RandomState(_SAMPLE_SEED).permutation(count)[:size]] = True
    return itertools.compress(read(), kept)


def first_columns(path, quoted):
    """The columns of a file's first row; [] if the file or the row is empty."""
    return next((columns for _, columns in _read_lines(path, quoted)), [])


def _read_lines(path, quoted):
    """Yields (line number from 1, columns) of every line; [] for an empty line."""
    _check_line_ends(path)
    lines = files.read_text_lines(path)
    if not quoted:
        for line, text in lines:
            yield line, text.split("\t") if text else []
        return
    csv.field_size_limit(_MAX_FIELD)
    # A quoted field may contain line breaks; the reader counts the lines that it reads.
    reader = csv.reader((text + "\n" for _, text in lines), strict=True)
    line = 1
    try:
        for columns in reader:
            yield line, columns
            line = reader.line_num + 1
    except csv.Error as error:
        raise InputError(
            '%s, line %d: not valid CSV: %s; quote fields with " and double any " in '
            "them, or convert the file to .tsv (tab-separated)" % (path, line, error)
        ) from None


def _check_line_ends(path):
    """Rejects a file without line feeds, which would be read as a single line."""
    with files.open_binary(path) as file:
        first = next(iter(file), b"")
    if b"\r" in first.rstrip(b"\r") and not first.endswith(b"\n"):
        raise InputError(
            "%s: lines end with carriage returns only, as on old Macs; convert them to "
            "line feeds (tr '\\r' '\\n' < OLD > NEW)" % path
        )


def _read_rows(data_file, is_label, notes):
    """Yields (line number from 1, columns) of the rows with examples."""
    layout, path = data_file.layout, data_file.path
    used = (layout.text_a, layout.text_b, layout.label, layout.guid)
    needed = 1 + max(column for column in used if column is not None)
    width, short, long_count, first_long = layout.columns, [], 0, None
    quoted_fields = _QuotedFields(layout)
    for line, columns in _read_nonempty_lines(path, layout.quoted):
        width = width or len(columns)
        if line == 1 and layout.header:
            _check_header(path, columns, layout, is_label)
            notes += _unknown_names(path, columns, layout)
            continue
        if len(columns) < needed:
            _check_short_row(path, line, columns, needed, layout)
            short.append(line)
            continue
        if len(columns) > width:
            long_count += 1
            first_long = first_long or line
        if layout.only is None or columns[layout.only[0]] == layout.only[1]:
            quoted_fields.count(line, columns)
            yield line, columns
    notes += quoted_fields.notes(path)
    if short:
        notes.append(
            "%s: skipped %d rows that lack columns, as they do in the official file: "
            "line %s" % (path, len(short), ", ".join(map(str, short)))
        )
    if long_count:
        notes.append(
            "%s: rows with more than %d columns: %d, the first on line %d; the "
            "additional columns are ignored" % (path, width, long_count, first_long)
        )


class _QuotedFields:
    """Counts the rows of a TSV file whose text seems to be quoted, as in CSV.

    The quotes are read as part of the text. In official files they are.
    """

    def __init__(self, layout):
        is_checked = not layout.quoted and layout.rows is None
        texts = [
            column for column in (layout.text_a, layout.text_b) if column is not None
        ]
        self._columns = texts if is_checked else []
        self._rows = self._quoted = self._doubled = 0
        self._first = None

    def count(self, line, columns):
        self._rows += 1
        for column in self._columns:
            text = columns[column]
            if text[:1] == '"' and _QUOTED.match(text):
                self._first = self._first or line
                self._quoted += 1
                self._doubled += '""' in text[1:-1]
                break

    def notes(self, path):
        # A single sentence may be in quotes that belong to it.
        if not self._doubled and 2 * self._quoted <= self._rows:
            return []
        return [
            "%s: rows whose text is in quotes, as in CSV: %d, the first on line %d. In "
            "a .tsv file, quotes are part of the text; if they are not, write the file "
            "without them, or for --task_name=custom as .csv"
            % (path, self._quoted, self._first)
        ]


def _read_nonempty_lines(path, quoted):
    """Yields (line number from 1, columns), without empty lines at the end.

    Raises:
      InputError: there is an empty line before others.
    """
    empty_line = None
    for line, columns in _read_lines(path, quoted):
        if not columns:
            empty_line = empty_line or line
            continue
        if empty_line:
            raise InputError(
                "%s, line %d: the line is empty; remove it" % (path, empty_line)
            )
        yield line, columns


def _check_short_row(path, line, columns, needed, layout):
    """Rejects a row that lacks columns, unless it is known of the official file."""
    separator, name = (",", "commas") if layout.quoted else ("\t", "tabs")
    if layout.short_rows and separator.join(columns).startswith(layout.short_rows):
        return
    raise InputError(
        "%s, line %d: expected at least %d columns separated by %s, found %d%s"
        % (path, line, needed, name, len(columns), _header_hint(line, columns, layout))
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
        valid = value is not None and least <= value <= most
        expected = "a number" + (" from %g to %g" % task.bounds if task.bounds else "")
    else:
        valid = label in task.labels
        expected = "one of: %s" % ", ".join(task.labels)
    if valid:
        return label
    if data_file.split == "test":
        expected += "; to predict without labels, remove the column"
    raise InputError(
        "%s, line %d: label %r in column %d, expected %s%s"
        % (
            data_file.path,
            line,
            label,
            layout.label % len(columns) + 1,
            expected,
            _header_hint(line, columns, layout),
        )
    )


def number(text):
    """Parses a decimal number; returns None if it is none, or too large for float32.

    A label too small for float32 is allowed: 0 is as near to it as any number there.
    """
    if not _NUMBER.match(text):  # float() also accepts "1_000" and non-ASCII digits.
        return None
    value = float(text)
    return value if abs(value) <= _MAX_FLOAT32 else None


def _check_header(path, columns, layout, is_label):
    """Checks the first line of a file that should start with a header.

    Args:
      path: the file.
      columns: columns of its first line.
      layout: `tasks.FileLayout`.
      is_label: function from a text to whether it is one of the task's labels.

    Raises:
      InputError: the line is an example, which would be lost; or it is the header of a
        test file although labels are expected.
    """
    if layout.first_line and columns == [str(n) for n in range(len(columns))]:
        return  # pandas names columns like this; examples are unlikely to be.
    if layout.label is None:
        # Only a numbered example can be distinguished from a header.
        has_id = layout.guid is not None and layout.guid < len(columns)
        value = columns[layout.guid] if has_id else ""
        if value.isascii() and value.isdigit():
            raise InputError(
                "%s, line 1: expected a header with the names of the columns, found "
                "the example %s; insert a header before it" % (path, value)
            )
        return
    if layout.label_name is not None and _is_test_header(columns, layout):
        raise InputError("%s, line 1: %s" % (path, _TEST_FILE))
    if len(columns) > max(layout.label, 0) and is_label(columns[layout.label]):
        raise InputError(
            "%s, line 1: expected a header with the names of the columns, found the "
            "label %r; insert a header before the first example"
            % (path, columns[layout.label])
        )


def _unknown_names(path, columns, layout):
    """A note if the header of a GLUE task's file does not have the task's names."""
    if layout.first_line:  # The user's own names, which flags have chosen.
        return []
    for column in (layout.text_a, layout.text_b):
        name = columns[column] if column in range(len(columns)) else None
        if column is None or name in _TEXT_NAMES:
            continue
        return [
            "%s: line 1 is taken as the header, but its column %d is %s, not a name "
            "such as sentence; if it is an example, insert a header before it"
            % (path, column + 1, "missing" if name is None else repr(name))
        ]
    return []


def _header_hint(line, columns, layout):
    """Text to append to an error about a row; "" unless it may be a header."""
    if line != 1 or layout.header:
        return ""
    if layout.label is not None and _is_test_header(columns, layout):
        return "; " + _TEST_FILE
    return (
        "; no header is expected here: if this line is one, remove it, or with "
        "--task_name=custom pass --has_header=true"
    )


def _is_test_header(columns, layout):
    return columns[0] in _INDEX_NAMES and layout.label_name not in columns
