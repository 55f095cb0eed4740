"""Warnings about results that are not what they seem."""

import dataclasses
import os
import re
import shutil

import numpy as np
import pytest

import modeling
from finetuning.checkpoints import compatibility
from finetuning.checkpoints.output_dir import OutputDir
from finetuning.data import preparation, records, tasks, unknown_words
from finetuning.device.detect import Device
from finetuning.evaluation import inference, sanity_checks, scoring
from finetuning.flags.settings import Settings
from finetuning.run_info import provenance
from tests.support import corpus, models
from tests.support.running import PHASES, saved_json, succeed, value, without


def starts(lines):
    return [line.split(":")[0] for line in lines]


# Scores

ONE_CLASS, GUESSING = "ALL PREDICTIONS ARE THE SAME (%s)", "NO BETTER THAN GUESSING"


def score_warnings(task, gold, predicted):
    task = tasks.find_task(task)
    if task.is_regression:
        rows = np.float32(predicted)[:, None]
    else:
        rows = np.eye(len(task.labels), dtype=np.float32)[np.array(predicted)]
    losses = np.ones(len(gold), np.float32)
    predictions = inference.Predictions(rows, losses, np.array(gold))
    scored = scoring.evaluate(task, [("", predictions)], 3)
    return sanity_checks.score_warnings(scored, task.is_regression, "try this")


@pytest.mark.parametrize(
    "task, gold, predicted, expected",
    [
        ("RTE", [0, 0, 1, 1, 1], [0, 1, 1, 1, 1], []),
        # Accuracy 3/5, as of the commonest label.
        ("RTE", [0, 0, 1, 1, 1], [0, 1, 1, 1, 0], [GUESSING]),
        ("RTE", [0, 0, 1, 1, 1], [1, 1, 0, 0, 0], [GUESSING]),
        ("RTE", [0, 0, 1, 1, 1], [1] * 5, [ONE_CLASS % "not_entailment", GUESSING]),
        ("CoLA", [0, 0, 1, 1], [0, 1, 0, 1], [GUESSING]),  # A correlation of 0.
        ("CoLA", [0, 0, 1, 1], [0, 0, 1, 1], []),
        # With one label in the file, guessing is always right.
        ("RTE", [1, 1, 1], [1, 1, 1], []),
        ("STS-B", [1.0, 2.0, 3.0], [1.0, 2.5, 3.0], []),
        ("STS-B", [1.0, 2.0, 3.0], [2.5] * 3, [ONE_CLASS % "2.5", GUESSING]),
        ("STS-B", [1.0, 2.0, 3.0], [3.0, 2.0, 1.0], [GUESSING]),
    ],
)
def test_scores_of_a_model_that_learned_nothing(task, gold, predicted, expected):
    found = score_warnings(task, gold, predicted)
    assert starts(found) == expected
    # The advice is given once.
    assert [line.endswith("; try this") for line in found] == [True, False][
        : len(found)
    ]
    if expected == [GUESSING] and task == "RTE" and predicted[0] == 0:
        assert found[0].count("0.6000") == 2  # Its score and the one to beat.


# Truncation


def dataset(count, truncated=0, unknown=(0, 1), labels=(), needed=None):
    file = records.RecordFile("x", count, 16)
    source = tasks.DataFile("dev", None, "dev.tsv")
    unknown = unknown_words.UnknownWords(*unknown, remedy="such as x; do y")
    needed = 20 + truncated if needed is None else needed
    return preparation.Dataset(source, file, truncated, labels, needed, unknown=unknown)


def text_warnings(datasets, maximum=512, **values):
    settings = Settings(vocab_file="v.txt", **dict({"max_seq_length": 16}, **values))
    config = modeling.BertConfig(30522, max_position_embeddings=maximum)
    return sanity_checks.text_warnings(datasets, settings, config)


@pytest.mark.parametrize(
    "datasets, shown",
    [
        ([(100, 5)], None),
        ([(100, 6)], "6 of 100 examples (6 %)"),
        ([(100, 6), (100, 4)], "dev.tsv: 6 of 100 examples (6 %)"),
        ([(3, 3)], "3 of 3 examples (100 %)"),
        ([(3, 0)], None),
    ],
)
def test_text_that_was_cut(datasets, shown):
    found = text_warnings([dataset(*each) for each in datasets])
    assert len(found) == (shown is not None)
    for line in found:
        assert shown in line and "--max_seq_length=16" in line
        assert str(20 + max(truncated for _, truncated in datasets)) in line


@pytest.mark.parametrize(
    "length, needed, maximum, parts, absent",
    [
        (16, 40, 64, ["--max_seq_length=40 would", "up to", "64"], "shorten"),
        (16, 64, 64, ["--max_seq_length=64 would"], "shorten"),
        (16, 65, 64, ["65 tokens would", "is 64: shorten", "=64"], "=65"),
        (64, 65, 64, ["is 64: shorten or split the texts"], "or train"),
    ],
)
def test_a_length_beyond_the_model_is_not_advised(
    length, needed, maximum, parts, absent
):
    (line,) = text_warnings(
        [dataset(9, 9, needed=needed)], maximum, max_seq_length=length
    )
    assert all(part in line for part in parts) and absent not in line


@pytest.mark.parametrize(
    "unknown, shown",
    [((3, 100), None), ((4, 100), "4 words became [UNK] (4 % of the"), ((0, 0), None)],
)
def test_words_that_the_vocabulary_lacks(unknown, shown):
    found = text_warnings([dataset(9, unknown=unknown), dataset(9)])
    assert len(found) == (shown is not None)
    for line in found:
        assert line.startswith("dev.tsv: " + shown) and line.endswith("; do y")


# The weights

DEVICE = Device("CPU", "2 threads", "2.21.0")


def contents(prefix, step, fresh=()):
    return compatibility.CheckpointContents(str(prefix), step, (), fresh, (), True)


def weight_warnings(directory, step, planned=None, prefix=None, now="mrpc", **saved):
    """The warnings about weights of a run whose settings are saved in a directory."""
    saved = dict({"task_name": "MRPC"}, **saved)
    settings = Settings(output_dir=str(directory), **saved)
    facts = {} if planned is None else {"planned_steps": planned}
    provenance.save(settings, provenance.describe(settings, 1, DEVICE), **facts)
    prefix = prefix or directory / ("model.ckpt-%d" % step)
    return warnings_about(contents(prefix, step), now)


def warnings_about(weights, task):
    directory = OutputDir.of_checkpoint(weights.prefix)
    settings = Settings(task_name=task, do_eval=True)
    return sanity_checks.weight_warnings(weights, directory, settings, {})


def test_a_run_that_is_not_finished(tmp_path):
    (line,) = weight_warnings(tmp_path, 7, planned=15)
    assert "UNFINISHED" in line and "model.ckpt-7" in line and "7 of 15" in line
    assert weight_warnings(tmp_path, 15, planned=15) == []
    assert weight_warnings(tmp_path, 7) == []


def test_an_early_stop_finishes_a_run(tmp_path):
    lines = ["step\teval_main_score", "3\t0.9", "6\t0.8", "9\t0.7"]
    corpus.write_lines(str(tmp_path / "eval_history.tsv"), lines)
    assert weight_warnings(tmp_path, 9, 15, early_stop=2) == []
    assert weight_warnings(tmp_path, 9, 15, early_stop=3) != []
    assert weight_warnings(tmp_path, 6, 15, early_stop=2) != []


def test_the_best_weights_of_a_finished_run(tmp_path):
    """The step that counts is that of the newest checkpoint, if there still is one."""
    best = tmp_path / "best" / "model.ckpt-3"
    assert weight_warnings(tmp_path, 3, 15, prefix=best) == []
    for step, warned in ((15, False), (9, True)):
        prefix = str(tmp_path / ("model.ckpt-%d" % step))
        models.save_checkpoint(prefix, {"global_step": np.int64(step)})
        found = weight_warnings(tmp_path, 3, 15, prefix=best)
        assert bool(found) is warned


@pytest.mark.parametrize("kept, warned", [(6, False), (3, True), (12, True)])
def test_best_weights_that_are_not_the_best(tmp_path, kept, warned):
    """The run was resumed without --keep_best, or they are those of another run."""
    lines = ["step\teval_main_score", "3\t0.7", "6\t0.9", "9\t0.8"]
    corpus.write_lines(str(tmp_path / "eval_history.tsv"), lines)
    prefix = tmp_path / "best" / ("model.ckpt-%d" % kept)
    found = weight_warnings(tmp_path, kept, prefix=prefix)
    assert starts(found) == (["NOT THE BEST WEIGHTS"] if warned else [])
    # Others are not compared with the best evaluation.
    assert weight_warnings(tmp_path, kept) == []


def test_weights_from_elsewhere(tmp_path):
    prefix = tmp_path / "x" / "model.ckpt-3"
    assert warnings_about(contents(prefix, 3), "mrpc") == []
    head = contents(prefix, 3, fresh=("output_weights",))
    found = warnings_about(head, "mrpc")
    assert starts(found) == ["UNTRAINED CLASSIFIER"]
    other = dataclasses.replace(head, unused=("classifier/kernel", "cls/bias"))
    (line,) = warnings_about(other, "mrpc")
    assert "(classifier/kernel, of another program, is not read)" in line


@pytest.mark.parametrize(
    "before, now, warned",
    [("MRPC", "QQP", True), ("mrpc", "MRPC", False), ("MNLI", "AX", False)],
)
def test_weights_of_another_task(tmp_path, before, now, warned):
    found = weight_warnings(tmp_path, 3, now=now, task_name=before)
    assert starts(found) == (["DIFFERENT TASK"] if warned else [])


# What to try


def advice(directory, fresh=(), step=15, datasets=(), training_sets=(), **saved):
    saved = dict({"init_checkpoint": "bert_model.ckpt"}, **saved)
    weight_warnings(directory, 15, planned=15, **saved)
    weights = contents(directory / "model.ckpt-15", step, fresh)
    return sanity_checks.training_advice(
        weights, OutputDir(str(directory)), datasets, training_sets
    )


def test_advice_about_a_model_that_learned_nothing(tmp_path):
    assert advice(tmp_path) == (
        "try another --random_seed, more epochs, a lower --learning_rate or "
        "--adam_bias_correction=true"
    )
    assert advice(tmp_path, learning_rate=1e-7, adam_bias_correction=True) == (
        "try another --random_seed, more epochs or a higher --learning_rate"
    )


def test_no_advice_to_train_differently_where_that_cannot_help(tmp_path):
    unreadable, good = dataset(9, unknown=(6, 10)), dataset(9, unknown=(5, 10))
    one_label, two = dataset(9, labels={1: 9}), dataset(9, labels={0: 4, 1: 5})
    for values, part in [
        ({"fresh": ("output_weights",)}, "untrained: train first"),
        ({"step": 7}, "resume it first"),
        ({"datasets": [good, unreadable]}, "[UNK]"),
        ({"training_sets": [unreadable]}, "[UNK]"),
        ({"training_sets": [one_label]}, "same label"),
    ]:
        line = advice(tmp_path, **values)
        assert part in line and "--" not in line
    line = advice(tmp_path, init_checkpoint=None)
    assert line == "its training began with random weights: pass --init_checkpoint"
    assert "--random_seed" in advice(tmp_path, datasets=[good], training_sets=[two])


# In whole runs


def test_warnings_are_shown_with_the_scores_and_are_in_their_file(
    corpus_flags, tmp_path
):
    """At a rate at which nothing is learned, on texts that are too long."""
    out = str(tmp_path / "out")
    changed = ["learning_rate", "num_train_epochs", "max_seq_length"]
    arguments = without(corpus_flags, *changed) + ["--max_seq_length=8"]
    arguments += ["--learning_rate=1e-12", "--num_train_epochs=0.2"]
    arguments += [*PHASES, "--output_dir=" + out]
    run = succeed(arguments)
    found = saved_json(out, "eval_results.json")["warnings"]
    assert "dev.tsv: 13 of 13 examples (100 %)" in found[0]
    assert "WARNING: " + found[0] in run.out[: run.out.index("Training: 40")]
    assert found[1].startswith(ONE_CLASS % "1")
    shown = "".join("WARNING: %s\n" % line for line in found[1:])
    assert shown in run.out[run.out.index("majority class") :]
    lines = [line for line in run.out.splitlines() if line.startswith("WARNING")]
    assert len(set(lines)) == len(lines)
    predicted = saved_json(out, "predict_results.json")["warnings"]
    assert "test.tsv: 11 of 11 examples (100 %)" in predicted[0]
    assert re.search(r"WARNING: \S+train\.tsv: 40 of 40 examples", run.out)


def test_a_good_run_has_no_warnings(finished_run):
    assert saved_json(finished_run.directory, "predict_results.json")["warnings"] == []
    assert "UNFINISHED" not in finished_run.screen


def test_scores_of_the_training_set(finished_run, tmp_path):
    """Under another name too."""
    out = finished_run.copy(tmp_path)
    source = os.path.join(value(finished_run.flags, "data_dir"), "train.tsv")
    copied = shutil.copy(source, str(tmp_path / "dev.tsv"))
    assert not _has_scored_training_set(out)
    arguments = ["--do_eval", "--eval_file=" + copied, "--output_dir=" + out]
    run = succeed(finished_run.flags + arguments)
    assert re.search("WARNING: EVALUATED ON THE TRAINING SET: .*" + copied, run.out)
    assert _has_scored_training_set(out)


def _has_scored_training_set(directory):
    warnings = saved_json(directory, "eval_results.json")["warnings"]
    return "EVALUATED ON THE TRAINING SET" in starts(warnings)


def test_an_interrupted_run_that_is_evaluated_elsewhere(interrupted_run, tmp_path):
    arguments = without(interrupted_run.flags, "init_checkpoint") + ["--do_eval"]
    arguments += ["--init_checkpoint=" + interrupted_run.directory]
    run = succeed(arguments + ["--output_dir=%s" % tmp_path])
    prefix = os.path.join(interrupted_run.directory, "model.ckpt-4")
    assert re.search("WARNING: .*UNFINISHED TRAINING: %s .* 4 of 15" % prefix, run.out)
