"""What a directory says about its training run, against the current settings."""

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


def test_a_directory_without_settings(tmp_path):
    for directory in (tmp_path, tmp_path / "none"):
        saved = saved_run.load(str(directory))
        assert not saved.exists and saved.random_seed is None


@pytest.mark.parametrize(
    "content",
    [
        "{}",
        "[]",
        '{"random_seed": null}',
        '{"random_seed": "x"}',
        '{"random_seed": 3, "settings": [1]}',
        '{"random_seed": 3, "fingerprints": "x"}',
        '{"random_seed": Infinity}',
        '{"random_seed": 3, "settings": {"task_name": 5}}',
        '{"random_seed": 3, "fingerprints": {"vocab_file": 3}}',
        '{"random_seed": 3, "planned_steps": "9"}',
        '{"random_seed": true}',
        '{"random_seed": 1e999}',
        '{"random_seed": 3, "changes": "resumed"}',
        '{"random_seed": 3, "changes": [5]}',
        '{"random_seed": 3, "versions": ["1.14.0"]}',
        '{"random_seed": 3, "versions": {"tensorflow": 2}}',
        '{"random_seed": 3, "determinism": []}',
        '{"random_seed": 3, "determinism_history": {"from_step": 0}}',
        '{"random_seed": 3, "determinism_history": [{"from_step": "0"}]}',
        '{"random_seed": 3, "determinism_history": [{}]}',
    ],
)
def test_damaged_settings(tmp_path, content):
    path = tmp_path / "run_settings.json"
    path.write_text(content)
    with pytest.raises(InputError) as caught:
        saved_run.load(str(tmp_path))
    assert str(caught.value).startswith(str(path))
    assert "remove the file" in str(caught.value)


class TrainingRun:
    """The files of a training run, and what its directory says about it."""

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

    def with_changes(self, changes):
        return dataclasses.replace(self.settings, **changes)

    def digests(self, **changes):
        settings = self.with_changes(changes)
        train = changes.get("train_file") or self.path("train.tsv")
        layout = tasks.find_task("MRPC").layout("train")
        files = [
            tasks.DataFile("train", layout, train),
            tasks.DataFile("dev", layout, "x"),
        ]
        return fingerprints.take(settings, files, settings.init_checkpoint)

    def save(self, **facts):
        facts.setdefault("fingerprints", self.digests())
        described = provenance.describe(self.settings, 17, DEVICE)
        provenance.save(self.settings, described, **facts)

    @property
    def saved(self):
        return saved_run.load(self.settings.output_dir)

    def changed(self, **changes):
        settings, digests = self.with_changes(changes), self.digests(**changes)
        return saved_run.changed_training(self.saved, settings, digests)

    def changed_reading(self, **changes):
        settings = self.with_changes(changes)
        digests = fingerprints.take(settings, (), None)
        return saved_run.changed_reading(self.saved, settings, digests)


@pytest.fixture
def run(tmp_path):
    return TrainingRun(tmp_path)


def test_the_same_again(run):
    assert run.changed(learning_rate=1.0) == []  # Nothing is saved.
    run.save()
    assert run.changed() == []
    assert run.changed(task_name="mrpc", random_seed=17) == []
    # What affects no weights may change.
    assert run.changed(eval_batch_size=3, keep_best=True, output_dir=run.path()) == []


@pytest.mark.parametrize(
    "changes, before, now",
    [
        ({"task_name": "QNLI"}, "MRPC", "QNLI"),
        ({"learning_rate": 3e-5}, "2e-05", "3e-05"),
        ({"num_train_epochs": 4.0}, "3.0", "4.0"),
        ({"max_train_examples": 50}, "not given", "50"),
        ({"adam_bias_correction": True}, "false", "true"),
        ({"random_seed": 5}, "17", "5"),
    ],
)
def test_another_value(run, changes, before, now):
    run.save()
    (phrase,) = run.changed(**changes)
    (name,) = changes
    assert phrase.startswith("--" + name)
    assert before in phrase and phrase.endswith(now)
    assert len(run.changed(precision="mixed", train_batch_size=9, **changes)) == 3


@pytest.mark.parametrize(
    "name, file",
    [
        ("vocab_file", "vocab.txt"),
        ("bert_config_file", "config.json"),
        ("init_checkpoint", "model.ckpt.index"),
        ("train_file", "train.tsv"),
    ],
)
def test_files_are_compared_by_content(run, name, file):
    """A file that was moved is the same; one that was edited is not."""
    run.save()
    moved = run.path("moved-" + file)
    os.rename(run.path(file), moved)
    given = {name: moved.replace("ckpt.index", "ckpt")}
    assert run.changed(**given) == []
    is_read_again = name in ("vocab_file", "bert_config_file")
    assert run.changed_reading(**(given if is_read_again else {})) == []
    run.write("moved-" + file, "edited")
    (phrase,) = run.changed(**given)
    assert ("training set" if name == "train_file" else "--" + name) in phrase
    assert moved in phrase and run.path(file) in phrase
    # An evaluation with another vocabulary or config scores another model.
    if is_read_again:
        assert run.changed_reading(**given) == [phrase]


def test_an_initial_checkpoint_that_is_left_out(run):
    run.save()
    (phrase,) = run.changed(init_checkpoint=None)
    assert phrase.startswith("--init_checkpoint")
    assert run.path("model.ckpt.index") in phrase and "not given" in phrase


def test_settings_of_an_older_version(run):
    """Without fingerprints, paths are compared; flags that it lacks are not."""
    run.save(fingerprints={})
    run.write("vocab.txt", "edited")
    assert run.changed() == []
    run.write("copied.txt", "edited")
    (phrase,) = run.changed(vocab_file=run.path("copied.txt"))
    assert run.path("vocab.txt") in phrase and run.path("copied.txt") in phrase
    path = run.path("out", saved_run.SETTINGS_FILE)
    with open(path) as file:
        content = json.load(file)
    del content["settings"]["precision"]
    with open(path, "w") as file:
        json.dump(content, file)
    assert run.changed(precision="mixed") == []


def test_text_that_is_read_differently(run):
    run.save()
    changes = {"max_seq_length": 64, "do_lower_case": False, "learning_rate": 1.0}
    found = run.changed_reading(text_a_column="2", **changes)
    flags = ["--do_lower_case", "--max_seq_length", "--text_a_column"]
    assert [phrase.split(":")[0].split(" ")[0] for phrase in found] == flags


@pytest.mark.parametrize(
    "before, now, is_same",
    [("2", "#2", True), ("#2", "2", True), ("2", "#3", False), ("a", "#a", False)],
)
def test_two_spellings_of_a_column(before, now, is_same):
    settings = Settings(task_name="custom", text_a_column=now)
    found = saved_run.changed_text_settings({"text_a_column": before}, settings)
    assert (found == []) is is_same


def test_another_dev_set(run):
    def with_dev_set(digest):
        return {fingerprints.DEV_SET: {"path": "dev.tsv", "sha256": digest}}

    digests = run.digests()
    run.save(fingerprints=dict(digests, **with_dev_set("a")))
    for now, changed in (
        (with_dev_set("a"), False),
        (with_dev_set("b"), True),
        ({}, False),
    ):
        assert saved_run.has_another_dev_set(run.saved, now) == changed
        found = saved_run.changed_training(
            run.saved, run.settings, dict(digests, **now)
        )
        assert len(found) == changed
        # It is remembered where the run that resumes has none.
        expected = now or with_dev_set("a")
        assert (
            saved_run.with_dev_set(run.saved, now)[fingerprints.DEV_SET]
            == (expected[fingerprints.DEV_SET])
        )
    assert saved_run.with_dev_set(saved_run.SavedRun(), {}) == {}


def test_other_versions():
    before = {"versions": {"tensorflow": "1.14.0", "numpy": "1.16.4", "cuda": None}}
    now = {"versions": {"tensorflow": "2.21.0", "numpy": "1.16.4", "cuda": None}}
    saved = saved_run.SavedRun(before)
    (phrase,) = saved_run.changed_versions(saved, now)
    assert phrase.startswith("tensorflow")
    assert "1.14.0" in phrase and phrase.endswith("2.21.0")
    assert saved_run.changed_versions(saved, before) == []
    assert saved_run.changed_versions(saved_run.SavedRun(), now) == []


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
