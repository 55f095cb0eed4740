"""From the files of a run to record files, and what is logged about them."""

import dataclasses
import logging
import os
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

import tokenization
from finetuning.data import preparation, tasks
from finetuning.data.tasks import DataFile
from finetuning.flags.settings import Settings
from finetuning.utils.errors import InputError
from finetuning.utils.watched_files import WatchedFiles

VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "b", "c"]
HEADER = "index\tsentence1\tsentence2\tlabel"


@pytest.fixture
def lines(monkeypatch, caplog):
    """A function that returns the messages logged so far, of one level or of all."""
    monkeypatch.setattr(logging.getLogger("finetuning"), "propagate", True)
    caplog.set_level(logging.INFO, logger="finetuning")
    return lambda level=None: [
        record.getMessage()
        for record in caplog.records
        if level in (None, record.levelname)
    ]


class Corpus:
    """The files of a task, written and prepared."""

    def __init__(self, directory):
        self.directory = str(directory)
        self.output = os.path.join(self.directory, "output")
        os.mkdir(self.output)
        vocabulary = os.path.join(self.directory, "vocab.txt")
        with open(vocabulary, "w", encoding="utf-8") as file:
            file.write("\n".join(VOCABULARY) + "\n")
        self.tokenizer = tokenization.FullTokenizer(vocabulary)
        self.task = tasks.find_task("WNLI")
        self.data_files = []

    def add(self, split, content, index=0, **changes):
        """Writes a file of these lines; `changes` are made to its layout."""
        layout = dataclasses.replace(self.task.layouts(split)[index], **changes)
        path = os.path.join(self.directory, layout.file)
        with open(path, "w", encoding="utf-8", newline="\n") as file:
            file.write("".join(row + "\n" for row in content))
        suffix = "_" + layout.part if index else ""
        self.data_files.append(DataFile(split, layout, path, suffix))
        return path

    def prepare(self, write=True, **values):
        inputs = SimpleNamespace(
            task=self.task,
            tokenizer=self.tokenizer,
            data_files=self.data_files,
            watched=WatchedFiles(),
        )
        settings = Settings(output_dir=self.output, max_seq_length=8, **values)
        return preparation.prepare(settings, inputs, self.output if write else None)


@pytest.fixture
def corpus(tmp_path):
    return Corpus(tmp_path)


def wnli(*labels, words=None):
    """A file of WNLI with these labels; `words` are the lengths of the first texts."""
    words = words or [2] * len(labels)
    rows = [
        "%d\t%s\tb\t%s" % (n, " ".join("a" * count), label)
        for n, (label, count) in enumerate(zip(labels, words))
    ]
    return [HEADER] + rows


def labels_in(record_file):
    labels = []
    for record in tf.python_io.tf_record_iterator(record_file.path):
        label = tf.train.Example.FromString(record).features.feature["label_ids"]
        labels += list(label.int64_list.value) + list(label.float_list.value)
    return labels


def test_datasets(corpus):
    corpus.add("train", wnli("1", "0", "1"), rows=3)
    corpus.add("dev", wnli("0", words=[6]), rows=1)
    train, dev = corpus.prepare()
    assert [dataset.data_file for dataset in (train, dev)] == corpus.data_files
    path = os.path.join(corpus.output, "train.tf_record")
    assert train.records[:-1] == (path, 3, 8, tf.int32)
    assert (train.truncated, dev.truncated) == (0, 1)
    assert dict(train.label_counts) == {1: 2, 0: 1}
    assert labels_in(train.records) == [1, 0, 1]
    assert os.path.basename(dev.records.path) == "eval.tf_record"


def test_ids_and_labels_are_kept(corpus):
    """As they are in the file, in its order, with texts; a training set needs none."""
    corpus.task = tasks.find_task("STS-B")
    columns = ["a \u00e9", *"bcdefg", "a", "b"]
    lines = ["\t".join([*columns, label]) for label in ("score", "3.80", "1")]
    lines.append("\t" * 7 + "a\tb\t3.80")
    for split in ("train", "dev"):
        corpus.add(split, lines)
    train, dev = corpus.prepare()
    kept = dev.ids_and_labels
    assert kept.text_names == ("text_a", "text_b")
    assert [row[2:] for row in kept] == [("a", "b")] * 3
    assert list(kept) == list(kept)
    expected = [("a \u00e9", "3.80"), ("a \u00e9", "1"), ("", "3.80")]
    assert [row[:2] for row in kept] == expected
    assert train.ids_and_labels is None


def test_a_check_writes_nothing(corpus):
    corpus.add("train", wnli("1", "0", "1"))
    (train,) = corpus.prepare(write=False)
    assert (train.records.count, os.listdir(corpus.output)) == (3, [])
    corpus.add("dev", wnli("7"))
    with pytest.raises(InputError, match="dev.tsv, line 2: label '7'"):
        corpus.prepare(write=False)


def test_numeric_labels(corpus):
    corpus.task = tasks.find_task("STS-B")
    row = "\t".join(["%d"] + ["x"] * 6 + ["a", "b", "%s"])
    rows = [row % (n, label) for n, label in enumerate(["2.5", "0", "4.75"])]
    corpus.add("dev", ["\t".join(["h"] * 9 + ["score"])] + rows)
    (dev,) = corpus.prepare()
    assert dev.records.label_type == tf.float32
    assert labels_in(dev.records) == [2.5, 0.0, 4.75]
    assert not dev.label_counts


def test_the_second_half_has_its_own_record_file(corpus):
    corpus.task = tasks.find_task("MNLI")
    row = "\t".join(["%d"] + ["x"] * 7 + ["a", "b", "neutral"])
    for index in (0, 1):
        corpus.add("dev", ["\t".join(["h"] * 11), row % 1], index, rows=1)
    names = [os.path.basename(dataset.records.path) for dataset in corpus.prepare()]
    assert names == ["eval.tf_record", "eval_mismatched.tf_record"]
    assert sorted(os.listdir(corpus.output)) == names


# What is logged


def test_the_table(corpus, lines):
    corpus.add("train", wnli("1", "0", "1"), rows=3)
    corpus.add("dev", wnli("0", words=[6]), rows=1)
    corpus.prepare()
    (start,) = [n for n, line in enumerate(lines()) if line.startswith("examples ")]
    table = [line.split() for line in lines()[start : start + 3]]
    assert table == [
        ["examples", "read", "in", "GLUE", "truncated", "to", "8", "unknown", "words"],
        ["train.tsv", "3", "3", "0", "0"],
        ["dev.tsv", "1", "1", "1", "0"],
    ]
    assert lines()[start + 3] == "Labels of the training set: 0: 1, 1: 2"
    assert lines()[start + 4].startswith("Read in ")
    assert lines("WARNING") == []


def test_the_table_fits_a_terminal(corpus, lines):
    corpus.task = tasks.find_task("MNLI")
    row = "\t".join(["%d"] + ["x"] * 7 + ["a", "b", "neutral"])
    layout = {"rows": 392702}
    for index in (0, 1):
        corpus.add("dev", ["\t".join(["h"] * 11), row % 1], index, **layout)
    corpus.prepare()
    assert any(line.startswith("dev_mismatched.tsv ") for line in lines("INFO"))
    assert all(len(line) <= 80 for line in lines("INFO") if line.startswith("dev_"))


def test_unknown_words_are_counted_within_the_maximum_length(corpus, lines):
    corpus.add("dev", [HEADER, "0\ta x\tb zebra\t1", "1\ta a a a a a x\tb\t0"], rows=2)
    (dev,) = corpus.prepare()
    assert (dev.unknown.count, dev.unknown.tokens) == (2, 4 + 5)
    assert "'x', 'zebra'" in dev.unknown.remedy
    assert ["dev.tsv", "2", "2", "1", "2"] in [line.split() for line in lines()]


def test_the_table_without_known_counts(corpus, lines):
    corpus.add("train", wnli("1", "0"), rows=None)
    corpus.prepare()
    assert "GLUE" not in "".join(lines())
    assert ["train.tsv", "2", "0", "0"] in [line.split() for line in lines()]


def test_the_first_examples_of_one_file_are_logged(corpus, lines):
    corpus.add("train", wnli(*"101"))
    corpus.add("dev", wnli("0"))
    corpus.prepare()
    guids = [line for line in lines() if line.startswith("guid: ")]
    assert guids == ["guid: train-0", "guid: train-1", "guid: train-2"]


@pytest.mark.parametrize(
    "rows, other_rows, part",
    [
        (4, None, "has 4: 1 are missing"),
        (2, None, "has 2: 1 too many"),
        (9, 3, None),
        (None, None, None),
    ],
)
def test_unexpected_counts(corpus, lines, rows, other_rows, part):
    path = corpus.add("train", wnli("1", "0", "1"), rows=rows, other_rows=other_rows)
    corpus.prepare()
    warnings = lines("WARNING")
    assert len(warnings) == (part is not None)
    if part:
        assert warnings[0].startswith(path + ": 3 examples") and part in warnings[0]


@pytest.mark.parametrize("rows, is_incomplete", [(3668, True), (0, False)])
def test_advice_about_incomplete_copies_of_mrpc(corpus, lines, rows, is_incomplete):
    corpus.task = tasks.find_task("MRPC")
    corpus.add(
        "train", ["Quality\ti\tj\t#1 String\t#2 String", "1\t1\t2\ta\tb"], rows=rows
    )
    corpus.prepare()
    assert len(lines("WARNING")) == 1 + is_incomplete
    assert ("make data TASK=MRPC" in lines("WARNING")[-1]) == is_incomplete


@pytest.mark.parametrize(
    "words, truncated, length_needed",
    [
        # With the 4 other tokens 10, 11, 13 and 34; 5 % of 40 are two.
        ([1] * 36 + [6, 7, 9, 30], 4, 11),
        ([1] * 40, 0, 0),
    ],
)
def test_the_length_that_truncates_few(corpus, words, truncated, length_needed):
    corpus.add("dev", wnli(*"01" * 20, words=words))
    (dev,) = corpus.prepare()
    assert (dev.truncated, dev.length_needed) == (truncated, length_needed)


@pytest.mark.parametrize(
    "labels, part",
    [
        ("0" * 20 + "1" * 20, "is sorted by label"),
        ("1" * 20 + "0" * 20, "is sorted by label"),
        ("0" * 20 + "1" * 20 + "0", None),
        ("01" * 20, None),
        ("0011", None),  # Could be chance.
        ("1" * 40, "ALL 40 EXAMPLES HAVE THE LABEL 1"),
    ],
)
def test_labels_that_are_hard_to_learn_from(corpus, lines, labels, part):
    for split in ("train", "dev"):
        corpus.add(split, wnli(*labels), rows=None)
    corpus.prepare()
    assert len(lines("WARNING")) == (part is not None)
    assert part is None or part in lines("WARNING")[0]


def test_a_label_without_examples(corpus, lines):
    corpus.task = dataclasses.replace(corpus.task, labels=("0", "1", "2"))
    corpus.add("train", wnli(*"0101"), rows=None)
    corpus.prepare()
    (line,) = lines("WARNING")
    assert "no example has the label 2" in line


def test_examples_without_text(corpus, lines):
    rows = ["0\t \t\t1", "1\ta\t\t0", "2\t\t \t0", "3\ta\tb\t1"]
    path = corpus.add("train", [HEADER] + rows, rows=None)
    corpus.prepare()
    (line,) = lines("WARNING")
    assert line.startswith(path + ": examples without any text")


# Samples


def test_a_sample_of_the_training_set(corpus, lines):
    corpus.add("train", wnli(*"0" * 50 + "1" * 50))
    corpus.add("dev", wnli(*"01" * 20), rows=40)
    train, dev = corpus.prepare(max_train_examples=10)
    assert (train.records.count, dev.records.count) == (10, 40)
    assert 0 < np.mean(labels_in(train.records)) < 1
    assert sum(train.label_counts.values()) == 10
    assert lines("WARNING") == []


def test_notes_on_a_file_that_is_read_twice_are_logged_once(corpus, lines):
    corpus.add("train", wnli("1", "0") + ["9\ta"], rows=2, short_rows=("9\t",))
    corpus.prepare(max_train_examples=5)
    (line,) = lines("WARNING")
    assert "skipped 1 rows" in line
    assert any("--max_train_examples=5 has no effect" in line for line in lines())


def test_invalid_rows_outside_the_sample_are_errors(corpus):
    corpus.add("train", wnli(*"01" * 20) + ["99\ta\tb\t7"])
    with pytest.raises(InputError, match="line 42: label '7'"):
        corpus.prepare(max_train_examples=1)


@pytest.mark.parametrize("write", [True, False])
@pytest.mark.parametrize("rows", [[], [HEADER]])
def test_a_file_without_examples(corpus, rows, write):
    path = corpus.add("train", rows)
    with pytest.raises(InputError) as caught:
        corpus.prepare(write)
    assert str(caught.value) == path + " contains no examples"
    assert os.listdir(corpus.output) == []
