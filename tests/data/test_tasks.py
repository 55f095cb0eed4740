"""The tasks, checked against files in the published layouts and known facts."""

import os

import pytest

from finetuning.data import reading, tasks
from finetuning.data.tasks import DataFile
from finetuning.evaluation import metrics
from finetuning.utils.errors import InputError
from tests.support import glue_rows

NAMES = ["AX", "CoLA", "MNLI", "MRPC", "QNLI", "QQP", "RTE", "SST-2", "STS-B", "WNLI"]
NAMES += ["XNLI"]
SPLITS = ("train", "dev", "test")


def layouts():
    for task in tasks.TASKS.values():
        for split in SPLITS:
            for layout in getattr(task, split):
                yield task, split, layout


def test_there_are_no_other_tasks():
    assert sorted(task.name for task in tasks.TASKS.values()) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_files_in_the_published_layout_are_read_right(tmp_path, name):
    """The layouts of glue_rows.py are written down independently of the tasks."""
    glue_rows.write(str(tmp_path), name)
    task = tasks.find_task(name)
    found = {layout.file for other, _, layout in layouts() if other is task}
    assert found == set(glue_rows.FILES[name])
    is_pair = name not in ("CoLA", "SST-2")
    for split in SPLITS:
        for layout in getattr(task, split):
            path = os.path.join(str(tmp_path), layout.file)
            notes, data_file = [], DataFile(split, layout, path)
            examples = list(reading.read_examples(task, data_file, notes))
            assert notes == []
            gold = glue_rows.gold(name, layout.file)
            if layout.label is None:
                gold = [task.labels[0] if task.labels else "0"] * len(gold)
            assert [example.label for example in examples] == gold
            guids = [example.guid for example in examples]
            assert len(set(guids)) == len(guids)
            if layout.guid is not None:
                assert guids == ["%s-%d" % (split, n) for n in range(len(guids))]
            for example in examples:
                assert " paid " in example.text_a
                assert (example.text_b is not None) == is_pair
                assert not is_pair or " was called" in example.text_b


@pytest.mark.parametrize("name", sorted(glue_rows.WANTED))
def test_labels_scores_and_counts(name):
    task, wanted = tasks.find_task(name), glue_rows.WANTED[name]
    assert list(task.labels) == wanted.labels
    assert list(task.main) == wanted.main
    assert task.is_regression == (not wanted.labels)
    assert task.num_outputs == max(len(wanted.labels), 1)
    counts = tuple(task.layout(split).rows for split in SPLITS)
    assert counts == wanted.counts


@pytest.mark.parametrize("name", NAMES)
def test_the_main_score_is_among_the_metrics(name):
    task = tasks.find_task(name)
    scores = metrics.compute(task.metrics, [0, 1, 1], [0, 1, 1])
    assert set(task.main) <= set(scores)
    assert bool(task.main) == bool(task.dev)


def test_only_sts_b_has_bounds():
    bounds = {task.name: task.bounds for task in tasks.TASKS.values() if task.bounds}
    assert bounds == {"STS-B": (0.0, 5.0)}


@pytest.mark.parametrize(
    "name, missing", [("AX", ("train", "dev")), ("XNLI", ("test",)), ("MRPC", ())]
)
def test_splits_that_a_task_lacks(name, missing):
    task = tasks.find_task(name)
    assert missing == tuple(split for split in SPLITS if not getattr(task, split))
    flags = {"train": "--do_train", "dev": "--do_eval", "test": "--do_predict"}
    for split in missing:
        with pytest.raises(InputError) as caught:
            task.layouts(split)
        assert str(caught.value).startswith("--task_name=%s has no %s" % (name, split))
        assert str(caught.value).endswith("omit " + flags[split])


def test_labelled_layouts_name_their_label_if_they_have_a_header():
    """It tells a labelled file of the user's from an unlabelled one."""
    for task, split, layout in layouts():
        has_name = layout.header and layout.label is not None
        assert (layout.label_name is not None) == has_name, (task.name, split)
        assert (split == "test") == (layout.label is None), (task.name, split)


def test_files_of_a_submission():
    named = {layout.submission: layout for _, _, layout in layouts()}
    named.pop(None)
    assert {
        name: layout.rows + 1 for name, layout in named.items()
    } == glue_rows.SUBMISSION_LINES
    assert named["MNLI-m"].file == "test_matched.tsv"
    assert named["MNLI-mm"].file == "test_mismatched.tsv"


def test_the_layout_for_a_file_of_the_users():
    official = tasks.find_task("MNLI").layouts("test")[1]
    other = tasks.unofficial(official)
    assert (other.text_a, other.text_b, other.guid) == (8, 9, 0)
    assert (other.part, other.rows, other.submission) == ("", None, None)
    assert official.rows == 9847
    other = tasks.unofficial(tasks.find_task("QQP").layout("train"))
    assert (other.rows, other.other_rows, other.short_rows) == (None, None, ())


@pytest.mark.parametrize("name", ["MRPC", "mrpc", "Mrpc", "cola", "sst-2", "ax"])
def test_names_in_any_case(name):
    assert tasks.find_task(name).name.lower() == name.lower()


@pytest.mark.parametrize(
    "name, nearest",
    [("mrcp", "MRPC"), ("SST2", "SST-2"), ("mnli-m", "MNLI"), ("Costum", "custom")],
)
def test_an_unknown_name(name, nearest):
    with pytest.raises(InputError) as caught:
        tasks.find_task(name)
    message = str(caught.value)
    assert message.startswith("--task_name=%s is unknown; known: MRPC, CoLA," % name)
    assert message.endswith("; did you mean %s?" % nearest)


def test_a_name_in_typographic_quotes():
    with pytest.raises(InputError) as caught:
        tasks.find_task("\u00abMRPC\u00bb")
    message = str(caught.value)
    assert "(LEFT-POINTING DOUBLE ANGLE QUOTATION MARK)" in message
    assert message.endswith("; did you mean MRPC?")


def test_an_unknown_name_that_is_not_similar_to_any():
    with pytest.raises(InputError, match="=squad is unknown; .*, XNLI, custom$"):
        tasks.find_task("squad")
