"""From a run's files to record files, and what is said of them."""

import dataclasses
import logging
import os

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

import tokenization
from finetuning.checks.inputs import Inputs
from finetuning.data import preparation, tasks
from finetuning.data.tasks import DataFile
from finetuning.flags.settings import Settings
from finetuning.utils.errors import InputError

VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "b", "c"]
HEADER = "index\tsentence1\tsentence2\tlabel"


@pytest.fixture
def lines(monkeypatch, caplog):
    """A function that gives the level and text of the lines logged so far."""
    monkeypatch.setattr(logging.getLogger("finetuning"), "propagate", True)
    caplog.set_level(logging.INFO, logger="finetuning")
    return lambda level=None: [
        record.getMessage()
        for record in caplog.records
        if level in (None, record.levelname)
    ]


@pytest.fixture
def tokenizer(tmp_path):
    path = tmp_path / "vocab.txt"
    path.write_text("\n".join(VOCABULARY) + "\n", encoding="utf-8")
    return tokenization.FullTokenizer(str(path))


class Corpus:
    """Files of a task, and the preparation of them."""

    def __init__(self, directory, tokenizer, name="WNLI"):
        self.task = tasks.find_task(name)
        self.directory = str(directory)
        self.output = os.path.join(self.directory, "output")
        os.mkdir(self.output)
        self.tokenizer = tokenizer
        self.sources = []

    def add(self, kind, content, index=0, **changes):
        """A file with these lines; `changes` are of its layout."""
        split = dataclasses.replace(self.task.layouts(kind)[index], **changes)
        path = os.path.join(self.directory, split.file)
        with open(path, "w", encoding="utf-8", newline="\n") as file:
            file.write("".join(row + "\n" for row in content))
        suffix = "_" + split.part if index else ""
        self.sources.append(DataFile(kind, split, path, suffix))
        return path

    def prepare(self, **values):
        inputs = Inputs(
            self.task, None, self.tokenizer, tuple(self.sources), None, None, ()
        )
        settings = Settings(output_dir=self.output, max_seq_length=8, **values)
        return preparation.prepare(settings, inputs, settings.output_dir)


@pytest.fixture
def corpus(tmp_path, tokenizer):
    return Corpus(tmp_path, tokenizer)


def wnli(*labels, text="a b"):
    rows = ["%d\t%s\tc\t%s" % (n, text, label) for n, label in enumerate(labels)]
    return [HEADER] + rows


def labels_in(file):
    found = []
    for record in tf.python_io.tf_record_iterator(file.path):
        label = tf.train.Example.FromString(record).features.feature["label_ids"]
        found += list(label.int64_list.value) + list(label.float_list.value)
    return found


def test_what_is_prepared(corpus):
    corpus.add("train", wnli("1", "0", "1"), rows=3)
    corpus.add("dev", wnli("0", text="a b c a b c"), rows=1)
    train, dev = corpus.prepare()
    assert [each.data_file for each in (train, dev)] == corpus.sources
    path = os.path.join(corpus.output, "train.tf_record")
    assert train.records == (path, 3, 8, tf.int32)
    assert (train.truncated, dev.truncated) == (0, 1)
    assert dict(train.label_counts) == {1: 2, 0: 1}
    assert labels_in(train.records) == [1, 0, 1]
    assert os.path.basename(dev.records.path) == "eval.tf_record"


def test_numbers_are_prepared_as_numbers(tmp_path, tokenizer):
    corpus = Corpus(tmp_path, tokenizer, "STS-B")
    row = "\t".join(["%d"] + ["x"] * 6 + ["a", "b", "%s"])
    rows = [row % (n, label) for n, label in enumerate(["2.5", "0", "4.75"])]
    corpus.add("dev", ["\t".join(["h"] * 9 + ["score"])] + rows, rows=3)
    (dev,) = corpus.prepare()
    assert dev.records.label_type == tf.float32
    assert labels_in(dev.records) == [2.5, 0.0, 4.75]
    assert dev.records.count == 3
    assert not dev.label_counts  # There may be as many as examples.


def test_the_second_half_has_a_record_file_of_its_own(tmp_path, tokenizer):
    corpus = Corpus(tmp_path, tokenizer, "MNLI")
    row = "\t".join(["%d"] + ["x"] * 7 + ["a", "b", "neutral"])
    for index in (0, 1):
        corpus.add("dev", ["\t".join(["h"] * 11), row % 1], index, rows=1)
    names = [os.path.basename(each.records.path) for each in corpus.prepare()]
    assert names == ["eval.tf_record", "eval_mismatched.tf_record"]
    assert sorted(os.listdir(corpus.output)) == names


# What is said


def test_table_of_what_was_read(corpus, lines):
    corpus.add("train", wnli("1", "0", "1"), rows=3)
    corpus.add("dev", wnli("0", text="a b c a b c"), rows=1)
    corpus.prepare()
    found = lines()
    start = found.index("examples   read  in GLUE  cut to 8")
    assert found[start + 1 : start + 4] == [
        "train.tsv     3        3         0",
        "dev.tsv       1        1         1",
        "Labels of the training set: 0: 1, 1: 2",
    ]
    assert found[start + 4].startswith("Read in ")
    assert lines("WARNING") == []


def test_table_of_files_of_which_nothing_is_known(corpus, lines):
    corpus.add("train", wnli("1", "0"), rows=None)
    corpus.prepare()
    start = lines().index("examples   read  cut to 8")
    assert lines()[start + 1] == "train.tsv     2         0"
    assert lines("WARNING") == []


def test_the_first_examples_of_one_file_are_shown(corpus, lines):
    corpus.add("train", wnli(*"101"), rows=3)
    corpus.add("dev", wnli("0"), rows=1)
    corpus.prepare()
    guids = [line for line in lines() if line.startswith("guid: ")]
    assert guids == ["guid: train-0", "guid: train-1", "guid: train-2"]


@pytest.mark.parametrize(
    "known, message",
    [(4, "1 are missing"), (2, "1 too many"), (635, "632 are missing")],
)
def test_other_count_than_all_know(corpus, lines, known, message):
    path = corpus.add("train", wnli("1", "0", "1"), rows=known)
    (train,) = corpus.prepare()
    assert train.records.count == 3
    assert lines("WARNING") == [
        "%s: 3 examples, and WNLI of GLUE has %d: %s" % (path, known, message)
    ]


def test_a_count_that_is_known_as_well(corpus, lines):
    corpus.add("train", wnli("1", "0", "1"), rows=9, other_rows=3)
    corpus.prepare()
    assert lines("WARNING") == []


def test_copies_of_mrpc_that_lack_rows(tmp_path, tokenizer, lines):
    corpus = Corpus(tmp_path, tokenizer, "MRPC")
    corpus.add("train", ["Quality\ti\tj\ts\tt", "1\t1\t2\ta\tb"])
    corpus.add("dev", ["Quality\ti\tj\ts\tt", "1\t1\t2\ta\tb"])
    corpus.prepare()
    train, dev, remark = lines("WARNING")
    assert train.endswith("1 examples, and MRPC of GLUE has 3668: 3667 are missing")
    assert dev.endswith("1 examples, and MRPC of GLUE has 408: 407 are missing")
    assert "make data TASK=MRPC" in remark


def test_too_many_rows_of_mrpc_lack_none(tmp_path, tokenizer, lines):
    corpus = Corpus(tmp_path, tokenizer, "MRPC")
    corpus.add("train", ["Quality\ti\tj\ts\tt", "1\t1\t2\ta\tb"], rows=0)
    corpus.prepare()
    (line,) = lines("WARNING")
    assert line.endswith("has 0: 1 too many")


def row(index, label, words=1):
    return "%d\t%s\tb\t%s" % (index, " ".join("a" * words), label)


def test_the_length_that_would_cut_few(corpus):
    """Of 40, two are more than 5 %: with one of them cut, it is 2.5 %."""
    lengths = [1] * 36 + [6, 7, 9, 30]
    rows = [row(n, n % 2, words) for n, words in enumerate(lengths)]
    corpus.add("dev", [HEADER, *rows])
    (found,) = corpus.prepare(do_eval=True)
    assert found.truncated == 4
    # [CLS], [SEP], b, [SEP] and the words: 10, 11, 13 and 34; two of 40 may be cut.
    assert found.length_needed == 11


def test_no_length_is_needed_where_all_fit(corpus):
    corpus.add("dev", [HEADER] + [row(n, n % 2) for n in range(40)])
    (found,) = corpus.prepare(do_eval=True)
    assert (found.truncated, found.length_needed) == (0, 0)


@pytest.mark.parametrize(
    "labels, said",
    [
        ([0] * 20 + [1] * 20, ["is sorted by label"]),
        ([1] * 20 + [0] * 20, ["is sorted by label"]),
        ([0] * 20 + [1] * 20 + [0], []),
        ([0, 1] * 20, []),
        ([0] * 2 + [1] * 2, []),  # So few may fall so.
        ([1] * 40, ["ALL 40 EXAMPLES HAVE THE LABEL 1", "no example has the label 0"]),
    ],
)
def test_labels_that_teach_little(corpus, lines, labels, said):
    rows = [row(n, label) for n, label in enumerate(labels)]
    corpus.add("train", [HEADER, *rows])
    corpus.add("dev", [HEADER, *rows])
    corpus.prepare(do_train=True)
    warned = [line for line in lines("WARNING") if "of GLUE" not in line]
    warned = [line for line in warned if "WNLI" not in line]
    assert len(warned) == min(1, len(said))
    assert not said or said[0] in warned[0]


def test_a_label_without_an_example(tmp_path, tokenizer, lines):
    corpus = Corpus(tmp_path, tokenizer, "QNLI")
    for label in ("entailment", "not_entailment"):
        assert label in corpus.task.labels
    corpus.task = dataclasses.replace(corpus.task, labels=("entailment", "no", "maybe"))
    rows = [row(n, ("entailment", "no")[n % 2]) for n in range(4)]
    corpus.add("train", [HEADER, *rows])
    corpus.prepare(do_train=True)
    assert any("no example has the label maybe" in line for line in lines("WARNING"))


def test_examples_without_text_are_counted(corpus, lines):
    rows = ["0\t \t\t1", "1\ta\t\t0", "2\t\t \t0", "3\ta\tb\t1"]
    path = corpus.add("train", [HEADER] + rows, rows=4)
    corpus.prepare()
    assert lines("WARNING") == [
        "%s: 2 examples have no text, or none that is seen" % path
    ]


def test_rows_left_out_are_said_once(corpus, lines):
    rows = wnli("1", "0") + ["9\ta"]
    corpus.add("train", rows, rows=2, short_rows=("9\t",))
    corpus.prepare(max_train_examples=5)  # Reads the file twice.
    (line,) = lines("WARNING")
    assert "1 rows that lack columns are left out" in line


# A sample


def test_a_sample_of_the_training_set_alone(corpus, lines):
    corpus.add("train", wnli(*"0" * 50 + "1" * 50))
    corpus.add("dev", wnli(*"01" * 20), rows=40)
    train, dev = corpus.prepare(max_train_examples=10)
    assert (train.records.count, dev.records.count) == (10, 40)
    assert 0 < np.mean(labels_in(train.records)) < 1
    assert sum(train.label_counts.values()) == 10
    assert lines("WARNING") == []


def test_a_sample_is_no_reason_not_to_see_a_bad_row(corpus):
    corpus.add("train", wnli(*"01" * 20) + ["99\ta\tb\t7"])
    with pytest.raises(InputError, match="line 42: label '7'"):
        corpus.prepare(max_train_examples=1)


# Bad files


@pytest.mark.parametrize("rows", [[], [HEADER]])
def test_file_without_examples(corpus, rows):
    path = corpus.add("train", rows)
    with pytest.raises(InputError) as caught:
        corpus.prepare()
    assert str(caught.value) == path + " holds no examples"
    assert os.listdir(corpus.output) == []


def test_a_bad_row_of_the_last_file_is_found_before_anything_is_trained(corpus):
    corpus.add("train", wnli("1"))
    path = corpus.add("dev", wnli("1", "2"))
    with pytest.raises(InputError) as caught:
        corpus.prepare()
    assert str(caught.value).startswith("%s, line 3: label '2' " % path)
