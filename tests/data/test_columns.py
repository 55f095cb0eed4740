"""Columns by number and by name, and headers that are not those of the training."""

import os

import pytest

from finetuning.data import columns, custom_task, reading, tasks
from finetuning.data.tasks import DataFile
from finetuning.flags.settings import Settings
from finetuning.utils.errors import InputError


def choose(first_line, text_a, split="train", has_header=True, label="label"):
    settings = Settings(
        task_name="custom",
        text_a_column=text_a,
        label_column=label,
        has_header=has_header,
    )
    return columns.choose(settings, split, "own.tsv", first_line)


@pytest.mark.parametrize(
    "header, text_a, position",
    [
        ("2 1 label", "#1", 0),
        ("2 1 label", "#2", 1),
        ("2 1 label", "name:1", 1),
        ("2 1 label", "name:2", 0),
        ("1 2 label", "1", 0),  # Both readings agree.
        ("0 1 label", "2", 1),  # Only a number.
        ("name:x x label", "name:name:x", 0),
        ("label text #1", "name:#1", 2),
        ("text text label", "#2", 1),
    ],
)
def test_two_spellings(header, text_a, position):
    assert choose(header.split(), text_a)["text_a_column"] == position


@pytest.mark.parametrize(
    "header, text_a, spellings",
    [
        ("0 1 2 label", "1", "(0) and another of this name; write #1 for the number"),
        ("0 1 2 label", "1", "or name:1 for the name"),
        ("label text #1", "#1", "write 1 for the number, or name:#1 for the name"),
        ("2 1 1 label", "1", "write #1 for the number"),
        ("x name:x label", "name:x", "more than one such column"),
        ("2 1 label", "name:3", "no such column"),
        ("2 1 label", "#4", "no such column"),
        ("2 1 label", "#", "no such column"),
    ],
)
def test_ambiguous_and_missing_columns(header, text_a, spellings):
    with pytest.raises(InputError) as caught:
        choose(header.split(), text_a)
    assert str(caught.value).startswith("--text_a_column=%s: own.tsv has " % text_a)
    assert spellings in str(caught.value)


def test_numbers_without_a_header():
    values = {"has_header": False, "label": "#3"}
    assert choose(["2", "1", "yes"], "#1", **values)["text_a_column"] == 0
    assert choose(["2", "1", "yes"], "1", **values)["text_a_column"] == 0
    with pytest.raises(InputError, match="no such column"):
        choose(["2", "1", "yes"], "name:1", **values)


def test_an_ambiguous_label_is_not_taken_for_a_missing_one():
    assert choose(["text"], "text", split="test")["label_column"] is None
    for header in (["2", "x", "text"], ["x", "text", "2", "2"]):
        with pytest.raises(InputError, match="^--label_column=2: "):
            choose(header, "text", split="test", label="2")


# The header of the training file


def data_file(directory, split, content, **values):
    path = os.path.join(str(directory), split + ".tsv")
    with open(path, "w", encoding="utf-8") as file:
        file.write(content)
    given = {"text_a_column": "1", "label_column": "2"}
    settings = Settings(task_name="custom", **dict(given, **values))
    layout = custom_task.read_layout(settings, split, path)
    return settings, DataFile(split, layout, path)


def warnings(directory, content, trained=("text", "label"), **values):
    settings, file = data_file(directory, "test", content, **values)
    trained = dict(zip(["text_a_column", "label_column"], trained))
    return columns.header_warnings(settings, [file], trained)


@pytest.mark.parametrize(
    "content, values, part",
    [
        ("text\tlabel\nA .\tno\n", {}, None),
        ("text\nA .\n", {"label_column": None}, None),
        ("A .\tno\nB .\tyes\n", {}, "--text_a_column=1 is the column 'A .'"),
        ("text\tx\nA .\tno\n", {"label_column": "#2"}, "--label_column=#2 is the co"),
        # Chosen by name, so that the line is a header.
        ("body\tlabel\nA .\tno\n", {"text_a_column": "body"}, None),
        ("body\tlabel\nA .\tno\n", {"text_a_column": "name:body"}, None),
        ("text\tlabel\nA .\tno\n", {"has_header": False}, "pass --has_header=true"),
        ("A .\tno\n", {"has_header": False}, None),
    ],
)
def test_another_header_than_in_training(tmp_path, content, values, part):
    found = warnings(tmp_path, content, **values)
    assert len(found) == (part is not None)
    for line in found:
        assert (
            line.startswith(str(tmp_path / "test.tsv") + ": line 1 ") and part in line
        )
    assert warnings(tmp_path, content, trained=(), **values) == []


@pytest.mark.parametrize("split, label", [("test", None), ("train", "#3")])
def test_the_numbers_that_pandas_gives_to_columns_are_a_header(tmp_path, split, label):
    """They look like the id and the label of an example."""
    content = "0\t1\t2\n0\tA .\t2\n1\tB .\t1\n"
    values = {"text_a_column": "#2", "id_column": "#1", "label_column": label}
    _, file = data_file(tmp_path, split, content, **values)
    task = tasks.Task("custom", ("1", "2"), (), ())
    examples = list(reading.read_examples(task, file))
    assert [example.text_a for example in examples] == ["A .", "B ."]


def test_names_and_description(tmp_path):
    values = {"id_column": "3"}
    _, file = data_file(tmp_path, "train", "a\tb\t" + "c" * 50 + "\n", **values)
    assert columns.names(file.layout) == {"text_a_column": "a", "label_column": "b"}
    assert columns.describe(file) == (
        "%s: line 1 is the header; --text_a_column is column 1 (a), --label_column is "
        "column 2 (b), --id_column is column 3 (%s...)" % (file.path, "c" * 40)
    )
    _, file = data_file(tmp_path, "train", "a\tb\tc\n", has_header=False)
    assert columns.names(file.layout) == {}
    assert columns.describe(file) == (
        "%s: no header; --text_a_column is column 1, --label_column is column 2"
        % file.path
    )
