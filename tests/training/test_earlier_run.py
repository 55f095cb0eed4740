"""Files of a training run whose checkpoints were removed, and another run there."""

import os
import shutil

import pytest

from finetuning.checkpoints.output_dir import OutputDir
from finetuning.training import earlier_run
from tests.support import corpus
from tests.support.running import (
    Run,
    contents,
    refused,
    rows,
    saved_json,
    succeed,
    text,
    without,
)


def remove_checkpoints(out):
    """As a user does who wants to train again there."""
    for name in os.listdir(out):
        if name.startswith("model.ckpt-") or name == "checkpoint":
            os.remove(os.path.join(out, name))


def test_another_run_does_not_take_the_files_for_its_own(evaluated_run, tmp_path):
    out = evaluated_run.copy(tmp_path)
    remove_checkpoints(out)
    own = ["notes.txt", "best/words.txt", "eval/dev.tsv"]
    for name in own:
        corpus.write_lines(os.path.join(out, name), ["mine"])
    before = contents(out, ".lock")
    flags = without(evaluated_run.flags, "learning_rate") + ["--learning_rate=1e-12"]
    flags.append("--output_dir=" + out)
    run = succeed([*flags, "--do_train", "--do_eval"])
    assert "WARNING: An earlier training run" in run.out
    kept = contents(os.path.join(out, "earlier_run_1"))
    assert {name: before[name] for name in kept} == kept
    folders = {os.path.dirname(name) for name in kept}
    assert folders == {"", "best", "eval"}
    expected = {"eval_history.tsv", "eval_results.json", "run_settings.json"}
    assert expected | {"run.flags", "labels.json", "best/checkpoint"} <= set(kept)
    now = contents(out, ".lock")
    assert not set(own) & set(kept)
    assert {name: now[name] for name in own} == {name: before[name] for name in own}
    # The best weights that are there are not those of this run.
    assert "best contains no checkpoint" in refused(
        [*flags, "--do_eval", "--keep_best"]
    )
    # The earlier run can still be used, with the warnings about its settings.
    shorter = without(flags, "output_dir", "max_seq_length", "init_checkpoint")
    shorter += ["--max_seq_length=15", "--output_dir=" + str(tmp_path / "other")]
    best = os.path.join(out, "earlier_run_1", "best")
    run = succeed([*shorter, "--do_eval", "--init_checkpoint=" + best])
    assert "trained with different settings: --max_seq_length" in run.out


def test_its_evaluations_do_not_count(evaluated_run, tmp_path):
    """Also if the run is killed before its first evaluation replaces the file."""
    out = evaluated_run.copy(tmp_path)
    remove_checkpoints(out)
    high = [row[:-1] + ["0.99"] for row in rows(out, "eval_history.tsv")[1:]]
    heading = rows(out, "eval_history.tsv")[0]
    lines = ["\t".join(row) for row in [heading, *high]]
    corpus.write_lines(os.path.join(out, "eval_history.tsv"), lines)
    command = [*evaluated_run.command, "--output_dir=" + out]
    command = without(command, "early_stop")
    stopped = Run(command, "Saved", lambda: os.kill(os.getpid(), 15))
    assert stopped.status == 143
    succeed(command)
    assert text(out, "eval_history.tsv") == text(
        evaluated_run.directory, "eval_history.tsv"
    )
    assert (
        saved_json(out, "eval_results.json")["global_step"]
        == (saved_json(evaluated_run.directory, "eval_results.json")["global_step"])
    )


def test_a_run_that_starts_from_its_own_best_weights(evaluated_run, tmp_path):
    out = evaluated_run.copy(tmp_path)
    remove_checkpoints(out)
    before = contents(out, ".lock")
    flags = without(evaluated_run.flags, "init_checkpoint") + ["--output_dir=" + out]
    flags += [
        "--do_train",
        "--do_eval",
        "--init_checkpoint=" + os.path.join(out, "best"),
    ]
    assert "is in the best/ of this directory" in refused(flags)
    assert contents(out, ".lock") == before


@pytest.mark.parametrize(
    "names",
    [
        [],
        ["eval_results.txt", "eval/events.out.tfevents.1"],  # Of the original, say.
        [
            "run_settings.json",
            "labels.json",
            "best/labels.json",
            "events.out.tfevents.1",
        ],
        ["best/run_settings.json", "best/model.ckpt-3.index", "best/labels.json"],
    ],
)
def test_nothing_is_moved(tmp_path, names):
    """Not what only an evaluation, a run that never started, or another run left."""
    for name in names:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text('{"random_seed": 1}')
    before = contents(tmp_path)
    assert earlier_run.set_aside(OutputDir(str(tmp_path))) == (None, [])
    assert contents(tmp_path) == before


def test_each_earlier_run_has_its_own_folder(tmp_path):
    for number in (1, 2):
        (tmp_path / "eval_history.tsv").write_text(str(number))
        folder, moved = earlier_run.set_aside(OutputDir(str(tmp_path)))
        assert folder == str(tmp_path / ("earlier_run_%d" % number))
        assert moved == ["eval_history.tsv"]
        assert text(folder, "eval_history.tsv") == str(number)


# Output directories that are called like the folder of the best weights


@pytest.mark.parametrize("is_within_a_run", [False, True])
def test_an_output_directory_called_best(evaluated_run, tmp_path, is_within_a_run):
    parent = str(tmp_path / "runs")
    if is_within_a_run:
        shutil.copytree(evaluated_run.directory, parent)
        shutil.rmtree(os.path.join(parent, "best"))
    out = os.path.join(parent, "best")
    shutil.copytree(evaluated_run.directory, out)
    flags = without(evaluated_run.flags, "init_checkpoint", "max_seq_length")
    flags.append("--max_seq_length=15")
    run = succeed([*flags, "--do_eval", "--output_dir=" + out])
    assert "trained with different settings: --max_seq_length" in run.out
    os.remove(os.path.join(out, "checkpoint"))
    run = succeed([*flags, "--do_eval", "--output_dir=" + out])
    assert "checkpoint (missing or unreadable): using" in run.out
    # Its own best weights are below it; the run around it has none.
    run = succeed([*flags, "--do_eval", "--keep_best", "--output_dir=" + out])
    assert "Using the best weights" in run.out
    if is_within_a_run:
        before = contents(parent, ".lock")
        command = [*evaluated_run.command, "--output_dir=" + parent]
        assert "output directory of another run" in refused(command)
        flags.append("--output_dir=" + parent)
        assert "another run" in refused([*flags, "--do_eval", "--keep_best"])
        assert contents(parent, ".lock") == before
