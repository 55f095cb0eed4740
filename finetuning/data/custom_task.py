"""The user's own data as a task: columns and labels by flag."""

import os

from finetuning.data import label_map, reading
from finetuning.data.tasks import BINARY_METRICS, FileLayout, Task
from finetuning.flags.settings import CUSTOM, FILE_FLAGS
from finetuning.utils import files
from finetuning.utils.errors import InputError

_CSV = ".csv"
_ENDINGS = (".tsv", _CSV)
_NEEDED = ("text_a_column", "label_column")
# More labels than a classifier of sentences has; fewer than a column of texts.
_MOST_LABELS = 10000


def is_custom(settings):
    return settings.task_name.lower() == CUSTOM


def find_task(settings, data_files, weights_directory):
    """The task that the flags describe.

    Args:
      settings: `settings.Settings`.
      data_files: `tasks.DataFile`s of the run.
      weights_directory: where the weights lie that are trained on or used; None: there
        are none, or a new classifier is trained on them.

    Returns:
      `tasks.Task`.

    Raises:
      InputError: the labels are not known, or make no classifier.
    """
    saved = None if weights_directory is None else label_map.load(weights_directory)
    if saved == () and not settings.regression:
        raise InputError(
            "%s holds a regression; give --regression=true" % weights_directory
        )
    if settings.regression:
        return _task((), ("pearson_spearman",), ("pearson", "spearman"))
    labels = _labels(settings, data_files, saved)
    if labels is None:
        raise InputError(
            "--task_name=custom: the model's labels are not known (no %s in %s); give "
            "--labels in the order that it was trained with"
            % (label_map.FILE, weights_directory or settings.output_dir)
        )
    _check_labels(settings, labels)
    scores = BINARY_METRICS if len(labels) == 2 else ("accuracy",)
    return _task(labels, scores + ("macro_f1", "matthews_correlation"), ("macro_f1",))


def _check_labels(settings, labels):
    twice = [label for label in labels if labels.count(label) > 1]
    if twice:
        raise InputError("--labels=%s: %s is named twice" % (settings.labels, twice[0]))
    if 2 <= len(labels) <= _MOST_LABELS:
        return
    flag = "--labels" if settings.labels else "--label_column"
    raise InputError(
        "%s=%s: expected 2 to %d different labels, found %d: %s; for a number give "
        "--regression=true"
        % (
            flag,
            settings.labels or settings.label_column,
            _MOST_LABELS,
            len(labels),
            label_map.shown(labels[:5]),
        )
    )


def _task(labels, metrics, main):
    return Task(
        name=CUSTOM,
        labels=labels,
        metrics=metrics,
        main=main,
        train=(),
        dev=(),
        test=(),
        unlabelled=labels[0] if labels else "0",
    )


def _labels(settings, data_files, saved):
    """As given; else as saved; else those of the training file; else None."""
    if settings.labels:
        return tuple(label.strip() for label in settings.labels.split(","))
    if saved is not None:
        return saved
    for data_file in data_files:
        if data_file.split == "train":
            found = reading.find_labels(data_file, _MOST_LABELS)
            if not found:
                raise InputError("%s holds no examples" % data_file.path)
            return _sorted(found)
    return None


def _sorted(labels):
    """Whole numbers by value, all else as text."""
    if all(label.isascii() and label.isdigit() for label in labels):
        # By value, without an int of so many digits that Python refuses it.
        digits = {label: label.lstrip("0") for label in labels}
        order = sorted(labels, key=lambda each: (len(digits[each]), digits[each], each))
        return tuple(order)
    return tuple(sorted(labels))


def find_file(settings, split):
    """The path of a set in --data_dir.

    Args:
      settings: `settings.Settings`.
      split: "train", "dev" or "test".

    Raises:
      InputError: there is none, or two.
    """
    names = [split + ending for ending in _ENDINGS]
    paths = [os.path.join(settings.data_dir, name) for name in names]
    found = [path for path in paths if files.exists(path)]
    if len(found) != 1:
        raise InputError(
            "--data_dir=%s holds %s of %s; expected one of them, or give --%s"
            % (
                settings.data_dir,
                "both" if found else "neither",
                " and ".join(names),
                FILE_FLAGS[split],
            )
        )
    return found[0]


def read_layout(settings, split, path):
    """The `FileLayout` of a file: its columns by the flags and its first line.

    Args:
      settings: `settings.Settings`.
      split: "train", "dev" or "test"; the last need not have labels.
      path: the file.

    Raises:
      InputError: a column is not given, not there, or there twice.
    """
    quoted = path.lower().endswith(_CSV)
    first = reading.first_columns(path, quoted)
    if not first:
        raise InputError("%s is empty, or its first line is" % path)
    places = {}
    for name in ("text_a_column", "text_b_column", "label_column", "id_column"):
        wanted = getattr(settings, name)
        optional = name == "label_column" and split == "test"
        if wanted is None:
            if name in _NEEDED and not optional:
                raise InputError("--task_name=custom: --%s must be given" % name)
            places[name] = None
            continue
        places[name] = _place(wanted, first, settings.has_header)
        if places[name] is None and not optional:
            raise InputError(
                "--%s=%s: %s has %s such column; its first line has %d: %s"
                % (
                    name,
                    wanted,
                    path,
                    "no" if first.count(wanted) < 2 else "more than one",
                    len(first),
                    ", ".join(first)[:200],
                )
            )
    _check_different(settings, places)
    return FileLayout(
        file=os.path.basename(path),
        text_a=places["text_a_column"],
        text_b=places["text_b_column"],
        label=places["label_column"],
        header=settings.has_header,
        guid=places["id_column"],
        quoted=quoted,
    )


def _check_different(settings, places):
    """Refuses a column for two purposes: a label that is read as text is no task."""
    for name in ("text_b_column", "label_column"):
        for other in ("text_a_column", "text_b_column"):
            place = places[name]
            if name != other and place is not None and place == places[other]:
                raise InputError(
                    "--%s=%s is the column of --%s too"
                    % (name, getattr(settings, name), other)
                )


def _place(wanted, first, has_header):
    """Where a column stands, from 0; None where it does not, or not once."""
    if has_header and wanted in first:
        return first.index(wanted) if first.count(wanted) == 1 else None
    numbers = [str(place) for place in range(1, len(first) + 1)]
    return numbers.index(wanted) if wanted in numbers else None
