"""The seed of a run, and what it saves about itself."""

import dataclasses
import os
import platform
import random
import subprocess

import numpy as np
import pytest

from finetuning.device import detect
from finetuning.flags.settings import MAX_SEED, Settings
from finetuning.run_info import provenance, saved_run

DEVICE = detect.Device("GPU", "Tesla V100, 15.8 GB", "1.14.0", "10.0.130", "7.6.5")
DEVICE = dataclasses.replace(DEVICE, determinism="not guaranteed (GPU)")
SETTINGS = Settings(output_dir="out", task_name="MRPC", learning_rate=2e-5)


# The seed


@pytest.mark.parametrize(
    "given, saved, seed, source",
    [
        (0, None, 0, "from --random_seed"),
        (5, 17, 5, "from --random_seed"),
        (None, 17, 17, "saved in out"),
        (None, 0, 0, "saved in out"),
    ],
)
def test_a_given_seed_precedes_a_saved_one(given, saved, seed, source):
    settings = dataclasses.replace(SETTINGS, random_seed=given)
    saved = saved_run.SavedRun(random_seed=saved)
    assert provenance.choose_seed(settings, saved) == (seed, source)


def test_drawn_seeds_do_not_depend_on_seeds_of_the_program():
    seeds = set()
    for _ in range(5):
        random.seed(1)
        np.random.seed(1)
        seed, source = provenance.choose_seed(SETTINGS, saved_run.SavedRun())
        assert type(seed) is int and 0 <= seed <= MAX_SEED
        assert "--random_seed=%d repeats this run" % seed in source
        seeds.add(seed)
    assert len(seeds) == 5


# The description


def test_the_description_names_everything_that_decides_a_run(monkeypatch):
    monkeypatch.setattr("sys.argv", ["run_classifier.py", "--do_train=true"])
    monkeypatch.setattr(provenance, "git_revision", lambda: "abc-dirty")
    description = provenance.describe(SETTINGS, 17, DEVICE)
    assert description.pop("settings") == SETTINGS.as_dict()
    versions = description.pop("versions")
    assert versions["python"] == platform.python_version()
    assert versions["numpy"] == np.__version__
    assert (versions["tensorflow"], versions["cuda"]) == ("1.14.0", "10.0.130")
    assert {"cudnn", "onednn", "scipy", "scikit-learn"} < set(versions)
    assert len(description.pop("time")) == len("2024-01-31T23:59:59+0000")
    assert description == {
        "random_seed": 17,
        "device": DEVICE.line(),
        "num_workers": 1,
        "determinism": "not guaranteed (GPU)",
        "git_revision": "abc-dirty",
        "command": ["run_classifier.py", "--do_train=true"],
    }


def test_a_saved_description_is_read_again(tmp_path):
    settings = dataclasses.replace(SETTINGS, output_dir=str(tmp_path))
    description = provenance.describe(settings, 17, DEVICE)
    provenance.save(settings, description, planned_steps=15)
    assert sorted(os.listdir(str(tmp_path))) == ["run.flags", "run_settings.json"]
    saved = saved_run.load(str(tmp_path))
    assert (saved.random_seed, saved.planned_steps) == (17, 15)
    assert saved.settings["task_name"] == "MRPC"


# The revision


@pytest.fixture
def git(tmp_path, monkeypatch):
    """A function that runs git in an empty directory, now the root of the program."""
    monkeypatch.setattr(provenance, "_ROOT", str(tmp_path))
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))

    def run(*arguments):
        command = ["git", "-c", "user.name=a", "-c", "user.email=a@b", *arguments]
        try:
            done = subprocess.run(
                command, cwd=str(tmp_path), capture_output=True, check=True
            )
        except FileNotFoundError:
            pytest.skip("needs git")
        return done.stdout.decode("utf-8").strip()

    return run


def test_the_revision_is_the_commit(git, tmp_path, monkeypatch):
    assert provenance.git_revision() is None
    git("init")
    assert provenance.git_revision() is None
    (tmp_path / "file").write_text("a")
    git("add", "file")
    git("commit", "-m", "one")
    git("tag", "-a", "-m", "v1", "v1")
    commit = git("rev-parse", "HEAD")
    assert len(commit) == 40
    assert provenance.git_revision() == commit
    (tmp_path / "file").write_text("b")
    assert provenance.git_revision() == commit + "-dirty"
    # An unpacked archive within somebody else's repository.
    (tmp_path / "program").mkdir()
    monkeypatch.setattr(provenance, "_ROOT", str(tmp_path / "program"))
    assert provenance.git_revision() is None


def test_no_revision_without_git(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert provenance.git_revision() is None
