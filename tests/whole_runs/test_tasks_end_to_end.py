"""Every built-in task, from its files to those for GLUE's server, on a few rows."""

import os
import re

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from finetuning.checkpoints import model_files
from tests.support import glue_rows, models
from tests.support.running import (
    PHASES,
    refused,
    rows,
    saved_json,
    scores,
    succeed,
    table,
    text,
    without,
)

# A task of one text, a regression, and one of two halves and three labels.
FAST = ("CoLA", "STS-B", "MNLI")


@pytest.fixture(scope="module")
def flags(corpus_flags):
    """What the runs of all tasks have in common."""
    common = without(corpus_flags, "task_name", "data_dir", "num_train_epochs")
    return common + ["--num_train_epochs=1", "--train_batch_size=4"]


@pytest.fixture(scope="module")
def run_task(tmp_path_factory, flags):
    """A function from a task's name to its one run and its output directory."""
    runs, folder = {}, tmp_path_factory.mktemp("glue")

    def run(task):
        if task not in runs:
            out, data = str(folder / "out" / task), str(folder / "data" / task)
            glue_rows.write(data, task)
            phases = PHASES[:2] if task == "XNLI" else PHASES
            names = ["--task_name=" + task, "--data_dir=" + data, "--output_dir=" + out]
            runs[task] = succeed(flags + names + phases), out
        return runs[task]

    return run


@pytest.mark.parametrize(
    "task",
    [
        pytest.param(task, marks=[] if task in FAST else [pytest.mark.slow])
        for task in glue_rows.WANTED
    ],
)
def test_a_task_from_its_files_to_those_for_glue(run_task, task):
    run, out = run_task(task)
    for file in glue_rows.FILES[task]:
        check_counts(run.out, task, file)
    check_main_score(run.out, out, task)
    for file in glue_rows.FILES[task]:
        if glue_rows.split_of(file) == "dev":
            check_table_of_the_dev_set(out, task, file)
    check_predictions(run.out, out, task)


def check_counts(screen, task, file):
    """The rows that were read and those that GLUE has, which are missed."""
    kind = glue_rows.split_of(file)
    count = glue_rows.COUNTS[kind]
    known = glue_rows.WANTED[task].counts[list(glue_rows.COUNTS).index(kind)]
    if task == "MNLI" and "mismatched" in file:
        known = {"dev": 9832, "test": 9847}[kind]
    assert re.search(r"^%s +%d +%d +\d +\d+$" % (file, count, known), screen, re.M)
    warning = r"^WARNING: \S+%s: %d .* %d\b" % (file, count, known)
    assert re.search(warning, screen, re.M)


def check_main_score(screen, out, task):
    """It is the mean of the scores that GLUE takes the mean of."""
    found, wanted = scores(out), glue_rows.WANTED[task]
    names = " and ".join(wanted.main)
    if task == "MNLI":
        names = "mean of %s of both halves" % names
    elif len(wanted.main) > 1:
        names = "mean of " + names
    assert "\n  main score (%s)" % names in screen
    parts = ["matched_", "mismatched_"] if task == "MNLI" else [""]
    values = [found["eval_" + part + name] for part in parts for name in wanted.main]
    assert found["eval_main_score"] == pytest.approx(np.mean(values), abs=1e-6)
    assert found["global_step"] == 2
    assert saved_json(out, "labels.json")["labels"] == wanted.labels
    assert saved_json(out, "eval_results.json")["main_metrics"] == wanted.main


def check_table_of_the_dev_set(out, task, file):
    """Its gold labels are the file's, and the scores follow from it."""
    suffix = "_mismatched" if "mismatched" in file else ""
    found = table(out, "eval_predictions%s.tsv" % suffix)
    assert [row["gold"] for row in found] == glue_rows.gold(task, file)
    if glue_rows.WANTED[task].labels:
        right = [row["right"] == "yes" for row in found]
        assert right == [row["label"] == row["gold"] for row in found]
        accuracy = scores(out)["eval%s_accuracy" % suffix]
        assert accuracy == pytest.approx(np.mean(right), abs=1e-6)
        return
    # As float32, which they were before they were written.
    numbers = np.array([row["label"] for row in found], np.float32)
    golden = np.array([row["gold"] for row in found], np.float64)
    errors = np.array([row["error"] for row in found], np.float64)
    np.testing.assert_allclose(errors, numbers - golden, atol=1e-5)
    pearson = np.corrcoef(numbers.astype(np.float64), golden)[0, 1]
    assert scores(out)["eval_pearson"] == pytest.approx(pearson, abs=1e-5)
    assert scores(out)["eval_loss"] == pytest.approx(np.mean(errors**2), rel=1e-4)


def check_predictions(screen, out, task):
    """Those for programs, for people and for GLUE agree."""
    wanted, count = glue_rows.WANTED[task], glue_rows.COUNTS["test"]
    suffixes = ["", "_mismatched"] if task == "MNLI" else [""]
    for suffix, name in zip(suffixes, wanted.submission):
        numbers = np.array(rows(out, "test_results%s.tsv" % suffix), float)
        assert numbers.shape == (count, len(wanted.labels) or 1)
        if wanted.labels:
            expected = [wanted.labels[best] for best in numbers.argmax(axis=1)]
        else:
            expected = ["%.3f" % min(max(x, 0.0), 5.0) for x in numbers[:, 0]]
        heading, *lines = rows(out, name + ".tsv")
        assert heading == ["index", "prediction"]
        assert lines == [[str(n), label] for n, label in enumerate(expected)]
        assert os.path.join(out, name + ".tsv") in screen
        people = table(out, "predictions%s.tsv" % suffix)
        assert [row["id"] for row in people] == [str(n) for n in range(count)]
        assert "gold" not in people[0] and "right" not in people[0]
        columns = ["probability_" + label for label in wanted.labels] or ["label"]
        found = [[float(row[column]) for column in columns] for row in people]
        np.testing.assert_array_equal(np.array(found), numbers)
        if wanted.labels:
            assert [row["label"] for row in people] == expected


# MNLI and its two halves


def test_both_halves_of_mnli(run_task):
    run, out = run_task("MNLI")
    found = scores(out)
    for name in ("accuracy", "loss"):
        assert found["eval_" + name] == found["eval_matched_" + name]
    # The dev halves have the same texts with other labels; the test halves, no labels.
    assert found["eval_matched_loss"] != found["eval_mismatched_loss"]
    assert text(out, "MNLI-m.tsv") == text(out, "MNLI-mm.tsv")
    for part in ("matched", "mismatched"):
        for phase in ("evaluation", "prediction"):
            assert "%s %s: example " % (phase, part) in run.out
    # No other task writes more files.
    names = {name for name in os.listdir(out) if "ckpt" not in name}
    results = ["eval_predictions.tsv", "predictions.tsv", "test_results.tsv"]
    results += ["eval.tf_record", "predict.tf_record"]
    expected = {n.replace(".", s + ".") for n in results for s in ("", "_mismatched")}
    expected |= {"eval_results.txt", "eval_results.json", "predict_results.json"}
    expected |= {"MNLI-m.tsv", "MNLI-mm.tsv", "labels.json", "run_settings.json"}
    expected |= {"run.log", "run.flags", ".lock", "train.tf_record", "checkpoint"}
    expected.add("training_history.tsv")
    expected |= {"graph.pbtxt", "eval", *model_files.NAMES}
    assert {name for name in names if not name.startswith("events")} == expected


def test_a_missing_half_of_mnli(flags, run_task, tmp_path):
    """The second half may be missing; the first may not."""
    _, trained = run_task("MNLI")
    data, out = str(tmp_path / "data"), str(tmp_path / "out")
    glue_rows.write(data, "MNLI")
    for name in ("dev_mismatched.tsv", "test_mismatched.tsv"):
        os.remove(os.path.join(data, name))
    arguments = without(flags, "init_checkpoint") + ["--init_checkpoint=" + trained]
    arguments += ["--task_name=mnli", "--data_dir=" + data, "--output_dir=" + out]
    run = succeed(arguments + ["--do_eval", "--do_predict"])
    assert "dev_mismatched.tsv" in run.out and "test_mismatched.tsv" in run.out
    assert text(out, "MNLI-m.tsv") == text(trained, "MNLI-m.tsv")
    assert not any("mm" in n or "mismatched" in n for n in os.listdir(out))
    found, both = scores(out), scores(trained)
    assert found["eval_main_score"] == found["eval_accuracy"]
    assert found["eval_accuracy"] == pytest.approx(both["eval_matched_accuracy"])
    os.remove(os.path.join(data, "dev_matched.tsv"))
    assert "dev_matched.tsv" in refused(arguments + ["--do_eval"])


def test_ax_with_the_model_of_mnli(flags, run_task, tmp_path):
    """By --init_checkpoint, then in MNLI's own directory; no other model will do."""
    _, trained = run_task("MNLI")
    glue_rows.write(str(tmp_path / "data"), "AX")
    arguments = without(flags, "init_checkpoint") + ["--task_name=ax", "--do_predict"]
    arguments += ["--data_dir=%s" % (tmp_path / "data")]
    before = set(os.listdir(trained))
    for out, weights in ((str(tmp_path / "out"), trained), (trained, "")):
        more = ["--init_checkpoint=" + weights] if weights else []
        run = succeed(arguments + ["--output_dir=" + out] + more)
        assert "UNTRAINED" not in run.out and "DIFFERENT TASK" not in run.out
        # Its texts are MNLI's here.
        assert table(out, "AX.tsv") == table(trained, "MNLI-m.tsv")
    assert set(os.listdir(trained)) - before == {"AX.tsv"}
    os.remove(os.path.join(trained, "AX.tsv"))
    _, other = run_task("STS-B")
    arguments += [
        "--output_dir=%s" % (tmp_path / "other"),
        "--init_checkpoint=" + other,
    ]
    assert "labels" in refused(arguments)
    assert not os.path.exists(str(tmp_path / "other"))


# Other tasks


def test_xnli_trains_on_all_languages_and_is_scored_on_chinese(run_task):
    run, out = run_task("XNLI")
    found = table(out, "eval_predictions.tsv")
    assert [row["gold"] for row in found] == glue_rows.gold("XNLI", "xnli.dev.tsv")
    assert re.search(r"^multinli\.train\.zh\.tsv +8 +0 +\d+$", run.out, re.M)
    assert re.search(r"^xnli\.dev\.tsv +6 +0 +\d+$", run.out, re.M)
    right = np.mean([row["right"] == "yes" for row in found])
    assert scores(out)["eval_main_score"] == pytest.approx(right, abs=1e-6)


@pytest.mark.parametrize(
    "bias, wanted", [(-30.0, "0.000"), (30.0, "5.000"), (3.14159, None)]
)
def test_numbers_for_glue_are_clipped(flags, run_task, tmp_path, bias, wanted):
    data, trained = str(tmp_path / "data"), run_task("STS-B")[1]
    arrays = models.read_checkpoint(tf.train.latest_checkpoint(trained))
    values = {name: arrays[name] for name in arrays if "adam" not in name}
    values["output_bias"] = np.array([bias], np.float32)
    models.save_checkpoint(str(tmp_path / "moved" / "model.ckpt"), values)
    glue_rows.write(data, "STS-B")
    out = str(tmp_path / "out")
    arguments = ["--task_name=STS-B", "--data_dir=" + data, "--do_predict"]
    arguments += ["--init_checkpoint=%s" % (tmp_path / "moved"), "--output_dir=" + out]
    succeed(without(flags, "init_checkpoint") + arguments)
    raw = np.array(rows(out, "test_results.tsv"), float)[:, 0]
    expected = [wanted or "%.3f" % number for number in raw]
    assert [row["prediction"] for row in table(out, "STS-B.tsv")] == expected
    assert (np.abs(raw) > 5).all() == bool(wanted)


def test_a_labelled_file_is_predicted_with_its_gold_labels(flags, run_task, tmp_path):
    """It is not GLUE's test set, so that no file for GLUE is written."""
    _, trained = run_task("CoLA")
    glue_rows.write(str(tmp_path), "CoLA")
    out = str(tmp_path / "out")
    arguments = without(flags, "init_checkpoint") + ["--task_name=cola"]
    arguments += ["--predict_file=%s" % (tmp_path / "dev.tsv"), "--do_predict"]
    succeed(arguments + ["--init_checkpoint=" + trained, "--output_dir=" + out])
    predicted = rows(out, "predictions.tsv")
    evaluated = rows(trained, "eval_predictions.tsv")
    assert predicted == [row[: len(predicted[0])] for row in evaluated]
    assert "CoLA.tsv" not in os.listdir(out)
