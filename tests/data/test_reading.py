"""Reading files of the tasks: hand-written ones, irregular ones, and the real ones."""

import collections
import os

import pytest

from finetuning.data import reading, tasks
from finetuning.data.tasks import DataFile, FileLayout, InputExample, Task
from finetuning.utils.errors import InputError
from tests.support import glue_rows

MRPC_HEADER = "Quality\t#1 ID\t#2 ID\t#1 String\t#2 String"
STS_HEADER = "\t".join(["index"] + ["p"] * 6 + ["sentence1", "sentence2", "score"])
QQP_HEADER = "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate"


def mnli_row(index, text_a, text_b, *rest):
    return "\t".join([index] + ["p"] * 7 + [text_a, text_b] + list(rest))


def sts_row(score, index="4"):
    return "\t".join([index] + ["p"] * 6 + ["A .", "B .", score])


def xnli_row(language, label, text_a, text_b):
    return "\t".join([language, label, "a", "b", "c", "d", text_a, text_b, "e"])


MNLI_HEADER = mnli_row("index", "sentence1", "sentence2", "label1", "gold_label")


def write(directory, name, lines):
    """Writes lines, str or bytes, each with a line feed; returns the path."""
    path = os.path.join(str(directory), *name.split("/"))
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        for line in lines:
            raw = line if isinstance(line, bytes) else line.encode("utf-8")
            file.write(raw + b"\n")
    return path


def custom_task(labels=("0", "1")):
    return Task("custom", labels, (), ())


def read(directory, task, split, lines, layout=None, notes=None):
    """Reads lines as a file of a task, which is given by name or as a `Task`."""
    if isinstance(task, str):
        task = tasks.find_task(task)
    layout = layout or task.layout(split)
    data_file = DataFile(split, layout, write(directory, layout.file, lines))
    return list(reading.read_examples(task, data_file, notes))


def error(directory, task, split, lines, layout=None):
    """The message about a file, which is one line and starts with the path."""
    with pytest.raises(InputError) as caught:
        read(directory, task, split, lines, layout)
    message = str(caught.value)
    assert message.startswith(os.path.join(str(directory), ""))
    assert "\n" not in message
    return message


def read_custom(directory, layout, lines, task=None, notes=None):
    """Reads lines as the training file of a task with the labels 0 and 1."""
    return read(directory, task or custom_task(), "train", lines, layout, notes)


def custom_error(directory, layout, lines, task=None):
    return error(directory, task or custom_task(), "train", lines, layout)


# Invalid rows


@pytest.mark.parametrize(
    "task, split, lines, parts",
    [
        (
            "MRPC",
            "train",
            [MRPC_HEADER, "1\t1\t2\tA .\tB .", "0\t3\t4\tC ."],
            ["line 3: expected at least 5 columns", "found 4", "tabs"],
        ),
        (
            "CoLA",
            "dev",
            ["a\t1\tb"],
            ["line 1: expected at least 4 columns", "found 3", "--has_header=true"],
        ),
        ("MRPC", "train", [MRPC_HEADER, "1  1  2  A .  B ."], ["line 2: ", "found 1"]),
        (
            "MRPC",
            "dev",
            [MRPC_HEADER, "1\t1\t2\tA .\tB .", "2\t3\t4\tC .\tD ."],
            ["line 3: label '2' in column 1", "one of: 0, 1"],
        ),
        (
            "RTE",
            "train",
            ["index\tsentence1\tsentence2\tlabel", "0\tA\tB\tyes"],
            ["line 2: label 'yes' in column 4", "one of: entailment, not_entailment"],
        ),
        ("CoLA", "train", [b"a\t1\t\tOne\0 ."], ["line 1, byte 9: 0x00 is a NUL byte"]),
        (
            "CoLA",
            "train",
            ["a\t1\tb\tfine \u00e9", b"a\t1\tb\tcaf\xe9 ."],
            ["line 2, byte 10: 0xe9 is not UTF-8"],
        ),
        (
            "MRPC",
            "train",
            [MRPC_HEADER, "1\t1\t2\tA .\tB .", "", "0\t3\t4\tC .\tD ."],
            ["line 3: the line is empty; remove it"],
        ),
        ("MRPC", "train", ["", MRPC_HEADER, "1\t1\t2\tA\tB"], ["line 1: the line is"]),
    ],
)
def test_invalid_rows(tmp_path, task, split, lines, parts):
    message = error(tmp_path, task, split, lines)
    for part in parts:
        assert part in message


@pytest.mark.parametrize("label", ["", " 1", "1 ", "01", "+", "label"])
def test_labels_must_match_exactly(tmp_path, label):
    message = error(tmp_path, "CoLA", "train", ["a\t%s\tb\tc" % label])
    assert "line 1: label %r in column 2" % label in message


@pytest.mark.parametrize(
    "row, part",
    [
        (mnli_row("1", "A .", "B .", "neutral", "-"), "label '-' in column 12"),
        (mnli_row("1", "A .", "B ."), "label 'B .' in column 10"),
    ],
)
def test_invalid_label_in_the_last_column(tmp_path, row, part):
    message = error(tmp_path, "MNLI", "train", [MNLI_HEADER, row])
    assert "line 2: " + part in message


def test_only_training_files_of_xnli_have_another_contradiction(tmp_path):
    lines = ["\t".join("abcdefgh"), xnli_row("zh", "contradictory", "1", "2")]
    message = error(tmp_path, "XNLI", "dev", lines)
    assert "line 2: label 'contradictory' in column 2" in message


def test_invalid_label_in_a_file_to_predict(tmp_path):
    layout = FileLayout("own.tsv", 0, None, 1)
    message = error(tmp_path, custom_task(), "test", ["text\tlabel", "A\t?"], layout)
    assert "line 2: label '?' in column 2" in message
    assert "to predict without labels, remove the column" in message


def test_rows_before_an_invalid_one_are_read(tmp_path):
    task = tasks.find_task("CoLA")
    path = write(tmp_path, "train.tsv", ["a\t1\tb\tc", "a\t9\tb\td"])
    rows = reading.read_examples(task, DataFile("train", task.layout("train"), path))
    assert next(rows) == InputExample("train-0", "c", None, "1")
    with pytest.raises(InputError):
        next(rows)


# Lines and columns


@pytest.mark.parametrize(
    "text",
    ['"He said .', '"Yes" .', '""', "'No .", " Bill . ", ""]
    + ["Bill%sran ." % char for char in "\u2028\u2029\x85\xa0\f\v\x1c\x1e"]
    + ["\u2028No .\x85"],
)
def test_quotes_blanks_and_other_separators_are_part_of_the_text(tmp_path, text):
    lines = [MRPC_HEADER, "1\t1\t2\t%s\tB ." % text, "0\t3\t4\tC .\t%s" % text]
    examples = read(tmp_path, "MRPC", "train", lines)
    assert [(e.text_a, e.text_b) for e in examples] == [(text, "B ."), ("C .", text)]


def test_carriage_returns_are_removed(tmp_path):
    """As by the original's file layer, which reads "onetwo three"."""
    examples = read(tmp_path, "CoLA", "train", ["a\t1\t\tone\rtwo\r three\r", "\r"])
    assert [e.text_a for e in examples] == ["onetwo three"]


def test_windows_line_ends(tmp_path):
    lines = [MRPC_HEADER + "\r", "1\t1\t2\tA .\tB .\r", "0\t3\t4\tC .\tD .\r", "\r"]
    assert read(tmp_path, "MRPC", "train", lines) == [
        InputExample("train-1", "A .", "B .", "1"),
        InputExample("train-2", "C .", "D .", "0"),
    ]


@pytest.mark.parametrize("last", ["", "\r"])
def test_a_file_without_line_feeds(tmp_path, last):
    """As from old Macs: all examples would be part of the header."""
    path = str(tmp_path / "dev")
    with open(path, "w", newline="") as file:
        file.write("\r".join(["sentence\tlabel", "Good\t1", "Bad\t0"]) + last)
    task = tasks.find_task("SST-2")
    with pytest.raises(InputError) as caught:
        list(reading.read_examples(task, DataFile("dev", task.layout("dev"), path)))
    assert str(caught.value).startswith(path) and "tr '\\r'" in str(caught.value)


@pytest.mark.parametrize("header", [True, False])
def test_byte_order_mark(tmp_path, header):
    layout = FileLayout("own.tsv", 0, None, 1, header=header)
    lines = [b"\xef\xbb\xbftext\tlabel"] if header else []
    lines += [b"First .\t1" if header else b"\xef\xbb\xbfFirst .\t1", "Second .\t0"]
    examples = read_custom(tmp_path, layout, lines)
    assert [e.text_a for e in examples] == ["First .", "Second ."]


@pytest.mark.parametrize(
    "content, texts",
    [
        ("a\t1\t\tOne .\nb\t0\t\tTwo .", ["One .", "Two ."]),
        ("a\t1\t\tOne .\n\n\n", ["One ."]),
        ("", []),
    ],
)
def test_the_end_of_a_file(tmp_path, content, texts):
    path = str(tmp_path / "train.tsv")
    with open(path, "w") as file:
        file.write(content)
    task = tasks.find_task("CoLA")
    data_file = DataFile("train", task.layout("train"), path)
    assert [e.text_a for e in reading.read_examples(task, data_file)] == texts


@pytest.mark.parametrize(
    "task, lines, parts",
    [
        (
            "MRPC",
            [MRPC_HEADER, "1\t1\t2\tA .\tB .\t", "1\t1\t2\tA\tB"],
            ["more than 5 columns: 1,", "line 2"],
        ),
        (
            "CoLA",
            ["a\t1\t\tA .\tB", "b\t0\t\tC", "c\t1\t\tA .\tB"],
            ["more than 4 columns: 2,", "line 1"],
        ),
        ("MRPC", [MRPC_HEADER + "\tnote", "1\t1\t2\tA .\tB .\tmine"], None),
        ("MRPC", [MRPC_HEADER + "\tnote", "1\t1\t2\tA .\tB ."], None),
    ],
)
def test_additional_columns_are_noted_once_and_ignored(tmp_path, task, lines, parts):
    notes = []
    examples = read(tmp_path, task, "train", lines, notes=notes)
    assert {e.text_a for e in examples} <= {"A .", "A", "C"}
    assert len(notes) == (parts is not None)
    for part in parts or []:
        assert part in notes[0]


def test_additional_columns_of_a_custom_file_are_those_the_first_row_lacks(tmp_path):
    layout, notes = FileLayout("own.tsv", 0, None, 1, header=False), []
    read_custom(tmp_path, layout, ["A\t1\tx", "B\t0\tx", "C\t1\tx\ty"], notes=notes)
    assert "rows with more than 3 columns: 1, the first on line 3" in notes[0]


# Numeric labels


@pytest.mark.parametrize("label", ["0", "5", "0.0", "5.000", "3.25", "1e0", "-0.0"])
def test_scores_are_kept_as_they_are_written(tmp_path, label):
    (example,) = read(tmp_path, "STS-B", "dev", [STS_HEADER, sts_row(label)])
    assert example == InputExample("dev-4", "A .", "B .", label)


@pytest.mark.parametrize("label", ["-0.1", "5.01", "nan", "-inf", "1_0", "", "1,5"])
def test_invalid_scores(tmp_path, label):
    lines = [STS_HEADER, sts_row("1.0"), sts_row(label)]
    message = error(tmp_path, "STS-B", "train", lines)
    assert "line 3: label %r in column 10" % label in message
    assert "a number from 0 to 5" in message


@pytest.mark.parametrize("label", ["-1e30", "7", "3.4e38"])
def test_any_number_is_valid_without_bounds(tmp_path, label):
    layout = FileLayout("own.tsv", 0, None, 1, header=False)
    (example,) = read_custom(tmp_path, layout, ["A .\t" + label], custom_task(()))
    assert example.label == label
    message = custom_error(tmp_path, layout, ["A .\tnan"], custom_task(()))
    assert "line 1: label 'nan' in column 2, expected a number; " in message


def test_unlabelled_scores(tmp_path):
    lines = [line.rsplit("\t", 1)[0] for line in (STS_HEADER, sts_row("x"))]
    assert read(tmp_path, "STS-B", "test", lines)[0].label == "0"


@pytest.mark.parametrize(
    "text, value",
    [
        ("3", 3.0),
        ("-2.50", -2.5),
        ("1e-3", 0.001),
        ("-.5", -0.5),
        (" 2. ", 2.0),
        ("3.4e38", 3.4e38),
        *[
            (text, None)
            for text in ("1_000", "nan", "inf", "1e999", "", "a", "3.41e38")
        ],
        *[(text, None) for text in ("\u0663", "1\n", "\xa01", ".", "1e")],
    ],
)
def test_number(text, value):
    assert reading.number(text) == value


# Headers


@pytest.mark.parametrize(
    "task, split, row, found",
    [
        ("MRPC", "train", "1\t1\t2\tA .\tB .", "label '1'"),
        ("STS-B", "dev", sts_row("2.5"), "label '2.5'"),
        ("SST-2", "test", "0\tA .", "example 0"),
        ("MRPC", "test", "7\t1\t2\tA .\tB .", "example 7"),
        ("QNLI", "test", "0\tA .\tB .", "example 0"),
    ],
)
def test_an_example_instead_of_the_header(tmp_path, task, split, row, found):
    message = error(tmp_path, task, split, [row, row])
    assert "line 1: expected a header" in message
    assert found in message and "insert a header" in message


@pytest.mark.parametrize("split", ["train", "dev"])
@pytest.mark.parametrize("name", sorted(glue_rows.WANTED))
def test_a_test_file_instead_of_a_labelled_one(tmp_path, name, split):
    glue_rows.write(str(tmp_path), name)
    task = tasks.find_task(name)
    path = str(tmp_path / task.layout("test").file)
    with pytest.raises(InputError) as caught:
        list(reading.read_examples(task, DataFile(split, task.layout(split), path)))
    assert str(caught.value).startswith(path + ", line 1: ")
    assert "looks like a test file" in str(caught.value)


@pytest.mark.parametrize("header", ["source\tlabel\tmark\tsentence", "sentence\tlabel"])
def test_an_unexpected_header(tmp_path, header):
    message = error(tmp_path, "CoLA", "train", [header, "a\t1\t\tA ."])
    assert "line 1: " in message and "if this line is one, remove it" in message


# Rows that are known to be malformed

MALFORMED = FileLayout("own.tsv", 0, 1, 2, header=False, short_rows=("7\t", "B ."))


def test_known_malformed_rows_are_skipped_with_a_note(tmp_path):
    notes = []
    lines = ["A .\tX\t1", "B . and more", "C .\tX\t0", "7\tD .", "E .\tX\t1"]
    examples = read_custom(tmp_path, MALFORMED, lines, notes=notes)
    assert [e.text_a for e in examples] == ["A .", "C .", "E ."]
    assert [e.guid for e in examples] == ["train-0", "train-2", "train-4"]
    assert "skipped 2 rows" in notes[0] and notes[0].endswith("line 2, 4")


def test_known_malformed_rows_may_be_missing(tmp_path):
    notes = []
    read_custom(tmp_path, MALFORMED, ["A .\tX\t1"], notes=notes)
    assert notes == []
    assert len(read_custom(tmp_path, MALFORMED, ["A .\tX\t1", "B ."])) == 1


@pytest.mark.parametrize("row", ["C .", "77\tD .", "7", " B ."])
def test_other_malformed_rows_are_errors(tmp_path, row):
    message = custom_error(tmp_path, MALFORMED, ["A .\tX\t1", "B .", row])
    assert message.endswith("found %d" % (1 + row.count("\t")))


def test_complete_rows_that_begin_like_malformed_ones_are_read(tmp_path):
    lines = ["7\tX\t1", "B .\tX\t0"]
    examples = read_custom(tmp_path, MALFORMED, lines)
    assert [e.text_a for e in examples] == ["7", "B ."]
    message = custom_error(tmp_path, MALFORMED, ["A .\tX\t1", "B .\tX\t7"])
    assert "line 2: label '7' in column 3" in message


@pytest.mark.parametrize("split", ["train", "dev"])
def test_split_rows_of_qqp(tmp_path, split):
    rows = ["31\tq\tq\tA ?\tB ?\t1", "198200\tq\tq\tOne ?\tWhat is"]
    rows += ["I would like Tamils to respond\t0", "198201\tq\tq\tA ?\tB ?\t0"]
    assert read(tmp_path, "QQP", split, [QQP_HEADER, *rows]) == [
        InputExample(split + "-31", "A ?", "B ?", "1"),
        InputExample(split + "-198201", "A ?", "B ?", "0"),
    ]
    rows.append("198202\tq\tq\tOne ?\tWhat is")
    message = error(tmp_path, "QQP", split, [QQP_HEADER, *rows])
    assert "line 6: " in message and "found 5" in message
    lines = ["id\tquestion1\tquestion2", "198200\tA ?"]
    assert "found 2" in error(tmp_path, "QQP", "test", lines)


# CSV

CSV = FileLayout("own.csv", 1, 2, 0, quoted=True)
CSV_HEADER = "label,first,second"
LONG = "word, " * 50000  # The csv module's default limit is 131,072 characters.


@pytest.mark.parametrize(
    "rows, expected",
    [
        (["1,One cat,A cat"], [("1", "One cat", "A cat", "1")]),
        (['0,"Two, or three","a ""No"""'], [("1", "Two, or three", 'a "No"', "0")]),
        (
            ['1,"one\ntwo\n\nthree",x', "0,a\tb,y"],
            [("1", "one\ntwo\n\nthree", "x", "1"), ("5", "a\tb", "y", "0")],
        ),
        (['1,the 5" disk,x'], [("1", 'the 5" disk', "x", "1")]),
        (['1,"%s",x' % LONG], [("1", LONG, "x", "1")]),
        (["1,A,B", "", ""], [("1", "A", "B", "1")]),
        (["1,a\u2028b\x0bc,x"], [("1", "a\u2028b\x0bc", "x", "1")]),
        (
            ['1,"caf\u00e9\r\nau lait",B\r', "0,C,D\r", "\r"],
            [("1", "caf\u00e9\nau lait", "B", "1"), ("3", "C", "D", "0")],
        ),
    ],
)
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_csv(tmp_path, rows, expected, mark):
    assert read_custom(tmp_path, CSV, [mark + CSV_HEADER, *rows]) == [
        InputExample("train-" + guid, *values) for guid, *values in expected
    ]
    columns = reading.first_columns(str(tmp_path / "own.csv"), True)
    assert columns == ["label", "first", "second"]


@pytest.mark.parametrize(
    "row, part",
    [
        ("9,A,B", "line 5: label '9' in column 1, expected one of: 0, 1"),
        ("1,A", "line 5: expected at least 3 columns separated by commas, found 2"),
        ("1\tA\tB", "line 5: expected at least 3 columns separated by commas, found 1"),
        ('0,"never closed,x', "line 5: not valid CSV: "),
        ('0,"closed" badly,x', "line 5: not valid CSV: "),
        (b"1,caf\xe9,x", "line 5, byte 6: 0xe9 is not UTF-8"),
        (b"1,A\0,B", "line 5, byte 4: 0x00 is a NUL byte"),
        ("\n1,A,B", "line 5: the line is empty; remove it"),
    ],
)
def test_errors_in_csv_name_lines_not_records(tmp_path, row, part):
    lines = [CSV_HEADER, '1,"one\ntwo\nthree",x', row, "1,A,B"]
    message = custom_error(tmp_path, CSV, lines)
    assert part in message
    assert "not valid CSV" not in message or ".tsv" in message


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


# The labels of a file


def labels_of(directory, lines, header=True, limit=10):
    layout = FileLayout("own.tsv", 0, None, 1, header=header)
    data_file = DataFile("train", layout, write(directory, layout.file, lines))
    return reading.find_labels(data_file, limit)


def test_find_labels(tmp_path):
    lines = ["text\tlabel", "A\tyes", "B\tno", "C\tyes", "D\tmay be"]
    assert labels_of(tmp_path, lines) == {"yes", "no", "may be"}
    assert labels_of(tmp_path, ["text\tlabel"]) == set()


def test_find_labels_stops_above_the_limit(tmp_path):
    lines = ["A\t%d" % n for n in range(9)] + ["a short row"]
    assert len(labels_of(tmp_path, lines, header=False, limit=3)) == 4
    with pytest.raises(InputError, match="line 10: .*found 1"):
        labels_of(tmp_path, lines, header=False, limit=9)


@pytest.mark.parametrize("label", ["", "  ", " no", "no "])
def test_empty_labels_and_blanks_around_them(tmp_path, label):
    with pytest.raises(InputError) as caught:
        labels_of(tmp_path, ["text\tlabel", "A\tyes", "B\t" + label])
    assert "own.tsv, line 3: the label %r in column 2" % label in str(caught.value)


@pytest.mark.parametrize(
    "labels, is_header",
    [
        (["label", "yes", "no", "yes", "no"], True),
        (["label", "yes", "no", "yes"], False),
        (["yes", "no", "yes", "no"], False),
        (["yes", "no"], False),
        (["yes"], False),
        (["may be", "yes", "no", "yes", "no", "may be"], False),
    ],
)
def test_a_header_that_would_become_a_label(tmp_path, labels, is_header):
    lines = ["text\t" + label for label in labels]
    if not is_header:
        assert labels_of(tmp_path, lines, header=False) == set(labels)
        return
    with pytest.raises(InputError) as caught:
        labels_of(tmp_path, lines, header=False)
    for part in ("own.tsv, line 1: ", "'label'", "--has_header=true", "--labels"):
        assert part in str(caught.value)


# Sampling


def sampled(examples, size):
    return list(reading.sample(lambda: iter(examples), size))


def test_a_sample_is_always_the_same_and_in_file_order():
    drawn = sampled(range(100), 10)
    assert len(drawn) == 10
    assert drawn == sampled(range(100), 10) == sorted(drawn) != list(range(10))
    assert set(drawn) < set(sampled(range(100), 20))  # So that runs are comparable.


def test_a_sample_represents_the_whole_file():
    drawn = sampled(range(2000), 200)
    share = sum(number >= 1000 for number in drawn) / 200
    assert share == pytest.approx(0.5, abs=4 * 0.5 / 200**0.5)


@pytest.mark.parametrize("size", [5, 6, 1000])
def test_a_sample_of_all(size):
    assert sampled(range(5), size) == list(range(5))
    assert sampled([], size) == []


# The real files


def real_files(shared_dir, task, splits=("train", "dev", "test")):
    """The `DataFile`s of a task that exist; skips the test if there are none."""
    directory = os.path.join(shared_dir, "data", "glue", task.name)
    data_files = [
        DataFile(split, layout, os.path.join(directory, layout.file))
        for split in splits
        for layout in getattr(task, split)
    ]
    existing = [file for file in data_files if os.path.exists(file.path)]
    if not existing:
        pytest.skip("no files of %s" % task.name)
    return existing


@pytest.mark.parametrize("name", sorted(tasks.TASKS))
def test_real_files(shared_dir, name):
    """Counts and headers are those of the task, and no row is irregular."""
    task = tasks.find_task(name)
    for data_file in real_files(shared_dir, task):
        layout, notes, ids = data_file.layout, [], set()
        for example in reading.read_examples(task, data_file, notes):
            ids.add(example.guid)
            assert example.text_a
        assert (len(ids), notes) == (layout.rows, []), data_file.path
        if layout.label is not None:
            value = reading.first_columns(data_file.path, False)[layout.label]
            expected = {layout.label_name} if layout.header else set(task.labels)
            assert value in expected


@pytest.mark.parametrize(
    "name, split, labels",
    [
        ("MRPC", "train", {"1": 2474, "0": 1194}),
        ("MRPC", "test", {"0": 1725}),
        ("CoLA", "dev", {"1": 721, "0": 322}),
    ],
)
def test_labels_of_real_files(shared_dir, name, split, labels):
    task = tasks.find_task(name)
    (data_file,) = real_files(shared_dir, task, [split])
    examples = reading.read_examples(task, data_file)
    assert collections.Counter(example.label for example in examples) == labels


# Notes about what was probably meant otherwise


@pytest.mark.parametrize(
    "task, split, header, shown",
    [
        ("RTE", "test", "index\tsentence1\tsentence2", None),
        ("RTE", "test", "a7\tOne .\tTwo .", "column 2 is 'One .'"),
        ("SST-2", "test", "id\ttext", "column 2 is 'text'"),
        ("MRPC", "test", "index\ta\tb\t#1 String\tOne .", "column 5 is 'One .'"),
    ],
)
def test_a_header_with_unknown_names(tmp_path, task, split, header, shown):
    notes = []
    read(
        tmp_path, task, split, [header, "1" + "\tA ." * header.count("\t")], None, notes
    )
    assert len(notes) == (shown is not None)
    for note in notes:
        assert "line 1 is taken as the header" in note and shown in note


@pytest.mark.parametrize("task_name", sorted(glue_rows.WANTED))
def test_the_headers_of_the_tasks_are_known(tmp_path, task_name):
    glue_rows.write(str(tmp_path), task_name)
    task, notes = tasks.find_task(task_name), []
    for split in ("train", "dev", "test"):
        for layout in getattr(task, split):
            path = os.path.join(str(tmp_path), *layout.file.split("/"))
            list(reading.read_examples(task, DataFile(split, layout, path), notes))
    assert not [note for note in notes if "header" in note]


@pytest.mark.parametrize(
    "texts, first",
    [
        (['"A ."', '"B ""c"" ."', "D ."], 1),  # Only where needed.
        (["A .", '"B ."', '"C ."', '"D ."'], 2),  # All of them, or most.
        (["A .", '"B ."', "C ."], None),  # Part of the text, as in a novel.
        (['"A" or "B"', '"C" or "D"'], None),
        (['"A .', '"B .'], None),
    ],
)
def test_text_that_looks_quoted(tmp_path, texts, first):
    rows = ["%s\tx\t1" % text for text in texts]
    for layout, lines in (
        (FileLayout("x.tsv", 0, 1, 2, header=False), rows),
        (FileLayout("x.tsv", 1, 0, 2, header=False), rows),
        (
            FileLayout("x.csv", 0, 1, 2, False, quoted=True),
            ["A,x,1", '"B ""c"" .",x,1'],
        ),
        (FileLayout("x.tsv", 0, 1, 2, header=False, rows=len(rows)), rows),
    ):
        notes = []
        read_custom(tmp_path, layout, lines, notes=notes)
        if layout.quoted or layout.rows or first is None:
            assert notes == []
        else:
            (note,) = notes
            assert "x.tsv: rows whose text is in quotes" in note
            assert "first on line %d" % first in note
