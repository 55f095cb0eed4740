"""Which GPU which TensorFlow serves; there need be none here."""

import pytest

from finetuning.device import detect, gpu_support

# What TensorFlow 2.21 says of itself, and 1.14 of the wheel for CUDA 10.0 is known.
TF2 = ("sm_60", "sm_70", "sm_80", "sm_89", "compute_90")
TF1 = detect._TF1_TARGETS


@pytest.mark.parametrize(
    "text, pair",
    [("7.5", (7, 5)), ("12.0", (12, 0)), ("unknown", None), (None, None), ("7", None)],
)
def test_parse(text, pair):
    assert gpu_support.parse(text) == pair


@pytest.mark.parametrize(
    "capability, targets, runs, compiles",
    [
        ("3.7", TF1, True, False),
        ("7.0", TF1, True, False),
        ("7.5", TF1, True, False),
        ("8.0", TF1, False, False),
        ("8.6", TF1, False, False),
        ("9.0", TF1, False, False),
        ("3.7", TF2, False, False),
        ("5.2", TF2, False, False),
        ("6.1", TF2, True, False),
        ("7.5", TF2, True, False),
        ("8.6", TF2, True, False),
        ("8.9", TF2, True, False),
        ("9.0", TF2, False, True),
        ("12.0", TF2, False, True),
        ("8.0", ("8.6",), False, False),
        ("8.9", ("8.6",), True, True),
        ("9.0", ("8.6",), False, True),
        ("9.0", ("sm_90a",), True, False),
        # Of these nothing is known: nothing is said.
        ("unknown", TF2, True, False),
        (None, TF2, True, False),
    ],
)
def test_what_serves_what(capability, targets, runs, compiles):
    problem = gpu_support.problem("Some GPU", capability, targets, "2.21.0")
    assert (problem is None) == (runs or compiles)
    note = gpu_support.note(capability, targets)
    assert (note is not None) == (compiles and not runs)


def test_targets_that_are_not_known():
    assert gpu_support.problem("Some GPU", "8.0", (), "1.15.5") is None
    assert gpu_support.note("8.0", ()) is None


def test_a_gpu_too_new_is_sent_to_tensorflow_2():
    problem = gpu_support.problem("NVIDIA A100", "8.0", TF1, "1.14.0")
    assert problem.startswith(
        "the GPU NVIDIA A100 has compute capability 8.0, and TensorFlow 1.14.0 was "
        "built for sm_30, "
    )
    assert "TensorFlow 2 (requirements-tf2.txt) serves 6.0 and newer" in problem
    assert "requirements-tf1" not in problem
    assert problem.endswith(
        'on the CPU with CUDA_VISIBLE_DEVICES="" in the environment'
    )
    assert "\n" not in problem


def test_a_gpu_too_old_is_sent_to_tensorflow_1():
    problem = gpu_support.problem("Tesla K80", "3.7", TF2, "2.21.0")
    assert "TensorFlow 1.14 (requirements-tf1.txt) serves 3.5 to 7.5" in problem
    assert "requirements-tf2" not in problem


def test_a_gpu_that_nothing_serves():
    problem = gpu_support.problem("Quadro K2000", "3.0", TF2, "2.21.0")
    assert "no stack of this program serves it, or run on the CPU" in problem


def test_code_that_is_compiled_at_the_start_is_said():
    note = gpu_support.note("9.0", TF2)
    assert "no code for compute capability 9.0" in note
    assert "can take minutes" in note


@pytest.mark.parametrize(
    "with_cuda, tensorflow, words",
    [
        (False, "1.14.0", "built without CUDA: install tensorflow-gpu in its place"),
        (False, "2.21.0", 'built without CUDA: install "tensorflow[and-cuda]"'),
        (True, "2.21.0", "CUDA libraries that it wants are missing"),
    ],
)
def test_a_gpu_that_is_not_used(with_cuda, tensorflow, words):
    line = gpu_support.unused(with_cuda, tensorflow)
    assert line.startswith("THE GPU IS NOT USED: this machine has one, and TensorFlow")
    assert words in line
    assert "\n" not in line
