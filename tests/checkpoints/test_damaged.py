"""Damaged checkpoints: the newest that is intact is taken, and that is said aloud."""

import os
import shutil

import pytest
import tensorflow.compat.v1 as tf

from finetuning.checkpoints import finding, integrity
from tests.support import corpus
from tests.support.running import refused, saved_json, succeed, text, value

DATA = ".data-00000-of-00001"
SAVING = ["--save_checkpoints_steps=3", "--keep_checkpoint_max=3"]


def cut(path):
    os.truncate(path, os.path.getsize(path) // 2)


def empty(path):
    os.truncate(path, 0)


def garble(path):
    with open(path, "r+b") as file:
        file.write(b"no checkpoint")


def flip(path):
    """Changes one bit in the midst of a tensor, which its checksum alone shows."""
    with open(path, "r+b") as file:
        file.seek(os.path.getsize(path) // 2)
        byte = file.read(1)[0]
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 16]))


DAMAGES = [
    (cut, DATA),
    (flip, DATA),
    (os.remove, DATA),
    (empty, DATA),
    (cut, ".index"),
    (empty, ".index"),
    (garble, ".index"),
    (flip, ".index"),
    (os.remove, ".index"),
]
NAMES = ["%s%s" % (function.__name__, part[:5]) for function, part in DAMAGES]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A training whose newest is of step 15, the next of 12 and 9; flags and place."""
    place = str(tmp_path_factory.mktemp("damaged"))
    flags = corpus.write(os.path.join(place, "corpus"))
    out = os.path.join(place, "out")
    command = flags + SAVING + ["--do_train", "--eval_steps=3", "--keep_best"]
    succeed(command + ["--output_dir=" + out])
    return command, out


@pytest.fixture
def out(trained, tmp_path):
    """A copy of it, which a test may damage."""
    return shutil.copytree(trained[1], str(tmp_path / "out"))


def commands(trained, out):
    """The training, four epochs long; and the evaluation of its newest weights."""
    given = [flag for flag in trained[0] if "epochs" not in flag]
    given += ["--output_dir=" + out, "--num_train_epochs=4"]
    off = ["--do_train=false", "--eval_steps=0", "--keep_best=false", "--do_eval"]
    return given + ["--allow_changes=true"], given + off


def steps_in(directory):
    names = [name for name in os.listdir(directory) if name.endswith(".index")]
    return sorted(finding.step_in_name(name[: -len(".index")]) for name in names)


def whole(directory, step):
    return integrity.damage(os.path.join(directory, "model.ckpt-%d" % step)) is None


@pytest.mark.parametrize("damage, part", DAMAGES, ids=NAMES)
def test_every_damage_is_found(out, damage, part):
    newest = os.path.join(out, "model.ckpt-15")
    assert integrity.damage(newest) is None
    damage(newest + part)
    assert integrity.damage(newest)
    found = finding.find_latest(out)
    assert found.prefix == os.path.join(out, "model.ckpt-12")
    assert [prefix for prefix, _ in found.corrupt] == [newest]
    kept = [os.path.join(out, "model.ckpt-%d" % step) for step in (9, 12)]
    assert finding.all_in(out) == kept


@pytest.mark.parametrize("damage, part", [(flip, DATA), (empty, ".index")])
def test_evaluation_and_training_go_on_from_the_intact_one(trained, out, damage, part):
    newest = os.path.join(out, "model.ckpt-15")
    damage(newest + part)
    training, evaluation = commands(trained, out)
    warning = "WARNING: CORRUPT CHECKPOINT %s (" % newest
    instead = "): using %s/model.ckpt-12 instead\n" % out
    run = succeed(evaluation)
    assert run.out.count(warning) == run.out.count(instead) == 1
    assert saved_json(out, "eval_results.json")["global_step"] == 12
    assert steps_in(out) == [9, 12, 15]
    run = succeed(training)
    assert run.out.count(warning) == run.out.count(instead) == 1
    assert "RESUMING at step 12" in run.out
    # The damaged one is written over as its step comes; the number kept still holds.
    assert steps_in(out) == [15, 18, 20]
    assert all(whole(out, step) for step in (15, 18, 20))


def test_a_damaged_one_that_no_step_writes_over_costs_no_intact_one(trained, out):
    flip(os.path.join(out, "model.ckpt-15") + DATA)
    training, _ = commands(trained, out)
    succeed(training + ["--save_checkpoints_steps=4", "--keep_checkpoint_max=2"])
    assert steps_in(out) == [15, 16, 20]
    assert text(out, "checkpoint") == (
        'model_checkpoint_path: "model.ckpt-20"\n'
        'all_model_checkpoint_paths: "model.ckpt-16"\n'
        'all_model_checkpoint_paths: "model.ckpt-20"\n'
    )
    assert not whole(out, 15)


STATES = {
    "empty": b"",
    "garbled": b"model_checkpoint_path: {",
    "no-text": b"\xff\xfe\x00\x01",
    "names-another": b'model_checkpoint_path: "model.ckpt-99"\n',
    "missing": None,
}


@pytest.mark.parametrize("state", sorted(STATES))
def test_the_file_that_names_them_is_damaged(trained, out, state):
    path = os.path.join(out, "checkpoint")
    os.remove(path)
    if STATES[state] is not None:
        with open(path, "wb") as file:
            file.write(STATES[state])
    newest = finding.find_latest(out)
    assert newest.prefix == os.path.join(out, "model.ckpt-15")
    (line,) = newest.lines()
    assert line.endswith("using %s/model.ckpt-15 instead" % out)
    if state == "empty":
        training, _ = commands(trained, out)
        run = succeed(training)
        assert (
            "WARNING: CORRUPT CHECKPOINT %s (missing or unreadable)" % path in run.out
        )
        assert "RESUMING at step 15" in run.out
        assert steps_in(out) == [15, 18, 20]


def test_checkpoints_that_may_be_anybodys_are_refused_as_before(trained, out):
    """Where no training of this program has saved its settings."""
    os.remove(os.path.join(out, "run_settings.json"))
    empty(os.path.join(out, "checkpoint"))
    before = sorted(os.listdir(out))
    for command in commands(trained, out):
        assert "but its file 'checkpoint' is missing, damaged" in refused(command)
    assert sorted(os.listdir(out)) == before


def test_none_is_intact(trained, out):
    for step in (9, 12, 15):
        flip(os.path.join(out, "model.ckpt-%d" % step) + DATA)
    before = sorted(os.listdir(out))
    for command in commands(trained, out):
        message = refused(command)
        assert message.startswith(
            "ERROR: %s holds no checkpoint that is intact (" % out
        )
        assert message.endswith("restore one from a copy, or give another directory\n")
    assert sorted(os.listdir(out)) == before


def best_in(out):
    return finding.find_latest(os.path.join(out, "best")).prefix


def test_the_best_is_damaged(trained, out):
    best = best_in(out)
    cut(best + DATA)
    training, evaluation = commands(trained, out)
    message = refused(evaluation + ["--keep_best=true"])
    assert "%s/best holds no checkpoint that is intact" % out in message
    run = succeed(training)
    assert "WARNING: CORRUPT CHECKPOINT %s (" % best in run.out
    assert "RESUMING at step 15" in run.out


def test_history_of_steps_that_were_gone_back_from(trained, out):
    """Rows of later steps are replaced; they neither stop early nor pass for best."""
    flip(os.path.join(out, "model.ckpt-15") + DATA)
    training, _ = commands(trained, out)
    run = succeed(training)
    steps = [line.split("\t")[0] for line in text(out, "eval_history.tsv").split("\n")]
    assert steps == ["step", "3", "6", "9", "12", "15", "18", "20", ""]
    assert "were not kept" not in run.out


@pytest.mark.parametrize(
    "damage, part", [(flip, DATA), (cut, DATA), (garble, ".index")]
)
def test_the_initial_checkpoint_is_damaged(trained, tmp_path, damage, part):
    prefix = value(trained[0], "init_checkpoint")
    place = shutil.copytree(os.path.dirname(prefix), str(tmp_path / "encoder"))
    prefix = os.path.join(place, "bert_model.ckpt")
    damage(prefix + part)
    command = [flag for flag in trained[0] if "init_checkpoint" not in flag]
    command += ["--init_checkpoint=" + prefix, "--output_dir=" + str(tmp_path / "new")]
    message = refused(command)
    assert message.startswith("ERROR: %s cannot be read as a checkpoint: " % prefix)
    assert message.endswith("restore it from a copy, or download it again\n")
    assert not os.path.exists(str(tmp_path / "new"))


def test_what_is_intact_is_read_once(trained, monkeypatch):
    prefix = os.path.join(trained[1], "model.ckpt-15")
    integrity.damage(prefix)
    monkeypatch.setattr(tf.train, "NewCheckpointReader", None)
    assert integrity.damage(prefix) is None


def test_the_full_read_of_a_published_checkpoint(shared_dir):
    """22.7 million weights take a fifth of a second; see `integrity.damage`."""
    prefix = os.path.join(shared_dir, "models", "minilm-l6-h384", "bert_model.ckpt")
    assert integrity.damage(prefix) is None
