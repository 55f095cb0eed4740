"""What a file's first line gives away: an example, or another file's header."""

from finetuning.errors import InputError

# What the header of each of GLUE's test files begins with, and of a labelled one, too.
_INDEX = ("index", "id")
NO_HEADER = (
    "no header is expected here: if this line is one, remove it, or with "
    "--task_name=custom give --has_header=true"
)


def check(path, columns, split, is_label):
    """Judges a first line where a header is expected.

    Args:
      path: the file.
      columns: of its first line.
      split: `tasks.Split`.
      is_label: function from a text to whether it is one of the task's labels.

    Raises:
      InputError: the line is an example, which would be lost; or it is the header of
        a test file where labels are expected.
    """
    if split.label is None:
        _check_unlabelled(path, columns, split)
        return
    if split.label_name is not None and _is_of_test_file(columns, split):
        raise InputError("%s, line 1: %s" % (path, _test_file(split)))
    if len(columns) > max(split.label, 0) and is_label(columns[split.label]):
        raise InputError(
            "%s, line 1: expected a header that names the columns, found the label %r; "
            "put one before the first example" % (path, columns[split.label])
        )


def _check_unlabelled(path, columns, split):
    """Only a file that numbers its examples shows that its first line is one."""
    if split.guid is None or len(columns) <= split.guid:
        return
    found = columns[split.guid]
    if found.isascii() and found.isdigit():
        raise InputError(
            "%s, line 1: expected a header that names the columns, found the example "
            "%s; put one before it" % (path, found)
        )


def hint(line, columns, split):
    """What to add to the message about a row, if it is the first of its file; or ""."""
    if line != 1 or split.header:
        return ""
    if split.label is not None and _is_of_test_file(columns, split):
        return "; " + _test_file(split)
    return "; " + NO_HEADER


def _is_of_test_file(columns, split):
    return columns[0] in _INDEX and split.label_name not in columns


def _test_file(split):
    wanted = "labels in column %d" % (split.label + 1) if split.label >= 0 else "labels"
    if split.label_name is not None:
        wanted = "a column %s" % split.label_name
    return (
        "this looks like a test file, which has no labels; expected one with %s"
        % wanted
    )
