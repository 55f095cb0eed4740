"""Reading hand-written files of the tasks, awkward ones too, and the real ones."""

import collections
import os

import pytest

from finetuning.data import reading, tasks
from finetuning.data.tasks import DataFile, FileLayout, InputExample, Task
from finetuning.utils.errors import InputError

MRPC_HEADER = "Quality\t#1 ID\t#2 ID\t#1 String\t#2 String"


def write(directory, name, lines):
    """Writes lines, str or bytes, each with a line feed; returns the path."""
    path = os.path.join(str(directory), *name.split("/"))
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        for line in lines:
            raw = line if isinstance(line, bytes) else line.encode("utf-8")
            file.write(raw + b"\n")
    return path


def read(directory, task_name, kind, lines):
    """Writes the set's file below the directory, as its task names it; reads it."""
    task = tasks.find_task(task_name)
    split = task.layout(kind)
    source = DataFile(kind, split, write(directory, split.file, lines))
    return list(reading.read_examples(task, source))


def refusal(directory, task_name, kind, lines):
    """The message about the file, with its path cut off."""
    with pytest.raises(InputError) as caught:
        read(directory, task_name, kind, lines)
    path = os.path.join(str(directory), tasks.find_task(task_name).layout(kind).file)
    message = str(caught.value)
    assert message.startswith(path)
    assert "\n" not in message
    return message[len(path) :]


def own_task(labels=("0", "1"), **changes):
    """A task of which the table knows nothing."""
    return Task("own", labels, (), (), (), (), (), "0", **changes)


def read_own(directory, layout, lines, task=None, notes=None):
    """Reads lines by a layout, as the training file of a task with labels 0 and 1."""
    path = write(directory, layout.file, lines)
    source = DataFile("train", layout, path)
    return list(reading.read_examples(task or own_task(), source, notes))


def own_refusal(directory, layout, lines, task=None):
    """The message about it, with the file's path cut off."""
    with pytest.raises(InputError) as caught:
        read_own(directory, layout, lines, task)
    path = os.path.join(str(directory), layout.file)
    message = str(caught.value)
    assert message.startswith(path)
    assert "\n" not in message
    return message[len(path) :]


# The layouts


@pytest.mark.parametrize("split_name", ["train", "dev"])
def test_mrpc(tmp_path, split_name):
    examples = read(
        tmp_path,
        "MRPC",
        split_name,
        [MRPC_HEADER, "1\t10\t11\tOne cat .\tA cat .", "0\t12\t13\tTwo dogs .\tNo ."],
    )
    assert examples == [
        InputExample(split_name + "-1", "One cat .", "A cat .", "1"),
        InputExample(split_name + "-2", "Two dogs .", "No .", "0"),
    ]


def test_mrpc_test_file_has_an_index_where_others_have_the_label(tmp_path):
    examples = read(
        tmp_path,
        "MRPC",
        "test",
        ["index\t#1 ID\t#2 ID\t#1 String\t#2 String", "7\t10\t11\tOne .\tTwo ."],
    )
    assert examples == [InputExample("test-7", "One .", "Two .", "0")]


@pytest.mark.parametrize("split_name", ["train", "dev"])
def test_cola_has_no_header(tmp_path, split_name):
    examples = read(
        tmp_path,
        "CoLA",
        split_name,
        ["gj04\t1\t\tBill ran .", "gj04\t0\t*\tRan Bill ."],
    )
    assert examples == [
        InputExample(split_name + "-0", "Bill ran .", None, "1"),
        InputExample(split_name + "-1", "Ran Bill .", None, "0"),
    ]


def test_cola_test_file_has_a_header(tmp_path):
    examples = read(tmp_path, "CoLA", "test", ["index\tsentence", "7\tBill ran ."])
    assert examples == [InputExample("test-7", "Bill ran .", None, "0")]


def mnli_row(index, text_a, text_b, *rest):
    """A row as of MNLI: ten columns, and what stands behind them."""
    between = ["p%d" % column for column in range(1, 8)]
    return "\t".join([index] + between + [text_a, text_b] + list(rest))


MNLI_HEADER = mnli_row("index", "sentence1", "sentence2", "label1", "gold_label")


@pytest.mark.parametrize("split_name", ["train", "dev"])
def test_mnli_label_is_in_the_last_column(tmp_path, split_name):
    examples = read(
        tmp_path,
        "MNLI",
        split_name,
        [
            MNLI_HEADER,
            mnli_row("31", "It rains .", "It is wet .", "neutral", "entailment"),
            mnli_row("77", "It rains .", "It is dry .", "contradiction"),
            mnli_row("5", "It rains .", "It is May .", "x", "y", "z", "neutral"),
        ],
    )
    assert examples == [
        InputExample(split_name + "-31", "It rains .", "It is wet .", "entailment"),
        InputExample(split_name + "-77", "It rains .", "It is dry .", "contradiction"),
        InputExample(split_name + "-5", "It rains .", "It is May .", "neutral"),
    ]


def test_mnli_test_file_has_no_label(tmp_path):
    examples = read(
        tmp_path,
        "MNLI",
        "test",
        [mnli_row("index", "sentence1", "sentence2"), mnli_row("9", "A .", "B .")],
    )
    assert examples == [InputExample("test-9", "A .", "B .", "contradiction")]


def test_xnli_train(tmp_path):
    examples = read(
        tmp_path,
        "XNLI",
        "train",
        [
            "premise\thypo\tlabel",
            "\u4e0b \u96e8\t\u6ca1 \u6709\tcontradictory",
            "\u4e0b \u96e8\t\u6709\tneutral",
            "\u4e0b\t\u96e8\tentailment",
            "\u4e0b\t\u6709\tcontradiction",
        ],
    )
    assert examples == [
        InputExample("train-1", "\u4e0b \u96e8", "\u6ca1 \u6709", "contradiction"),
        InputExample("train-2", "\u4e0b \u96e8", "\u6709", "neutral"),
        InputExample("train-3", "\u4e0b", "\u96e8", "entailment"),
        InputExample("train-4", "\u4e0b", "\u6709", "contradiction"),
    ]


def test_xnli_dev_reads_the_chinese_rows_alone(tmp_path):
    def row(language, label, text_a, text_b):
        return "\t".join([language, label, "a", "b", "c", "d", text_a, text_b, "e"])

    examples = read(
        tmp_path,
        "XNLI",
        "dev",
        [
            row("language", "gold_label", "sentence1", "sentence2"),
            row("ar", "neutral", "1", "2"),
            row("zh", "contradiction", "3", "4"),
            row("de", "no label of ours", "5", "6"),
            row("zh", "entailment", "7", "8"),
        ],
    )
    assert examples == [
        InputExample("dev-2", "3", "4", "contradiction"),
        InputExample("dev-4", "7", "8", "entailment"),
    ]


def test_xnli_knows_the_other_contradiction_in_training_alone(tmp_path):
    header = "\t".join("abcdefgh")
    message = refusal(
        tmp_path, "XNLI", "dev", [header, "zh\tcontradictory\tc\td\te\tf\t1\t2"]
    )
    assert message == (
        ", line 2: label 'contradictory' in column 2, expected one of: "
        "contradiction, entailment, neutral"
    )


# Bad rows


def test_short_row(tmp_path):
    lines = [MRPC_HEADER, "1\t1\t2\tA .\tB .", "0\t3\t4\tC ."]
    assert refusal(tmp_path, "MRPC", "train", lines) == (
        ", line 3: 4 columns, expected 5 or more, separated by tabs"
    )


@pytest.mark.parametrize("split_name", ["train", "dev"])
def test_row_as_short_as_it_may_be(tmp_path, split_name):
    assert len(read(tmp_path, "CoLA", split_name, ["a\t1\tb\tc"])) == 1
    assert refusal(tmp_path, "CoLA", split_name, ["a\t1\tb"]) == (
        ", line 1: 3 columns, expected 4 or more, separated by tabs; "
        + reading.NO_HEADER
    )


def test_blanks_instead_of_tabs(tmp_path):
    lines = [MRPC_HEADER, "1    1    2    A .    B ."]
    assert "line 2: 1 columns" in refusal(tmp_path, "MRPC", "train", lines)


def test_unknown_label(tmp_path):
    lines = [MRPC_HEADER, "1\t1\t2\tA .\tB .", "2\t3\t4\tC .\tD ."]
    assert refusal(tmp_path, "MRPC", "dev", lines) == (
        ", line 3: label '2' in column 1, expected one of: 0, 1"
    )


@pytest.mark.parametrize("content", [b"a\t1\t\tOne\0 .", b"a\t1\0\t\tOne ."])
def test_nul_is_refused_in_tsv_and_csv(tmp_path, content):
    """In the original it ends in a traceback of Python's csv module."""
    place = ", line 1, byte %d: 0x00 is NUL" % (1 + content.index(b"\0"))
    assert refusal(tmp_path, "CoLA", "train", [content]).startswith(place)
    message = own_refusal(tmp_path, CSV, [CSV_HEADER, b"1,A\0,B"])
    assert message.startswith(", line 2, byte 4: 0x00 is NUL")


@pytest.mark.parametrize("label", ["", " 1", "1 ", "01", "+", "label"])
def test_label_is_taken_as_it_stands(tmp_path, label):
    message = refusal(tmp_path, "CoLA", "train", ["a\t%s\tb\tc" % label])
    assert message == (
        ", line 1: label %r in column 2, expected one of: 0, 1; %s"
        % (label, reading.NO_HEADER)
    )


def test_unknown_label_in_the_last_column(tmp_path):
    lines = [MNLI_HEADER, mnli_row("1", "A .", "B .", "neutral", "-")]
    assert refusal(tmp_path, "MNLI", "train", lines) == (
        ", line 2: label '-' in column 12, expected one of: "
        "contradiction, entailment, neutral"
    )


def test_missing_label_is_not_taken_from_a_sentence(tmp_path):
    lines = [MNLI_HEADER, mnli_row("1", "A .", "B .")]
    assert "line 2: label 'B .' in column 10" in refusal(
        tmp_path, "MNLI", "train", lines
    )


def test_bytes_that_are_no_utf8(tmp_path):
    lines = ["a\t1\tb\tfine \u00e9", b"a\t1\tb\tcaf\xe9 ."]
    assert refusal(tmp_path, "CoLA", "train", lines) == (
        ", line 2, byte 10: 0xe9 is not UTF-8; save the file as UTF-8"
    )


def test_rows_before_a_bad_one_are_not_swallowed(tmp_path):
    task = tasks.find_task("CoLA")
    path = write(tmp_path, "train.tsv", ["a\t1\tb\tc", "a\t9\tb\td"])
    rows = reading.read_examples(task, DataFile("train", task.layout("train"), path))
    assert next(rows) == InputExample("train-0", "c", None, "1")
    with pytest.raises(InputError):
        next(rows)


# Lines and columns


def test_lone_quotes_do_not_merge_rows(tmp_path):
    examples = read(
        tmp_path,
        "MRPC",
        "train",
        [
            MRPC_HEADER,
            '1\t1\t2\t"He said .\tHe " said .',
            '0\t3\t4\t"Yes" .\t\'No .',
            '1\t5\t6\t""\tNo .',
        ],
    )
    assert [(e.text_a, e.text_b) for e in examples] == [
        ('"He said .', 'He " said .'),
        ('"Yes" .', "'No ."),
        ('""', "No ."),
    ]


@pytest.mark.parametrize(
    "char", ["\u2028", "\u2029", "\x85", "\xa0", "\f", "\v", "\x1c", "\x1e"]
)
def test_other_separators_are_part_of_the_sentence(tmp_path, char):
    sentence = "Bill%sran ." % char
    examples = read(tmp_path, "CoLA", "train", ["a\t1\t\t" + sentence, "b\t0\t\tNo ."])
    assert [e.text_a for e in examples] == [sentence, "No ."]
    at_the_edge = read(tmp_path, "CoLA", "dev", ["a\t1\t\t%sNo%s." % (char, char)])
    assert at_the_edge[0].text_a == "%sNo%s." % (char, char)


def test_carriage_returns_are_ignored(tmp_path):
    """As the original's file layer does: the sentence is "onetwo three" to both."""
    examples = read(tmp_path, "CoLA", "train", ["a\t1\t\tone\rtwo\r three\r", "\r"])
    assert [e.text_a for e in examples] == ["onetwo three"]


@pytest.mark.parametrize("last", ["", "\r"])
def test_carriage_returns_without_a_line_feed(tmp_path, last):
    """As on old Macs: all would be one line, and the examples lost in it."""
    source = DataFile(
        "dev", tasks.find_task("SST-2").layout("dev"), str(tmp_path / "dev")
    )
    with open(source.path, "w", newline="") as file:
        file.write("\r".join(["sentence\tlabel", "Good\t1", "Bad\t0"]) + last)
    with pytest.raises(InputError) as caught:
        list(reading.read_examples(tasks.find_task("SST-2"), source))
    told = source.path + ": its lines end with a carriage return alone, as on old Macs"
    assert str(caught.value).startswith(told)


def test_blanks_around_a_sentence_stay(tmp_path):
    assert read(tmp_path, "CoLA", "train", ["a\t1\t\t Bill . "])[0].text_a == " Bill . "


def test_windows_line_ends(tmp_path):
    lines = [MRPC_HEADER + "\r", "1\t1\t2\tA .\tB .\r", "0\t3\t4\tC .\tD .\r", "\r"]
    assert read(tmp_path, "MRPC", "train", lines) == [
        InputExample("train-1", "A .", "B .", "1"),
        InputExample("train-2", "C .", "D .", "0"),
    ]


def test_windows_line_ends_behind_a_label(tmp_path):
    lines = [MNLI_HEADER + "\r", mnli_row("1", "A .", "B .", "neutral\r")]
    assert read(tmp_path, "MNLI", "dev", lines)[0].label == "neutral"


def test_byte_order_mark(tmp_path):
    lines = [b"\xef\xbb\xbfpremise\thypo\tlabel", "A .\tB .\tneutral"]
    assert [e.text_a for e in read(tmp_path, "XNLI", "train", lines)] == ["A ."]
    layout = FileLayout("own.tsv", 0, None, 1, header=False)
    lines = [b"\xef\xbb\xbfFirst .\t1", "Second .\t0"]
    assert [e.text_a for e in read_own(tmp_path, layout, lines)] == [
        "First .",
        "Second .",
    ]


def test_last_line_without_an_end(tmp_path):
    path = str(tmp_path / "train.tsv")
    with open(path, "w") as file:
        file.write("a\t1\t\tOne .\nb\t0\t\tTwo .")
    task = tasks.find_task("CoLA")
    source = DataFile("train", task.layout("train"), path)
    texts = [e.text_a for e in reading.read_examples(task, source)]
    assert texts == ["One .", "Two ."]


def test_blank_last_line_is_accepted(tmp_path):
    lines = [MRPC_HEADER, "1\t1\t2\tA .\tB .", ""]
    assert len(read(tmp_path, "MRPC", "train", lines)) == 1


def test_blank_line_in_the_middle_is_refused(tmp_path):
    lines = [MRPC_HEADER, "1\t1\t2\tA .\tB .", "", "0\t3\t4\tC .\tD ."]
    assert refusal(tmp_path, "MRPC", "train", lines) == (
        ", line 3: the line is empty; remove it"
    )


def test_blank_line_in_the_place_of_the_header_is_refused(tmp_path):
    lines = ["", MRPC_HEADER, "1\t1\t2\tA .\tB ."]
    assert refusal(tmp_path, "MRPC", "train", lines).startswith(", line 1: the line is")


def test_surplus_columns_are_accepted(tmp_path):
    lines = [MRPC_HEADER + "\tnote", "1\t1\t2\tA .\tB .\tmine\t", "0\t1\t2\tC .\tD ."]
    assert [(e.text_b, e.label) for e in read(tmp_path, "MRPC", "train", lines)] == [
        ("B .", "1"),
        ("D .", "0"),
    ]


SURPLUS = (
    ": rows with more than %d columns, which are read without what is surplus: %d, the "
    "first in line %d"
)


@pytest.mark.parametrize(
    "task_name, lines, told",
    [
        ("MRPC", [MRPC_HEADER, "1\t1\t2\tA .\tB .\t", "1\t1\t2\tA\tB"], (5, 1, 2)),
        ("CoLA", ["a\t1\t\tA .\tB", "b\t0\t\tC", "c\t1\t\tA .\tB"], (4, 2, 1)),
        ("MRPC", [MRPC_HEADER + "\tnote", "1\t1\t2\tA .\tB .\tmine"], None),
        ("MRPC", [MRPC_HEADER + "\tnote", "1\t1\t2\tA .\tB ."], None),
    ],
)
def test_surplus_columns_are_said_once(tmp_path, task_name, lines, told):
    task = tasks.find_task(task_name)
    path = write(tmp_path, "train.tsv", lines)
    notes = []
    source = DataFile("train", task.layout("train"), path)
    examples = list(reading.read_examples(task, source, notes))
    assert {e.text_a for e in examples} <= {"A .", "A", "C"}
    assert notes == ([path + SURPLUS % told] if told else [])


def test_surplus_columns_of_ones_own_file_are_those_that_its_first_row_lacks(tmp_path):
    layout, notes = FileLayout("own.tsv", 0, None, 1, header=False), []
    read_own(tmp_path, layout, ["A\t1\tx", "B\t0\tx", "C\t1\tx\ty"], notes=notes)
    assert notes == [str(tmp_path / "own.tsv") + SURPLUS % (3, 1, 3)]


@pytest.mark.parametrize("lines", [[], [MRPC_HEADER]])
def test_file_without_rows(tmp_path, lines):
    assert read(tmp_path, "MRPC", "train", lines) == []


def test_empty_second_text_is_kept_empty(tmp_path):
    example = read(tmp_path, "MRPC", "train", [MRPC_HEADER, "1\t1\t2\tA .\t"])[0]
    assert example.text_b == ""


# Labels that are numbers


def sts_row(score, index="4"):
    between = ["p%d" % column for column in range(1, 7)]
    return "\t".join([index] + between + ["A .", "B .", score])


STS_HEADER = "\t".join(["index"] + ["p"] * 6 + ["sentence1", "sentence2"] + ["score"])


@pytest.mark.parametrize("label", ["0", "5", "0.0", "5.000", "3.25", "1e0", "-0.0"])
def test_scores_are_kept_as_they_are_written(tmp_path, label):
    lines = [STS_HEADER, sts_row(label)]
    assert read(tmp_path, "STS-B", "dev", lines) == [
        InputExample("dev-4", "A .", "B .", label)
    ]


@pytest.mark.parametrize(
    "label", ["-0.1", "5.01", "nan", "inf", "-inf", "1_0", "", "three", "1,5", "0x1"]
)
def test_scores_that_are_none(tmp_path, label):
    lines = [STS_HEADER, sts_row("1.0"), sts_row(label)]
    assert refusal(tmp_path, "STS-B", "train", lines) == (
        ", line 3: label %r in column 10, expected a number of 0 to 5" % label
    )


@pytest.mark.parametrize("label", ["-1e30", "7", "3.4e38"])
def test_without_bounds_any_number_will_do(tmp_path, label):
    layout = FileLayout("own.tsv", 0, None, 1, header=False)
    examples = read_own(tmp_path, layout, ["A .\t" + label], own_task(labels=()))
    assert examples[0].label == label
    message = own_refusal(tmp_path, layout, ["A .\tnan"], own_task(labels=()))
    assert message == (
        ", line 1: label 'nan' in column 2, expected a number; " + reading.NO_HEADER
    )


def test_unlabelled_scores(tmp_path):
    lines = [STS_HEADER.rsplit("\t", 1)[0], sts_row("x").rsplit("\t", 1)[0]]
    assert read(tmp_path, "STS-B", "test", lines)[0].label == "0"


def test_header_of_scores_is_no_score(tmp_path):
    message = refusal(tmp_path, "STS-B", "dev", [sts_row("2.5"), sts_row("3.0")])
    assert message == (
        ", line 1: expected a header that names the columns, found the label '2.5'; "
        "put one before the first example"
    )


@pytest.mark.parametrize(
    "text, value",
    [
        ("3", 3.0),
        ("-2.50", -2.5),
        ("1e-3", 0.001),
        ("1_000", None),
        ("nan", None),
        ("inf", None),
        ("1e999", None),
        ("", None),
        ("a", None),
        ("-.5", -0.5),
        (" 2. ", 2.0),
        ("3.4e38", 3.4e38),
        ("3.41e38", None),
        ("\u0663", None),
        ("1\n", None),
        ("\xa01", None),
        (".", None),
        ("1e", None),
    ],
)
def test_number(text, value):
    assert reading.number(text) == value


# Headers


def test_first_example_is_not_taken_for_a_header(tmp_path):
    lines = ["1\t1\t2\tA .\tB .", "0\t3\t4\tC .\tD ."]
    assert refusal(tmp_path, "MRPC", "train", lines) == (
        ", line 1: expected a header that names the columns, found the label '1'; put "
        "one before the first example"
    )


TEST_HEADERS = {
    "CoLA": "index\tsentence",
    "SST-2": "index\tsentence",
    "MRPC": "index\t#1 ID\t#2 ID\t#1 String\t#2 String",
    "STS-B": STS_HEADER.rsplit("\t", 1)[0],
    "QQP": "id\tquestion1\tquestion2",
    "MNLI": mnli_row("index", "sentence1", "sentence2"),
    "QNLI": "index\tquestion\tsentence",
    "RTE": "index\tsentence1\tsentence2",
    "WNLI": "index\tsentence1\tsentence2",
}
TEST_ROWS = {"CoLA": "0\tA .", "SST-2": "0\tA .", "MRPC": "0\t1\t2\tA .\tB ."}
TEST_ROWS.update({"STS-B": sts_row("x").rsplit("\t", 1)[0]})
TEST_ROWS.update({"MNLI": mnli_row("0", "A .", "B .")})


@pytest.mark.parametrize("kind", ["train", "dev"])
@pytest.mark.parametrize("name", sorted(TEST_HEADERS))
def test_test_file_in_the_place_of_a_labelled_one(tmp_path, name, kind):
    lines = [TEST_HEADERS[name], TEST_ROWS.get(name, "0\tA .\tB .")]
    wanted = "labels in column 2"
    if name != "CoLA":
        wanted = "a column " + tasks.find_task(name).layout(kind).label_name
    message = refusal(tmp_path, name, kind, lines)
    assert message.startswith(", line 1: ")
    assert message.endswith(
        "this looks like a test file, which has no labels; expected one with " + wanted
    )


@pytest.mark.parametrize("name", ["SST-2", "MRPC", "STS-B", "MNLI", "QNLI"])
def test_example_in_the_place_of_the_header_of_a_test_file(tmp_path, name):
    row = TEST_ROWS.get(name, "0\tA .\tB .")
    assert refusal(tmp_path, name, "test", [row, row]) == (
        ", line 1: expected a header that names the columns, found the example %s; put "
        "one before it" % row.split("\t")[0]
    )


def test_header_where_none_is_expected(tmp_path):
    for header in ("source\tlabel\tmark\tsentence", "sentence\tlabel"):
        message = refusal(tmp_path, "CoLA", "train", [header, "a\t1\t\tA ."])
        assert message.startswith(", line 1: ")
        assert message.endswith("; " + reading.NO_HEADER)


# Rows that are known to be malformed


KNOWN_BAD = FileLayout("own.tsv", 0, 1, 2, header=False, short_rows=("7\t", "B ."))


def test_known_malformed_rows_are_left_out_and_said(tmp_path):
    notes = []
    lines = ["A .\tX\t1", "B . and more", "C .\tX\t0", "7\tD .", "E .\tX\t1"]
    examples = read_own(tmp_path, KNOWN_BAD, lines, notes=notes)
    assert [e.text_a for e in examples] == ["A .", "C .", "E ."]
    assert [e.guid for e in examples] == ["train-0", "train-2", "train-4"]
    assert notes == [
        "%s: 2 rows that lack columns are left out, as is known of the official file: "
        "line 2, 4" % (tmp_path / "own.tsv")
    ]


def test_not_all_malformed_rows_that_are_known_need_be_there(tmp_path):
    notes = []
    read_own(tmp_path, KNOWN_BAD, ["A .\tX\t1", "B ."], notes=notes)
    assert len(notes) == 1 and "1 rows that lack columns" in notes[0]
    read_own(tmp_path, KNOWN_BAD, ["A .\tX\t1"], notes=notes)
    assert len(notes) == 1
    assert len(read_own(tmp_path, KNOWN_BAD, ["A .\tX\t1", "B ."])) == 1


@pytest.mark.parametrize("row", ["C .", "77\tD .", "7", " B ."])
def test_another_malformed_row_than_those_known(tmp_path, row):
    lines = ["A .\tX\t1", "B .", row]
    assert own_refusal(tmp_path, KNOWN_BAD, lines) == (
        ", line 3: %d columns, expected 3 or more, separated by tabs"
        % (1 + row.count("\t"))
    )


def test_a_whole_row_that_begins_as_a_malformed_one_is_read(tmp_path):
    lines = ["7\tX\t1", "B .\tX\t0"]
    assert [e.text_a for e in read_own(tmp_path, KNOWN_BAD, lines)] == ["7", "B ."]


def test_other_faults_of_such_a_file_are_errors(tmp_path):
    message = own_refusal(tmp_path, KNOWN_BAD, ["A .\tX\t1", "B .\tX\t7"])
    assert message.startswith(", line 2: label '7' in column 3")


def qqp_row(name, label="1"):
    return "\t".join([name, "q1", "q2", "A ?", "B ?", label])


QQP_HEADER = "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate"


@pytest.mark.parametrize("kind", ["train", "dev"])
def test_halves_of_rows_in_qqp(tmp_path, kind):
    halves = ["198200\tq1\tq2\tOne ?\tWhat is", "I would like Tamils to respond\t0"]
    lines = [QQP_HEADER, qqp_row("31")] + halves + [qqp_row("198201", "0")]
    assert read(tmp_path, "QQP", kind, lines) == [
        InputExample(kind + "-31", "A ?", "B ?", "1"),
        InputExample(kind + "-198201", "A ?", "B ?", "0"),
    ]
    lines.append("198202\tq1\tq2\tOne ?\tWhat is")
    assert refusal(tmp_path, "QQP", kind, lines) == (
        ", line 6: 5 columns, expected 6 or more, separated by tabs"
    )


def test_test_file_of_qqp_has_no_such_rows(tmp_path):
    lines = ["id\tquestion1\tquestion2", "198200\tA ?"]
    assert "line 2: 2 columns" in refusal(tmp_path, "QQP", "test", lines)


# CSV


CSV = FileLayout("own.csv", 1, 2, 0, quoted=True)
CSV_HEADER = "label,first,second"


def test_csv(tmp_path):
    lines = [CSV_HEADER, "1,One cat,A cat", '0,"Two, or three","He said ""No"""']
    assert read_own(tmp_path, CSV, lines) == [
        InputExample("train-1", "One cat", "A cat", "1"),
        InputExample("train-2", "Two, or three", 'He said "No"', "0"),
    ]


def test_csv_fields_may_hold_line_ends_and_tabs(tmp_path):
    lines = [CSV_HEADER, '1,"one\ntwo\n\nthree",x', "0,a\tb,y"]
    assert read_own(tmp_path, CSV, lines) == [
        InputExample("train-1", "one\ntwo\n\nthree", "x", "1"),
        InputExample("train-5", "a\tb", "y", "0"),
    ]


@pytest.mark.parametrize(
    "bad, message",
    [
        ("9,A,B", "label '9' in column 1, expected one of: 0, 1"),
        ("1,A", "2 columns, expected 3 or more, separated by commas"),
        ("1\tA\tB", "1 columns, expected 3 or more, separated by commas"),
    ],
)
def test_line_numbers_of_csv_count_lines_not_records(tmp_path, bad, message):
    lines = [CSV_HEADER, '1,"one\ntwo\nthree",x', bad]
    assert own_refusal(tmp_path, CSV, lines) == ", line 5: " + message


@pytest.mark.parametrize("bad", ['0,"never closed,x', '0,"closed" badly,x'])
def test_lone_quote_in_csv(tmp_path, bad):
    lines = [CSV_HEADER, '1,"one\ntwo",x', bad, "1,A,B"]
    message = own_refusal(tmp_path, CSV, lines)
    assert message.startswith(", line 4: not CSV: ")
    assert message.endswith(
        '; quote fields with " and double the quotes within them, or give the file as '
        ".tsv, tab-separated"
    )


def test_quote_within_a_csv_field(tmp_path):
    """A field that does not begin with one may hold quotes."""
    lines = [CSV_HEADER, '1,the 5" disk,x']
    assert read_own(tmp_path, CSV, lines)[0].text_a == 'the 5" disk'


def test_long_csv_field(tmp_path):
    """Python's csv module refuses more than 131,072 characters as it comes."""
    long = "word, " * 50000
    lines = [CSV_HEADER, '1,"%s",x' % long]
    assert read_own(tmp_path, CSV, lines)[0].text_a == long


def test_csv_with_byte_order_mark_and_windows_line_ends(tmp_path):
    lines = [
        b"\xef\xbb\xbflabel,first,second\r",
        '1,"caf\u00e9\r\nau lait",B\r',
        "0,C,D\r",
        "\r",
    ]
    assert read_own(tmp_path, CSV, lines) == [
        InputExample("train-1", "caf\u00e9\nau lait", "B", "1"),
        InputExample("train-3", "C", "D", "0"),
    ]
    path = str(tmp_path / "own.csv")
    assert reading.first_columns(path, True) == ["label", "first", "second"]


def test_csv_that_is_no_utf8(tmp_path):
    message = own_refusal(tmp_path, CSV, [CSV_HEADER, b"1,caf\xe9,x"])
    assert message.startswith(", line 2, byte 6: 0xe9 is not UTF-8")


def test_blank_lines_of_csv(tmp_path):
    assert len(read_own(tmp_path, CSV, [CSV_HEADER, "1,A,B", "", ""])) == 1
    message = own_refusal(tmp_path, CSV, [CSV_HEADER, "1,A,B", "", "0,C,D"])
    assert message == ", line 3: the line is empty; remove it"


def test_other_separators_within_csv(tmp_path):
    lines = [CSV_HEADER, "1,one\u2028two\x0bthree,x"]
    assert read_own(tmp_path, CSV, lines)[0].text_a == "one\u2028two\x0bthree"


@pytest.mark.parametrize(
    "quoted, lines, columns",
    [
        (False, ["a\tb\t", "c"], ["a", "b", ""]),
        (False, [], []),
        (False, [""], []),
        (True, ['"a, b",c', "d"], ["a, b", "c"]),
        (True, [], []),
    ],
)
def test_first_columns(tmp_path, quoted, lines, columns):
    path = write(tmp_path, "x", lines)
    assert reading.first_columns(path, quoted) == columns


# Labels of a file


def labels_of(directory, layout, lines, most=10):
    source = DataFile("train", layout, write(directory, layout.file, lines))
    return reading.find_labels(source, most)


def test_labels_that_a_file_holds(tmp_path):
    layout = FileLayout("own.tsv", 0, None, 1)
    lines = ["text\tlabel", "A\tyes", "B\tno", "C\tyes", "D\tmay be"]
    assert labels_of(tmp_path, layout, lines) == {"yes", "no", "may be"}
    assert labels_of(tmp_path, layout, ["text\tlabel"]) == set()


def test_labels_are_no_longer_counted_where_they_are_too_many(tmp_path):
    layout = FileLayout("own.tsv", 0, None, 1, header=False)
    lines = ["A\t%d" % n for n in range(9)] + ["a short row"]
    assert len(labels_of(tmp_path, layout, lines, most=3)) == 4
    with pytest.raises(InputError, match="line 10: 1 columns"):
        labels_of(tmp_path, layout, lines, most=9)


@pytest.mark.parametrize("label", ["", "  ", " no", "no "])
def test_label_that_is_empty_or_hardly_told_from_another(tmp_path, label):
    layout = FileLayout("own.tsv", 0, None, 1)
    with pytest.raises(InputError) as caught:
        labels_of(tmp_path, layout, ["text\tlabel", "A\tyes", "B\t" + label])
    assert str(caught.value) == (
        "%s, line 3: the label %r in column 2 is empty or has blanks around it; write "
        "it as the others, or leave the row out" % (tmp_path / "own.tsv", label)
    )


@pytest.mark.parametrize(
    "labels, refused",
    [
        (["label", "yes", "no", "yes", "no"], True),
        (["label", "yes", "no", "yes"], False),
        (["yes", "no", "yes", "no"], False),
        (["yes", "no"], False),
        (["yes"], False),
        (["may be", "yes", "no", "yes", "no", "may be"], False),
    ],
)
def test_header_that_would_become_a_label(tmp_path, labels, refused):
    layout = FileLayout("own.tsv", 0, None, 1, header=False)
    lines = ["text\t" + label for label in labels]
    if not refused:
        assert labels_of(tmp_path, layout, lines) == set(labels)
        return
    with pytest.raises(InputError) as caught:
        labels_of(tmp_path, layout, lines)
    assert str(caught.value) == (
        "%s, line 1: no other line has the label 'label'; if the line is a header give "
        "--has_header=true, if it is an example name all labels by --labels"
        % (tmp_path / "own.tsv")
    )


# A sample


def numbered(count):
    """A file sorted by label: the first half 0, the second 1."""
    return [
        InputExample("train-%d" % n, str(n), None, str(int(n >= count // 2)))
        for n in range(count)
    ]


def test_a_sample_is_always_the_same_and_in_file_order():
    examples = numbered(100)
    found = list(reading.sample(lambda: iter(examples), 10))
    assert len(found) == 10
    assert found == list(reading.sample(lambda: iter(examples), 10))
    places = [examples.index(example) for example in found]
    assert places == sorted(places)
    assert places != list(range(10))


def test_a_sample_grows_by_examples():
    """Twice as many are the same ones and others, so that runs can be compared."""
    examples = numbered(100)
    few = list(reading.sample(lambda: iter(examples), 10))
    many = list(reading.sample(lambda: iter(examples), 20))
    assert {e.guid for e in few} < {e.guid for e in many}


def test_a_sample_of_a_sorted_file_has_both_labels():
    examples = numbered(2000)
    found = list(reading.sample(lambda: iter(examples), 200))
    share = sum(example.label == "1" for example in found) / 200
    assert share == pytest.approx(0.5, abs=4 * 0.5 / 200**0.5)


@pytest.mark.parametrize("most", [5, 6, 1000])
def test_a_sample_of_all(most):
    examples = numbered(5)
    assert list(reading.sample(lambda: iter(examples), most)) == examples
    assert list(reading.sample(lambda: iter([]), most)) == []


# The real files


@pytest.mark.parametrize(
    "task_name, kind, labels",
    [
        ("MRPC", "train", {"1": 2474, "0": 1194}),
        ("MRPC", "dev", {"1": 279, "0": 129}),
        ("MRPC", "test", {"0": 1725}),
        ("CoLA", "train", {"1": 6023, "0": 2528}),
        ("CoLA", "dev", {"1": 721, "0": 322}),
        ("CoLA", "test", {"0": 1063}),
    ],
)
def test_labels_of_real_files(shared_dir, task_name, kind, labels):
    task = tasks.find_task(task_name)
    (source,) = real_sources(shared_dir, task, kind)
    examples = list(reading.read_examples(task, source))
    assert collections.Counter(example.label for example in examples) == labels


def real_sources(shared_dir, task, kind):
    """The `DataFile`s of a set whose files are there."""
    directory = os.path.join(shared_dir, "data", "glue", task.name)
    found = [
        DataFile(kind, split, os.path.join(directory, split.file))
        for split in getattr(task, kind)
    ]
    return [source for source in found if os.path.exists(source.path)]


@pytest.mark.parametrize("name", sorted(tasks.TASKS))
def test_counts_of_real_files(shared_dir, name):
    """Each file that is there holds what the table says, and says nothing of rows."""
    task = tasks.find_task(name)
    found = [
        source
        for kind in ("train", "dev", "test")
        for source in real_sources(shared_dir, task, kind)
    ]
    if not found:
        pytest.skip("none of %s is there" % task.name)
    for source in found:
        notes = []
        count = sum(1 for _ in reading.read_examples(task, source, notes))
        assert (count, notes) == (source.layout.rows, []), source.path


@pytest.mark.parametrize("name", sorted(tasks.TASKS))
def test_headers_of_real_files(shared_dir, name):
    """They call the label's column what the table says; CoLA's have none."""
    task = tasks.find_task(name)
    found = [
        source
        for kind in ("train", "dev")
        for source in real_sources(shared_dir, task, kind)
    ]
    if not found:
        pytest.skip("no labelled file of %s is there" % task.name)
    for source in found:
        first = reading.first_columns(source.path, source.layout.quoted)
        label = first[source.layout.label]
        if source.layout.header:
            assert label == source.layout.label_name
        else:
            assert label in task.labels


@pytest.mark.parametrize("name", ["STS-B", "RTE", "WNLI"])
def test_real_rows_have_two_texts_a_name_and_a_label(shared_dir, name):
    task = tasks.find_task(name)
    (source,) = real_sources(shared_dir, task, "dev")
    examples = list(reading.read_examples(task, source))
    assert [example.guid for example in examples[:2]] == ["dev-0", "dev-1"]
    assert len({example.guid for example in examples}) == len(examples)
    assert all(example.text_a and example.text_b for example in examples)
    assert len({example.label for example in examples}) > 1
