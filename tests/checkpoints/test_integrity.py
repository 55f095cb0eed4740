"""Corrupt checkpoints are detected, and the latest intact one is used instead."""

import os
import shutil

import pytest
import tensorflow.compat.v1 as tf

from finetuning.checkpoints import compatibility, finding, integrity
from finetuning.utils.errors import InputError
from tests.support.running import refused, saved_json, succeed, text, value, without

DATA = ".data-00000-of-00001"
FOOTER_LENGTH = 48


def cut(path):
    os.truncate(path, os.path.getsize(path) // 2)


def empty(path):
    os.truncate(path, 0)


def garble(path):
    with open(path, "r+b") as file:
        file.write(b"no checkpoint")


def flip(path):
    """Changes one bit in the middle of a tensor, which only its checksum shows."""
    with open(path, "r+b") as file:
        file.seek(os.path.getsize(path) // 2)
        byte = file.read(1)[0]
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 16]))


@pytest.fixture
def out(evaluated_run, tmp_path):
    """A copy of a run with checkpoints of every third step, up to 15."""
    return evaluated_run.copy(tmp_path)


@pytest.fixture
def latest(out):
    return os.path.join(out, "model.ckpt-15")


def training(run, out):
    """A command that resumes the run, and needs five more steps."""
    flags = without(run.command, "num_train_epochs", "do_eval", "do_predict")
    return [*flags, "--output_dir=" + out, "--num_train_epochs=4", "--allow_changes"]


def evaluation(run, out):
    training_flags = ["do_train", "do_predict", "eval_steps", "keep_best"]
    return [*without(run.command, *training_flags), "--output_dir=" + out]


# Detection


@pytest.mark.parametrize(
    "change, part",
    [
        (cut, DATA),
        (flip, DATA),
        (os.remove, DATA),
        (empty, DATA),
        (cut, ".index"),
        (empty, ".index"),
        (garble, ".index"),
        (flip, ".index"),
        (os.remove, ".index"),
    ],
)
def test_every_damage_is_detected(out, latest, change, part):
    assert integrity.damage(latest) is None
    change(latest + part)
    assert integrity.damage(latest)
    found = finding.find_latest(out)
    assert found.prefix == os.path.join(out, "model.ckpt-12")
    assert [prefix for prefix, _ in found.corrupt] == [latest]
    assert latest not in finding.all_in(out)
    assert len(finding.all_in(out)) == 5


def test_an_intact_checkpoint_is_read_once(latest, monkeypatch):
    assert integrity.damage(latest) is None
    monkeypatch.setattr(tf.train, "NewCheckpointReader", None)
    assert integrity.damage(latest) is None


def test_a_published_checkpoint_is_intact(shared_dir):
    prefix = os.path.join(shared_dir, "models", "minilm-l6-h384", "bert_model.ckpt")
    assert integrity.damage(prefix) is None


def varint(number):
    """Encodes a number in 7 bits per byte, the lowest bits first."""
    encoded = []
    while number > 127:
        encoded.append(number & 127 | 128)
        number >>= 7
    return bytes([*encoded, number])


@pytest.mark.parametrize("place", range(4))
@pytest.mark.parametrize("size", [2**36, 2**62, 2**64 - 1])
def test_an_index_that_would_crash_tensorflow(latest, place, size):
    """Without the check, this aborts the process that runs the test."""
    numbers = [0, 8, 8, 8]
    numbers[place] = size
    with open(latest + ".index", "r+b") as file:
        file.seek(-FOOTER_LENGTH, os.SEEK_END)
        places = b"".join(map(varint, numbers))[: FOOTER_LENGTH - 8]
        file.write(places.ljust(FOOTER_LENGTH - 8, b"\0"))
    with pytest.raises(InputError, match="refers to a block beyond its end; restore"):
        compatibility.read_step(latest)


def test_a_footer_without_numbers(latest):
    with open(latest + ".index", "r+b") as file:
        file.seek(-FOOTER_LENGTH, os.SEEK_END)
        file.write(b"\xff" * (FOOTER_LENGTH - 8))
    assert integrity.damage(latest) == "the footer of its .index is corrupt"


@pytest.mark.parametrize("content", [b"", b"short", b"x" * 100])
def test_what_is_no_index_is_left_to_tensorflow(tmp_path, content):
    path = tmp_path / "x.index"
    path.write_bytes(content)
    assert integrity.index_damage(str(path)) is None
    assert integrity.damage(str(tmp_path / "x"))


# The `checkpoint` file


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"model_checkpoint_path: {",
        b"\xff\xfe\x00\x01",
        b'model_checkpoint_path: "model.ckpt-99"\n',
        None,
    ],
)
def test_the_list_of_checkpoints_is_damaged(out, latest, content):
    path = os.path.join(out, "checkpoint")
    os.remove(path)
    if content is not None:
        with open(path, "wb") as file:
            file.write(content)
    found = finding.find_latest(out)
    assert found.prefix == latest
    (warning,) = found.warnings()
    assert warning.endswith("using %s instead" % latest)


# Whole runs


def steps_in(directory):
    names = [name for name in os.listdir(directory) if name.endswith(".index")]
    return sorted(finding.step_in_name(name[: -len(".index")]) for name in names)


@pytest.mark.parametrize("change, part", [(flip, DATA), (empty, ".index")])
def test_evaluation_uses_the_latest_intact_checkpoint(
    evaluated_run, out, latest, change, part
):
    change(latest + part)
    run = succeed(evaluation(evaluated_run, out))
    assert run.out.count("WARNING: CORRUPT CHECKPOINT %s (" % latest) == 1
    assert run.out.count("): using %s/model.ckpt-12 instead\n" % out) == 1
    assert saved_json(out, "eval_results.json")["global_step"] == 12


def test_training_resumes_from_the_latest_intact_checkpoint(evaluated_run, out, latest):
    """The corrupt one is replaced; evaluations of the lost steps are repeated."""
    best = finding.latest_in(os.path.join(out, "best"))
    flip(latest + DATA)
    cut(best + DATA)
    command = training(evaluated_run, out)
    run = succeed([*command, "--keep_checkpoint_max=3"])
    assert run.out.count("WARNING: CORRUPT CHECKPOINT %s (" % latest) == 1
    assert "WARNING: CORRUPT CHECKPOINT %s (" % best in run.out
    assert "RESUMING at step 12" in run.out
    assert steps_in(out) == [15, 18, 20]
    prefixes = [os.path.join(out, "model.ckpt-%d" % step) for step in (15, 18, 20)]
    assert [integrity.damage(prefix) for prefix in prefixes] == [None] * 3
    steps = [line.split("\t")[0] for line in text(out, "eval_history.tsv").split("\n")]
    assert steps == ["step", "3", "6", "9", "12", "15", "18", "20", ""]


@pytest.mark.slow
def test_a_corrupt_checkpoint_does_not_count_among_those_to_keep(
    evaluated_run, out, latest
):
    flip(latest + DATA)
    more = ["--save_checkpoints_steps=4", "--keep_checkpoint_max=2"]
    succeed([*training(evaluated_run, out), *more])
    assert steps_in(out) == [15, 16, 20]
    assert text(out, "checkpoint") == (
        'model_checkpoint_path: "model.ckpt-20"\n'
        'all_model_checkpoint_paths: "model.ckpt-16"\n'
        'all_model_checkpoint_paths: "model.ckpt-20"\n'
    )
    assert integrity.damage(latest)


def test_checkpoints_of_an_unknown_program_are_refused(evaluated_run, out):
    """Without the saved settings, they may be anybody's."""
    os.remove(os.path.join(out, "run_settings.json"))
    empty(os.path.join(out, "checkpoint"))
    before = sorted(os.listdir(out))
    for command in (training, evaluation):
        line = refused(command(evaluated_run, out))
        assert "'checkpoint'" in line and "missing" in line
    assert sorted(os.listdir(out)) == before


def test_no_checkpoint_is_intact(evaluated_run, out):
    for step in steps_in(out):
        flip(os.path.join(out, "model.ckpt-%d" % step) + DATA)
    before = sorted(os.listdir(out))
    for command in (training, evaluation):
        line = refused(command(evaluated_run, out))
        assert line.startswith("ERROR: %s contains no intact checkpoint (" % out)
        assert "restore one from a copy" in line
    assert sorted(os.listdir(out)) == before


def test_the_best_checkpoint_is_corrupt(evaluated_run, out):
    cut(finding.latest_in(os.path.join(out, "best")) + DATA)
    line = refused([*evaluation(evaluated_run, out), "--keep_best=true"])
    assert "%s/best contains no intact checkpoint" % out in line


@pytest.mark.parametrize("change, part", [(flip, DATA), (garble, ".index")])
def test_the_initial_checkpoint_is_corrupt(corpus_flags, tmp_path, change, part):
    given = value(corpus_flags, "init_checkpoint")
    folder = shutil.copytree(os.path.dirname(given), str(tmp_path / "encoder"))
    prefix = os.path.join(folder, "bert_model.ckpt")
    change(prefix + part)
    command = [*without(corpus_flags, "init_checkpoint"), "--do_train"]
    command += ["--init_checkpoint=" + prefix, "--output_dir=%s" % (tmp_path / "new")]
    line = refused(command)
    assert line.startswith("ERROR: %s cannot be read as a checkpoint: " % prefix)
    assert line.endswith("restore it from a copy, or download it again\n")
    assert not (tmp_path / "new").exists()
