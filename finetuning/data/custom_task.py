"""The user's own data as a task: flags name the columns and labels."""

import collections
import os

from finetuning.data import columns, label_map, reading
from finetuning.data.tasks import BINARY_METRICS, FileLayout, Task
from finetuning.flags.settings import CUSTOM, FILE_FLAGS
from finetuning.utils import files
from finetuning.utils.errors import InputError

_CSV = ".csv"
_EXTENSIONS = (".tsv", _CSV)
# More than any text classifier has; a column of texts exceeds it.
_MAX_LABELS = 10000


def create_task(settings, data_files, weights_directory):
    """Creates the task that the flags describe.

    Args:
      settings: `settings.Settings`.
      data_files: `tasks.DataFile`s of the run.
      weights_directory: directory of the weights that will be resumed or used; None
        for a new classifier.

    Returns:
      `tasks.Task`.

    Raises:
      InputError: the labels are not known, or cannot be those of a classifier.
    """
    saved = None if weights_directory is None else label_map.load(weights_directory)
    if saved == () and not settings.regression:
        raise InputError(
            "%s contains a regression model; pass --regression=true" % weights_directory
        )
    if settings.regression:
        return Task(CUSTOM, (), ("pearson_spearman",), ("pearson", "spearman"))
    labels = _labels(settings, data_files, saved)
    if labels is None:
        raise InputError(
            "--task_name=custom: the model's labels are not known (no %s in %s); pass "
            "--labels in the order that the model was trained with"
            % (label_map.FILE, weights_directory or settings.output_dir)
        )
    _check_labels(settings, labels)
    metrics = BINARY_METRICS if len(labels) == 2 else ("accuracy",)
    metrics += ("macro_f1", "matthews_correlation")
    return Task(CUSTOM, labels, metrics, main=("macro_f1",))


def _check_labels(settings, labels):
    label, count = collections.Counter(labels).most_common(1)[0]
    if count > 1:
        raise InputError(
            "--labels=%s contains %s twice; list each label once"
            % (settings.labels, label)
        )
    as_cells = {}
    for label in labels:
        other = as_cells.setdefault(files.tsv_line([label]), label)
        if other != label:
            raise InputError(
                "the labels %r and %r differ only in tabs or line ends, and would be "
                "the same in the predictions; rename one of them" % (other, label)
            )
    if 2 <= len(labels) <= _MAX_LABELS:
        return
    flag = "labels" if settings.labels else "label_column"
    raise InputError(
        "--%s=%s: expected 2 to %d different labels, found %d: %s; for numeric labels "
        "pass --regression=true"
        % (
            flag,
            getattr(settings, flag),
            _MAX_LABELS,
            len(labels),
            label_map.as_text(labels[:5]),
        )
    )


def _labels(settings, data_files, saved):
    """The labels of the flag, else the saved ones, else those of the training file.

    Returns:
      Tuple of str; None if there is none of these.
    """
    if settings.labels:
        return tuple(label.strip() for label in settings.labels.split(","))
    if saved is not None:
        return saved
    for data_file in data_files:
        if data_file.split == "train":
            labels = reading.find_labels(data_file, _MAX_LABELS)
            if not labels:
                raise InputError("%s contains no examples" % data_file.path)
            return _sorted(labels)
    return None


def _sorted(labels):
    """Sorts labels by value if all are whole numbers, else as text."""
    if not all(label.isascii() and label.isdigit() for label in labels):
        return tuple(sorted(labels))

    def by_value(label):  # Not int(label), which refuses numbers of many digits.
        digits = label.lstrip("0")
        return len(digits), digits, label

    return tuple(sorted(labels, key=by_value))


def find_file(settings, split):
    """The path of a split's file in --data_dir: .tsv or .csv.

    Args:
      settings: `settings.Settings`.
      split: "train", "dev" or "test".

    Raises:
      InputError: there is no such file, or there are both.
    """
    names = [split + extension for extension in _EXTENSIONS]
    paths = [os.path.join(settings.data_dir, name) for name in names]
    existing = [path for path in paths if files.exists(path)]
    if len(existing) == 1:
        return existing[0]
    nearby = []
    if not existing:
        for name in names:
            nearby += files.directories_with(name, settings.data_dir)
    raise InputError(
        "--data_dir=%s contains %s of %s; expected one of them%s; otherwise pass --%s"
        % (
            settings.data_dir,
            "both" if existing else "neither",
            " and ".join(names),
            ", as in " + nearby[0] if len(nearby) == 1 else "",
            FILE_FLAGS[split],
        )
    )


def read_layout(settings, split, path):
    """Derives the layout of a file from the flags and its first line.

    Args:
      settings: `settings.Settings`.
      split: "train", "dev" or "test"; a test file may lack labels.
      path: the file.

    Returns:
      `tasks.FileLayout`.

    Raises:
      InputError: a column is not given, missing or ambiguous.
    """
    quoted = path.lower().endswith(_CSV)
    first_line = reading.first_columns(path, quoted)
    if not first_line:
        raise InputError("%s: the file or its first line is empty" % path)
    chosen = columns.choose(settings, split, path, first_line)
    return FileLayout(
        file=os.path.basename(path),
        text_a=chosen["text_a_column"],
        text_b=chosen["text_b_column"],
        label=chosen["label_column"],
        header=settings.has_header,
        guid=chosen["id_column"],
        quoted=quoted,
        first_line=tuple(first_line),
    )
