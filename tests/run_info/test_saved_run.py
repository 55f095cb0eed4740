"""What a directory says of the training that it holds, against what is asked now."""

import dataclasses
import json
import os

import pytest

from finetuning.data import tasks
from finetuning.device import detect
from finetuning.flags.settings import Settings
from finetuning.run_info import fingerprints, provenance, saved_run
from finetuning.utils.errors import InputError

DEVICE = detect.Device("CPU", "2 threads", "2.21.0")


def test_no_saved_seed(tmp_path):
    assert saved_run.load_seed(str(tmp_path)) is None
    assert saved_run.load_seed(str(tmp_path / "none")) is None


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "{}",
        "[]",
        "3",
        '{"random_seed": null}',
        '{"random_seed": "x"}',
        '{"random_seed": 3, "settings": []}',
        '{"random_seed": 3, "fingerprints": "x"}',
        '{"random_seed": Infinity}',
        '{"random_seed": 3, "settings": {"task_name": 5}}',
        '{"random_seed": 3, "fingerprints": {"vocab_file": 3}}',
        '{"random_seed": 3, "planned_steps": "9"}',
        "[" * 100000,
    ],
)
def test_damaged_file_of_settings(tmp_path, content):
    (tmp_path / "run_settings.json").write_text(content)
    with pytest.raises(InputError) as caught:
        saved_run.load_seed(str(tmp_path))
    assert str(caught.value).startswith("%s/run_settings.json is damaged: " % tmp_path)


# A training that goes on otherwise


class Training:
    """A training's files, and what its directory says of it."""

    def __init__(self, directory):
        self.directory = directory
        for name in ("vocab.txt", "config.json", "train.tsv", "model.ckpt.index"):
            self.write(name, "the content of " + name)
        (directory / "out").mkdir()
        self.settings = Settings(
            task_name="MRPC",
            data_dir=str(directory),
            vocab_file=self.path("vocab.txt"),
            bert_config_file=self.path("config.json"),
            init_checkpoint=self.path("model.ckpt"),
            output_dir=self.path("out"),
            learning_rate=2e-5,
        )

    def path(self, *names):
        return str(self.directory.joinpath(*names))

    def write(self, name, content):
        (self.directory / name).write_text(content)

    def fingerprints(self, **changed):
        chosen = dataclasses.replace(self.settings, **changed)
        train = changed.get("train_file") or self.path("train.tsv")
        split = tasks.find_task("MRPC").layout("train")
        sources = [
            tasks.DataFile("train", split, train),
            tasks.DataFile("dev", split, "x"),
        ]
        return fingerprints.take(chosen, sources, chosen.init_checkpoint)

    def save(self, with_fingerprints=True):
        facts = {"fingerprints": self.fingerprints()} if with_fingerprints else {}
        described = provenance.describe(self.settings, 17, DEVICE)
        provenance.save(self.settings, described, **facts)

    def changed(self, **changes):
        chosen = dataclasses.replace(self.settings, **changes)
        files = self.fingerprints(**changes)
        return saved_run.changed_training(chosen.output_dir, chosen, files)


@pytest.fixture
def training(tmp_path):
    return Training(tmp_path)


def test_nothing_is_saved(training):
    assert training.changed(learning_rate=1.0) == []


def test_the_same_again(training):
    training.save()
    assert training.changed() == []
    assert training.changed(task_name="mrpc", random_seed=17) == []


@pytest.mark.parametrize(
    "changes, phrase",
    [
        ({"task_name": "QNLI"}, "--task_name was MRPC, is QNLI"),
        ({"learning_rate": 3e-5}, "--learning_rate was 2e-05, is 3e-05"),
        ({"num_train_epochs": 4.0}, "--num_train_epochs was 3.0, is 4.0"),
        ({"max_train_examples": 50}, "--max_train_examples was not given, is 50"),
        ({"adam_bias_correction": True}, "--adam_bias_correction was false, is true"),
        ({"precision": "mixed"}, "--precision was float32, is mixed"),
        ({"random_seed": 5}, "--random_seed was 17, is 5"),
    ],
)
def test_another_value(training, changes, phrase):
    training.save()
    assert training.changed(**changes) == [phrase]


def test_all_that_differs_is_said(training):
    training.save()
    found = training.changed(learning_rate=3e-5, train_batch_size=8, random_seed=1)
    assert len(found) == 3


@pytest.mark.parametrize("name", saved_run.SHAPE_TRAINING)
def test_every_flag_that_shapes_a_training_is_compared(training, name):
    training.save()
    (phrase,) = training.changed(**{name: "another"})
    assert phrase.startswith("--%s was " % name) and phrase.endswith(", is another")


@pytest.mark.parametrize("name", sorted(set(saved_run.FREE) - {"output_dir"}))
def test_flags_that_shape_no_training_may_change(training, name):
    training.save()
    assert training.changed(**{name: "another"}) == []


def test_every_flag_is_in_one_of_the_lists():
    """A new one must be thought about."""
    lists = saved_run.SHAPE_TRAINING + saved_run.PATHS + saved_run.FREE
    lists += saved_run.COMPARED_ELSEWHERE
    names = [field.name for field in dataclasses.fields(Settings)]
    assert sorted(lists) == sorted(names)


@pytest.mark.parametrize(
    "name, file",
    [
        ("vocab_file", "vocab.txt"),
        ("bert_config_file", "config.json"),
        ("init_checkpoint", "model.ckpt.index"),
        ("train_file", "train.tsv"),
    ],
)
def test_files_are_compared_by_content(training, name, file):
    """Moved, they are the same; edited in place, they are not."""
    training.save()
    moved = training.path("moved-" + file)
    os.rename(training.path(file), moved)
    given = moved.replace("ckpt.index", "ckpt")
    assert training.changed(**{name: given}) == []
    training.write("moved-" + file, "edited")
    (phrase,) = training.changed(**{name: given})
    flag = "training set" if name == "train_file" else "--" + name
    assert phrase.startswith("the content of the %s is another: " % flag)
    assert moved in phrase and training.path(file) in phrase


def test_an_initial_checkpoint_that_is_left_out(training):
    training.save()
    (phrase,) = training.changed(init_checkpoint=None)
    where = training.path("model.ckpt.index")
    assert phrase == "--init_checkpoint was %s, is not given" % where


def test_settings_without_fingerprints_are_compared_as_paths(training):
    """Those of an older version of the program."""
    training.save(with_fingerprints=False)
    training.write("vocab.txt", "edited")
    assert training.changed() == []
    copied = training.path("copied.txt")
    training.write("copied.txt", "edited")
    assert training.changed(vocab_file=copied) == [
        "--vocab_file was %s, is %s" % (training.path("vocab.txt"), copied)
    ]


def test_a_flag_that_the_saved_settings_do_not_know_is_not_compared(training):
    training.save()
    path = training.path("out", saved_run.SETTINGS_FILE)
    with open(path) as file:
        content = json.load(file)
    del content["settings"]["precision"]
    with open(path, "w") as file:
        json.dump(content, file)
    assert training.changed(precision="mixed") == []


def test_text_that_is_read_otherwise(training):
    training.save()
    chosen = dataclasses.replace(
        training.settings, max_seq_length=64, do_lower_case=False, learning_rate=1.0
    )
    assert saved_run.changed_reading(chosen.output_dir, chosen) == [
        "--do_lower_case was true, is false",
        "--max_seq_length was 128, is 64",
    ]


@pytest.mark.parametrize(
    "name, file", [("vocab_file", "vocab.txt"), ("bert_config_file", "config.json")]
)
def test_what_the_model_is_read_with_is_compared_by_content(training, name, file):
    """An evaluation with another vocabulary of the same size scores other words."""
    training.save()
    training.write("moved", "the content of " + file)
    moved = dataclasses.replace(training.settings, **{name: training.path("moved")})
    assert saved_run.changed_reading(moved.output_dir, moved) == []
    training.write("moved", "another content")
    (phrase,) = saved_run.changed_reading(moved.output_dir, moved)
    assert phrase.startswith("the content of the --%s is another: " % name)


def test_text_in_other_columns_may_be_the_same(training):
    training.save()
    other = dataclasses.replace(training.settings, text_a_column="2")
    assert saved_run.changed_reading(other.output_dir, other) == [
        "--text_a_column was not given, is 2 (right where it holds the same)"
    ]


# What a training is scored on meanwhile


def scored(digest):
    return {fingerprints.DEV_SET: {"path": "dev.tsv", "sha256": digest}}


def test_another_dev_set(training):
    described = provenance.describe(training.settings, 17, DEVICE)
    files = training.fingerprints()
    provenance.save(
        training.settings, described, fingerprints=dict(files, **scored("a"))
    )
    out = training.settings.output_dir
    for now, changed in ((scored("a"), False), (scored("b"), True), ({}, False)):
        assert saved_run.changed_dev_set(out, now) == changed
        found = saved_run.changed_training(out, training.settings, dict(files, **now))
        assert len(found) == changed
        assert all(each.startswith("the content of the dev set is") for each in found)


def test_a_dev_set_is_remembered_where_none_is_scored_on(training):
    before = {"fingerprints": scored("a")}
    assert saved_run.with_dev_set(before, {}) == scored("a")
    assert saved_run.with_dev_set(before, scored("b")) == scored("b")
    assert saved_run.with_dev_set({}, {}) == {}


def test_other_libraries():
    before = {"versions": {"tensorflow": "1.14.0", "numpy": "1.16.4", "cuda": None}}
    now = {"versions": {"tensorflow": "2.21.0", "numpy": "1.16.4", "cuda": None}}
    said = ["tensorflow was 1.14.0, is 2.21.0"]
    assert saved_run.changed_versions(before, now) == said
    assert saved_run.changed_versions(before, before) == []
    assert saved_run.changed_versions({}, now) == []


def test_a_digest_is_that_of_the_whole_file(tmp_path):
    path = tmp_path / "large"
    path.write_bytes(b"a" * (2**20 + 1))
    first = fingerprints.sha256(str(path))
    assert fingerprints.sha256(str(path), str(path)) != first
    path.write_bytes(b"a" * 2**20 + b"b")
    assert first != fingerprints.sha256(str(path))
    path.write_bytes(b"abc")
    # The example of FIPS 180-2, appendix B.1.
    assert fingerprints.sha256(str(path)) == (
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )
