"""Data of one's own: which columns hold what, which labels there are, which files."""

import os

import pytest

from finetuning.data import custom_task, label_map, reading
from finetuning.data.tasks import DataFile, InputExample, Task
from finetuning.flags.settings import Settings
from finetuning.utils.errors import InputError

HEADER = "id\ttext\tother\tlabel"


def own(**values):
    """Settings of a custom task, with columns by name."""
    given = {"task_name": "custom", "text_a_column": "text", "label_column": "label"}
    given.update(values)
    return Settings(**given)


def write(directory, name, *lines):
    path = os.path.join(str(directory), name)
    with open(path, "w", encoding="utf-8", newline="\n") as file:
        file.write("".join(line + "\n" for line in lines))
    return path


def layout_of(path, kind="train", **values):
    return custom_task.read_layout(own(**values), kind, path)


def layout_refusal(path, kind="train", **values):
    with pytest.raises(InputError) as caught:
        layout_of(path, kind, **values)
    message = str(caught.value)
    assert "\n" not in message
    return message


def columns(layout):
    return (layout.guid, layout.text_a, layout.text_b, layout.label)


# Columns


def test_columns_by_name(tmp_path):
    path = write(tmp_path, "train.tsv", HEADER)
    layout = layout_of(path)
    assert columns(layout) == (None, 1, None, 3)
    assert (layout.file, layout.header, layout.quoted) == ("train.tsv", True, False)
    assert (layout.rows, layout.part, layout.submission) == (None, "", None)
    layout = layout_of(path, text_b_column="other", id_column="id")
    assert columns(layout) == (0, 1, 2, 3)


@pytest.mark.parametrize("has_header", [True, False])
def test_columns_by_number(tmp_path, has_header):
    path = write(tmp_path, "train.tsv", HEADER)
    layout = layout_of(
        path,
        has_header=has_header,
        text_a_column="2",
        text_b_column="3",
        label_column="4",
        id_column="1",
    )
    assert columns(layout) == (0, 1, 2, 3)
    assert layout.header is has_header


def test_a_name_goes_before_a_number(tmp_path):
    path = write(tmp_path, "train.tsv", "2\ttext\t1\tlabel")
    assert layout_of(path, text_a_column="1").text_a == 2


def test_names_hold_only_where_there_is_a_header(tmp_path):
    path = write(tmp_path, "train.tsv", HEADER)
    assert layout_refusal(path, has_header=False) == (
        "--text_a_column=text: %s has no such column; its first line has 4: id, "
        "text, other, label" % path
    )


@pytest.mark.parametrize("name", ["Text", " text", "0", "5", "-1", "1.0", "\u00b2"])
def test_column_that_is_not_there(tmp_path, name):
    path = write(tmp_path, "train.tsv", HEADER)
    for flag in ("text_a_column", "text_b_column", "label_column", "id_column"):
        assert layout_refusal(path, **{flag: name}) == (
            "--%s=%s: %s has no such column; its first line has 4: id, text, "
            "other, label" % (flag, name, path)
        )


def test_column_that_is_there_twice(tmp_path):
    path = write(tmp_path, "train.tsv", "text\tlabel\ttext")
    message = layout_refusal(path)
    assert message.startswith("--text_a_column=text: %s has more than one such" % path)
    assert columns(layout_of(path, text_a_column="3")) == (None, 2, None, 1)


def test_long_headers_are_cut_short(tmp_path):
    path = write(tmp_path, "train.tsv", "\t".join(["a column"] * 100))
    assert len(layout_refusal(path)) < 400 + len(path)


@pytest.mark.parametrize("flag", ["text_a_column", "label_column"])
def test_column_that_must_be_given(tmp_path, flag):
    path = write(tmp_path, "train.tsv", HEADER)
    for kind in ("train", "dev"):
        assert layout_refusal(path, kind, **{flag: None}) == (
            "--task_name=custom: --%s must be given" % flag
        )


def test_empty_file_has_no_columns(tmp_path):
    path = write(tmp_path, "train.tsv")
    assert "is empty, or its first line is" in layout_refusal(path)


def test_file_to_predict_may_lack_labels(tmp_path):
    labelled = write(tmp_path, "a.tsv", HEADER)
    unlabelled = write(tmp_path, "b.tsv", "id\ttext\tother")
    assert layout_of(labelled, "test").label == 3
    assert layout_of(unlabelled, "test").label is None
    assert layout_of(labelled, "test", label_column=None).label is None
    assert layout_refusal(unlabelled, "dev").startswith("--label_column=label: ")
    assert layout_refusal(unlabelled, "test", text_a_column="b").startswith(
        "--text_a_column=b: "
    )


@pytest.mark.parametrize("name", ["train.csv", "TRAIN.CSV"])
def test_csv_is_told_by_its_ending(tmp_path, name):
    path = write(tmp_path, name, '"the text, of it",label', '"a, b",1')
    layout = layout_of(path, text_a_column="the text, of it")
    assert layout.quoted is True
    assert columns(layout) == (None, 0, None, 1)


# Files


@pytest.mark.parametrize("kind", ["train", "dev", "test"])
@pytest.mark.parametrize("ending", [".tsv", ".csv"])
def test_file_of_a_set(tmp_path, kind, ending):
    path = write(tmp_path, kind + ending)
    assert custom_task.find_file(own(data_dir=str(tmp_path)), kind) == path


@pytest.mark.parametrize(
    "names, holds", [([], "neither"), (["dev.tsv", "dev.csv"], "both")]
)
def test_file_that_is_not_there_or_there_twice(tmp_path, names, holds):
    for name in names:
        write(tmp_path, name)
    with pytest.raises(InputError) as caught:
        custom_task.find_file(own(data_dir=str(tmp_path)), "dev")
    assert str(caught.value) == (
        "--data_dir=%s holds %s of dev.tsv and dev.csv; expected one of them, or give "
        "--eval_file" % (tmp_path, holds)
    )


@pytest.mark.parametrize(
    "name, expected", [("custom", True), ("CUSTOM", True), ("MRPC", False)]
)
def test_which_task_is_custom(name, expected):
    assert custom_task.is_custom(Settings(task_name=name)) is expected


# Labels


def sources_of(directory, *labels):
    lines = ["id\ttext\tother\t%s" % label for label in labels]
    path = write(directory, "train.tsv", HEADER, *lines)
    return (DataFile("train", layout_of(path), path),)


def task_of(directory, *labels, weights=None, **values):
    return custom_task.find_task(own(**values), sources_of(directory, *labels), weights)


@pytest.mark.parametrize(
    "labels, expected",
    [
        (["yes", "no", "yes"], ("no", "yes")),
        (["10", "9", "1", "0"], ("0", "1", "9", "10")),
        (["10", "9", "1a"], ("10", "1a", "9")),
        (["2.5", "10"], ("10", "2.5")),
        (["b", "A", "a", "B"], ("A", "B", "a", "b")),
        (["1", "01"], ("01", "1")),
        (["\u00b2", "1"], ("1", "\u00b2")),
    ],
)
def test_labels_of_the_training_file_are_sorted(tmp_path, labels, expected):
    assert task_of(tmp_path, *labels).labels == expected


def test_given_labels_go_before_those_of_the_file(tmp_path):
    task = task_of(tmp_path, "a", "b", labels="b, a,c")
    assert task.labels == ("b", "a", "c")


def save(directory, *labels):
    os.makedirs(str(directory), exist_ok=True)
    label_map.save(str(directory), Task("custom", labels, (), (), (), (), (), "0"))
    return str(directory)


def test_saved_labels_go_before_those_of_the_file(tmp_path):
    """What a new training file holds moves no label of a model that goes on."""
    weights = save(tmp_path / "output", "yes", "no")
    task = task_of(tmp_path, "maybe", "no", "yes", weights=weights)
    assert task.labels == ("yes", "no")


def test_weights_without_saved_labels(tmp_path):
    task = task_of(tmp_path, "b", "a", weights=str(tmp_path))
    assert task.labels == ("a", "b")


def test_evaluation_alone_takes_the_saved_labels(tmp_path):
    weights = save(tmp_path / "output", "yes", "no")
    assert custom_task.find_task(own(), (), weights).labels == ("yes", "no")
    assert custom_task.find_task(own(labels="a,b"), (), weights).labels == ("a", "b")


def test_labels_that_nobody_knows(tmp_path):
    for weights in (None, str(tmp_path)):
        chosen = own(output_dir="out")
        with pytest.raises(InputError) as caught:
            custom_task.find_task(chosen, (), weights)
        assert str(caught.value) == (
            "--task_name=custom: the model's labels are not known (no labels.json in "
            "%s); give --labels in the order that it was trained with"
            % (weights or "out")
        )


@pytest.mark.parametrize("labels", [["a"], ["a", "a"]])
def test_too_few_labels(tmp_path, labels):
    with pytest.raises(InputError) as caught:
        task_of(tmp_path, *labels)
    assert str(caught.value) == (
        "--label_column=label: expected 2 to 10000 different labels, found 1: a; for a "
        "number give --regression=true"
    )


def test_training_file_without_examples(tmp_path):
    with pytest.raises(InputError) as caught:
        task_of(tmp_path)
    assert str(caught.value) == "%s holds no examples" % (tmp_path / "train.tsv")


@pytest.mark.parametrize("labels", ["a", "a,a", "a,b, a"])
def test_given_labels_that_make_no_classifier(labels):
    with pytest.raises(InputError) as caught:
        custom_task.find_task(own(labels=labels), (), None)
    wanted = "expected 2 to 10000 different labels, found 1: a; for a number give "
    if "," in labels:
        assert str(caught.value) == "--labels=%s: a is named twice" % labels
    else:
        assert str(caught.value).startswith("--labels=%s: %s" % (labels, wanted))


@pytest.mark.parametrize(
    "name, other",
    [
        ("label_column", "text_a_column"),
        ("text_b_column", "text_a_column"),
        ("label_column", "text_b_column"),
    ],
)
def test_a_column_for_two_purposes(tmp_path, name, other):
    path = write(tmp_path, "train.tsv", "one\ttwo\tthree")
    columns = {"text_a_column": "one", "text_b_column": "two", "label_column": "three"}
    columns[name] = columns[other]
    with pytest.raises(InputError) as caught:
        custom_task.read_layout(own(**columns), "train", path)
    assert str(caught.value) == "--%s=%s is the column of --%s too" % (
        name,
        columns[other],
        other,
    )


def test_a_column_of_texts_is_not_taken_for_labels(tmp_path):
    with pytest.raises(InputError, match="different labels, found 10001: "):
        task_of(tmp_path, *("text %d" % n for n in range(10002)))
    assert (
        len(task_of(tmp_path, *("text %d" % n for n in range(10000))).labels) == 10000
    )


def test_empty_label_of_the_training_file(tmp_path):
    with pytest.raises(InputError, match="line 3: the label '' in column 4 is empty"):
        task_of(tmp_path, "a", "", "b")


# The task


def test_two_labels(tmp_path):
    task = task_of(tmp_path, "no", "yes")
    assert (task.name, task.unlabelled, task.bounds) == ("custom", "no", None)
    assert task.metrics == (
        "accuracy",
        "f1_precision_recall",
        "confusion_counts",
        "macro_f1",
        "matthews_correlation",
    )
    assert task.main == ("macro_f1",)


def test_many_labels(tmp_path):
    """F1 and the counts are of two labels alone."""
    task = task_of(tmp_path, "a", "b", "c")
    assert task.metrics == ("accuracy", "macro_f1", "matthews_correlation")
    assert task.main == ("macro_f1",)
    assert task.num_outputs == 3


def test_regression(tmp_path):
    task = task_of(tmp_path, "2.5", "1", regression=True)
    assert task.labels == ()
    assert task.is_regression and task.num_outputs == 1
    assert task.metrics == ("pearson_spearman",)
    assert task.main == ("pearson", "spearman")
    (source,) = sources_of(tmp_path, "2.5", "-7e3")
    examples = list(reading.read_examples(task, source))
    assert [example.label for example in examples] == ["2.5", "-7e3"]
    assert custom_task.find_task(own(regression=True), (), None).labels == ()


def test_regression_that_goes_on(tmp_path):
    weights = save(tmp_path / "output")
    assert custom_task.find_task(own(regression=True), (), weights).labels == ()
    for labels in (None, "a,b"):
        with pytest.raises(InputError) as caught:
            custom_task.find_task(own(labels=labels), (), weights)
        assert str(caught.value) == (
            "%s holds a regression; give --regression=true" % weights
        )


def test_examples_of_ones_own(tmp_path):
    path = write(tmp_path, "train.tsv", HEADER, "x7\tA .\tB .\tno", "x9\tC .\tD .\tyes")
    layout = layout_of(path, text_b_column="other", id_column="id")
    source = DataFile("train", layout, path)
    task = custom_task.find_task(own(), (source,), None)
    assert list(reading.read_examples(task, source)) == [
        InputExample("train-x7", "A .", "B .", "no"),
        InputExample("train-x9", "C .", "D .", "yes"),
    ]
