"""Which task and files a run has, and the layouts of the files."""

import os

import pytest

from finetuning.data import data_files, reading, tasks
from finetuning.flags.settings import Settings
from finetuning.utils.errors import InputError
from tests.support import glue_rows

MRPC_LABELLED = "Quality\t#1 ID\t#2 ID\t#1 String\t#2 String"
MRPC_UNLABELLED = "index\t#1 ID\t#2 ID\t#1 String\t#2 String"
ALL = {"do_train": True, "do_eval": True, "do_predict": True}


def write(directory, name, *lines):
    path = os.path.join(str(directory), *name.split("/"))
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8", newline="\n") as file:
        file.write("".join(line + "\n" for line in lines))
    return path


def find(task_name, **values):
    """The files and the notes."""
    task, files, notes = data_files.find(Settings(task_name=task_name, **values))
    assert task.name.lower() == task_name.lower()
    return files, notes


def error(task_name, **values):
    with pytest.raises(InputError) as caught:
        find(task_name, **values)
    message = str(caught.value)
    assert "\n" not in message
    return message


# In the data directory


def test_both_halves_of_mnli(tmp_path):
    for name in glue_rows.FILES["MNLI"]:
        write(tmp_path, name)
    files, notes = find("MNLI", data_dir=str(tmp_path), **ALL)
    assert notes == []
    names = ["train", "dev_matched", "dev_mismatched", "test_matched"]
    names.append("test_mismatched")
    assert [os.path.basename(file.path)[:-4] for file in files] == names
    for name, file in zip(names, files):
        assert name == "_".join(filter(None, [file.split, file.layout.part]))
        assert file.suffix == ("_mismatched" if "mismatched" in name else "")


@pytest.mark.parametrize("split, phase", [("dev", "do_eval"), ("test", "do_predict")])
def test_the_second_half_may_be_missing(tmp_path, split, phase):
    path = write(tmp_path, split + "_matched.tsv")
    (file,), (note,) = find("MNLI", data_dir=str(tmp_path), **{phase: True})
    assert (file.path, file.suffix) == (path, "")
    assert note.startswith("--data_dir=%s: " % tmp_path)
    assert split + "_mismatched.tsv is missing" in note


@pytest.mark.parametrize(
    "task_name, phase, present, missing",
    [
        ("MNLI", "do_eval", "dev_mismatched.tsv", "dev_matched.tsv"),
        ("MRPC", "do_train", "dev.tsv", "train.tsv"),
        ("MRPC", "do_eval", "train.tsv", "dev.tsv"),
        ("MRPC", "do_predict", "dev.tsv", "test.tsv"),
    ],
)
def test_a_missing_file(tmp_path, task_name, phase, present, missing):
    write(tmp_path, present)
    message = error(task_name, data_dir=str(tmp_path), **{phase: True})
    assert message.startswith("--data_dir=%s: %s is missing" % (tmp_path, missing))


@pytest.mark.parametrize(
    "task_name, present, given, found",
    [
        ("MRPC", ["glue/MRPC", "glue/RTE"], "glue", "glue/MRPC"),
        ("mrpc", ["data/glue/MRPC", "data/glue/RTE"], "data", "data/glue/MRPC"),
        ("MRPC", ["MRPC"], "MRPC/original", "MRPC"),
        ("MRPC", ["corpus/tables"], "corpus", "corpus/tables"),
        ("MRPC", ["corpus/one", "corpus/two"], "corpus", None),
        ("MRPC", ["other"], "corpus", None),
    ],
)
def test_a_data_directory_that_is_near(tmp_path, task_name, present, given, found):
    for name in present:
        write(tmp_path, name + "/dev.tsv")
    data_dir = tmp_path / given
    data_dir.mkdir(parents=True, exist_ok=True)
    message = error(task_name, data_dir=str(data_dir), do_eval=True)
    if found:
        where = os.path.join(str(tmp_path), found)
        assert message.endswith("; it is in %s: pass that directory" % where)
    else:
        assert message.endswith("is missing, which MRPC requires")


@pytest.mark.parametrize(
    "task_name, name",
    [("MRPC", "msr_paraphrase_train.txt"), ("CoLA", "CoLA.zip"), ("RTE", "rte.zip")],
)
def test_the_files_that_a_task_is_made_from(tmp_path, task_name, name):
    write(tmp_path, "a b/" + name)
    message = error(task_name, data_dir=str(tmp_path / "a b"), do_eval=True)
    command = "make data TASK=%s FROM='%s'" % (task_name, tmp_path / "a b")
    assert message.endswith("; it is made from %s by: %s" % (name, command))


@pytest.mark.parametrize("name", ["dev_matched.tsv", "dev_mismatched.tsv"])
def test_a_directory_instead_of_a_file(tmp_path, name):
    for other in {"dev_matched.tsv", "dev_mismatched.tsv"} - {name}:
        write(tmp_path, other)
    os.mkdir(str(tmp_path / name))
    message = error("MNLI", data_dir=str(tmp_path), do_eval=True)
    assert message.startswith("--data_dir=%s: %s is a directory" % (tmp_path, name))


@pytest.mark.parametrize("task_name", ["MRPC", "custom"])
def test_a_data_dir_that_is_not_a_directory(tmp_path, task_name):
    file, missing = write(tmp_path, "file"), str(tmp_path / "none")
    message = error(task_name, do_eval=True, data_dir=file)
    assert message == "--data_dir=%s is a file, expected a directory" % file
    message = error(task_name, do_eval=True, data_dir=missing)
    assert message == "--data_dir=%s: no such directory" % missing


def test_a_misspelt_task_is_reported_before_missing_files(tmp_path):
    message = error("mrcp", do_train=True, data_dir=str(tmp_path / "none"))
    assert message.startswith("--task_name=mrcp is unknown")


@pytest.mark.parametrize(
    "values, splits",
    [
        ({}, ["train"]),
        ({"eval_steps": 5}, ["train", "dev"]),
        ({"eval_each_epoch": True}, ["train", "dev"]),
    ],
)
def test_evaluation_during_training_reads_the_dev_set(tmp_path, values, splits):
    for name in ("train.tsv", "dev.tsv"):
        write(tmp_path, name)
    files, _ = find("RTE", data_dir=str(tmp_path), do_train=True, **values)
    assert [file.split for file in files] == splits


@pytest.mark.parametrize(
    "task_name, phase", [("AX", "do_train"), ("AX", "do_eval"), ("XNLI", "do_predict")]
)
def test_a_file_that_the_task_does_not_have(tmp_path, task_name, phase):
    path = write(tmp_path, "mine.tsv")
    flag = {"do_train": "train", "do_eval": "eval", "do_predict": "predict"}[phase]
    for values in ({"data_dir": str(tmp_path)}, {flag + "_file": path}):
        message = error(task_name, **{phase: True}, **values)
        assert message.startswith("--task_name=%s has no " % task_name)
        assert message.endswith("omit --" + phase)


# Files that flags name


def test_files_that_flags_name(tmp_path):
    train, dev = write(tmp_path, "a/mine.tsv"), write(tmp_path, "b/yours.tsv")
    files, notes = find(
        "MRPC", do_train=True, do_eval=True, train_file=train, eval_file=dev
    )
    assert notes == []
    assert [(f.split, f.path) for f in files] == [("train", train), ("dev", dev)]
    for file in files:
        assert file.layout == tasks.unofficial(
            tasks.find_task("MRPC").layout(file.split)
        )


def test_a_flag_replaces_both_halves(tmp_path):
    path = write(tmp_path, "mine.tsv")
    write(tmp_path, "dev_matched.tsv")
    (file,), notes = find("MNLI", do_eval=True, data_dir=str(tmp_path), eval_file=path)
    assert (file.path, file.layout.part, file.suffix) == (path, "", "")
    assert notes == []


@pytest.mark.parametrize("task_name", ["MRPC", "custom"])
@pytest.mark.parametrize(
    "phase, flag",
    [
        ("do_train", "train_file"),
        ("do_eval", "eval_file"),
        ("do_predict", "predict_file"),
    ],
)
def test_a_flag_that_names_no_file(tmp_path, task_name, phase, flag):
    path = str(tmp_path / "none.tsv")
    message = error(task_name, **{phase: True, flag: path})
    assert message == "--%s=%s: no such file" % (flag, path)
    message = error(task_name, **{phase: True, flag: str(tmp_path)})
    assert message.startswith("--%s=%s is a directory" % (flag, tmp_path))


# Files to predict, with or without labels


@pytest.mark.parametrize("task_name", sorted(glue_rows.WANTED))
def test_a_file_to_predict_may_have_labels(tmp_path, task_name):
    glue_rows.write(str(tmp_path), task_name)
    task = tasks.find_task(task_name)
    for split in ("dev", "test"):
        official = task.layout(split)
        path = str(tmp_path / official.file)
        (file,), _ = find(task_name, do_predict=True, predict_file=path)
        assert (file.split, file.layout) == ("test", tasks.unofficial(official))


@pytest.mark.parametrize(
    "task_name, first",
    [("SST-2", "sentence\tlabel"), ("MRPC", MRPC_LABELLED), ("CoLA", "a\t1\t\tA .")],
)
def test_a_labelled_file_instead_of_the_official_test_file(tmp_path, task_name, first):
    write(tmp_path, "test.tsv", first)
    message = error(task_name, data_dir=str(tmp_path), do_predict=True)
    assert message.startswith("--data_dir=%s: test.tsv has labels" % tmp_path)
    assert "--predict_file" in message


def test_an_empty_file_to_predict(tmp_path):
    path = write(tmp_path, "mine.tsv")
    (file,), _ = find("MRPC", do_predict=True, predict_file=path)
    assert file.layout.label is None


@pytest.mark.parametrize(
    "header, label", [(MRPC_LABELLED, "1"), (MRPC_UNLABELLED, "0")]
)
def test_the_labels_of_a_file_to_predict_are_read(tmp_path, header, label):
    path = write(tmp_path, "mine.tsv", header, "1\t10\t11\tOne .\tTwo .")
    (file,), _ = find("MRPC", do_predict=True, predict_file=path)
    (example,) = reading.read_examples(tasks.find_task("MRPC"), file)
    assert (example.text_a, example.text_b, example.label) == ("One .", "Two .", label)
    assert example.guid.startswith("test-")


@pytest.mark.parametrize(
    "task_name, row", [("SST-2", "fine .\t1"), ("RTE", "7\tA .\tB .\tentailment")]
)
def test_a_labelled_file_to_predict_without_its_header(tmp_path, task_name, row):
    """With the columns of the test set, the label would be the text."""
    path = write(tmp_path, "mine.tsv", row, row)
    (file,), _ = find(task_name, do_predict=True, predict_file=path)
    with pytest.raises(InputError, match="line 1: expected a header"):
        list(reading.read_examples(tasks.find_task(task_name), file))


# The user's own data


def test_custom_files(tmp_path):
    train = write(tmp_path, "train.csv", "text,label", "A,1", "B,0")
    dev = write(tmp_path, "dev.tsv", "label\ttext", "1\tA")
    test = write(tmp_path, "more/new.tsv", "text", "A")
    columns = {"text_a_column": "text", "label_column": "label"}
    settings = Settings(
        task_name="Custom",
        data_dir=str(tmp_path),
        predict_file=test,
        **ALL,
        **columns,
    )
    task, files, _ = data_files.find(settings)
    assert task.labels == ("0", "1")
    columns_read = [(f.split, f.path, f.layout.text_a, f.layout.label) for f in files]
    assert columns_read == [
        ("train", train, 0, 1),
        ("dev", dev, 1, 0),
        ("test", test, 0, None),
    ]
    assert [file.layout.quoted for file in files] == [True, False, False]
    (tmp_path / "labels.json").write_text('{"labels": ["1", "0"]}')
    task, _, _ = data_files.find(settings, lambda: str(tmp_path))
    assert task.labels == ("1", "0")
