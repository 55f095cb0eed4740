"""Which files a run reads, and by which layout."""

import os

import pytest

from finetuning.data import data_files, reading, tasks
from finetuning.flags.settings import Settings
from finetuning.utils.errors import InputError

MRPC_LABELLED = "Quality\t#1 ID\t#2 ID\t#1 String\t#2 String"
MRPC_UNLABELLED = "index\t#1 ID\t#2 ID\t#1 String\t#2 String"


def write(directory, name, *lines):
    path = os.path.join(str(directory), *name.split("/"))
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8", newline="\n") as file:
        file.write("".join(line + "\n" for line in lines))
    return path


def find(task_name, **values):
    return data_files.find(Settings(task_name=task_name, **values))


def refusal(task_name, **values):
    with pytest.raises(InputError) as caught:
        find(task_name, **values)
    message = str(caught.value)
    assert "\n" not in message
    return message


MNLI = ("dev_matched.tsv", "dev_mismatched.tsv", "test_matched.tsv")
MNLI += ("test_mismatched.tsv", "train.tsv")


# In the data directory


def test_both_halves_of_mnli(tmp_path):
    for name in MNLI:
        write(tmp_path, name)
    found, notes = find(
        "MNLI", do_train=True, do_eval=True, do_predict=True, data_dir=str(tmp_path)
    )
    assert notes == []
    shown = [
        (s.split, os.path.basename(s.path), s.layout.part, s.suffix) for s in found
    ]
    assert shown == [
        ("train", "train.tsv", "", ""),
        ("dev", "dev_matched.tsv", "matched", ""),
        ("dev", "dev_mismatched.tsv", "mismatched", "_mismatched"),
        ("test", "test_matched.tsv", "matched", ""),
        ("test", "test_mismatched.tsv", "mismatched", "_mismatched"),
    ]


@pytest.mark.parametrize("kind, phase", [("dev", "do_eval"), ("test", "do_predict")])
def test_second_half_may_be_missing(tmp_path, kind, phase):
    path = write(tmp_path, kind + "_matched.tsv")
    found, notes = find("MNLI", data_dir=str(tmp_path), **{phase: True})
    assert [(s.path, s.suffix) for s in found] == [(path, "")]
    assert notes == [
        "%s_mismatched.tsv is missing in --data_dir=%s: the results lack the "
        "mismatched half" % (kind, tmp_path)
    ]


def test_first_half_may_not(tmp_path):
    write(tmp_path, "dev_mismatched.tsv")
    assert refusal("MNLI", data_dir=str(tmp_path), do_eval=True) == (
        "--data_dir=%s: dev_matched.tsv is missing; MNLI needs it" % tmp_path
    )


def test_directory_in_the_place_of_the_second_half(tmp_path):
    write(tmp_path, "dev_matched.tsv")
    os.mkdir(str(tmp_path / "dev_mismatched.tsv"))
    assert refusal("MNLI", data_dir=str(tmp_path), do_eval=True) == (
        "--data_dir=%s: dev_mismatched.tsv is a directory, expected a file" % tmp_path
    )


def test_evaluation_while_training_reads_the_development_set(tmp_path):
    for name in ("train.tsv", "dev.tsv"):
        write(tmp_path, name)
    given = {"data_dir": str(tmp_path), "do_train": True}
    found, _ = find("RTE", **given)
    assert [s.split for s in found] == ["train"]
    for more in ({"eval_steps": 5}, {"eval_each_epoch": True}):
        found, _ = find("RTE", **dict(given, **more))
        assert [s.split for s in found] == ["train", "dev"]


def test_ax_can_be_predicted_alone(tmp_path):
    path = write(tmp_path, "AX.tsv")
    (source,), _ = find("AX", data_dir=str(tmp_path), do_predict=True)
    assert (source.path, source.layout.submission) == (path, "AX")
    for phase, kind in (("do_train", "train"), ("do_eval", "dev")):
        assert refusal("AX", data_dir=str(tmp_path), **{phase: True}) == (
            "--task_name=AX has no %s file; leave out --%s" % (kind, phase)
        )


# By flags


def test_files_by_flags_alone(tmp_path):
    train = write(tmp_path, "a/mine.tsv")
    dev = write(tmp_path, "b/yours.tsv")
    found, notes = find(
        "MRPC", do_train=True, do_eval=True, train_file=train, eval_file=dev
    )
    assert notes == []
    assert [(s.split, s.path, s.suffix) for s in found] == [
        ("train", train, ""),
        ("dev", dev, ""),
    ]
    for source in found:
        assert (source.layout.text_a, source.layout.label) == (3, 0)
        assert source.layout.rows is None


def test_a_flag_takes_the_place_of_both_halves(tmp_path):
    path = write(tmp_path, "mine.tsv")
    write(tmp_path, "dev_matched.tsv")
    (source,), notes = find(
        "MNLI", do_eval=True, data_dir=str(tmp_path), eval_file=path
    )
    assert (source.path, source.layout.part, source.suffix) == (path, "", "")
    assert notes == []


@pytest.mark.parametrize(
    "kind, phase, flag",
    [
        ("train", "do_train", "train_file"),
        ("dev", "do_eval", "eval_file"),
        ("test", "do_predict", "predict_file"),
    ],
)
def test_file_by_flag_that_is_none(tmp_path, kind, phase, flag):
    path = str(tmp_path / "none.tsv")
    for task_name in ("MRPC", "custom"):
        message = refusal(task_name, **{phase: True, flag: path})
        assert message == "--%s=%s: no such file" % (flag, path)
        message = refusal(task_name, **{phase: True, flag: str(tmp_path)})
        assert message == "--%s=%s is a directory; give a file" % (flag, tmp_path)


def test_ax_has_no_labelled_files(tmp_path):
    path = write(tmp_path, "mine.tsv")
    assert refusal("AX", do_eval=True, eval_file=path) == (
        "--task_name=AX has no dev file; leave out --do_eval"
    )


# Files to predict: labelled or not


def between(first, *rest, columns):
    return "\t".join([first] + ["p"] * (columns - 1 - len(rest)) + list(rest))


@pytest.mark.parametrize(
    "task_name, labelled, unlabelled",
    [
        ("MRPC", MRPC_LABELLED, MRPC_UNLABELLED),
        ("CoLA", "gj04\t1\t\tBill ran .", "index\tsentence"),
        ("SST-2", "sentence\tlabel", "index\tsentence"),
        (
            "STS-B",
            between("index", "sentence1", "sentence2", "score", columns=10),
            between("index", "sentence1", "sentence2", columns=9),
        ),
        (
            "QQP",
            "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate",
            "id\tquestion1\tquestion2",
        ),
        (
            "MNLI",
            between("index", "s1", "s2", "label1", "gold_label", columns=12),
            between("index", "s1", "s2", columns=10),
        ),
        ("QNLI", "index\tquestion\tsentence\tlabel", "index\tquestion\tsentence"),
        ("RTE", "index\tsentence1\tsentence2\tlabel", "index\tsentence1\tsentence2"),
        ("WNLI", "index\tsentence1\tsentence2\tlabel", "index\tsentence1\tsentence2"),
    ],
)
def test_file_to_predict_labelled_or_not(tmp_path, task_name, labelled, unlabelled):
    task = tasks.find_task(task_name)
    for lines, official in (
        ((labelled,), task.layout("dev")),
        ((unlabelled,), task.layout("test")),
    ):
        path = write(tmp_path, "mine.tsv", *lines)
        (source,), _ = find(task_name, do_predict=True, predict_file=path)
        assert source.split == "test"
        assert source.layout == tasks.unofficial(official)


@pytest.mark.parametrize(
    "task_name, first",
    [("SST-2", "sentence\tlabel"), ("MRPC", MRPC_LABELLED), ("CoLA", "a\t1\t\tA .")],
)
def test_labelled_file_in_the_place_of_the_test_file(tmp_path, task_name, first):
    write(tmp_path, "test.tsv", first)
    assert refusal(task_name, data_dir=str(tmp_path), do_predict=True) == (
        "--data_dir=%s: test.tsv has labels, expected GLUE's test file, which has "
        "none; to predict examples with labels give --predict_file" % tmp_path
    )


def test_empty_file_to_predict(tmp_path):
    path = write(tmp_path, "mine.tsv")
    (source,), _ = find("MRPC", do_predict=True, predict_file=path)
    assert source.layout.label is None


def test_a_labelled_file_to_predict_is_read_with_its_labels(tmp_path):
    row = "1\t10\t11\tOne .\tTwo ."
    task = tasks.find_task("MRPC")
    labels = []
    for header in (MRPC_LABELLED, MRPC_UNLABELLED):
        path = write(tmp_path, "mine.tsv", header, row)
        (source,), _ = find("MRPC", do_predict=True, predict_file=path)
        (example,) = reading.read_examples(task, source)
        assert (example.text_a, example.text_b) == ("One .", "Two .")
        assert example.guid.startswith("test-")
        labels.append(example.label)
    assert labels == ["1", "0"]


def test_a_file_by_flag_has_no_known_malformed_rows(tmp_path):
    """What is known of an official file is not known of another."""
    path = write(tmp_path, "mine.tsv", "id\tquestion1\tquestion2", "1\tA")
    (source,), _ = find("QQP", do_predict=True, predict_file=path)
    with pytest.raises(InputError, match="line 2: 2 columns, expected 3"):
        list(reading.read_examples(tasks.find_task("QQP"), source))


# Data of one's own


def test_own_files_in_the_data_directory(tmp_path):
    train = write(tmp_path, "train.csv", "text,label", "A,1")
    dev = write(tmp_path, "dev.tsv", "label\ttext", "1\tA")
    test = write(tmp_path, "more/new.tsv", "text", "A")
    found, _ = find(
        "Custom",
        do_train=True,
        do_eval=True,
        do_predict=True,
        data_dir=str(tmp_path),
        predict_file=test,
        text_a_column="text",
        label_column="label",
    )
    shown = [(s.split, s.path, s.layout.text_a, s.layout.label) for s in found]
    assert shown == [
        ("train", train, 0, 1),
        ("dev", dev, 1, 0),
        ("test", test, 0, None),
    ]
    assert [s.layout.quoted for s in found] == [True, False, False]


@pytest.mark.parametrize("task_name", ["MRPC", "custom"])
def test_data_directory_that_is_none(tmp_path, task_name):
    path = str(tmp_path / "none")
    assert refusal(task_name, do_eval=True, data_dir=path) == (
        "--data_dir=%s is not a directory" % path
    )
