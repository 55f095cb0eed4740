"""Converts the files of a run to record files, and reports what was read."""

import collections
import os
import time
from typing import NamedTuple, Optional

import tensorflow.compat.v1 as tf

from finetuning.data import columns, features, reading, records, unknown_words
from finetuning.data.tasks import DataFile
from finetuning.utils.console import align_columns, log
from finetuning.utils.errors import InputError, in_one_line
from finetuning.utils.progress import duration

# The original's names; those of a second half have a suffix.
RECORD_FILES = {
    "train": "train%s.tf_record",
    "dev": "eval%s.tf_record",
    "test": "predict%s.tf_record",
}
_MAX_LABELS_LOGGED = 20
_LENGTH_WITHOUT_TEXT = 2  # Tokens: [CLS] and [SEP].
# Fraction of the examples; if more are truncated, scores are no longer comparable.
MAX_TRUNCATED = 0.05
# Among fewer examples, the labels could be in sorted order by chance.
_MIN_SORTED = 20


class Dataset(NamedTuple):
    """A split of the data, converted to records.

    Attributes:
      data_file: `tasks.DataFile`.
      records: `records.RecordFile`.
      truncated: number of truncated examples.
      label_counts: number of examples per label id; empty in a regression.
      length_needed: the smallest maximum length, in tokens, that would truncate at most
        `MAX_TRUNCATED` of the examples; 0 if the present one does.
      ids_and_labels: `IdsAndLabels` of the examples; None for a training set.
      unknown: `unknown_words.UnknownWords`.
    """

    data_file: DataFile
    records: records.RecordFile
    truncated: int
    label_counts: collections.Counter
    length_needed: int = 0
    ids_and_labels: Optional["IdsAndLabels"] = None
    unknown: unknown_words.UnknownWords = unknown_words.UnknownWords()


def prepare(settings, inputs, directory):
    """Converts every file that the run reads.

    All files are converted before the first step, so that a bad row of the test set is
    reported immediately and not after hours of training.

    Args:
      settings: `settings.Settings`.
      inputs: `inputs.Inputs`.
      directory: directory of the record files; None to read and check all rows without
        writing anything.

    Returns:
      Tuple of `Dataset`, in the order of `inputs.data_files`.

    Raises:
      InputError: a row is invalid, a file has no rows, or one was changed since the
        checks.
    """
    started = time.monotonic()
    datasets = []
    for data_file in inputs.data_files:
        # The examples of one file suffice to show what the model reads.
        is_shown = not datasets and directory is not None
        logged = features.LOGGED_EXAMPLES if is_shown else 0
        datasets.append(_convert(settings, inputs, data_file, logged, directory))
    inputs.watched.require_unchanged()
    for line in align_columns(_table(datasets, settings.max_seq_length)):
        log.info(line)
    for dataset in datasets:
        if dataset.data_file.split == "train":
            _log_training_set(settings, inputs.task, dataset)
    log.info("Read in %s", duration(time.monotonic() - started))
    incomplete = [
        _warn_about_count(settings, inputs.task, dataset) for dataset in datasets
    ]
    if any(incomplete) and inputs.task.remark:
        log.warning(inputs.task.remark)
    return tuple(datasets)


def _convert(settings, inputs, data_file, logged, directory):
    log.info("Reading %s", data_file.path)
    if data_file.layout.first_line:
        log.info(columns.describe(data_file))
    task, length = inputs.task, settings.max_seq_length
    name = RECORD_FILES[data_file.split] % data_file.suffix
    path = os.path.join(directory or settings.output_dir, name)
    notes, unknown = [], unknown_words.Counter(inputs.tokenizer)
    statistics = _Statistics(unknown, counts_labels=not task.is_regression)
    examples, ids_and_labels = _read(settings, task, data_file, notes), None
    if data_file.split != "train":
        ids_and_labels = IdsAndLabels(_kept_texts(data_file))
        examples = ids_and_labels.keeping(examples)
    examples = features.encode_examples(
        examples,
        task.labels,
        length,
        inputs.tokenizer,
        unknown.keep,
        logged,
        has_labels=data_file.layout.label is not None,
    )
    counted = _counted(examples, statistics, data_file.path)
    label_type = tf.float32 if task.is_regression else tf.int32
    if directory is None:
        collections.deque(counted, maxlen=0)
        record_file = records.RecordFile(path, statistics.count, length, label_type)
    else:
        record_file = records.write_records(path, counted, length, label_type)
    for note in dict.fromkeys(notes):
        log.warning(note)
    if statistics.without_text:
        log.warning(
            "%s: examples without any text that the tokenizer keeps: %d",
            data_file.path,
            statistics.without_text,
        )
    _warn_about_labels(task, data_file, statistics)
    return Dataset(
        data_file,
        record_file,
        statistics.truncated,
        statistics.label_counts,
        statistics.length_needed,
        ids_and_labels,
        unknown.result(),
    )


def _read(settings, task, data_file, notes):
    def read():
        return reading.read_examples(task, data_file, notes)

    if data_file.split == "train" and settings.max_train_examples:
        return reading.sample(read, settings.max_train_examples)
    return read()


def _counted(examples, statistics, path):
    """Yields the examples of a file, of which there must be one, and counts them."""
    yield from statistics.counting(examples)
    if not statistics.count:
        raise InputError("%s contains no examples" % path)


def _kept_texts(data_file):
    """Names of the texts that the results of a file repeat: those of a dev set."""
    if data_file.split != "dev":
        return ()
    return ("text_a", "text_b")[: 1 if data_file.layout.text_b is None else 2]


class IdsAndLabels:
    """The id, the label and some texts of each example of a file, in file order.

    Results name their examples by these, not by reading the file again, which may have
    been edited since. Takes some 20 bytes of memory per example, and the texts.
    """

    def __init__(self, text_names=()):
        """Prepares to keep texts, too: the fields of `InputExample` of these names."""
        self.text_names = text_names
        # Each ends with a NUL byte, which no file of examples contains.
        self._texts = bytearray()

    def keeping(self, examples):
        """Yields the examples unchanged, and keeps their ids, labels and texts."""
        for example in examples:
            texts = [getattr(example, name) or "" for name in self.text_names]
            for text in (example.guid.split("-", 1)[1], example.label, *texts):
                self._texts += text.encode("utf-8") + b"\0"
            yield example

    def __iter__(self):
        """Yields (id, label, *texts), all str."""
        texts = self._each_text()
        return zip(*[texts] * (2 + len(self.text_names)))

    def _each_text(self):
        start = 0
        while start < len(self._texts):
            end = self._texts.index(b"\0", start)
            yield self._texts[start:end].decode("utf-8")
            start = end + 1


class _Statistics:
    """Counts of the examples of a file, taken while they are converted."""

    def __init__(self, unknown, counts_labels):
        """Takes an `unknown_words.Counter`, and whether labels are ids to count."""
        self._unknown = unknown
        self._counts_labels = counts_labels
        self._last_label = None
        self._truncated_lengths = collections.Counter()  # Before truncation.
        self.label_counts = collections.Counter()
        self.label_changes = 0
        self.count = 0
        self.without_text = 0

    @property
    def truncated(self):
        return sum(self._truncated_lengths.values())

    @property
    def length_needed(self):
        """See `Dataset`."""
        tolerated = int(MAX_TRUNCATED * self.count)
        for length in sorted(self._truncated_lengths, reverse=True):
            tolerated -= self._truncated_lengths[length]
            if tolerated < 0:
                return length
        return 0

    def counting(self, examples):
        """Yields the examples unchanged, and counts them."""
        for example in examples:
            self.count += 1
            if example.truncated:
                self._truncated_lengths[example.full_length] += 1
            if self._counts_labels:
                self.label_counts[example.label_id] += 1
            self.label_changes += example.label_id != self._last_label
            self._last_label = example.label_id
            self._unknown.add(example)
            self.without_text += len(example.token_ids) == _LENGTH_WITHOUT_TEXT
            yield example


def _warn_about_labels(task, data_file, statistics):
    """Warns if a training set lacks labels, or is sorted by label."""
    count = statistics.count
    if data_file.split != "train" or task.is_regression or count < 2:
        return
    present = [task.labels[label_id] for label_id in sorted(statistics.label_counts)]
    missing = [label for label in task.labels if label not in present]
    if len(present) == 1:
        log.warning(
            "%s: ALL %d EXAMPLES HAVE THE LABEL %s: nothing can be learned from them; "
            "is the file complete?",
            data_file.path,
            count,
            present[0],
        )
        return
    if missing and len(missing) <= _MAX_LABELS_LOGGED:
        log.warning(
            "%s: no example has the label %s", data_file.path, " or ".join(missing)
        )
    if statistics.label_changes == len(present) and count >= _MIN_SORTED:
        log.warning(
            "%s is sorted by label. This program shuffles the whole file, but programs "
            "that read only part of it, or do not shuffle it, may train badly",
            data_file.path,
        )


def _table(datasets, max_seq_length):
    """Rows of a table of what was read; with GLUE's own counts if any is known."""
    header = ("examples", "read", "in GLUE", "truncated to %d" % max_seq_length)
    rows = [header + ("unknown words",)]
    for dataset in datasets:
        official = dataset.data_file.layout.rows
        rows.append(
            (
                os.path.basename(dataset.data_file.path),
                str(dataset.records.count),
                "-" if official is None else str(official),
                str(dataset.truncated),
                str(dataset.unknown.count),
            )
        )
    if all(dataset.data_file.layout.rows is None for dataset in datasets):
        return [row[:2] + row[3:] for row in rows]
    return rows


def _log_training_set(settings, task, dataset):
    """Logs the label counts, and whether --max_train_examples has no effect."""
    if not task.is_regression and len(task.labels) <= _MAX_LABELS_LOGGED:
        counts = [
            "%s: %d" % (in_one_line(label), dataset.label_counts[label_id])
            for label_id, label in enumerate(task.labels)
        ]
        log.info("Labels of the training set: %s", ", ".join(counts))
    limit, count = settings.max_train_examples, dataset.records.count
    if limit and count < limit:
        log.info(
            "--max_train_examples=%d has no effect: %s contains %d examples",
            limit,
            dataset.data_file.path,
            count,
        )


def _warn_about_count(settings, task, dataset):
    """Warns if an official file does not have its known number of rows.

    Returns:
      Whether it has fewer.
    """
    layout, count = dataset.data_file.layout, dataset.records.count
    sampled = dataset.data_file.split == "train" and settings.max_train_examples
    official = layout.rows
    if official is None or count in (official, layout.other_rows) or sampled:
        return False
    log.warning(
        "%s: %d examples, but GLUE's %s has %d: %d %s",
        dataset.data_file.path,
        count,
        task.name,
        official,
        abs(official - count),
        "are missing" if count < official else "too many",
    )
    return count < official
