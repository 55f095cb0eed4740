"""One training at a time in a directory; evaluations beside it."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

from finetuning.checkpoints import compatibility, finding
from finetuning.evaluation import inference
from finetuning.utils import locking
from tests.support import corpus
from tests.support.running import ONE_THREAD, Run, refused, saved_json, succeed

# Takes a lock, says so, and holds it until it is ended.
HOLDER = """
import sys, time
sys.path.insert(0, sys.argv[1])
from finetuning.utils import locking
file = locking.acquire(sys.argv[2])
print("taken", flush=True)
time.sleep(600)
"""


@contextlib.contextmanager
def holding(root, path):
    """A process that holds a lock; it is killed in the end."""
    command = [sys.executable, "-c", HOLDER, root, path]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    try:
        assert process.stdout.readline() == b"taken\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def test_a_lock_is_held_by_one(tmp_path):
    path = str(tmp_path / ".lock")
    assert locking.holder(path) is None
    assert not os.path.exists(path)
    with locking.acquire(path):
        assert "process %d on " % os.getpid() in locking.holder(path)
        with pytest.raises(locking.HeldError, match="process %d on .*, since 20"):
            _retake(path)
    assert locking.holder(path) is None
    locking.acquire(path).close()


def _retake(path):
    try:
        locking.acquire(path)
    except locking.HeldError as error:
        raise locking.HeldError(str(error).replace(str(os.getpid()), "%d")) from None


def test_the_system_frees_the_lock_of_a_killed_holder(root, tmp_path):
    path = str(tmp_path / ".lock")
    with holding(root, path) as process:
        assert "process %d on " % process.pid in locking.holder(path)
        with pytest.raises(locking.HeldError, match="process %d on " % process.pid):
            locking.acquire(path)
        process.send_signal(signal.SIGKILL)
        process.wait()
        locking.acquire(path).close()


def test_where_there_are_no_locks_it_is_said(tmp_path, caplog):
    for path in ("gs://bucket/out/.lock", "memory://x/.lock"):
        assert locking.acquire(path) is None
        assert locking.holder(path) is None
    assert "see to it that only one training at a time writes there" in caplog.text


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    place = str(tmp_path_factory.mktemp("locking"))
    flags = corpus.write(os.path.join(place, "corpus"))
    out = os.path.join(place, "out")
    flags += ["--save_checkpoints_steps=3", "--keep_checkpoint_max=2"]
    succeed(flags + ["--do_train", "--output_dir=" + out])
    return flags, out


@pytest.fixture
def out(trained, tmp_path):
    return shutil.copytree(trained[1], str(tmp_path / "out"))


def state(directory):
    found = {}
    for name in os.listdir(directory):
        path = os.path.join(directory, name)
        found[name] = (os.path.getmtime(path), os.path.getsize(path))
    return found


@pytest.mark.parametrize("more", [[], ["--check"]])
def test_a_second_training_is_refused(root, trained, out, more):
    with holding(root, os.path.join(out, ".lock")) as process:
        before = state(out)
        message = refused(trained[0] + ["--do_train", "--output_dir=" + out] + more)
        assert message.startswith(
            "ERROR: --output_dir=%s: a training is running there (process %d on "
            % (out, process.pid)
        )
        assert message.endswith("); wait until it ends, or give another --output_dir\n")
        assert state(out) == before


def test_evaluating_beside_a_training(root, trained, out):
    """It writes its results, and nothing that the training reads or writes."""
    os.remove(os.path.join(out, "train.tf_record"))
    with holding(root, os.path.join(out, ".lock")):
        before = state(out)
        command = trained[0] + ["--do_eval", "--do_predict", "--output_dir=" + out]
        run = succeed(command)
    assert "A training is running in %s (process" % out in run.out
    after = state(out)
    new = {name for name in after if after[name] != before.get(name)} - {"run.log"}
    assert new == {
        "eval",
        "eval_results.txt",
        "eval_results.json",
        "eval_predictions.tsv",
        "test_results.tsv",
        "predictions.tsv",
        "predict_results.json",
        "MRPC.tsv",
    }
    assert succeed(command).status == 0
    assert "eval.tf_record" in os.listdir(out)


def test_a_checkpoint_that_vanishes_before_it_is_restored(trained, out, monkeypatch):
    """As that of a training that has written newer ones meanwhile."""
    older = shutil.copytree(out, out + "_older")
    corpus.write_lines(
        os.path.join(older, "checkpoint"), ['model_checkpoint_path: "model.ckpt-12"']
    )
    original = compatibility.restore
    restored = []

    def restore(saver, session, prefix):
        restored.append(finding.step_in_name(prefix))
        if restored == [12]:
            for name in os.listdir(older):
                if name.startswith("model.ckpt-12"):
                    os.remove(os.path.join(older, name))
            shutil.copy(os.path.join(out, "checkpoint"), older)
        original(saver, session, prefix)

    monkeypatch.setattr(inference.compatibility, "restore", restore)
    run = succeed(trained[0] + ["--do_eval", "--output_dir=" + older])
    assert restored == [12, 15]
    assert "model.ckpt-12 is no longer there: the training there goes on" in run.out
    assert saved_json(older, "eval_results.json")["global_step"] == 15


def test_evaluations_while_a_real_training_runs(root, trained, tmp_path):
    out = str(tmp_path / "live")
    command = [sys.executable, os.path.join(root, "run_classifier.py")] + trained[0]
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
        for _ in range(3):
            run = Run(trained[0] + ["--do_eval", "--output_dir=" + out])
            assert run.status == 0, run.out + run.err
            assert "A training is running in" in run.out
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
