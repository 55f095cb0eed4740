"""What is guaranteed of a run, and of a training run that was resumed."""

import json

import pytest

from finetuning.device.determinism import guarantee, of_training

ONE_THREAD = {"determinism": "bit for bit (CPU, one thread)", "versions": {"a": "1"}}
GPU = {"determinism": "not guaranteed (GPU)", "versions": {"a": "1"}}
NEWER = dict(ONE_THREAD, versions={"a": "2"})


@pytest.mark.parametrize(
    "kind, threads, deterministic_ops, line",
    [
        ("CPU", 1, False, "bit for bit (CPU, one thread)"),
        ("CPU", 2, False, "not guaranteed (CPU, 2 threads, TensorFlow 2.21.0 without"),
        ("CPU", 2, True, "not guaranteed (CPU, 2 threads, TensorFlow 2.21.0 with det"),
        ("GPU", 1, True, "not guaranteed (GPU, TensorFlow 2.21.0 with determ"),
    ],
)
def test_only_one_cpu_thread_is_exact(kind, threads, deterministic_ops, line):
    assert guarantee(kind, threads, "2.21.0", deterministic_ops).startswith(line)


def parts(described):
    assert json.loads(json.dumps(described)) == described
    return [
        (part["from_step"], part["deterministic"], part["versions"])
        for part in described["determinism_history"]
    ]


def test_a_new_run_is_described_by_its_own_line():
    described = of_training({}, 0, ONE_THREAD)
    assert described["determinism"] == ONE_THREAD["determinism"]
    assert parts(described) == [(0, True, {"a": "1"})]


def test_resuming_on_the_same_device_adds_nothing():
    first = dict(ONE_THREAD, **of_training({}, 0, ONE_THREAD))
    assert of_training(first, 7, ONE_THREAD) == of_training({}, 0, ONE_THREAD)


@pytest.mark.parametrize("now, exact", [(GPU, False), (NEWER, True)])
def test_resuming_on_another_device_or_with_other_versions(now, exact):
    first = dict(ONE_THREAD, **of_training({}, 0, ONE_THREAD))
    described = of_training(first, 7, now)
    assert described["determinism"].startswith("not guaranteed: ")
    assert "changed at step 7" in described["determinism"]
    assert parts(described) == [(0, True, {"a": "1"}), (7, exact, now["versions"])]
    again = of_training(dict(now, **described), 9, ONE_THREAD)
    assert "changed at step 7, 9" in again["determinism"]


def test_steps_that_are_trained_again_count_once():
    """A checkpoint was lost: from step 5 on, this process trains."""
    first = dict(ONE_THREAD, **of_training({}, 0, ONE_THREAD))
    second = dict(GPU, **of_training(first, 7, GPU))
    assert of_training(second, 5, ONE_THREAD) == of_training({}, 0, ONE_THREAD)


def test_files_of_older_versions_of_this_program():
    """They have no history, and their line may be prose about two parts."""
    prose = "until step 3: bit for bit (CPU, one thread); from there on: not promised"
    assert parts(of_training({"determinism": prose}, 7, GPU))[0] == (0, False, None)
    assert of_training(ONE_THREAD, 7, ONE_THREAD)["determinism"].startswith("bit for")
    assert parts(of_training({}, 7, GPU)) == [(0, None, None), (7, False, {"a": "1"})]
