"""From the files of a run to its record files, and the table of what was read."""

import collections
import os
import time
from typing import NamedTuple

import tensorflow.compat.v1 as tf

from finetuning.data import features, reading, records
from finetuning.data.tasks import DataFile
from finetuning.utils import files
from finetuning.utils.console import align_columns, log
from finetuning.utils.errors import InputError
from finetuning.utils.progress import duration

# Names that the original gave the record files; a second half's has a suffix.
_RECORD_FILES = {
    "train": "train%s.tf_record",
    "dev": "eval%s.tf_record",
    "test": "predict%s.tf_record",
}
_MOST_LABELS_SHOWN = 20
_NO_TEXT = 2  # Tokens: [CLS] and [SEP].
# Of the examples; more of them cut, and the scores are those of another text.
MOST_TRUNCATED = 0.05
# Of so many examples, chance puts no label after the other.
_FEWEST_SORTED = 20


class Dataset(NamedTuple):
    """A set that is ready to be computed with.

    Attributes:
      data_file: `tasks.DataFile`.
      records: `records.RecordFile`.
      truncated: examples that were cut to the length.
      label_counts: how many examples have each label id; none in a regression.
      length_needed: the least length, in tokens, to which few examples would be cut.
    """

    data_file: DataFile
    records: records.RecordFile
    truncated: int
    label_counts: collections.Counter
    length_needed: int = 0


def prepare(settings, inputs, directory):
    """Writes the record file of every set that the run needs.

    All before the first step: a bad row of the test set is found now, not after hours.

    Args:
      settings: `settings.Settings`.
      inputs: `inputs.Inputs`.
      directory: where the record files go; None has all rows read and judged, and no
        file written.

    Returns:
      Tuple of `Dataset`, in the order of the sources.

    Raises:
      InputError: a row cannot be used, or a file has none.
    """
    started = time.monotonic()
    prepared = []
    for data_file in inputs.data_files:
        # Those of one file show what the model reads; more of them would hide the rest.
        prepared.append(_convert(settings, inputs, data_file, not prepared, directory))
    for line in align_columns(_table(prepared, settings.max_seq_length)):
        log.info(line)
    _show_labels(inputs.task, prepared)
    log.info("Read in %s", duration(time.monotonic() - started))
    for each in prepared:
        _compare_sample(settings, each)
    lacking = [_compare_count(settings, inputs.task, each) for each in prepared]
    if any(lacking) and inputs.task.remark:
        log.warning(inputs.task.remark)
    return tuple(prepared)


def _convert(settings, inputs, data_file, shown, directory):
    log.info("Reading %s", data_file.path)
    task, length = inputs.task, settings.max_seq_length
    name = _RECORD_FILES[data_file.split] % data_file.suffix
    write = directory is not None
    target = os.path.join(directory if write else settings.output_dir, name)
    notes, seen = [], _Seen(counts_labels=not task.is_regression)
    packed = features.pack_examples(
        _examples(settings, task, data_file, notes),
        task.labels,
        length,
        inputs.tokenizer,
        shown,
    )
    if write:
        records.write_packed_records(target, seen.passing(packed), length)
    else:
        collections.deque(seen.passing(packed), maxlen=0)
    if not seen.count:
        if write:
            files.remove_if_there(target)
        raise InputError("%s holds no examples" % data_file.path)
    for note in dict.fromkeys(notes):
        log.warning(note)
    if seen.without_text:
        log.warning(
            "%s: %d examples have no text, or none that is seen",
            data_file.path,
            seen.without_text,
        )
    _judge_labels(task, data_file, seen)
    label_type = tf.float32 if task.is_regression else tf.int32
    file = records.RecordFile(target, seen.count, length, label_type)
    return Dataset(
        data_file, file, seen.truncated, seen.label_counts, seen.length_needed
    )


def _judge_labels(task, data_file, seen):
    """Warns of a training set whose labels teach nothing, or stand in their order."""
    if data_file.split != "train" or task.is_regression or seen.count < 2:
        return
    names = [task.labels[each] for each in sorted(seen.label_counts)]
    lacking = [label for label in task.labels if label not in names]
    if len(names) == 1:
        log.warning(
            "%s: ALL %d EXAMPLES HAVE THE LABEL %s: nothing can be learned from them; "
            "is it the whole file?",
            data_file.path,
            seen.count,
            names[0],
        )
    elif lacking and len(lacking) <= _MOST_LABELS_SHOWN:
        log.warning(
            "%s: no example has the label %s", data_file.path, " or ".join(lacking)
        )
    is_sorted = len(names) > 1 and seen.label_turns == len(names)
    if is_sorted and seen.count >= _FEWEST_SORTED:
        log.warning(
            "%s is sorted by label. It is shuffled whole here, but a part of such a "
            "file is no fair sample, and other programs train badly on it",
            data_file.path,
        )


def _examples(settings, task, data_file, notes):
    def read():
        return reading.read_examples(task, data_file, notes)

    if data_file.split == "train" and settings.max_train_examples:
        return reading.sample(read, settings.max_train_examples)
    return read()


class _Seen:
    """What is counted of the examples while they pass by."""

    def __init__(self, counts_labels):
        """Takes whether labels are ids: of numbers there may be as many as examples."""
        self._counts_labels = counts_labels
        self.label_counts = collections.Counter()
        self.whole_lengths = collections.Counter()  # Of those that were cut.
        self.count = 0
        self.without_text = 0
        self.label_turns = 0
        self._last = None

    @property
    def truncated(self):
        return sum(self.whole_lengths.values())

    @property
    def length_needed(self):
        left = int(MOST_TRUNCATED * self.count)
        for length in sorted(self.whole_lengths, reverse=True):
            left -= self.whole_lengths[length]
            if left < 0:
                return length
        return 0

    def passing(self, packed):
        for row in packed:
            self.count += 1
            if row.truncated:
                self.whole_lengths[row.whole_length] += 1
            if self._counts_labels:
                self.label_counts[row.label_id] += 1
            self.label_turns += row.label_id != self._last
            self._last = row.label_id
            self.without_text += len(row.token_ids) == _NO_TEXT
            yield row


def _table(prepared, length):
    """Rows of what was read; beside GLUE's own counts, where they are known."""
    rows = [("examples", "read", "in GLUE", "cut to %d" % length)]
    for each in prepared:
        known = each.data_file.layout.rows
        rows.append(
            (
                os.path.basename(each.data_file.path),
                str(each.records.count),
                "-" if known is None else str(known),
                str(each.truncated),
            )
        )
    if all(each.data_file.layout.rows is None for each in prepared):
        return [row[:2] + row[3:] for row in rows]
    return rows


def _show_labels(task, prepared):
    """Says how often each label occurs in what is trained on."""
    if task.is_regression or len(task.labels) > _MOST_LABELS_SHOWN:
        return
    for each in prepared:
        if each.data_file.split == "train":
            shown = [
                "%s: %d" % (label, each.label_counts[index])
                for index, label in enumerate(task.labels)
            ]
            log.info("Labels of the training set: %s", ", ".join(shown))


def _compare_sample(settings, prepared):
    """Says where a sample was asked for and the file has not so many examples."""
    wanted, found = settings.max_train_examples, prepared.records.count
    if prepared.data_file.split == "train" and wanted and found < wanted:
        line = "--max_train_examples=%d has no effect: %s holds %d examples"
        log.info(line, wanted, prepared.data_file.path, found)


def _compare_count(settings, task, prepared):
    """Warns where an official file has not as many rows as all know it to have.

    Returns:
      Whether it has fewer.
    """
    layout, found = prepared.data_file.layout, prepared.records.count
    sampled = prepared.data_file.split == "train" and settings.max_train_examples
    known = layout.rows
    if known is None or found in (known, layout.other_rows) or sampled:
        return False
    log.warning(
        "%s: %d examples, and %s of GLUE has %d: %d %s",
        prepared.data_file.path,
        found,
        task.name,
        known,
        abs(known - found),
        "are missing" if found < known else "too many",
    )
    return found < known
