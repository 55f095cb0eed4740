"""Errors about memory, disk and files as one line; a full disk costs no file."""

import contextlib
import os
import resource
import subprocess

import pytest
import tensorflow.compat.v1 as tf

from finetuning import run, run_record
from finetuning.checkpoints import integrity, saving
from finetuning.device import failures
from finetuning.evaluation import inference, result_files
from finetuning.flags.settings import Settings
from finetuning.training import loop
from finetuning.utils import files
from finetuning.utils.errors import InputError
from tests.support.running import refused, scores, succeed, text


def converted(context, error):
    """What an error becomes that is raised within a context."""
    try:
        with context:
            raise error
    except Exception as raised:
        return raised


# The reasons


@pytest.mark.parametrize(
    "message, line",
    [
        ("No space\nand more", "No space"),
        ("", "InternalError"),
        (
            "Graph execution error:\n\nDetected:\nNode: 'MatMul'\nBlas failed",
            "Blas failed",
        ),
        ("Graph execution error:\n", "Graph execution error:"),
    ],
)
def test_the_line_that_says_what_happened(message, line):
    assert failures.reason(tf.errors.InternalError(None, None, message)) == line


@pytest.mark.parametrize(
    "error, line",
    [
        (tf.errors.ResourceExhaustedError(None, None, "full; why"), "out of memory or"),
        (tf.errors.PermissionDeniedError(None, None, "/x; Permission denied"), "/x; P"),
        (tf.errors.NotFoundError(None, None, "/x; No such file"), "/x; No such"),
        (tf.errors.UnimplementedError(None, None, "no 'gs' scheme"), "no 'gs' scheme"),
        (tf.errors.UnknownError(None, None, "within: InputError: a.tsv: bad"), "a.tsv"),
    ],
)
def test_errors_that_the_user_can_fix(error, line):
    raised = converted(failures.tensorflow_errors(), error)
    assert isinstance(raised, InputError)
    assert str(raised).startswith(line)


def test_errors_while_only_files_are_read():
    error = tf.errors.FailedPreconditionError(None, None, "/x; Is a directory")
    raised = converted(failures.tensorflow_errors(only_files=True), error)
    assert isinstance(raised, InputError)
    assert str(raised) == "cannot access a file: /x; Is a directory"
    assert converted(failures.tensorflow_errors(), error) is error


# Memory


@pytest.mark.parametrize(
    "error",
    [
        tf.errors.ResourceExhaustedError(None, None, "OOM when allocating\nand more"),
        tf.errors.InternalError(None, None, "CUDA_ERROR_OUT_OF_MEMORY: out of memory"),
        tf.errors.InternalError(None, None, "failed: CUBLAS_STATUS_ALLOC_FAILED"),
        MemoryError(),
        MemoryError("Unable to allocate 9 GiB"),
    ],
)
def test_out_of_memory(error):
    raised = converted(failures.out_of_memory_errors("all", "try less"), error)
    assert isinstance(raised, InputError)
    message = str(raised)
    assert message.startswith("out of memory in all: ")
    assert message.endswith("; try less") and "\n" not in message


@pytest.mark.parametrize(
    "error",
    [
        tf.errors.ResourceExhaustedError(None, None, "x; No space left on device"),
        tf.errors.ResourceExhaustedError(None, None, "x; Too many open files"),
        tf.errors.InternalError(None, None, "Blas GEMM launch failed"),
        ValueError("OOM when"),
    ],
)
def test_errors_that_are_not_about_memory(error):
    assert converted(failures.out_of_memory_errors("all", "x"), error) is error


@pytest.mark.parametrize(
    "size, advice", [(6, "try --eval_batch_size=3, a shorter"), (1, "try a shorter")]
)
def test_the_flag_of_the_phase_is_named(size, advice):
    settings = Settings(eval_batch_size=size, max_seq_length=16)
    record = run_record.Run(settings, None, None, None, None, 0)
    context = record.memory_errors("evaluation", "eval_batch_size")
    message = str(converted(context, MemoryError("no memory")))
    where = "evaluation with --eval_batch_size=%d and --max_seq_length=16: " % size
    assert message.startswith("out of memory in " + where)
    assert advice in message


@pytest.mark.parametrize(
    "size, parts, advice",
    [
        (6, 1, "try --accumulate_steps=2, --train_batch_size=3, a shorter"),
        (6, 2, "try --accumulate_steps=3, a shorter"),
        (8, 2, "try --accumulate_steps=4, --train_batch_size=4, a shorter"),
        (6, 6, "try a shorter"),
    ],
)
def test_training_in_parts_comes_first(size, parts, advice):
    settings = Settings(train_batch_size=size, accumulate_steps=parts)
    record = run_record.Run(settings, None, None, None, None, 0)
    context = record.memory_errors("training", "train_batch_size")
    assert advice in str(converted(context, MemoryError("no memory")))


@pytest.mark.slow
def test_a_tensor_that_does_not_fit():
    """TensorFlow's own error, for which it waits ten seconds."""
    with tf.Graph().as_default(), tf.Session() as session:
        length = tf.placeholder(tf.int64, [1])
        tensor = tf.reduce_sum(tf.fill(length, 1.0))
        with pytest.raises(tf.errors.OpError) as caught:
            session.run(tensor, {length: [2**45]})
    raised = converted(failures.out_of_memory_errors("all", "x"), caught.value)
    assert "OOM when allocating tensor" in str(raised)


@pytest.mark.parametrize(
    "module, name, flag", [(loop, "train", "train"), (inference, "infer", "eval")]
)
def test_a_run_without_enough_memory(
    corpus_flags, tmp_path, monkeypatch, module, name, flag
):
    def fail(*_):
        raise MemoryError

    monkeypatch.setattr(module, name, fail)
    out = str(tmp_path / "out")
    line = refused([*corpus_flags, "--do_" + flag, "--output_dir=" + out])
    assert line.startswith("ERROR: out of memory in ")
    assert "with --%s_batch_size=8 and" % flag in line


# A full disk


@contextlib.contextmanager
def file_size_limit(size):
    """Makes every write beyond that many bytes of a file fail, like `ulimit -f`."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def limit(monkeypatch, owner, name, size, when=lambda *_: True):
    """Limits the size of files while a function runs."""
    original = getattr(owner, name)

    def limited(*arguments, **options):
        if not when(*arguments):
            return original(*arguments, **options)
        with file_size_limit(size):
            return original(*arguments, **options)

    monkeypatch.setattr(owner, name, limited)


def assert_disk_full(line, *parts):
    for part in (*parts, "cannot write ", "free disk space and rerun the same command"):
        assert part in line, line


@pytest.mark.parametrize(
    "before, after",
    [("", ""), ("Graph execution error:\n\nDetected at node\n\n", "\n\t [[{{x}}]]")],
)
def test_a_full_disk_as_tensorflow_words_it(before, after):
    line = "a/model.ckpt-2.data-00000-of-00001.tempstate123; No space left on device"
    error = tf.errors.ResourceExhaustedError(None, None, before + line + after)
    raised = converted(failures.disk_full_errors(), error)
    expected = "cannot write a/model.ckpt-2.data-00000-of-00001: No space left on dev"
    assert isinstance(raised, InputError)
    assert str(raised).startswith(expected)


@pytest.mark.parametrize(
    "error",
    [OSError(13, "Permission denied"), tf.errors.AbortedError(None, None, "x; why")],
)
def test_errors_that_are_not_about_the_disk(error):
    assert converted(failures.disk_full_errors(), error) is error


def test_a_file_that_python_writes(tmp_path):
    path = str(tmp_path / "results.txt")
    with pytest.raises(OSError) as caught, file_size_limit(10):
        files.write_text(path, "x" * 100)
    raised = converted(failures.disk_full_errors(), caught.value)
    assert_disk_full(str(raised), path, "File too large")
    assert os.listdir(str(tmp_path)) == []


def save(directory, step):
    """Saves 4,000 bytes of weights; returns the prefix."""
    with tf.Graph().as_default(), tf.Session() as session:
        tf.get_variable("weights", [1000])
        saver = saving.Saver()
        session.run(tf.global_variables_initializer())
        return saver.save(session, os.path.join(directory, "model.ckpt"), step)


@pytest.mark.parametrize(
    "owner, name, size, file",
    [
        (tf.train.Saver, "save", 2000, "model.ckpt-6"),
        (tf.train.Saver, "save", 100, "model.ckpt-6"),
        (saving.Saver, "_record", 10, "checkpoint"),
    ],
)
def test_a_full_disk_while_saving(tmp_path, monkeypatch, owner, name, size, file):
    out = str(tmp_path)
    save(out, 3)
    before = text(out, "checkpoint")
    limit(monkeypatch, owner, name, size)
    with pytest.raises(InputError) as caught:
        save(out, 6)
    assert_disk_full(str(caught.value), os.path.join(out, file), "File too large")
    assert text(out, "checkpoint") == before
    assert integrity.damage(os.path.join(out, "model.ckpt-3")) is None
    left = [name for name in os.listdir(out) if name.startswith("model.ckpt-6")]
    assert left == [] or name == "_record"


def test_a_full_disk_while_writing_results(finished_run, tmp_path, monkeypatch):
    out = finished_run.copy(tmp_path)
    before = text(out, "eval_results.txt")
    limit(monkeypatch, result_files.ResultSet, "write", 10)
    line = refused([*finished_run.flags, "--do_eval", "--output_dir=" + out])
    assert_disk_full(line, out + "/eval_predictions.tsv")
    assert text(out, "eval_results.txt") == before
    assert not [name for name in os.listdir(out) if name.endswith(".tmp")]


def test_a_full_disk_while_writing_records(corpus_flags, tmp_path, monkeypatch):
    out = str(tmp_path / "out")
    limit(monkeypatch, run, "prepare_data", 4000)
    line = refused([*corpus_flags, "--do_train", "--output_dir=" + out])
    assert_disk_full(line, out + "/train.tf_record", "File too large")
    assert not [name for name in os.listdir(out) if "tf_record" in name]


@pytest.fixture
def small_disk(tmp_path):
    """A file system of a few megabytes, and a function that enlarges it."""
    place = str(tmp_path / "disk")
    os.mkdir(place)
    mount = ["mount", "-t", "tmpfs", "-o"]
    try:
        done = subprocess.run(
            [*mount, "size=6m", "tmpfs", place], stderr=subprocess.DEVNULL
        )
    except OSError:
        pytest.skip("there is no mount command")
    if done.returncode:
        pytest.skip("this user may not mount a file system")

    def enlarge():
        subprocess.run([*mount, "remount,size=99m", place], check=True)

    try:
        yield place, enlarge
    finally:
        subprocess.run(["umount", "-l", place], check=True)


@pytest.mark.slow
def test_a_disk_that_fills_up(corpus_flags, small_disk):
    place, enlarge = small_disk
    out = os.path.join(place, "out")
    command = [*corpus_flags, "--save_checkpoints_steps=1", "--keep_checkpoint_max=0"]
    command += ["--do_train", "--do_eval", "--output_dir=" + out]
    assert_disk_full(refused(command), out, "No space left on device")
    kept = text(out, "checkpoint").split('"')[1]
    assert integrity.damage(os.path.join(out, kept)) is None
    enlarge()
    run = succeed(command)
    assert "RESUMING at step %s from" % kept.rpartition("-")[2] in run.out
    assert scores(out)["global_step"] == 15
