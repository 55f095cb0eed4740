"""The result files byte for byte, and the table on the screen."""

import hashlib
import json
import os
import re
import threading

import numpy as np
import pytest

from finetuning.data.tasks import Task, find_task
from finetuning.evaluation import result_files
from finetuning.utils import console, files


def test_evaluation_text():
    """`key = value` lines as the original writes them, sorted; counts stay whole."""
    figures = {"eval_recall": 1.0, "eval_accuracy": 279 / 408, "eval_f1": 2 / 3}
    figures.update(eval_true_positives=12, eval_loss=0.6248891347, global_step=458)
    assert result_files.evaluation_text(figures) == (
        "eval_accuracy = 0.6838235\n"
        "eval_f1 = 0.6666667\n"
        "eval_loss = 0.62488914\n"
        "eval_recall = 1.0\n"
        "eval_true_positives = 12\n"
        "global_step = 458\n"
    )


@pytest.mark.parametrize(
    "value, shown",
    [
        (0.0, "0.0"),
        (1e-5, "1e-05"),
        (0.845588207244873, "0.8455882"),
        (float("nan"), "nan"),
        (-0.25, "-0.25"),
        (np.float64(1 / 3), "0.33333334"),
        (2**24 + 1, "16777217"),
    ],
)
def test_digits(value, shown):
    assert result_files.evaluation_text({"key": value}) == "key = %s\n" % shown


def probabilities_text(probabilities):
    return "".join(result_files.probabilities_lines(probabilities))


def test_probabilities():
    probabilities = np.array([[0.25, 0.75], [1 / 3, 2 / 3], [1.0, 1e-5]], np.float32)
    assert probabilities_text(probabilities) == (
        "0.25\t0.75\n0.33333334\t0.6666667\n1.0\t1e-05\n"
    )
    # No digit of a float32 is lost.
    probabilities = np.random.RandomState(0).uniform(size=[500, 3]).astype(np.float32)
    lines = probabilities_text(probabilities).splitlines()
    read = np.array([line.split("\t") for line in lines], np.float32)
    np.testing.assert_array_equal(read, probabilities)


# Sets of files


def publish(directory, lines, names=("a.tsv", "b.tsv")):
    with result_files.ResultSet(str(directory)) as results:
        for name in names:
            results.write(name, lines)
        results.publish("all.json", {"seed": 3})


def contents(directory):
    """Name -> bytes of each file but the log, which is locked for a moment."""
    found = {path.name: path.read_bytes() for path in directory.iterdir()}
    found.pop("run.log", None)
    return found


def test_a_set_replaces_an_older_one(tmp_path):
    publish(tmp_path, ["older\n"])
    publish(tmp_path, ["0.25\t", "0.75\n"])
    found = contents(tmp_path)
    digest = hashlib.sha256(b"0.25\t0.75\n").hexdigest()
    assert json.loads(found.pop("all.json").decode()) == {
        "seed": 3,
        "files": ["a.tsv", "b.tsv"],
        "sha256": {"a.tsv": digest, "b.tsv": digest},
    }
    assert found == {"a.tsv": b"0.25\t0.75\n", "b.tsv": b"0.25\t0.75\n"}


def test_a_set_that_is_not_complete_changes_nothing(tmp_path):
    publish(tmp_path, ["older\n"])
    before = contents(tmp_path)

    def failing():
        yield "half"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        publish(tmp_path, failing())
    assert contents(tmp_path) == before


@pytest.mark.parametrize("count", [0, 1, 2])
def test_a_set_that_is_cut_off_has_no_description(tmp_path, monkeypatch, count):
    """The older JSON file would describe files of two runs."""
    publish(tmp_path, ["older\n"])
    renamed, rename = [], files.rename

    def stop(source, target):
        if len(renamed) == count:
            raise KeyboardInterrupt
        renamed.append(target)
        rename(source, target)

    monkeypatch.setattr(files, "rename", stop)
    with pytest.raises(KeyboardInterrupt):
        publish(tmp_path, ["newer\n"])
    found = contents(tmp_path)
    assert sorted(found) == ["a.tsv", "b.tsv"]
    assert sorted(found.values()) == [b"newer\n"] * count + [b"older\n"] * (2 - count)


def test_one_set_at_a_time(tmp_path, monkeypatch):
    """A second run waits while the first is between two files."""
    rename, second = files.rename, []

    def start_second(source, target):
        if not second:
            second.append(threading.Thread(target=publish, args=(tmp_path, ["2"])))
            second[0].start()
            second[0].join(0.2)
            assert second[0].is_alive()
            assert not (tmp_path / "a.tsv").exists()
        rename(source, target)

    monkeypatch.setattr(os, "getpid", threading.get_ident)
    monkeypatch.setattr(files, "rename", start_second)
    publish(tmp_path, ["1"])
    second[0].join()
    found = contents(tmp_path)
    assert sorted(found) == ["a.tsv", "all.json", "b.tsv"]
    assert found["a.tsv"] == found["b.tsv"] == b"2"


def test_the_original_wrote_such_files(shared_dir):
    """Its own files, read and written again by ours, keep every byte."""
    output = os.path.join(shared_dir, "golden", "original_run", "output")
    with open(os.path.join(output, "eval_results.txt")) as file:
        text = file.read()
    figures = {}
    for key, value in re.findall(r"^(\w+) = (\S+)$", text, re.MULTILINE):
        figures[key] = int(value) if value.isdigit() else float(value)
    assert sorted(figures) == ["eval_accuracy", "eval_loss", "global_step", "loss"]
    assert result_files.evaluation_text(figures) == text
    with open(os.path.join(output, "test_results.tsv")) as file:
        text = file.read()
    rows = [line.split("\t") for line in text.splitlines()]
    assert probabilities_text(np.array(rows, np.float32)) == text


def test_tables_on_the_screen():
    rows = [("accuracy", 0.71234567), ("true_positives", 12), ("loss", 10.0)]
    assert result_files.table("Scores, step 3", rows) == [
        "Scores, step 3",
        "  accuracy         0.7123",
        "  true_positives       12",
        "  loss            10.0000",
    ]
    rows = [("examples", "read", "of"), ("dev.tsv", "9", "10"), ("t", "12345", "-")]
    assert console.align_columns(rows) == [
        "examples   read  of",
        "dev.tsv       9  10",
        "t         12345   -",
    ]


# The table of predictions


def predictions_text(task, labels, probabilities, predicted, has_labels, id_="a-%d"):
    rows = [(id_.replace("%d", str(n)), label) for n, label in enumerate(labels)]
    lines = result_files.predictions_lines(
        find_task(task), rows, np.float32(probabilities), predicted, has_labels
    )
    return "".join(lines)


def test_predictions_of_labelled_examples():
    gold, rows = ["entailment", "entailment"], [[0.75, 0.25], [1 / 3, 2 / 3]]
    assert predictions_text("RTE", gold, rows, np.array([0, 1]), True) == (
        "id\tlabel\tprobability_entailment\tprobability_not_entailment\tgold\tright\n"
        "a-0\tentailment\t0.75\t0.25\tentailment\tyes\n"
        "a-1\tnot_entailment\t0.33333334\t0.6666667\tentailment\tno\n"
    )


@pytest.mark.parametrize("id_, cell", [("a-%d", "a-0"), ("a\tb\r\nc", "a b c")])
def test_predictions_of_unlabelled_examples(id_, cell):
    """An id may hold tabs and line ends, where a CSV file has quoted them."""
    assert predictions_text("MRPC", ["0"], [[0.25, 0.75]], [1], False, id_) == (
        "id\tlabel\tprobability_0\tprobability_1\n%s\t1\t0.25\t0.75\n" % cell
    )


def test_predictions_with_texts():
    lines = result_files.predictions_lines(
        find_task("MRPC"),
        [("7", "1", 'a\tb "', "c\r\nd"), ("8", "0", "e", "")],
        np.float32([[0.25, 0.75]] * 2),
        [1, 1],
        True,
        ("text_a", "text_b"),
    )
    assert [line.split("\t", 4)[4] for line in lines] == [
        "gold\tright\ttext_a\ttext_b\n",
        '1\tyes\ta b "\tc d\n',
        "0\tno\te\t\n",
    ]


def test_labels_with_tabs_and_line_ends():
    task = Task("custom", ("a\tb", "c\nd"), (), ())
    lines = list(
        result_files.predictions_lines(task, [], np.zeros([0, 2]), [], has_labels=True)
    )
    assert lines == ["id\tlabel\tprobability_a b\tprobability_c d\tgold\tright\n"]


def test_predicted_numbers():
    rows = [[2.5], [-0.1]]
    predicted = np.float32(rows)[:, 0]
    assert predictions_text("STS-B", ["3.75", "1"], rows, predicted, True) == (
        "id\tlabel\tgold\terror\na-0\t2.5\t3.75\t-1.25\na-1\t-0.1\t1\t-1.1\n"
    )
    assert predictions_text("STS-B", ["0", "0"], rows, predicted, False) == (
        "id\tlabel\na-0\t2.5\na-1\t-0.1\n"
    )
    assert predictions_text("STS-B", [], [], [], False) == "id\tlabel\n"
