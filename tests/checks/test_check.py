"""--check, which does all but what a run is for; --debug, which shows tracebacks."""

import os

import pytest

from finetuning.data import preparation
from finetuning.training import loop
from tests.support import corpus
from tests.support.running import Run, refused, succeed, text, without

PHASES = ["--do_train", "--do_eval", "--do_predict"]


@pytest.fixture(scope="module")
def flags(tmp_path_factory):
    return corpus.write(str(tmp_path_factory.mktemp("check")))


def state(directory):
    """Name, size and time of everything below a directory."""
    found = {}
    for folder, _, names in os.walk(str(directory)):
        for path in [folder] + [os.path.join(folder, name) for name in names]:
            found[path] = (os.stat(path).st_size, os.stat(path).st_mtime_ns)
    return found


@pytest.fixture
def out(tmp_path):
    """Where nothing is, nor shall be."""
    path = str(tmp_path / "deep" / "out")
    yield path
    assert os.listdir(str(tmp_path)) == []


def test_a_run_that_can_start(flags, out):
    """Nothing is made, in the user's folders either."""
    folder = os.path.dirname(next(f for f in flags if "vocab_file" in f).split("=")[1])
    before = state(folder)
    run = succeed([*flags, *PHASES, "--check", "--output_dir=" + out])
    assert run.out.endswith("CHECKED: this run can start. Nothing was written\n")
    assert state(folder) == before
    for line in (
        "Device: ",
        "Task: MRPC",
        "train.tsv",
        "test.tsv",
        "Labels of the training set: 0: 20, 1: 20",
        "Training: 40 examples, batch size 8, 3 epochs: 15 steps, 1 of them warm-up",
        "Warm start: 39 variables restored from ",
    ):
        assert line in run.out
    assert "step 1" not in run.out and "Saved" not in run.out


def test_a_check_says_what_the_run_says(flags, tmp_path):
    """Up to where the graph is built, line for line, but for how long it took."""
    checked = succeed(
        [*flags, *PHASES, "--check", "--output_dir=%s" % (tmp_path / "out")]
    ).out.splitlines()
    ran = succeed(
        [*flags, *PHASES, "--output_dir=%s" % (tmp_path / "out")]
    ).out.splitlines()
    ran = ran[: ran.index("Building the training graph")]
    assert [line for line in checked[:-1] if not line.startswith("Read in")] == [
        line for line in ran if not line.startswith("Read in")
    ]


@pytest.fixture(scope="module")
def trained(flags, tmp_path_factory):
    directory = str(tmp_path_factory.mktemp("trained"))
    more = ["--num_train_epochs=0.4", "--output_dir=" + directory]
    succeed([*without(flags, "num_train_epochs"), "--do_train", *more])
    return directory


@pytest.mark.parametrize(
    "arguments, said, verdict",
    [
        (
            ["--do_train", "--num_train_epochs=0.4"],
            "NOTHING LEFT TO TRAIN",
            "nothing is wrong",
        ),
        (
            ["--do_train", "--num_train_epochs=0.6", "--allow_changes"],
            "RESUMING at step 2",
            "this run can start",
        ),
        (["--do_eval"], "is not used: --output_dir holds", "this run can start"),
        (["--do_predict"], "Device: ", "this run can start"),
    ],
)
def test_a_directory_that_holds_a_training(flags, trained, arguments, said, verdict):
    """Its files stay as they are, and the log file is not added to."""
    before = state(trained)
    given = without(flags, "num_train_epochs")
    run = succeed([*given, *arguments, "--check", "--output_dir=" + trained])
    assert said in run.out
    assert run.out.endswith("CHECKED: %s. Nothing was written\n" % verdict)
    assert state(trained) == before


def bad_rows(flags, tmp_path):
    source = next(f for f in flags if f.startswith("--data_dir")).split("=")[1]
    path = str(tmp_path / "bad.tsv")
    content = text(source, "test.tsv") + "12\tonly two\n"
    corpus.write_lines(path, content.rstrip("\n").split("\n"))
    return ["--predict_file=" + path]


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--learning_rat=1"], "the nearest is --learning_rate"),
        (["--max_seq_length=21"], "max_position_embeddings 20"),
        (["--train_batch_size=900"], "make no whole step"),
        (["--class_weights=a=1"], "--class_weights"),
        (["--init_checkpoint=/nowhere/x"], "no checkpoint there"),
        (bad_rows, "line 13: "),
    ],
)
def test_what_a_run_refuses_a_check_refuses(flags, tmp_path, arguments, words):
    given = arguments(flags, tmp_path) if callable(arguments) else arguments
    before = state(tmp_path)
    place = "--output_dir=%s" % (tmp_path / "out")
    message = refused([*flags, *PHASES, "--check", place, *given])
    assert words in message
    assert state(tmp_path) == before


def test_a_change_of_the_recipe_is_refused(flags, trained):
    before = state(trained)
    given = [*flags, "--do_train", "--check", "--output_dir=" + trained]
    assert "--num_train_epochs was 0.4, is 3.0" in refused(given)
    assert state(trained) == before


# Tracebacks


@pytest.mark.parametrize("debug", ["--debug", "--debug=true", "-debug"])
def test_the_traceback_of_bad_input(flags, out, debug):
    arguments = [*flags, "--do_eval", "--max_seq_length=21", "--output_dir=" + out]
    assert "Traceback" not in refused(arguments)
    run = Run([*arguments, debug])
    assert run.status == 2
    first, second = run.err.splitlines()[:2]
    assert first.startswith("ERROR: --max_seq_length=21 is more than")
    assert second == "Traceback (most recent call last):"
    assert "inputs.py" in run.err


def test_the_traceback_of_a_flag_that_is_none(out):
    run = Run(["--debug", "--learning_rat=1"])
    assert run.status == 2
    assert "Traceback" in run.err and "command_line.py" in run.err


def test_no_traceback_where_debug_is_false(flags, out):
    arguments = [*flags, "--do_eval", "--max_seq_length=21", "--output_dir=" + out]
    assert "Traceback" not in refused([*arguments, "--debug=false"])


def unforeseen(*_, **__):
    raise KeyError("some\nname")


def test_an_error_that_was_not_foreseen(flags, tmp_path, monkeypatch):
    """One line on the screen, the traceback in the log alone."""
    monkeypatch.setattr(loop, "train", unforeseen)
    arguments = [*flags, "--do_train", "--output_dir=" + str(tmp_path)]
    run = Run(arguments)
    assert run.status == 1
    assert run.err.startswith("ERROR: KeyError: ")
    assert run.err.count("\n") == 1
    assert "this is a bug" in run.err and "run.log" in run.err
    assert "Traceback" not in run.out + run.err
    logged = text(str(tmp_path), "run.log")
    assert "Traceback (most recent call last):" in logged
    assert "in unforeseen" in logged
    run = Run([*arguments, "--debug"])
    assert run.status == 1
    assert "in unforeseen" in run.err


def test_an_error_that_was_not_foreseen_while_checking(flags, out, monkeypatch):
    monkeypatch.setattr(preparation, "prepare", unforeseen)
    run = Run([*flags, "--do_train", "--check", "--output_dir=" + out])
    assert run.status == 1
    assert run.err.count("\n") == 1
