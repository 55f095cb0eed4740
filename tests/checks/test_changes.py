"""A run in a directory that holds another one with different settings."""

import json
import os
import shutil

import pytest

from tests.support import corpus
from tests.support.running import (
    contents,
    refused,
    rows,
    saved_json,
    scores,
    succeed,
    text,
    value,
    without,
)


@pytest.fixture
def out(finished_run, tmp_path):
    """A directory with a finished run of 15 steps."""
    return finished_run.copy(tmp_path)


def command(run, out, *more, **changed):
    """The flags of a run with some of them changed, and more of them."""
    flags = without(run.flags, *changed) + list(more) + ["--output_dir=" + out]
    return flags + ["--%s=%s" % change for change in changed.items()]


def warnings_in(run):
    return [line for line in run.out.splitlines() if line.startswith("WARNING: ")]


def test_other_settings_are_refused_and_nothing_is_touched(finished_run, out):
    before = contents(out, ".lock")
    changed = {"learning_rate": "2e-3", "num_train_epochs": "2", "random_seed": "12"}
    message = refused(command(finished_run, out, "--do_train", **changed))
    for part in (out, "--allow_changes=true", "another --output_dir"):
        assert part in message
    for part in ("learning_rate: 0.001 -> 0.002", "3.0 -> 2.0", "11 -> 12"):
        assert part in message
    assert message == refused(
        command(finished_run, out, "--do_train", "--check", **changed)
    )
    assert contents(out, ".lock") == before
    # A seed that is not given is the saved one. Evaluations may differ.
    flags = command(finished_run, out, "--do_train", "--check", "--eval_steps=1")
    flags = without(flags, "random_seed") + ["--keep_best", "--early_stop=3"]
    run = succeed(flags)
    assert "different settings" not in run.out
    assert "saved in" in run.out


def test_changes_that_are_allowed(finished_run, out):
    """They are warned about and remembered; so are other versions of the libraries."""
    path = os.path.join(out, "run_settings.json")
    content = saved_json(out, "run_settings.json")
    content["versions"]["tensorflow"] = "1.13.1"
    with open(path, "w") as file:
        json.dump(content, file)
    changed = {"num_train_epochs": "4", "learning_rate": "2e-3"}
    more = ["--do_train", "--allow_changes"]
    run = succeed(command(finished_run, out, *more, **changed))
    assert "RESUMING at step 15" in run.out and "step 16 of 20" in run.out
    parts = ["learning_rate: 0.001 -> 0.002", "num_train_epochs: 3.0 -> 4.0", "1.13.1"]
    remembered = saved_json(out, "run_settings.json")["changes"]
    for part in parts:
        assert any(part in line for line in warnings_in(run))
        assert any(part in change and "step 15" in change for change in remembered)
    # The same command again is that of the same run.
    again = succeed(command(finished_run, out, "--do_train", **changed))
    assert "NOTHING LEFT TO TRAIN" in again.out
    assert not any(part in again.out for part in parts)


def test_an_evaluation_may_have_other_training_flags(finished_run, out):
    """Its results tell those of the run that trained the weights."""
    changed = {"learning_rate": "0.5", "num_train_epochs": "9", "random_seed": "99"}
    run = succeed(command(finished_run, out, "--do_eval", **changed))
    assert "different" not in run.out
    # The initial weights are not used, which is noted.
    assert value(finished_run.flags, "init_checkpoint") in run.out
    content = saved_json(out, "eval_results.json")
    assert content["random_seed"] == 11
    assert content["training"]["settings"]["learning_rate"] == 1e-3


@pytest.mark.parametrize(
    "name, change",
    [
        ("vocab_file", corpus.reverse_words),
        ("bert_config_file", lambda content: content.replace("gelu", "relu")),
        ("max_seq_length", None),
    ],
)
def test_an_evaluation_that_reads_differently(
    finished_run, out, tmp_path, name, change
):
    """Its scores are those of another model: there are warnings wherever they are."""
    given = "12"
    if change:
        other = tmp_path / "other"
        other.write_text(change(text(value(finished_run.flags, name))))
        given = str(other)
    flags = command(finished_run, out, **{name: given})
    (line,) = warnings_in(succeed(flags + ["--do_predict", "--check"]))[-1:]
    assert "--" + name in line
    if name == "max_seq_length":
        run = succeed(flags + ["--do_eval"])
        assert line in run.out
        assert (
            line[len("WARNING: ") :] in saved_json(out, "eval_results.json")["warnings"]
        )


def test_scores_on_another_dev_set_are_not_mixed(evaluated_run, tmp_path):
    """A best score on an easy set would never be beaten on the right one."""
    out, easy = evaluated_run.copy(tmp_path), str(tmp_path / "easy.tsv")
    before = text(out, "eval_history.tsv")
    lines = text(value(evaluated_run.flags, "eval_file")).splitlines()
    corpus.write_lines(easy, lines[:6])
    flags = without(evaluated_run.command, "eval_file", "num_train_epochs")
    flags += ["--output_dir=" + out, "--eval_file=" + easy, "--num_train_epochs=4"]
    assert "dev set" in refused(flags)
    run = succeed(flags + ["--allow_changes"])
    kept = os.path.join(out, "eval_history_until_15.tsv")
    assert any(kept in line for line in warnings_in(run))
    assert text(kept) == before
    assert [row[0] for row in rows(out, "eval_history.tsv")[1:]] == ["15", "18", "20"]
    assert scores(out)["global_step"] >= 15
    # The same command again is that of the same run.
    assert "NOTHING LEFT TO TRAIN" in succeed(flags + ["--check"]).out


def test_settings_that_are_gone(finished_run, out):
    os.remove(os.path.join(out, "run_settings.json"))
    changed = {"num_train_epochs": "4", "learning_rate": "0.5"}
    flags = command(finished_run, out, "--do_train", **changed)
    assert "run_settings.json" in succeed(flags + ["--check"]).out
    # The original program writes no settings, so that there is nothing to compare.
    for name in ("run.flags", "labels.json"):
        os.remove(os.path.join(out, name))
    run = succeed(flags)
    assert "RESUMING at step 15" in run.out
    assert "different" not in run.out
    assert "has no run_settings.json, so it is not known whether" in run.out


def test_files_that_moved_are_the_same(finished_run, out, tmp_path):
    """All of them, the checkpoint too; and an edited one is not."""
    moved = {}
    for name in ("vocab_file", "bert_config_file"):
        source = value(finished_run.flags, name)
        moved[name] = shutil.copy(source, str(tmp_path / ("other_" + name)))
    source = value(finished_run.flags, "data_dir")
    moved["data_dir"] = shutil.copytree(source, str(tmp_path / "other_data"))
    source = value(finished_run.flags, "init_checkpoint")
    place = shutil.copytree(os.path.dirname(source), str(tmp_path / "encoder"))
    moved["init_checkpoint"] = os.path.join(place, os.path.basename(source))
    flags = command(finished_run, out, "--do_train", **moved)
    assert "NOTHING LEFT TO TRAIN" in succeed(flags).out
    path = str(tmp_path / "other_data" / "train.tsv")
    heading, *examples = text(path).splitlines()
    corpus.write_lines(path, [heading, *reversed(examples)])
    message = refused(flags)
    assert "content of the training set" in message and path in message
    assert message.count("sha256") == 2  # It alone differs.
    # Other weights of the same shape are another checkpoint.
    other = shutil.copytree(out, str(tmp_path / "fine_tuned"))
    flags = command(finished_run, out, "--do_train", init_checkpoint=other)
    assert "content of the --init_checkpoint" in refused(flags)


def test_another_task_with_as_many_labels(finished_run, out, tmp_path):
    """QNLI in a directory of MRPC: its labels mean something else."""
    for name in ("train", "dev"):
        lines = ["index\tquestion\tsentence\tlabel"]
        labels = ["entailment", "not_entailment"]
        lines += ["%d\tanna\tben\t%s" % (n, labels[n % 2]) for n in range(40)]
        corpus.write_lines(str(tmp_path / "QNLI" / (name + ".tsv")), lines)
    before = contents(out, ".lock")
    changed = {"task_name": "QNLI", "data_dir": str(tmp_path / "QNLI")}
    message = refused(command(finished_run, out, "--do_train", **changed))
    assert "mrpc -> QNLI" in message and "training set" in message
    for more in (["--do_eval"], ["--do_train", "--allow_changes"]):
        message = refused(command(finished_run, out, *more, **changed))
        assert os.path.join(out, "labels.json") in message
    assert contents(out, ".lock") == before


def test_weights_of_another_task_with_the_same_labels(finished_run, out, tmp_path):
    lines = ["index\tsentence1\tsentence2\tlabel"]
    lines += ["%d\tanna\tben\t%d" % (n, n % 2) for n in range(20)]
    corpus.write_lines(str(tmp_path / "WNLI" / "dev.tsv"), lines)
    changed = {"task_name": "WNLI", "data_dir": str(tmp_path / "WNLI")}
    run = succeed(command(finished_run, out, "--do_eval", **changed))
    (line,) = {line for line in warnings_in(run) if "TASK" in line}
    assert "mrpc" in line and "WNLI" in line
    assert line[len("WARNING: ") :] in saved_json(out, "eval_results.json")["warnings"]
