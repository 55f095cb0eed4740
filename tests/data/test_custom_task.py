"""The user's own data: columns, labels, files, and the task made of them."""

import os

import pytest

from finetuning.data import custom_task, label_map, reading
from finetuning.data.tasks import DataFile, InputExample, Task
from finetuning.flags.settings import Settings
from finetuning.utils.errors import InputError

HEADER = "id\ttext\tother\tlabel"


def custom(**values):
    """Settings of a custom task, with columns by name."""
    given = {"task_name": "custom", "text_a_column": "text", "label_column": "label"}
    given.update(values)
    return Settings(**given)


def write(directory, name, *lines):
    path = os.path.join(str(directory), name)
    with open(path, "w", encoding="utf-8", newline="\n") as file:
        file.write("".join(line + "\n" for line in lines))
    return path


def layout_of(path, split="train", **values):
    return custom_task.read_layout(custom(**values), split, path)


def layout_error(path, split="train", **values):
    with pytest.raises(InputError) as caught:
        layout_of(path, split, **values)
    message = str(caught.value)
    assert "\n" not in message
    return message


def columns(layout):
    return (layout.guid, layout.text_a, layout.text_b, layout.label)


# Columns


@pytest.mark.parametrize(
    "header, values, expected",
    [
        (HEADER, {}, (None, 1, None, 3)),
        (HEADER, {"text_b_column": "other", "id_column": "id"}, (0, 1, 2, 3)),
        (HEADER, {"text_b_column": "3", "label_column": "4"}, (None, 1, 2, 3)),
        ("text\tlabel\ttext", {"text_a_column": "3"}, (None, 2, None, 1)),
    ],
)
def test_columns_by_name_or_number(tmp_path, header, values, expected):
    layout = layout_of(write(tmp_path, "train.tsv", header), **values)
    assert columns(layout) == expected
    assert (layout.file, layout.header, layout.quoted) == ("train.tsv", True, False)
    assert (layout.rows, layout.part, layout.submission) == (None, "", None)


def test_columns_without_a_header(tmp_path):
    path = write(tmp_path, "train.tsv", HEADER)
    values = {"has_header": False, "text_a_column": "2", "label_column": "4"}
    layout = layout_of(path, **values)
    assert (columns(layout), layout.header) == ((None, 1, None, 3), False)
    message = layout_error(path, has_header=False)
    assert message.startswith("--text_a_column=text: %s has no such column" % path)


FLAGS = ["text_a_column", "text_b_column", "label_column", "id_column"]


@pytest.mark.parametrize("flag", FLAGS)
@pytest.mark.parametrize("name", ["Text", " text", "0", "5", "-1", "1.0", "\u00b2"])
def test_a_column_that_does_not_exist(tmp_path, flag, name):
    path = write(tmp_path, "train.tsv", HEADER)
    message = layout_error(path, **{flag: name})
    assert message.startswith("--%s=%s: %s has no such column" % (flag, name, path))
    assert message.endswith("4 (id, text, other, label)")


def test_a_column_that_exists_twice(tmp_path):
    path = write(tmp_path, "train.tsv", "text\tlabel\ttext")
    message = layout_error(path)
    assert message.startswith("--text_a_column=text: %s has more than one" % path)


def test_long_headers_are_shortened(tmp_path):
    path = write(tmp_path, "train.tsv", "\t".join(["a column"] * 100))
    assert len(layout_error(path)) < 400 + len(path)


@pytest.mark.parametrize("flag", ["text_a_column", "label_column"])
@pytest.mark.parametrize("split", ["train", "dev"])
def test_required_columns(tmp_path, flag, split):
    path = write(tmp_path, "train.tsv", HEADER)
    assert "--%s must be given" % flag in layout_error(path, split, **{flag: None})


def test_an_empty_file(tmp_path):
    path = write(tmp_path, "train.tsv")
    assert layout_error(path).startswith(path) and "empty" in layout_error(path)


def test_a_file_to_predict_may_lack_labels(tmp_path):
    labelled = write(tmp_path, "a.tsv", HEADER)
    unlabelled = write(tmp_path, "b.tsv", "id\ttext\tother")
    assert layout_of(labelled, "test").label == 3
    assert layout_of(unlabelled, "test").label is None
    assert layout_of(labelled, "test", label_column=None).label is None
    assert layout_error(unlabelled, "dev").startswith("--label_column=label: ")
    assert "--text_a_column=b: " in layout_error(unlabelled, "test", text_a_column="b")


@pytest.mark.parametrize("name", ["train.csv", "TRAIN.CSV"])
def test_csv_is_recognised_by_its_extension(tmp_path, name):
    path = write(tmp_path, name, '"the text, of it",label', '"a, b",1')
    layout = layout_of(path, text_a_column="the text, of it")
    assert (layout.quoted, columns(layout)) == (True, (None, 0, None, 1))


@pytest.mark.parametrize(
    "name, other",
    [
        ("label_column", "text_a_column"),
        ("text_b_column", "text_a_column"),
        ("label_column", "text_b_column"),
    ],
)
def test_a_column_cannot_be_used_twice(tmp_path, name, other):
    path = write(tmp_path, "train.tsv", "one\ttwo\tthree")
    names = {"text_a_column": "one", "text_b_column": "two", "label_column": "three"}
    names[name] = names[other]
    message = layout_error(path, **names)
    assert message.startswith("--%s=%s is also the column" % (name, names[other]))
    assert "--" + other in message


# Files


@pytest.mark.parametrize("name", ["train.tsv", "train.csv"])
def test_find_file(tmp_path, name):
    path = write(tmp_path, name)
    assert custom_task.find_file(custom(data_dir=str(tmp_path)), "train") == path


def test_a_file_in_a_directory_below(tmp_path):
    write(tmp_path, "dev.tsv")
    (tmp_path / "below").mkdir()
    path = write(tmp_path / "below", "train.csv")
    with pytest.raises(InputError) as caught:
        custom_task.find_file(custom(data_dir=str(tmp_path)), "train")
    assert ", as in %s;" % os.path.dirname(path) in str(caught.value)


@pytest.mark.parametrize(
    "names, part", [([], "neither"), (["dev.tsv", "dev.csv"], "both")]
)
def test_no_file_or_two(tmp_path, names, part):
    for name in names:
        write(tmp_path, name)
    with pytest.raises(InputError) as caught:
        custom_task.find_file(custom(data_dir=str(tmp_path)), "dev")
    message = str(caught.value)
    assert message.startswith("--data_dir=%s contains %s" % (tmp_path, part))
    assert message.endswith("--eval_file")


# Labels


def data_files_of(directory, *labels):
    lines = ["id\ttext\tother\t%s" % label for label in labels]
    path = write(directory, "train.tsv", HEADER, *lines)
    return (DataFile("train", layout_of(path), path),)


def task_of(directory, *labels, weights=None, **values):
    data_files = data_files_of(directory, *labels)
    return custom_task.create_task(custom(**values), data_files, weights)


def task_error(data_files=(), weights=None, **values):
    with pytest.raises(InputError) as caught:
        custom_task.create_task(custom(**values), data_files, weights)
    return str(caught.value)


def save(directory, *labels):
    os.makedirs(str(directory), exist_ok=True)
    label_map.save(str(directory), Task("custom", labels, (), ()))
    return str(directory)


@pytest.mark.parametrize(
    "labels, expected",
    [
        (["yes", "no", "yes"], ("no", "yes")),
        (["10", "9", "1", "0"], ("0", "1", "9", "10")),
        (["9" * 5000, "10", "9"], ("9", "10", "9" * 5000)),
        (["10", "9", "1a"], ("10", "1a", "9")),
        (["2.5", "10"], ("10", "2.5")),
        (["b", "A", "a", "B"], ("A", "B", "a", "b")),
        (["1", "01"], ("01", "1")),
        (["\u00b2", "1"], ("1", "\u00b2")),
    ],
)
def test_labels_of_the_training_file_are_sorted(tmp_path, labels, expected):
    assert task_of(tmp_path, *labels).labels == expected


def test_labels_of_the_flag_have_priority(tmp_path):
    weights = save(tmp_path / "output", "yes", "no")
    task = task_of(tmp_path, "a", "b", weights=weights, labels="b, a,c")
    assert task.labels == ("b", "a", "c")


def test_saved_labels_have_priority_over_the_training_file(tmp_path):
    """A new training file does not change the labels of a trained model."""
    weights = save(tmp_path / "output", "yes", "no")
    task = task_of(tmp_path, "maybe", "no", "yes", weights=weights)
    assert task.labels == ("yes", "no")
    assert custom_task.create_task(custom(), (), weights).labels == ("yes", "no")
    assert task_of(tmp_path, "b", "a", weights=str(tmp_path)).labels == ("a", "b")


def test_unknown_labels(tmp_path):
    for weights in (None, str(tmp_path)):
        message = task_error(weights=weights, output_dir="out")
        for part in ("no labels.json in %s" % (weights or "out"), "--labels"):
            assert part in message


@pytest.mark.parametrize("labels", [["a"], ["a", "a"]])
def test_too_few_labels(tmp_path, labels):
    message = task_error(data_files_of(tmp_path, *labels))
    assert message.startswith("--label_column=label: expected 2 to 10000 ")
    assert "found 1: a; " in message and message.endswith("--regression=true")


def test_a_column_of_texts_cannot_be_the_labels(tmp_path):
    labels = ["text %d" % n for n in range(10001)]
    assert "found 10001: " in task_error(data_files_of(tmp_path, *labels))
    assert len(task_of(tmp_path, *labels[1:]).labels) == 10000


@pytest.mark.parametrize(
    "labels, part",
    [("a", ": expected 2 to"), ("a,a", " contains a twice"), ("a,b, a", " contains a")],
)
def test_invalid_labels_of_the_flag(labels, part):
    assert task_error(labels=labels).startswith("--labels=%s%s" % (labels, part))


@pytest.mark.parametrize("other", ["a\tb", "a\r\nb"])
def test_labels_that_look_the_same_in_a_table(tmp_path, other):
    weights = save(tmp_path / "output", "a b", other)
    assert task_error(weights=weights).startswith("the labels 'a b' and %r" % other)


def test_invalid_labels_of_the_training_file(tmp_path):
    message = task_error(data_files_of(tmp_path, "a", "", "b"))
    assert "train.tsv, line 3: the label '' in column 4" in message
    assert task_error(data_files_of(tmp_path)).endswith(
        "train.tsv contains no examples"
    )


# The task


@pytest.mark.parametrize("labels", [("no", "yes"), ("a", "b", "c")])
def test_metrics_depend_on_the_number_of_labels(tmp_path, labels):
    task = task_of(tmp_path, *labels)
    assert (task.name, task.unlabelled, task.bounds) == ("custom", labels[0], None)
    assert task.main == ("macro_f1",)
    assert task.num_outputs == len(labels)
    expected = ["accuracy", "macro_f1", "matthews_correlation"]
    if len(labels) == 2:
        expected[1:1] = ["f1_precision_recall", "confusion_counts"]
    assert list(task.metrics) == expected


def test_regression(tmp_path):
    weights = save(tmp_path / "output")
    for directory in (None, weights):
        task = task_of(tmp_path, "2.5", "1", regression=True, weights=directory)
        assert task.is_regression and task.num_outputs == 1
        assert task.metrics == ("pearson_spearman",)
        assert task.main == ("pearson", "spearman")
    (data_file,) = data_files_of(tmp_path, "2.5", "-7e3")
    examples = list(reading.read_examples(task, data_file))
    assert [example.label for example in examples] == ["2.5", "-7e3"]
    for labels in (None, "a,b"):
        message = task_error(weights=weights, labels=labels)
        assert message.startswith(weights) and message.endswith("--regression=true")


def test_the_examples_of_a_file(tmp_path):
    path = write(tmp_path, "train.tsv", HEADER, "x7\tA .\tB .\tno", "x9\tC .\tD .\tyes")
    layout = layout_of(path, text_b_column="other", id_column="id")
    data_file = DataFile("train", layout, path)
    task = custom_task.create_task(custom(), (data_file,), None)
    assert list(reading.read_examples(task, data_file)) == [
        InputExample("train-x7", "A .", "B .", "no"),
        InputExample("train-x9", "C .", "D .", "yes"),
    ]
