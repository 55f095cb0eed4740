"""Results that mean nothing was learned: said beside them, and in their file."""

import os
import re
import shutil

import numpy as np
import pytest

from finetuning.checkpoints import compatibility
from finetuning.data import label_map, preparation, records, tasks
from finetuning.device.detect import Device
from finetuning.evaluation import inference, sanity_checks, scoring
from finetuning.flags.settings import Settings
from finetuning.run_info import provenance
from tests.support import corpus
from tests.support.running import saved_json, succeed, without


def scored(task, gold, predicted):
    task = tasks.find_task(task)
    if task.is_regression:
        rows = np.float32(predicted)[:, None]
    else:
        rows = np.eye(len(task.labels), dtype=np.float32)[np.array(predicted)]
    losses = np.ones(len(gold), np.float32)
    predictions = inference.Predictions(rows, losses, np.array(gold))
    return scoring.evaluate(task, [("", predictions)], 3)


def of_scores(task, gold, predicted):
    found = scored(task, gold, predicted)
    return sanity_checks.score_warnings(found, tasks.find_task(task).is_regression)


def starts(lines):
    return [line.split(":")[0] for line in lines]


ONE_CLASS, GUESSING = "ALL PREDICTIONS ARE THE SAME (%s)", "NO BETTER THAN GUESSING"


@pytest.mark.parametrize(
    "task, gold, predicted, expected",
    [
        ("RTE", [0, 0, 1, 1, 1], [0, 1, 1, 1, 1], []),
        # Accuracy 3/5, as of the commonest label.
        ("RTE", [0, 0, 1, 1, 1], [0, 1, 1, 1, 0], [GUESSING]),
        ("RTE", [0, 0, 1, 1, 1], [1, 1, 0, 0, 0], [GUESSING]),
        (
            "RTE",
            [0, 0, 1, 1, 1],
            [1] * 5,
            [ONE_CLASS % "not_entailment", GUESSING],
        ),
        ("WNLI", [0, 0, 0, 1, 1], [0, 1, 1, 1, 1], [GUESSING]),
        ("CoLA", [0, 0, 1, 1], [0, 1, 0, 1], [GUESSING]),  # A correlation of 0.
        ("CoLA", [0, 0, 1, 1], [0, 0, 1, 1], []),
        # There is one label: all that is right is one class, and guessing is right.
        ("RTE", [1, 1, 1], [1, 1, 1], []),
        ("STS-B", [1.0, 2.0, 3.0], [1.0, 2.5, 3.0], []),
        ("STS-B", [1.0, 2.0, 3.0], [2.5] * 3, [ONE_CLASS % "2.5", GUESSING]),
        ("STS-B", [1.0, 2.0, 3.0], [3.0, 2.0, 1.0], [GUESSING]),
    ],
)
def test_scores_of_a_model_that_learned_nothing(task, gold, predicted, expected):
    assert starts(of_scores(task, gold, predicted)) == expected


def test_the_words_give_both_scores():
    (line,) = of_scores("RTE", [0, 0, 1, 1, 1], [0, 1, 1, 1, 0])
    assert "the main score is 0.6000, and always giving the commonest label" in line
    assert "scores 0.6000" in line


def prepared(count, truncated):
    file = records.RecordFile("x", count, 16)
    source = tasks.DataFile("dev", None, "dev.tsv")
    return preparation.Dataset(source, file, truncated, {}, 20 + truncated)


@pytest.mark.parametrize(
    "sets, shown",
    [
        ([(100, 5)], None),
        (
            [(100, 6)],
            "dev.tsv: 6 of 100 examples (6 %) are cut to --max_seq_length=16",
        ),
        ([(100, 6), (100, 0)], None),
        ([(100, 8), (100, 4)], "dev.tsv and dev.tsv: 12 of 200 examples (6 %) are cut"),
        ([(3, 3)], "dev.tsv: 3 of 3 examples (100 %) are cut"),
        ([(3, 0)], None),
    ],
)
def test_text_that_was_cut(sets, shown):
    settings = Settings(max_seq_length=16)
    found = sanity_checks.truncation_warnings(
        [prepared(*each) for each in sets], settings
    )
    assert found == [] if shown is None else found[0].startswith(shown)
    if found:
        needed = 20 + max(truncated for _, truncated in sets)
        assert "more of them; with %d at most 5 %% would be:" % needed in found[0]


# The weights

DEVICE = Device("CPU", "2 threads", "2.21.0")


def contents(prefix, step, fresh=()):
    return compatibility.CheckpointContents(str(prefix), step, (), fresh, (), True)


def of_weights(directory, step, planned, prefix=None, **saved):
    settings = Settings(task_name="MRPC", output_dir=str(directory), **saved)
    described = provenance.describe(settings, 1, DEVICE)
    facts = {} if planned is None else {"planned_steps": planned}
    provenance.save(settings, described, **facts)
    prefix = prefix or directory / ("model.ckpt-%d" % step)
    chosen = Settings(task_name="mrpc", do_eval=True, output_dir=str(directory))
    return sanity_checks.weight_warnings(contents(prefix, step), chosen)


@pytest.mark.parametrize(
    "step, planned, warned", [(7, 15, True), (15, 15, False), (7, None, False)]
)
def test_a_training_that_is_not_finished(tmp_path, step, planned, warned):
    found = of_weights(tmp_path, step, planned)
    expected = "THE TRAINING IS NOT FINISHED: %s/model.ckpt-7 is of step 7 of 15; "
    assert bool(found) is warned
    assert not warned or found[0].startswith(expected % tmp_path)


def write_history(directory, *scores):
    lines = ["step\teval_main_score"]
    lines += ["%d\t%g" % pair for pair in zip(range(3, 99, 3), scores)]
    corpus.write_lines(str(directory / "eval_history.tsv"), lines)


def test_an_early_stop_ends_a_training(tmp_path):
    write_history(tmp_path, 0.9, 0.8, 0.7)
    assert of_weights(tmp_path, 9, 15, early_stop=2) == []
    assert starts(of_weights(tmp_path, 9, 15, early_stop=3)) != []
    assert starts(of_weights(tmp_path, 6, 15, early_stop=2)) != []


def test_the_best_weights_of_a_finished_training(tmp_path):
    best = tmp_path / "best" / "model.ckpt-3"
    assert of_weights(tmp_path, 3, 15, prefix=best) == []  # Its own are gone.
    for step, warned in ((15, False), (9, True)):
        prefix = checkpoint(tmp_path, step)
        assert bool(of_weights(tmp_path, 3, 15, prefix=best)) is warned, prefix


def checkpoint(directory, step):
    from tests.support import models

    prefix = str(directory / ("model.ckpt-%d" % step))
    models.save_checkpoint(prefix, {"global_step": np.int64(step)})
    return prefix


def test_weights_without_a_training_of_ours(tmp_path):
    chosen = Settings(task_name="mrpc", do_eval=True, output_dir=str(tmp_path))
    found = contents(tmp_path / "x" / "model.ckpt-3", 3)
    assert sanity_checks.weight_warnings(found, chosen) == []
    head = contents(tmp_path / "x" / "model.ckpt-3", 3, fresh=("output_weights",))
    assert starts(sanity_checks.weight_warnings(head, chosen)) == [
        "UNTRAINED CLASSIFIER"
    ]


@pytest.mark.parametrize(
    "before, now, warned",
    [("MRPC", "QQP", True), ("mrpc", "MRPC", False), ("MNLI", "AX", False)],
)
def test_weights_of_another_task(tmp_path, before, now, warned):
    settings = Settings(task_name=before, output_dir=str(tmp_path))
    provenance.save(settings, provenance.describe(settings, 1, DEVICE))
    chosen = Settings(task_name=now, do_predict=True, output_dir=str(tmp_path))
    found = sanity_checks.weight_warnings(
        contents(tmp_path / "model.ckpt-3", 3), chosen
    )
    assert starts(found) == (["ANOTHER TASK"] if warned else [])


# As the user meets them


@pytest.fixture(scope="module")
def flags(tmp_path_factory):
    return corpus.write(str(tmp_path_factory.mktemp("verdicts")))


def test_warnings_stand_beside_the_scores_and_in_their_file(flags, tmp_path):
    """A rate at which nothing is learned, and texts that do not fit."""
    out = str(tmp_path / "out")
    changed = without(flags, "learning_rate", "num_train_epochs", "max_seq_length")
    changed += ["--learning_rate=1e-12", "--num_train_epochs=0.2"]
    changed += ["--max_seq_length=8", "--do_train", "--do_eval", "--do_predict"]
    run = succeed([*changed, "--output_dir=" + out])
    found = saved_json(out, "eval_results.json")["warnings"]
    assert "dev.tsv: 13 of 13 examples (100 %) are cut to --max_seq" in found[0]
    assert run.out.count("WARNING: " + found[0]) == 2  # When it was read as well.
    assert found[1].startswith("ALL PREDICTIONS ARE THE SAME (1): ")
    lines = run.out.splitlines()
    after = lines.index(next(line for line in lines if "majority class" in line))
    shown = lines[after + 1 : after + 1 + len(found)]
    assert shown == ["WARNING: " + line for line in found]
    predicted = saved_json(out, "predict_results.json")["warnings"]
    assert "test.tsv: 11 of 11 examples (100 %) are cut" in predicted[0]
    assert re.search(r"WARNING: \S+train\.tsv: 40 of 40 examples \(100 %\)", run.out)


def test_results_without_a_warning_have_an_empty_list(flags, tmp_path):
    out = str(tmp_path / "out")
    run = succeed([*flags, "--do_train", "--do_predict", "--output_dir=" + out])
    assert saved_json(out, "predict_results.json")["warnings"] == []
    assert label_map.load(out) == ("0", "1")
    assert "NOT FINISHED" not in run.out


def test_scores_of_the_training_set(flags, tmp_path):
    """Under another name too; a set of one's own for training is left alone."""
    out, given = str(tmp_path / "out"), without(flags, "num_train_epochs")
    data = next(flag.split("=")[1] for flag in flags if flag.startswith("--data_dir"))
    copied = shutil.copy(os.path.join(data, "train.tsv"), str(tmp_path / "dev.tsv"))
    given += ["--num_train_epochs=0.2", "--output_dir=" + out]
    succeed([*given, "--do_train", "--do_eval"])
    assert not has_scored_training_set(out)
    run = succeed([*given, "--do_eval", "--eval_file=" + copied])
    said = "THE TRAINING SET IS SCORED: %s is what the weights were trained on" % copied
    assert "WARNING: " + said in run.out
    assert has_scored_training_set(out)


def has_scored_training_set(directory):
    warnings = saved_json(directory, "eval_results.json")["warnings"]
    return any(line.startswith("THE TRAINING SET IS SCORED") for line in warnings)


def test_an_unfinished_training_that_is_evaluated(flags, tmp_path):
    out = str(tmp_path / "out")
    more = ["--do_train", "--num_train_epochs=0.4", "--save_checkpoints_steps=1"]
    succeed([*without(flags, "num_train_epochs"), *more, "--output_dir=" + out])
    elsewhere = ["--do_eval", "--output_dir=" + str(tmp_path / "other")]
    elsewhere += ["--init_checkpoint=" + os.path.join(out, "model.ckpt-1")]
    run = succeed(without(flags, "init_checkpoint") + elsewhere)
    assert (
        "WARNING: THE TRAINING IS NOT FINISHED: %s/model.ckpt-1 is of" % out in run.out
    )
