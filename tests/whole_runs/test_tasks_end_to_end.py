"""Every task of the table, from its files to GLUE's, with a few rows of our own."""

import os
import re

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from tests.support import corpus, glue_rows, models
from tests.support.running import (
    refused,
    rows,
    saved_json,
    scores,
    succeed,
    table,
    text,
    without,
)

PHASES = ["--do_train", "--do_eval", "--do_predict"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return str(tmp_path_factory.mktemp("glue"))


@pytest.fixture(scope="module")
def flags(folder):
    """What all the tasks' runs have in common."""
    common = corpus.write(os.path.join(folder, "corpus"))
    common = without(common, "task_name", "data_dir", "num_train_epochs")
    return common + ["--num_train_epochs=1", "--train_batch_size=4"]


@pytest.fixture(scope="module")
def ran(folder, flags):
    """A function from a task's name to its one run and the directory of its results."""
    found = {}

    def run(task):
        if task not in found:
            out = os.path.join(folder, "out", task)
            data = os.path.join(folder, "data", task)
            glue_rows.write(data, task)
            phases = PHASES[:2] if task == "XNLI" else PHASES
            names = ["--task_name=" + task, "--data_dir=" + data, "--output_dir=" + out]
            found[task] = succeed(flags + names + phases), out
        return found[task]

    return run


tasks = pytest.mark.parametrize("task", list(glue_rows.WANTED))


@tasks
def test_the_rows_that_were_read_stand_beside_those_of_glue(ran, task):
    run, _ = ran(task)
    for file in glue_rows.FILES[task]:
        kind = glue_rows.split_of(file)
        count = glue_rows.COUNTS[kind]
        known = glue_rows.WANTED[task].counts[list(glue_rows.COUNTS).index(kind)]
        if task == "MNLI" and "mismatched" in file:
            known = {"dev": 9832, "test": 9847}[kind]
        assert re.search(r"^%s +%d +%d +\d$" % (file, count, known), run.out, re.M)
        warning = r"^WARNING: \S+%s: %d examples, but GLUE's %s has %d: %d are missing"
        warning %= file, count, task, known, known - count
        assert re.search(warning, run.out, re.M), warning


@tasks
def test_the_main_score_is_the_mean_of_glues_own(ran, task):
    run, out = ran(task)
    found, wanted = scores(out), glue_rows.WANTED[task]
    names = " and ".join(wanted.main)
    if task == "MNLI":
        names = "mean of %s of both halves" % names
    elif len(wanted.main) > 1:
        names = "mean of " + names
    named = "main score (%s)" % names
    assert "\n  " + named in run.out
    parts = ["matched_", "mismatched_"] if task == "MNLI" else [""]
    values = [found["eval_" + part + name] for part in parts for name in wanted.main]
    assert found["eval_main_score"] == pytest.approx(np.mean(values), abs=1e-6)
    assert found["global_step"] == 2
    assert saved_json(out, "labels.json")["labels"] == wanted.labels
    assert saved_json(out, "eval_results.json")["main_metrics"] == wanted.main


@tasks
def test_the_table_of_what_was_evaluated(ran, task):
    """Its gold labels are the file's, and the scores follow from it."""
    _, out = ran(task)
    wanted = glue_rows.WANTED[task]
    for file in glue_rows.FILES[task]:
        if glue_rows.split_of(file) != "dev":
            continue
        suffix = "_mismatched" if "mismatched" in file else ""
        found = table(out, "eval_predictions%s.tsv" % suffix)
        assert [row["gold"] for row in found] == glue_rows.gold(task, file)
        if wanted.labels:
            right = [row["right"] == "yes" for row in found]
            assert right == [row["label"] == row["gold"] for row in found]
            name = "eval%s_accuracy" % suffix
            assert scores(out)[name] == pytest.approx(np.mean(right), abs=1e-6)
        else:
            # As float32, which they were before they were written.
            numbers = np.array([row["label"] for row in found], np.float32)
            numbers = numbers.astype(np.float64)
            golden = [float(row["gold"]) for row in found]
            errors = [float(row["error"]) for row in found]
            np.testing.assert_allclose(errors, np.subtract(numbers, golden), atol=1e-5)
            pearson = np.corrcoef(numbers, golden)[0, 1]
            assert scores(out)["eval_pearson"] == pytest.approx(pearson, abs=1e-5)
            loss = np.mean(np.square(errors))
            assert scores(out)["eval_loss"] == pytest.approx(loss, rel=1e-4)


@tasks
def test_the_predictions_for_programs_for_people_and_for_glue(ran, task):
    run, out = ran(task)
    wanted = glue_rows.WANTED[task]
    suffixes = ["", "_mismatched"] if task == "MNLI" else [""]
    for suffix, name in zip(suffixes, wanted.submission):
        numbers = np.array(rows(out, "test_results%s.tsv" % suffix), float)
        count = glue_rows.COUNTS["test"]
        assert numbers.shape == (count, len(wanted.labels) or 1)
        expected = (
            [wanted.labels[best] for best in numbers.argmax(axis=1)]
            if wanted.labels
            else ["%.3f" % min(max(number, 0.0), 5.0) for number in numbers[:, 0]]
        )
        heading, *lines = rows(out, name + ".tsv")
        assert heading == ["index", "prediction"]
        assert lines == [[str(n), label] for n, label in enumerate(expected)]
        assert os.path.join(out, name + ".tsv") in run.out
        people = table(out, "predictions%s.tsv" % suffix)
        assert [row["id"] for row in people] == [str(n) for n in range(count)]
        assert "gold" not in people[0] and "right" not in people[0]
        columns = ["probability_" + label for label in wanted.labels] or ["label"]
        found = [[float(row[column]) for column in columns] for row in people]
        np.testing.assert_array_equal(np.array(found), numbers)
        if wanted.labels:
            assert [row["label"] for row in people] == expected


def test_nothing_else_is_written(ran):
    """MNLI has the most files of all."""
    found = {name for name in os.listdir(ran("MNLI")[1]) if "ckpt" not in name}
    found = {name for name in found if not name.startswith("events")}
    suffixed = ["eval_predictions", "predictions", "test_results"]
    expected = {n + s + ".tsv" for n in suffixed for s in ("", "_mismatched")}
    expected |= {"eval.tf_record", "eval_mismatched.tf_record", "train.tf_record"}
    expected |= {"predict.tf_record", "predict_mismatched.tf_record"}
    expected |= {"eval_results.txt", "eval_results.json", "MNLI-m.tsv", "MNLI-mm.tsv"}
    expected |= {".lock", "labels.json", "run_settings.json", "run.log", "checkpoint"}
    expected |= {"predict_results.json", "run.flags"}
    assert found == expected | {"graph.pbtxt", "eval"}


# The two halves of MNLI


def test_both_halves_of_mnli_have_scores_of_their_own(ran):
    run, out = ran("MNLI")
    found = scores(out)
    for name in ("accuracy", "loss"):
        assert found["eval_" + name] == found["eval_matched_" + name]
    # The same texts with other labels.
    assert found["eval_matched_loss"] != found["eval_mismatched_loss"]
    for part in ("matched", "mismatched"):
        for phase in ("evaluation", "prediction"):
            assert "%s %s: example " % (phase, part) in run.out
    # The same texts without labels.
    assert text(out, "MNLI-m.tsv") == text(out, "MNLI-mm.tsv")


def test_a_missing_half_is_said_and_stops_nothing(flags, ran, tmp_path):
    _, trained = ran("MNLI")
    data, out = str(tmp_path / "data"), str(tmp_path / "out")
    glue_rows.write(data, "MNLI")
    for name in ("dev_mismatched.tsv", "test_mismatched.tsv"):
        os.remove(os.path.join(data, name))
    arguments = ["--task_name=mnli", "--data_dir=" + data, "--output_dir=" + out]
    chosen = without(flags, "init_checkpoint") + ["--init_checkpoint=" + trained]
    run = succeed(chosen + arguments + PHASES[1:])
    for name in ("dev_mismatched.tsv", "test_mismatched.tsv"):
        assert "--data_dir=%s: %s is missing" % (data, name) in run.out
    assert text(out, "MNLI-m.tsv") == text(trained, "MNLI-m.tsv")
    assert not any("mm" in n or "mismatched" in n for n in os.listdir(out))
    found, both = scores(out), scores(trained)
    assert found["eval_main_score"] == found["eval_accuracy"]
    assert found["eval_accuracy"] == pytest.approx(both["eval_matched_accuracy"])


def test_the_first_half_must_be_there(flags, tmp_path):
    data = str(tmp_path / "data")
    glue_rows.write(data, "MNLI")
    os.remove(os.path.join(data, "dev_matched.tsv"))
    arguments = ["--task_name=mnli", "--data_dir=" + data, "--do_eval"]
    message = refused(flags + arguments + ["--output_dir=" + str(tmp_path / "out")])
    assert "dev_matched.tsv is missing; MNLI needs it" in message


# AX, with the model of MNLI


def predict_ax(flags, tmp_path, out, *arguments):
    data = str(tmp_path / "data")
    glue_rows.write(data, "AX")
    names = ["--task_name=ax", "--data_dir=" + data, "--output_dir=" + out]
    chosen = without(flags, "init_checkpoint") + names + ["--do_predict"]
    run = succeed(chosen + list(arguments))
    assert "UNTRAINED" not in run.out
    heading, *lines = rows(out, "AX.tsv")
    assert heading == ["index", "prediction"]
    assert [line[0] for line in lines] == ["0", "1", "2", "3", "4"]
    return [line[1] for line in lines]


def test_ax_with_the_model_of_mnli(flags, ran, tmp_path):
    """By --init_checkpoint, then in a copy of MNLI's own output_dir."""
    _, trained = ran("MNLI")
    out = str(tmp_path / "out")
    expected = [row["prediction"] for row in table(trained, "MNLI-m.tsv")]
    found = predict_ax(flags, tmp_path, out, "--init_checkpoint=" + trained)
    assert found == expected  # Its texts are MNLI's here.
    before = sorted(os.listdir(trained))
    assert predict_ax(flags, tmp_path, trained) == expected
    assert set(os.listdir(trained)) - set(before) == {"AX.tsv"}
    os.remove(os.path.join(trained, "AX.tsv"))


def test_ax_is_refused_the_model_of_another_task(flags, ran, tmp_path):
    _, trained = ran("RTE")
    data = str(tmp_path / "data")
    glue_rows.write(data, "AX")
    names = ["--task_name=ax", "--data_dir=" + data, "--do_predict"]
    message = refused(
        without(flags, "init_checkpoint")
        + names
        + ["--init_checkpoint=" + trained, "--output_dir=" + str(tmp_path / "out")]
    )
    assert (
        "trained with the labels entailment, not_entailment, in this order" in message
    )
    assert not os.path.exists(str(tmp_path / "out"))


# Others


def test_xnli_trains_on_all_and_is_scored_on_chinese(ran):
    run, out = ran("XNLI")
    found = table(out, "eval_predictions.tsv")
    assert [row["gold"] for row in found] == glue_rows.gold("XNLI", "xnli.dev.tsv")
    assert re.search(r"^multinli\.train\.zh\.tsv +8 +0$", run.out, re.M)
    assert re.search(r"^xnli\.dev\.tsv +6 +0$", run.out, re.M)
    right = np.mean([row["right"] == "yes" for row in found])
    assert scores(out)["eval_main_score"] == pytest.approx(right, abs=1e-6)


@pytest.mark.parametrize(
    "bias, wanted", [(-30.0, "0.000"), (30.0, "5.000"), (3.14159, None)]
)
def test_scores_for_glue_are_clipped_to_their_scale(flags, ran, tmp_path, bias, wanted):
    _, trained = ran("STS-B")
    newest = tf.train.latest_checkpoint(trained)
    found = {
        name: tf.train.load_variable(newest, name)
        for name, _ in tf.train.list_variables(newest)
        if "adam" not in name
    }
    found["output_bias"] = np.array([bias], np.float32)
    prefix = str(tmp_path / "moved" / "model.ckpt")
    models.save_checkpoint(prefix, found)
    out = str(tmp_path / "out")
    glue_rows.write(str(tmp_path / "data"), "STS-B")
    names = ["--task_name=STS-B", "--data_dir=" + str(tmp_path / "data")]
    names += ["--init_checkpoint=" + prefix, "--output_dir=" + out, "--do_predict"]
    succeed(without(flags, "init_checkpoint") + names)
    lines = [row["prediction"] for row in table(out, "STS-B.tsv")]
    raw = np.array(rows(out, "test_results.tsv"), float)[:, 0]
    if wanted is None:
        assert lines == ["%.3f" % number for number in raw]
    else:
        assert lines == [wanted] * 5
        assert np.all(np.abs(raw) > 5)


def test_a_labelled_file_is_predicted_with_its_gold_labels(flags, ran, tmp_path):
    """Any file in the task's format; it is not GLUE's test set, so no file for GLUE."""
    _, trained = ran("QNLI")
    out, data = str(tmp_path / "out"), str(tmp_path)
    glue_rows.write(data, "QNLI")
    names = ["--task_name=qnli", "--do_predict", "--output_dir=" + out]
    names += ["--predict_file=" + os.path.join(data, "dev.tsv")]
    succeed(
        without(flags, "init_checkpoint") + names + ["--init_checkpoint=" + trained]
    )
    assert text(out, "predictions.tsv") == text(trained, "eval_predictions.tsv")
    assert "QNLI.tsv" not in os.listdir(out)


# What is refused


@pytest.mark.parametrize(
    "task, phase, words",
    [
        ("AX", "--do_train", "--task_name=AX has no train file; leave out --do_train"),
        ("AX", "--do_eval", "--task_name=AX has no dev file; leave out --do_eval"),
        (
            "XNLI",
            "--do_predict",
            "--task_name=XNLI has no test file; leave out --do_pr",
        ),
    ],
)
def test_a_set_that_the_task_has_not(flags, tmp_path, task, phase, words):
    data, out = str(tmp_path / "data"), str(tmp_path / "out")
    glue_rows.write(data, task)
    names = ["--task_name=" + task, "--data_dir=" + data, "--output_dir=" + out]
    assert words in refused(flags + names + [phase])
    assert not os.path.exists(out)


@pytest.mark.parametrize("label", ["high", "5.1", "-1", "nan", ""])
def test_a_label_that_is_no_score(flags, tmp_path, label):
    data, out = str(tmp_path / "data"), str(tmp_path / "out")
    glue_rows.write(data, "STS-B")
    dev = os.path.join(data, "dev.tsv")
    lines = text(dev)[:-1].split("\n")
    lines[3] = lines[3].rsplit("\t", 1)[0] + "\t" + label
    corpus.write_lines(dev, lines)
    names = ["--task_name=sts-b", "--data_dir=" + data, "--output_dir=" + out]
    message = refused(flags + names + PHASES)
    wanted = "dev.tsv, line 4: label %r in column 10, expected a number from 0 to 5"
    assert wanted % label in message
    left = set(os.listdir(out))
    assert left <= {"run.log", ".lock", "train.tf_record"}
