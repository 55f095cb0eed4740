"""Signals: they end the program, and a training run saves its state before it stops."""

import os
import signal
import threading

import pytest

from finetuning.evaluation import inference
from finetuning.training import hooks
from finetuning.utils import signals
from tests.support.running import Run, saved_json, succeed, table


def send(number):
    os.kill(os.getpid(), number)
    signal.getsignal(number)  # A call in which Python handles it.


@pytest.fixture
def same_handlers():
    """Checks that a test leaves the signal handlers as they were."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]
    yield
    assert [signal.getsignal(number) for number in numbers] == before


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_ends_the_program_at_once(same_handlers, name):
    number = getattr(signal, name)
    with signals.handling_signals(), pytest.raises(signals.Interrupted) as caught:
        send(number)
    assert caught.value.status == 128 + number
    assert name in str(caught.value)


def test_an_ignored_signal_stays_ignored(same_handlers):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        request = signals.StopRequest()
        with signals.handling_signals(), signals.deferring_signals(request):
            send(signal.SIGHUP)
        assert not request
    finally:
        signal.signal(signal.SIGHUP, before)


def test_no_handlers_in_another_thread(same_handlers):
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


def test_in_another_program_signals_are_not_deferred(same_handlers):
    """A program that imports this one handles signals in its own way."""
    with signals.deferring_signals(signals.StopRequest()), pytest.raises(
        KeyboardInterrupt
    ):
        send(signal.SIGINT)


def test_the_first_signal_is_deferred_and_the_second_is_not(same_handlers, capfd):
    request = signals.StopRequest()
    with signals.handling_signals():
        with signals.deferring_signals(request):
            assert not request
            send(signal.SIGTERM)
            assert (bool(request), request.name, request.status) == (
                True,
                "SIGTERM",
                143,
            )
            with pytest.raises(signals.Interrupted) as caught:
                send(signal.SIGINT)
            assert caught.value.status == 130
        with pytest.raises(signals.Interrupted):
            send(signal.SIGTERM)
    shown = capfd.readouterr().err
    assert (
        shown
        == "\nSIGTERM: stopping after this step; send it again to stop immediately\n"
    )


# Whole runs


def checkpoint_steps(directory):
    names = [name for name in os.listdir(directory) if name.endswith(".index")]
    return sorted(int(name[len("model.ckpt-") : -len(".index")]) for name in names)


def interrupt(number, times=1):
    def send_all():
        for _ in range(times):
            send(number)

    return send_all


def test_a_stopped_run_saves_a_checkpoint_and_the_same_command_resumes(
    interrupted_run, tmp_path
):
    line = "WARNING: STOPPED by SIGTERM after step 4 of 15, saved as %s/model.ckpt-4; "
    assert line % interrupted_run.directory in interrupted_run.screen
    out = interrupted_run.copy(tmp_path)
    assert checkpoint_steps(out) == [0, 4]
    run = succeed([*interrupted_run.command, "--do_eval", "--output_dir=" + out])
    assert "RESUMING at step 4" in run.out
    assert saved_json(out, "eval_results.json")["global_step"] == 15


def test_a_second_signal_does_not_wait_for_the_step(
    same_handlers, corpus_flags, tmp_path, monkeypatch
):
    out = str(tmp_path / "out")
    after_run = hooks.ProgressHook.after_run

    def interrupted(hook, *arguments):
        if hook.step == 6:
            interrupt(signal.SIGINT, times=2)()
        after_run(hook, *arguments)

    monkeypatch.setattr(hooks.ProgressHook, "after_run", interrupted)
    command = [*corpus_flags, "--do_train", "--save_checkpoints_steps=5"]
    run = Run([*command, "--output_dir=" + out])
    assert run.status == 130, run.out + run.err
    assert run.err.startswith("ERROR: interrupted by SIGINT; all files are intact")
    assert checkpoint_steps(out) == [0, 5]


@pytest.mark.parametrize("when", ["Task: MRPC", "Evaluation: restoring", "Written to"])
def test_outside_training_a_signal_ends_the_program_at_once(
    same_handlers, finished_run, tmp_path, when
):
    out = finished_run.copy(tmp_path)
    os.remove(os.path.join(out, "eval_results.json"))
    command = [*finished_run.flags, "--do_eval", "--output_dir=" + out]
    run = Run(command, when=when, do=interrupt(signal.SIGTERM))
    assert run.status == 143, run.out + run.err
    assert run.err.startswith("ERROR: interrupted by SIGTERM; all files are intact")
    assert run.err.count("\n") == 1
    assert not [name for name in os.listdir(out) if name.endswith(".tmp")]


@pytest.mark.slow
def test_a_run_that_is_stopped_before_its_first_step(
    same_handlers, corpus_flags, tmp_path
):
    command = [*corpus_flags, "--do_train", "--output_dir=%s" % (tmp_path / "out")]
    run = Run(command, when="model.ckpt-0", do=interrupt(signal.SIGTERM))
    assert run.status == 143, run.out + run.err
    assert "STOPPED by SIGTERM after step 0 of 15" in run.out
    assert "RESUMING at step 0" in succeed(command).out


@pytest.mark.slow
def test_an_interrupted_evaluation_during_training_is_repeated(
    same_handlers, corpus_flags, tmp_path, monkeypatch
):
    out = str(tmp_path / "out")
    command = [*corpus_flags, "--do_train", "--eval_steps=3", "--keep_best"]
    command += ["--output_dir=" + out, "--eval_batch_size=2", "--num_threads=1"]
    update = inference.Progress.update

    def interrupted(progress, *arguments):
        if progress._label == "evaluation at step 6":
            send(signal.SIGTERM)
        update(progress, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(inference.Progress, "update", interrupted)
        run = Run(command)
    assert run.status == 143, run.out + run.err
    assert "STOPPED by SIGTERM after step 6 of 15" in run.out
    assert [row["step"] for row in table(out, "eval_history.tsv")] == ["3"]
    assert "RESUMING at step 6" in succeed(command).out
    steps = [row["step"] for row in table(out, "eval_history.tsv")]
    assert steps == ["3", "6", "9", "12", "15"]
