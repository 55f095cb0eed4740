"""The result files byte for byte, and the table on the screen."""

import os
import re

import numpy as np
import pytest

from finetuning.data.tasks import InputExample, find_task
from finetuning.evaluation import result_files
from finetuning.utils import console


def test_evaluation_text():
    """The four lines that the original writes, as it writes them."""
    loss = 0.6248891347
    figures = {"eval_accuracy": 279 / 408, "eval_loss": loss}
    figures.update(loss=loss, global_step=458)
    assert result_files.evaluation_text(figures) == (
        "eval_accuracy = 0.6838235\n"
        "eval_loss = 0.62488914\n"
        "global_step = 458\n"
        "loss = 0.62488914\n"
    )


def test_further_scores_are_further_lines_sorted_by_key():
    figures = {
        "eval_recall": 1.0,
        "eval_accuracy": 0.5,
        "eval_f1": 2 / 3,
        "eval_true_positives": 12,
        "eval_loss": 0.25,
        "loss": 0.25,
        "global_step": 7,
    }
    assert result_files.evaluation_text(figures) == (
        "eval_accuracy = 0.5\n"
        "eval_f1 = 0.6666667\n"
        "eval_loss = 0.25\n"
        "eval_recall = 1.0\n"
        "eval_true_positives = 12\n"
        "global_step = 7\n"
        "loss = 0.25\n"
    )


@pytest.mark.parametrize(
    "value, shown",
    [
        (0.0, "0.0"),
        (1.0, "1.0"),
        (0.1, "0.1"),
        (1 / 3, "0.33333334"),
        (1e-5, "1e-05"),
        (0.0001, "1e-04"),
        (0.845588207244873, "0.8455882"),
        (123456.789, "123456.79"),
        (float("nan"), "nan"),
        (-0.25, "-0.25"),
        (np.float64(1 / 3), "0.33333334"),
        (np.float32(1 / 3), "0.33333334"),
        (0, "0"),
        (10**7, "10000000"),
        (2**24 + 1, "16777217"),
    ],
)
def test_digits(value, shown):
    assert result_files.evaluation_text({"key": value}) == "key = %s\n" % shown


def probabilities_text(probabilities):
    return "".join(result_files.probabilities_lines(probabilities))


def test_probabilities():
    probabilities = np.array(
        [[0.25, 0.75], [1 / 3, 2 / 3], [1.0, 0.0], [1e-5, 0.99999]], np.float32
    )
    assert probabilities_text(probabilities) == (
        "0.25\t0.75\n0.33333334\t0.6666667\n1.0\t0.0\n1e-05\t0.99999\n"
    )


def test_probabilities_of_three_labels():
    probabilities = np.array([[0.5, 0.25, 0.25]], np.float32)
    assert probabilities_text(probabilities) == "0.5\t0.25\t0.25\n"


def test_no_digit_of_a_float32_is_lost():
    probabilities = np.random.RandomState(0).uniform(size=[500, 2]).astype(np.float32)
    text = probabilities_text(probabilities)
    read = np.array([line.split("\t") for line in text.splitlines()], np.float32)
    assert np.array_equal(read, probabilities)


def test_table():
    rows = [
        ("accuracy", 0.71234567),
        ("f1", 0.5),
        ("true_positives", 12),
        ("loss", 10.0),
    ]
    assert result_files.table("Scores, step 3", rows) == [
        "Scores, step 3",
        "  accuracy         0.7123",
        "  f1               0.5000",
        "  true_positives       12",
        "  loss            10.0000",
    ]


def test_table_of_one_row():
    assert result_files.table("T", [("a", 1)]) == ["T", "  a  1"]


def test_files(tmp_path):
    figures = {"eval_accuracy": 0.5, "eval_loss": 0.75, "loss": 0.75}
    figures["global_step"] = 2
    path = result_files.write_evaluation(str(tmp_path), figures)
    assert path == os.path.join(str(tmp_path), "eval_results.txt")
    with open(path, "rb") as file:
        assert file.read() == (
            b"eval_accuracy = 0.5\neval_loss = 0.75\nglobal_step = 2\nloss = 0.75\n"
        )
    probabilities = np.array([[0.25, 0.75], [0.5, 0.5]], np.float32)
    lines = result_files.probabilities_lines(probabilities)
    path = result_files.write(str(tmp_path), result_files.PROBABILITIES % "", lines)
    assert path == os.path.join(str(tmp_path), "test_results.tsv")
    with open(path, "rb") as file:
        assert file.read() == b"0.25\t0.75\n0.5\t0.5\n"
    assert sorted(os.listdir(str(tmp_path))) == ["eval_results.txt", "test_results.tsv"]


def test_files_replace_older_ones(tmp_path):
    result_files.write_evaluation(str(tmp_path), {"a_much_longer_key": 0.123, "b": 2})
    path = result_files.write_evaluation(str(tmp_path), {"b": 1})
    with open(path) as file:
        assert file.read() == "b = 1\n"


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


# The table of predictions


def predictions_text(task, examples, probabilities, predicted, has_labels):
    lines = result_files.predictions_lines(
        task, examples, np.float32(probabilities), predicted, has_labels
    )
    return "".join(lines)


def examples_of(*labels):
    return [
        InputExample("test-a-%d" % n, "A .", None, label)
        for n, label in enumerate(labels)
    ]


def test_predictions_of_labelled_examples():
    task = find_task("RTE")
    rows = [[0.75, 0.25], [1 / 3, 2 / 3]]
    gold = examples_of("entailment", "entailment")
    assert predictions_text(task, gold, rows, np.array([0, 1]), True) == (
        "id\tlabel\tprobability_entailment\tprobability_not_entailment\tgold\tright\n"
        "a-0\tentailment\t0.75\t0.25\tentailment\tyes\n"
        "a-1\tnot_entailment\t0.33333334\t0.6666667\tentailment\tno\n"
    )


def test_predictions_of_unlabelled_examples():
    task = find_task("MRPC")
    assert predictions_text(task, examples_of("0"), [[0.25, 0.75]], [1], False) == (
        "id\tlabel\tprobability_0\tprobability_1\na-0\t1\t0.25\t0.75\n"
    )


def test_a_name_with_tabs_and_line_ends_stays_one_cell():
    """A quoted field of a CSV file may hold them."""
    named = [InputExample("test-a\tb\r\nc", "A .", None, "0")]
    assert predictions_text(find_task("MRPC"), named, [[0.25, 0.75]], [1], False) == (
        "id\tlabel\tprobability_0\tprobability_1\na b c\t1\t0.25\t0.75\n"
    )


def test_predicted_numbers():
    task = find_task("STS-B")
    rows = [[2.5], [-0.1]]
    predicted = np.float32(rows)[:, 0]
    labelled = examples_of("3.75", "1")
    assert predictions_text(task, labelled, rows, predicted, True) == (
        "id\tlabel\tgold\terror\na-0\t2.5\t3.75\t-1.25\na-1\t-0.1\t1\t-1.1\n"
    )
    assert predictions_text(task, labelled, rows, predicted, False) == (
        "id\tlabel\na-0\t2.5\na-1\t-0.1\n"
    )


def test_heading_alone():
    assert predictions_text(find_task("STS-B"), [], [], [], False) == "id\tlabel\n"


def test_columns():
    rows = [("examples", "read", "of"), ("dev.tsv", "9", "10"), ("t", "12345", "-")]
    assert console.align_columns(rows) == [
        "examples   read  of",
        "dev.tsv       9  10",
        "t         12345   -",
    ]


def test_names_of_the_second_half():
    names = (
        result_files.PROBABILITIES,
        result_files.PREDICTIONS,
        result_files.EVAL_PREDICTIONS,
    )
    assert [name % "" for name in names] == [
        "test_results.tsv",
        "predictions.tsv",
        "eval_predictions.tsv",
    ]
    assert [name % "_mismatched" for name in names] == [
        "test_results_mismatched.tsv",
        "predictions_mismatched.tsv",
        "eval_predictions_mismatched.tsv",
    ]
