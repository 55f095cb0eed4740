"""The seed, and what a run saves about itself."""

import dataclasses
import json
import logging
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


@pytest.fixture
def logged(monkeypatch, caplog):
    """A function that gives the level and text of the lines logged so far."""
    monkeypatch.setattr(logging.getLogger("finetuning"), "propagate", True)
    caplog.set_level(logging.INFO, logger="finetuning")
    return lambda: [(r.levelname, r.getMessage()) for r in caplog.records]


def settings(directory, **values):
    return Settings(output_dir=str(directory), **values)


def save_seed(directory, seed):
    (directory / "run_settings.json").write_text(json.dumps({"random_seed": seed}))


# The seed


def test_given_seed(tmp_path, logged):
    chosen = settings(tmp_path, random_seed=0, do_train=True)
    assert provenance.choose_seed(chosen) == 0
    assert logged() == [("INFO", "Random seed: 0, as given")]


def test_saved_seed_of_a_resumed_training(tmp_path, logged):
    save_seed(tmp_path, 17)
    assert provenance.choose_seed(settings(tmp_path, do_train=True)) == 17
    assert logged() == [("INFO", "Random seed: 17, as saved in %s" % tmp_path)]


def test_given_seed_goes_before_a_saved_one(tmp_path, logged):
    save_seed(tmp_path, 17)
    chosen = settings(tmp_path, random_seed=5, do_train=True)
    assert provenance.choose_seed(chosen) == 5
    assert logged() == [("INFO", "Random seed: 5, as given")]


def test_given_seed_that_is_the_saved_one(tmp_path, logged):
    save_seed(tmp_path, 0)
    chosen = settings(tmp_path, random_seed=0, do_train=True)
    assert provenance.choose_seed(chosen) == 0
    assert logged() == [("INFO", "Random seed: 0, as given")]


def test_drawn_seed_is_shown_in_a_form_that_repeats_it(tmp_path, logged):
    seed = provenance.choose_seed(settings(tmp_path, do_train=True))
    assert type(seed) is int
    assert 0 <= seed <= MAX_SEED
    line = "Random seed: %d, drawn; --random_seed=%d repeats this run"
    assert logged() == [("INFO", line % (seed, seed))]


def test_drawn_seeds_differ_whatever_the_program_has_seeded(tmp_path):
    seeds = set()
    for _ in range(5):
        random.seed(1)
        np.random.seed(1)
        seeds.add(provenance.choose_seed(settings(tmp_path)))
    assert len(seeds) == 5


def test_a_run_that_does_not_train_says_nothing_of_seeds(tmp_path, logged):
    save_seed(tmp_path, 17)
    assert provenance.choose_seed(settings(tmp_path, do_eval=True)) == 17
    provenance.choose_seed(settings(tmp_path, do_eval=True, random_seed=3))
    assert logged() == []


# The description


def test_description(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.argv", ["run_classifier.py", "--do_train=true"])
    monkeypatch.setattr(provenance, "git_revision", lambda: "abc-dirty")
    chosen = settings(tmp_path, task_name="MRPC", learning_rate=2e-5)
    described = provenance.describe(chosen, 17, DEVICE)
    assert described["settings"] == chosen.as_dict()
    assert described["settings"]["learning_rate"] == 2e-5
    assert described["random_seed"] == 17
    assert described["device"] == DEVICE.line()
    assert described["determinism"] == "not guaranteed (GPU)"
    assert described["git_revision"] == "abc-dirty"
    assert described["command"] == ["run_classifier.py", "--do_train=true"]
    versions = described["versions"]
    assert versions["python"] == platform.python_version()
    assert versions["tensorflow"] == "1.14.0"
    assert versions["cuda"] == "10.0.130"
    assert versions["cudnn"] == "7.6.5"
    assert versions["numpy"] == np.__version__
    assert {"scipy", "scikit-learn"} < set(versions)
    assert len(described["time"]) == len("2024-01-31T23:59:59+0000")


def test_saved_description_gives_the_seed_again(tmp_path):
    chosen = settings(tmp_path, task_name="MRPC")
    described = provenance.describe(chosen, 17, DEVICE)
    provenance.save(chosen, described, planned_steps=15)
    assert sorted(os.listdir(str(tmp_path))) == ["run.flags", "run_settings.json"]
    content = saved_run.load(str(tmp_path))
    assert content["random_seed"] == 17
    assert content["settings"]["task_name"] == "MRPC"
    assert content["planned_steps"] == 15


def test_json_is_sorted_and_ends_with_a_line_end(tmp_path):
    path = tmp_path / "x.json"
    provenance.write_json(str(path), {"b": [1, 2.5], "a": None, "c": "\u00e9"})
    assert path.read_bytes() == (
        b'{\n  "a": null,\n  "b": [\n    1,\n    2.5\n  ],\n  "c": "\\u00e9"\n}\n'
    )


# The revision


@pytest.fixture
def git(tmp_path, monkeypatch):
    """Moves the program's root to an empty directory; a function runs git in it."""
    monkeypatch.setattr(provenance, "_ROOT", str(tmp_path))
    for name in [n for n in os.environ if n.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    identity = ["-c", "user.name=a", "-c", "user.email=a@b"]

    def run(*arguments):
        try:
            done = subprocess.run(
                ["git"] + identity + list(arguments),
                cwd=str(tmp_path),
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                check=True,
            )
        except FileNotFoundError:
            pytest.skip("needs git")
        return done.stdout.decode("utf-8").strip()

    return run


def test_revision(git, tmp_path):
    git("init")
    (tmp_path / "file").write_text("a")
    git("add", "file")
    git("commit", "-m", "one")
    commit = git("rev-parse", "HEAD")
    assert len(commit) == 40
    assert provenance.git_revision() == commit
    git("tag", "-a", "-m", "v1", "v1")
    assert provenance.git_revision() == commit
    (tmp_path / "file").write_text("b")
    assert provenance.git_revision() == commit + "-dirty"


def test_no_revision_outside_of_a_repository(git):
    assert provenance.git_revision() is None


def test_no_revision_before_the_first_commit(git):
    git("init")
    assert provenance.git_revision() is None


def test_no_revision_of_a_repository_around_the_program(git, tmp_path, monkeypatch):
    """An unpacked archive below someone's own repository has no commit there."""
    git("init")
    (tmp_path / "file").write_text("a")
    git("add", "file")
    git("commit", "-m", "not ours")
    (tmp_path / "program").mkdir()
    monkeypatch.setattr(provenance, "_ROOT", str(tmp_path / "program"))
    assert provenance.git_revision() is None


def test_no_revision_without_git(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert provenance.git_revision() is None
