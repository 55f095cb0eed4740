"""A full disk: one line, what was whole stays, and the same command goes on."""

import contextlib
import os
import resource
import subprocess
import sys

import pytest
import tensorflow.compat.v1 as tf

from finetuning.checkpoints import integrity, saving
from finetuning.device import failures
from finetuning.evaluation import evaluate
from finetuning.utils import files
from finetuning.utils.errors import InputError
from tests.support import corpus
from tests.support.running import refused, saved_json, scores, succeed, text

SAVING = ["--save_checkpoints_steps=3", "--keep_checkpoint_max=0"]


@pytest.fixture(scope="module")
def flags(tmp_path_factory):
    return corpus.write(str(tmp_path_factory.mktemp("room") / "corpus"))


@contextlib.contextmanager
def files_of_at_most(size):
    """Ends every write beyond that many bytes of a file, as `ulimit -f` does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def limit(monkeypatch, owner, name, size, when=lambda *_: True):
    original = getattr(owner, name)

    def limited(*arguments, **options):
        if not when(*arguments, **options):
            return original(*arguments, **options)
        with files_of_at_most(size):
            return original(*arguments, **options)

    monkeypatch.setattr(owner, name, limited)


def said(message, *parts):
    """Whether the one line names the file and says what to do."""
    for part in parts + (" cannot be written: ", "make room, then give the same "):
        assert part in message, message


def newest(out):
    return text(out, "checkpoint").split('"')[1]


@pytest.mark.parametrize("size", [20000, 100])
def test_while_saving(flags, tmp_path, monkeypatch, size):
    out = str(tmp_path / "out")
    command = flags + SAVING + ["--do_train", "--output_dir=" + out]
    with monkeypatch.context() as patch:
        limit(patch, tf.train.Saver, "save", size, lambda *given, **_: given[3] == 6)
        said(refused(command), out + "/model.ckpt-6", "File too large")
    assert newest(out) == "model.ckpt-3"
    assert integrity.damage(out + "/model.ckpt-3") is None
    assert not [name for name in os.listdir(out) if name.startswith("model.ckpt-6")]
    run = succeed(command)
    assert "RESUMING at step 3" in run.out and "DAMAGED" not in run.out
    assert newest(out) == "model.ckpt-15"


def test_while_the_checkpoint_is_recorded(flags, tmp_path, monkeypatch):
    out = str(tmp_path / "out")
    command = flags + SAVING + ["--do_train", "--output_dir=" + out]
    with monkeypatch.context() as patch:
        limit(
            patch, saving.Saver, "_record", 10, lambda *given: given[1].endswith("-6")
        )
        said(refused(command), out + "/checkpoint")
    assert newest(out) == "model.ckpt-3"
    assert "RESUMING at step 3" in succeed(command).out


def test_while_writing_results(flags, tmp_path, monkeypatch):
    out = str(tmp_path / "out")
    command = flags + ["--do_train", "--do_eval", "--output_dir=" + out]
    succeed(command)
    before = text(out, "eval_results.txt")
    with monkeypatch.context() as patch:
        limit(patch, evaluate.result_files, "write_evaluation", 10)
        said(refused(command), out + "/eval_results.txt")
    assert text(out, "eval_results.txt") == before
    assert not [name for name in os.listdir(out) if name.endswith(".tmp")]
    assert scores(out)["global_step"] == 15


def test_while_writing_records(root, flags, tmp_path):
    """In a process of its own, whose files are all limited from the start."""
    out = str(tmp_path / "out")
    command = [sys.executable, os.path.join(root, "run_classifier.py")]
    command += flags + ["--do_train", "--output_dir=" + out]
    ended = subprocess.run(
        command,
        capture_output=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000)),
    )
    message = ended.stderr.decode()
    assert ended.returncode == 2, message
    said(message, out + "/train.tf_record", "File too large")
    assert message.count("\n") == 1
    assert not [name for name in os.listdir(out) if "tf_record" in name]


def test_summaries_that_cannot_be_written_cost_nothing_else(
    flags, tmp_path, monkeypatch
):
    """TensorFlow writes them in a thread, and says nothing of it."""
    out = str(tmp_path / "out")
    monkeypatch.setattr(tf.summary.FileWriter, "flush", lambda _: None)
    run = succeed(flags + ["--do_train", "--do_eval", "--output_dir=" + out])
    assert "WARNING: The summaries in %s are not whole" % out in run.out
    assert saved_json(out, "eval_results.json")["global_step"] == 15


@pytest.fixture
def small_disk(tmp_path):
    """A file system of a few megabytes, and a function that gives it more."""
    place = str(tmp_path / "disk")
    os.mkdir(place)
    options = ["mount", "-t", "tmpfs", "-o"]
    try:
        done = subprocess.run(
            options + ["size=6m", "tmpfs", place], stderr=subprocess.DEVNULL
        )
    except OSError:
        pytest.skip("there is no mount here")
    if done.returncode:
        pytest.skip("this user may not mount a small file system")

    def enlarge():
        subprocess.run(options + ["remount,size=99m", place], check=True)

    try:
        yield place, enlarge
    finally:
        subprocess.run(["umount", "-l", place], check=True)


def test_a_disk_that_fills_up(flags, small_disk):
    place, enlarge = small_disk
    out = os.path.join(place, "out")
    command = flags + ["--save_checkpoints_steps=1", "--keep_checkpoint_max=0"]
    command += ["--do_train", "--do_eval", "--output_dir=" + out]
    said(refused(command), out, "No space left on device")
    kept = newest(out)
    assert integrity.damage(os.path.join(out, kept)) is None
    enlarge()
    run = succeed(command)
    assert "RESUMING at step %s from" % kept.rpartition("-")[2] in run.out
    assert scores(out)["global_step"] == 15


# The line itself


def test_other_errors_pass_as_they_are():
    for error in (OSError(13, "Permission denied", "x"), tf.errors.AbortedError):
        error = error if isinstance(error, OSError) else error(None, None, "x; why")
        with pytest.raises(type(error)), failures.disk_full_errors():
            raise error


@pytest.mark.parametrize(
    "before, after",
    [("", ""), ("Graph execution error:\n\nDetected at node\n\n", "\n\t [[{{x}}]]")],
)
def test_what_tensorflow_says(before, after):
    line = "a/model.ckpt-2.data-00000-of-00001.tempstate123; No space left on device"
    error = tf.errors.ResourceExhaustedError(None, None, before + line + after)
    with pytest.raises(InputError) as caught, failures.disk_full_errors():
        raise error
    expected = "a/model.ckpt-2.data-00000-of-00001 cannot be written: No space left on "
    assert str(caught.value).startswith(expected)


def test_a_file_that_python_writes_is_named(tmp_path):
    path = str(tmp_path / "results.txt")
    with pytest.raises(OSError) as caught, files_of_at_most(10):
        files.write_text(path, "x" * 100)
    assert caught.value.filename == path
    assert os.listdir(str(tmp_path)) == []
