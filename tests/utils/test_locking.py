"""One training run at a time writes to a directory; others may evaluate it."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

from finetuning.checkpoints import finding, restoring
from finetuning.utils import locking
from finetuning.utils.errors import InputError
from tests.support import corpus
from tests.support.running import ONE_THREAD, Run, refused, saved_json, succeed

# Takes a lock, reports it, and holds it until it is killed.
HOLDER = """
import sys, time
sys.path.insert(0, sys.argv[1])
from finetuning.utils import locking
file = locking.acquire(sys.argv[2])
print("locked", flush=True)
time.sleep(600)
"""


@contextlib.contextmanager
def holding(root, path):
    """Runs a process that holds a lock."""
    command = [sys.executable, "-c", HOLDER, root, path]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    try:
        assert process.stdout.readline() == b"locked\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def test_one_process_at_a_time_holds_a_lock(root, tmp_path):
    path = str(tmp_path / ".lock")
    assert locking.holder(path) is None
    assert not os.path.exists(path)
    with holding(root, path) as process:
        assert "process %d on " % process.pid in locking.holder(path)
        message = "process %d on .*, since 20" % process.pid
        with pytest.raises(locking.HeldError, match=message):
            locking.acquire(path)
    assert locking.holder(path) is None
    with locking.acquire(path):
        assert "process %d on " % os.getpid() in locking.holder(path)


def test_removing_the_lock_file_admits_nobody(root, tmp_path):
    path = str(tmp_path / ".lock")
    with holding(root, path):
        os.remove(path)
        assert locking.holder(path) == "unknown process"
        with pytest.raises(locking.HeldError, match="unknown process"):
            locking.acquire(path)
        assert os.listdir(str(tmp_path)) == []
    with locking.acquire(path):
        pass


def test_a_directory_that_is_a_link(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "out")
    with locking.acquire(str(tmp_path / "link" / ".lock")):
        assert locking.holder(str(tmp_path / "link" / ".lock"))
        assert locking.holder(str(tmp_path / "out" / ".lock"))


def test_a_file_of_the_users_is_not_taken_for_a_lock_file(tmp_path):
    path = tmp_path / ".lock"
    path.write_bytes(b"mine\xff")
    with pytest.raises(InputError, match="was not written by this program"):
        locking.acquire(str(path))
    assert path.read_bytes() == b"mine\xff"
    assert locking.holder(str(path)) is None


def test_a_brief_lock_makes_others_wait(root, tmp_path):
    path = str(tmp_path / "run.log")
    program = "import sys; sys.path.insert(0, sys.argv[1])\n"
    program += "from finetuning.utils import locking\n"
    program += "with locking.held_briefly(sys.argv[2]): print('in')"
    command = [sys.executable, "-c", program, root, path]
    # A training run has the directory, which does not matter.
    with locking.acquire(str(tmp_path / ".lock")), locking.held_briefly(path):
        other = subprocess.Popen(command, stdout=subprocess.PIPE)
        with pytest.raises(subprocess.TimeoutExpired):
            other.communicate(timeout=1.5)
    assert other.communicate()[0] == b"in\n"


def test_paths_without_locks(caplog):
    path = "gs://bucket/out/.lock"
    assert locking.acquire(path) is None
    assert locking.holder(path) is None
    assert "make sure that only one training run writes there" in caplog.text


# Whole runs


def state(directory):
    """Name -> time of change and size of each file."""
    stats = {
        name: os.stat(os.path.join(directory, name)) for name in os.listdir(directory)
    }
    return {name: (stat.st_mtime, stat.st_size) for name, stat in stats.items()}


@pytest.fixture
def locked(root, finished_run, tmp_path):
    """A finished run's directory, which another process has locked."""
    out = finished_run.copy(tmp_path)
    with holding(root, os.path.join(out, ".lock")):
        yield out


@pytest.mark.parametrize("is_removed", [False, True])
@pytest.mark.parametrize("more", [[], ["--check"]])
def test_a_second_training_run_is_refused(finished_run, locked, more, is_removed):
    if is_removed:
        os.remove(os.path.join(locked, ".lock"))
    before = state(locked)
    flags = [*finished_run.flags, "--do_train", "--output_dir=" + locked, *more]
    line = refused(flags)
    holder = "unknown process)" if is_removed else "process "
    assert "=%s: a training run is writing there (%s" % (locked, holder) in line
    assert "wait until it ends, or use another --output_dir" in line
    assert state(locked) == before


def test_evaluating_a_run_that_is_training(finished_run, locked):
    """Only results are written, none of the files of the training run."""
    for name in ("eval.tf_record", "predict.tf_record", "train.tf_record"):
        os.remove(os.path.join(locked, name))
    before = state(locked)
    command = [*finished_run.flags, "--do_eval", "--do_predict"]
    run = succeed([*command, "--output_dir=" + locked])
    assert "A training run is writing to %s (process" % locked in run.out
    after = state(locked)
    new = {name for name in after if after[name] != before.get(name)} - {"run.log"}
    assert new - {"eval"} == {
        "eval_results.txt",
        "eval_results.json",
        "eval_predictions.tsv",
        "test_results.tsv",
        "predictions.tsv",
        "predict_results.json",
        "MRPC.tsv",
    }


def test_a_checkpoint_that_is_removed_before_it_is_restored(
    finished_run, tmp_path, monkeypatch
):
    """As by a training run that has written newer ones in the meantime."""
    out = finished_run.copy(tmp_path)
    state_file = os.path.join(out, "checkpoint")
    shutil.copy(state_file, state_file + ".newer")
    corpus.write_lines(state_file, ['model_checkpoint_path: "model.ckpt-12"'])
    original, restored = restoring.Restorer.restore, []

    def restore(restorer, session):
        restored.append(finding.step_in_name(restorer.prefix))
        if restored == [12]:
            for name in os.listdir(out):
                if name.startswith("model.ckpt-12"):
                    os.remove(os.path.join(out, name))
            os.replace(state_file + ".newer", state_file)
        original(restorer, session)

    monkeypatch.setattr(restoring.Restorer, "restore", restore)
    run = succeed([*finished_run.flags, "--do_eval", "--output_dir=" + out])
    assert restored == [12, 15]
    assert "model.ckpt-12 no longer exists" in run.out
    assert saved_json(out, "eval_results.json")["global_step"] == 15


@pytest.mark.slow
def test_evaluations_while_a_real_run_is_training(
    root, corpus_flags, tmp_path, iterations
):
    out = str(tmp_path / "live")
    command = [sys.executable, os.path.join(root, "run_classifier.py"), *corpus_flags]
    command += ["--do_train", "--num_train_epochs=40000", "--output_dir=" + out]
    command += ["--eval_steps=70", "--keep_checkpoint_max=2"]
    command += ["--save_checkpoints_steps=100"]
    environment = dict(os.environ, **ONE_THREAD)
    with open(str(tmp_path / "live.txt"), "wb") as log:
        training = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
    try:
        for _ in range(1200):
            if os.path.exists(os.path.join(out, "model.ckpt-0.index")):
                break
            assert training.poll() is None
            time.sleep(0.2)
        steps = []
        for _ in range(iterations(3, 1)):
            run = Run([*corpus_flags, "--do_eval", "--output_dir=" + out])
            assert run.status == 0, run.out + run.err
            assert "A training run is writing to" in run.out
            steps.append(saved_json(out, "eval_results.json")["global_step"])
        assert steps == sorted(steps)
        assert training.poll() is None
        training.send_signal(signal.SIGTERM)
        assert training.wait(timeout=120) == 143
    finally:
        training.kill()
        training.wait()
    settings = saved_json(out, "run_settings.json")["settings"]
    assert settings["do_train"] is True
