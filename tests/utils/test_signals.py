"""Signals: how the program ends by them, and what a training saves before it does."""

import os
import signal
import threading

import pytest

from finetuning.data import preparation
from finetuning.evaluation import evaluate, inference
from finetuning.training import hooks
from finetuning.utils import signals
from tests.support import corpus
from tests.support.running import Run, saved_json, succeed, table

SAVING = ["--save_checkpoints_steps=5", "--keep_checkpoint_max=0", "--num_threads=1"]


def send(number):
    os.kill(os.getpid(), number)
    signal.getsignal(number)  # A call in which Python handles it.


@pytest.fixture
def untouched():
    """The handlers before a test, which must be those after it."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]
    yield
    assert [signal.getsignal(number) for number in numbers] == before


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_ends_the_program_at_once(untouched, name):
    number = getattr(signal, name)
    with signals.handling_signals(), pytest.raises(signals.Interrupted) as caught:
        send(number)
    assert caught.value.status == 128 + number
    assert name in str(caught.value)


def test_what_is_ignored_stays_ignored(untouched):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        wish = signals.StopRequest()
        with signals.handling_signals(), signals.deferring_signals(wish):
            send(signal.SIGHUP)
        assert not wish
    finally:
        signal.signal(signal.SIGHUP, before)


def test_in_another_thread_nothing_is_handled(untouched):
    failed = []

    def work():
        try:
            with signals.handling_signals(), signals.deferring_signals(
                signals.StopRequest()
            ):
                pass
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert not failed


def test_without_the_program_signals_are_not_put_off(untouched):
    """A program that calls the training has its own way with signals."""
    with signals.deferring_signals(signals.StopRequest()), pytest.raises(
        KeyboardInterrupt
    ):
        send(signal.SIGINT)


def test_the_first_is_put_off_and_the_second_is_not(untouched, capfd):
    wish = signals.StopRequest()
    with signals.handling_signals():
        with signals.deferring_signals(wish):
            assert not wish
            send(signal.SIGTERM)
            assert (bool(wish), wish.name, wish.status) == (True, "SIGTERM", 143)
            with pytest.raises(signals.Interrupted) as caught:
                send(signal.SIGINT)
            assert caught.value.status == 130
        with pytest.raises(signals.Interrupted):
            send(signal.SIGTERM)
    shown = capfd.readouterr().err
    assert shown == "\nSIGTERM: ending after this step; once more ends at once\n"


# Whole runs


@pytest.fixture(scope="module")
def flags(tmp_path_factory):
    return corpus.write(str(tmp_path_factory.mktemp("stopping") / "corpus"))


@pytest.fixture
def out(tmp_path):
    return str(tmp_path / "out")


def interrupt(monkeypatch, owner, name, number, when=lambda *_: True, times=1):
    """Sends a signal as a function begins, in whose midst it is handled."""
    original = getattr(owner, name)

    def interrupted(*arguments, **options):
        if when(*arguments):
            for _ in range(times):
                send(number)
        return original(*arguments, **options)

    monkeypatch.setattr(owner, name, interrupted)


def steps_in(directory):
    names = [name for name in os.listdir(directory) if name.endswith(".index")]
    return sorted(int(name[len("model.ckpt-") : -len(".index")]) for name in names)


@pytest.mark.parametrize("name, status", [("SIGINT", 130), ("SIGTERM", 143)])
def test_a_training_saves_and_the_same_command_goes_on(
    untouched, flags, out, monkeypatch, name, status
):
    command = flags + SAVING + ["--do_train", "--do_eval", "--output_dir=" + out]
    with monkeypatch.context() as patch:

        def at_seven(hook, *_):
            return hook.step == 6  # That of the step is not counted yet.

        number = getattr(signal, name)
        interrupt(patch, hooks.ProgressHook, "after_run", number, at_seven)
        run = Run(command)
    assert run.status == status, run.out + run.err
    assert run.err == ""
    line = "WARNING: STOPPED by %s after step 7 of 15, saved as %s/model.ckpt-7; " % (
        name,
        out,
    )
    assert line + "the same command goes on from there\n" in run.out
    assert steps_in(out) == [0, 5, 7]
    assert "eval_results.txt" not in os.listdir(out)
    run = succeed(command)
    assert "RESUMING at step 7" in run.out
    assert saved_json(out, "eval_results.json")["global_step"] == 15


def test_an_evaluation_within_a_training_is_left_and_made_up_for(
    untouched, flags, out, monkeypatch
):
    command = flags + SAVING + ["--do_train", "--eval_steps=3", "--keep_best"]
    command += ["--output_dir=" + out, "--eval_batch_size=2"]
    batches = []
    with monkeypatch.context() as patch:

        def in_the_second_batch(bar, *_):
            if bar._label == "evaluation at step 6":
                batches.append(bar)
            return len(batches) == 2

        progress = inference.Progress
        interrupt(patch, progress, "update", signal.SIGTERM, in_the_second_batch)
        run = Run(command)
    assert run.status == 143, run.out + run.err
    assert len(batches) == 2
    assert "STOPPED by SIGTERM after step 6 of 15" in run.out
    assert [row["step"] for row in table(out, "eval_history.tsv")] == ["3"]
    assert steps_in(out) == [0, 5, 6]
    run = succeed(command)
    assert "RESUMING at step 6" in run.out
    steps = [row["step"] for row in table(out, "eval_history.tsv")]
    assert steps == ["3", "6", "9", "12", "15"]


def test_before_the_first_step(untouched, flags, out, monkeypatch):
    command = flags + SAVING + ["--do_train", "--output_dir=" + out]
    with monkeypatch.context() as patch:
        interrupt(patch, hooks.SaveListener, "after_save", signal.SIGTERM)
        run = Run(command)
    assert run.status == 143, run.out + run.err
    assert "STOPPED by SIGTERM after step 0 of 15" in run.out
    assert "RESUMING at step 0" in succeed(command).out
    assert steps_in(out) == [0, 5, 10, 15]


def test_the_second_does_not_wait(untouched, flags, out, monkeypatch):
    command = flags + SAVING + ["--do_train", "--output_dir=" + out]
    with monkeypatch.context() as patch:

        def at_seven(hook, *_):
            return hook.step == 6

        interrupt(
            patch, hooks.ProgressHook, "after_run", signal.SIGINT, at_seven, times=2
        )
        run = Run(command)
    assert run.status == 130, run.out + run.err
    assert run.err.startswith("ERROR: interrupted by SIGINT; all files are intact")
    assert steps_in(out) == [0, 5]
    assert "RESUMING at step 5" in succeed(command).out


@pytest.mark.parametrize(
    "owner, name",
    [
        (preparation, "_convert"),
        (hooks.ProgressHook, "__init__"),  # While the graph is built.
        (inference, "infer"),
        (evaluate, "_write_predictions"),
    ],
)
def test_outside_the_training_it_ends_at_once(
    untouched, flags, out, monkeypatch, owner, name
):
    command = flags + ["--do_train", "--do_eval", "--output_dir=" + out]
    with monkeypatch.context() as patch:
        interrupt(patch, owner, name, signal.SIGTERM)
        run = Run(command)
    assert run.status == 143, run.out + run.err
    assert run.err.startswith("ERROR: interrupted by SIGTERM; all files are intact")
    assert run.err.count("\n") == 1
    assert not [each for each in os.listdir(out) if each.endswith(".tmp")]
    succeed(command)
    assert saved_json(out, "eval_results.json")["global_step"] == 15
