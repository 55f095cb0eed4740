"""--check, the dry run of a command, and --debug, which shows tracebacks."""

import os

import pytest

from finetuning.data import preparation
from tests.support import corpus
from tests.support.running import (
    PHASES,
    Run,
    contents,
    refused,
    succeed,
    text,
    value,
    without,
)

# Without the example, which a check does not show.
_LEFT_OUT = (
    "Read in",
    "***",
    "guid:",
    "tokens:",
    "input_ids:",
    "segment_ids:",
    "label:",
)


def lines_before_training(screen, directory):
    lines = screen.replace(directory, "OUT").splitlines()
    end = "Building the training graph"
    lines = lines[: lines.index(end)] if end in lines else lines[:-1]
    return [line for line in lines if not line.startswith(_LEFT_OUT)]


def test_a_check_shows_what_the_run_shows(finished_run, tmp_path):
    """Until training starts; and nothing is written, not to the user's files either."""
    out, before = str(tmp_path / "deep" / "out"), contents(finished_run.directory)
    users = os.path.dirname(value(finished_run.flags, "vocab_file"))
    before_users = contents(users)
    run = succeed([*finished_run.command, "--check", "--output_dir=" + out])
    assert "CHECKED: this run can start" in run.out.splitlines()[-1]
    assert lines_before_training(run.out, out) == lines_before_training(
        finished_run.screen, finished_run.directory
    )
    assert os.listdir(str(tmp_path)) == []
    assert (contents(users), contents(finished_run.directory)) == (before_users, before)


@pytest.mark.parametrize(
    "arguments, shown, verdict",
    [
        (["--do_train"], "NOTHING LEFT TO TRAIN", "CHECKED: no problems"),
        (
            ["--do_train", "--num_train_epochs=4", "--allow_changes"],
            "RESUMING at step 15",
            "CHECKED: this run can start",
        ),
        (["--do_eval"], "--init_checkpoint=", "CHECKED: this run can start"),
        (["--do_predict"], "Device: ", "CHECKED: this run can start"),
    ],
)
def test_a_directory_that_holds_a_run(
    finished_run, tmp_path, arguments, shown, verdict
):
    """Its files stay as they are, and nothing is added to the log file."""
    out = finished_run.copy(tmp_path)
    before = contents(out)
    flags = finished_run.flags
    if "--num_train_epochs=4" in arguments:
        flags = without(flags, "num_train_epochs")
    run = succeed([*flags, *arguments, "--check", "--output_dir=" + out])
    assert shown in run.out
    assert verdict in run.out.splitlines()[-1]
    assert contents(out) == before


def bad_rows(flags, tmp_path):
    source = text(value(flags, "data_dir"), "test.tsv")
    path = str(tmp_path / "bad.tsv")
    corpus.write_lines(path, source.splitlines() + ["12\tonly two"])
    return ["--predict_file=" + path]


@pytest.mark.parametrize(
    "arguments, part",
    [
        (["--learning_rat=1"], "--learning_rate"),
        (["--max_seq_length=21"], "--max_seq_length=21"),
        (["--train_batch_size=900"], "--train_batch_size=900"),
        (bad_rows, "line 13"),
    ],
)
def test_a_check_refuses_what_the_run_refuses(corpus_flags, tmp_path, arguments, part):
    given = arguments(corpus_flags, tmp_path) if callable(arguments) else arguments
    before = contents(tmp_path)
    phases = [*PHASES, "--check"]
    place = "--output_dir=%s" % (tmp_path / "out")
    assert part in refused([*corpus_flags, *phases, place, *given])
    assert contents(tmp_path) == before


# Tracebacks


def test_the_traceback_of_bad_input(corpus_flags, tmp_path):
    arguments = [*corpus_flags, "--do_eval", "--output_dir=%s" % (tmp_path / "out")]
    arguments += ["--max_seq_length=21"]
    for no_debug in ([], ["--debug=false"]):
        assert "Traceback" not in refused([*arguments, *no_debug])
    run = Run([*arguments, "--debug"])
    assert run.status == 2
    first, second = run.err.splitlines()[:2]
    assert first.startswith("ERROR: --max_seq_length=21")
    assert second == "Traceback (most recent call last):"
    assert "inputs.py" in run.err


@pytest.mark.parametrize("debug", ["--debug", "--debug=true", "-debug"])
def test_the_traceback_of_an_unknown_flag(debug):
    run = Run([debug, "--learning_rat=1"])
    assert run.status == 2
    assert "Traceback" in run.err and "command_line.py" in run.err


def fail(*_, **__):
    raise KeyError("some\nname")


@pytest.mark.parametrize("phase", ["--do_train", "--check"])
def test_an_error_that_was_not_foreseen(corpus_flags, tmp_path, monkeypatch, phase):
    """One line on the screen; the traceback is in the log file, if there is one."""
    monkeypatch.setattr(preparation, "prepare", fail)
    out = str(tmp_path / "out")
    arguments = [*corpus_flags, "--do_train", phase, "--output_dir=" + out]
    run = Run(arguments)
    assert run.status == 1
    assert run.err.startswith("ERROR: KeyError: ") and run.err.count("\n") == 1
    assert "bug" in run.err and "run.log" in run.err
    assert "Traceback" not in run.out + run.err
    assert os.path.exists(out) == (phase == "--do_train")
    if phase == "--do_train":
        assert "in fail" in text(out, "run.log")
    assert "in fail" in Run([*arguments, "--debug"]).err
