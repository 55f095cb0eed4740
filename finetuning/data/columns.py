"""Which columns of the user's own files the flags choose."""

from finetuning.utils.errors import InputError, in_one_line

_FLAGS = ("text_a_column", "text_b_column", "label_column", "id_column")
# Spellings that cannot be mistaken for each other: the number, and the name.
_NUMBER, _NAME = "#", "name:"
_MAX_SHOWN = 40


def choose(settings, split, path, first_line):
    """Finds the columns that the flags choose.

    Args:
      settings: `settings.Settings`.
      split: "train", "dev" or "test"; a test file may lack labels.
      path: the file.
      first_line: the cells of its first line.

    Returns:
      Dict from flag to position, counted from 0; None for a column that is not there.

    Raises:
      InputError: a column is not given, missing, ambiguous or used twice.
    """
    columns = {
        name: _choose_one(settings, name, split, path, first_line) for name in _FLAGS
    }
    for name in ("text_b_column", "label_column"):
        for other in ("text_a_column", "text_b_column"):
            column = columns[name]
            if name != other and column is not None and column == columns[other]:
                raise InputError(
                    "--%s=%s is also the column of --%s; use different columns"
                    % (name, getattr(settings, name), other)
                )
    return columns


def _choose_one(settings, name, split, path, first_line):
    value = getattr(settings, name)
    optional = name == "label_column" and split == "test"
    if value is None:
        if name in ("text_a_column", "label_column") and not optional:
            raise InputError("--task_name=custom: --%s must be given" % name)
        return None
    named = _named(value, first_line) if settings.has_header else set()
    numbered = _numbered(value, len(first_line))
    found = named | numbered
    if len(found) == 1:
        return found.pop()
    if not found and optional:
        return None
    given = "--%s=%s: %s has" % (name, value, path)
    if numbered and found:
        number = value[1:] if value.startswith(_NUMBER) else _NUMBER + value
        raise InputError(
            "%s a column of this number (%s) and another of this name; write %s for "
            "the number, or %s%s for the name"
            % (given, first_line[numbered.pop()], number, _NAME, value)
        )
    raise InputError(
        "%s %s such column; columns in its first line: %d (%s)"
        % (
            given,
            "more than one" if found else "no",
            len(first_line),
            ", ".join(first_line)[:200],
        )
    )


def _named(value, first_line):
    """The positions of the columns with this name, in either spelling."""
    names = {value}
    if value.startswith(_NAME):
        names.add(value[len(_NAME) :])
    return {column for column, cell in enumerate(first_line) if cell in names}


def _numbered(value, count):
    """The position of the column with this number, in either spelling, as a set."""
    digits = value[len(_NUMBER) :] if value.startswith(_NUMBER) else value
    numbers = [str(number) for number in range(1, count + 1)]
    return {numbers.index(digits)} if digits in numbers else set()


def names(layout):
    """Maps the flags that choose text and labels to names in the header.

    The map is empty for a file without a header, or of a task of GLUE.
    """
    return _cells(layout) if layout.header else {}


def _cells(layout):
    """Maps the flags that choose text and labels to cells of the first line."""
    if not layout.first_line:
        return {}
    return {
        flag: layout.first_line[column]
        for flag, column in _chosen(layout).items()
        if flag != "id_column"
    }


def _chosen(layout):
    """Maps the flags to the positions of their columns, without those not there."""
    positions = (layout.text_a, layout.text_b, layout.label, layout.guid)
    return {
        flag: position
        for flag, position in zip(_FLAGS, positions)
        if position is not None
    }


def describe(data_file):
    """Says which line is the header, and which column each flag chose.

    Args:
      data_file: `tasks.DataFile` of the user's own data.
    """
    layout = data_file.layout
    choices = []
    for flag, position in _chosen(layout).items():
        name = " (%s)" % _shown(layout.first_line[position]) if layout.header else ""
        choices.append("--%s is column %d%s" % (flag, position + 1, name))
    header = "line 1 is the header" if layout.header else "no header"
    return "%s: %s; %s" % (data_file.path, header, ", ".join(choices))


def header_warnings(settings, data_files, trained):
    """Compares columns that are chosen by number with those of the training file.

    Args:
      settings: `settings.Settings`.
      data_files: `tasks.DataFile`s of the run.
      trained: what `names` returned for the training file; {} if it is not known.

    Returns:
      List of lines.
    """
    warnings = []
    for path, layout in ((file.path, file.layout) for file in data_files):
        numbered = {
            flag: cell
            for flag, cell in _cells(layout).items()
            if flag in trained and getattr(settings, flag) not in (cell, _NAME + cell)
        }
        differing = [flag for flag in numbered if numbered[flag] != trained[flag]]
        if layout.header and differing:
            flag = differing[0]
            warnings.append(
                "%s: line 1 is taken as the header, but --%s=%s is the column %r "
                "there, and was %r in the training file; if the line is an example, "
                "insert a header before it"
                % (path, flag, getattr(settings, flag), numbered[flag], trained[flag])
            )
        if not layout.header and numbered and not differing:
            warnings.append(
                "%s: line 1 is taken as an example, but is the header of the training "
                "file; pass --has_header=true, or remove the line" % path
            )
    return warnings


def _shown(cell):
    cell = in_one_line(cell)
    return cell if len(cell) <= _MAX_SHOWN else cell[:_MAX_SHOWN] + "..."
