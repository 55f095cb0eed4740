"""Which TensorFlow supports which GPU; these tests need no GPU."""

import pytest

from finetuning.device import backend, gpu_support

TF1 = backend._TF1_TARGETS
TF2 = ("sm_60", "sm_70", "sm_80", "sm_89", "compute_90")  # Of TensorFlow 2.21.


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
        ("7.5", TF1, True, False),
        ("8.0", TF1, False, False),
        ("9.0", TF1, False, False),
        ("5.2", TF2, False, False),
        ("6.1", TF2, True, False),
        ("8.9", TF2, True, False),
        ("9.0", TF2, False, True),
        ("12.0", TF2, False, True),
        ("8.0", ("8.6",), False, False),
        ("8.9", ("8.6",), True, True),
        ("9.0", ("8.6",), False, True),
        ("9.0", ("sm_90a",), True, False),
        # Nothing is known, so there is nothing to report.
        ("unknown", TF2, True, False),
        (None, TF2, True, False),
        ("8.0", (), True, False),
    ],
)
def test_problem_and_note(capability, targets, runs, compiles):
    problem = gpu_support.problem("Some GPU", capability, targets, "2.21.0")
    assert (problem is None) == (runs or compiles)
    note = gpu_support.note(capability, targets)
    assert (note is not None) == (compiles and not runs)
    assert note is None or "compute capability " + capability in note


@pytest.mark.parametrize(
    "capability, targets, advice, other",
    [
        ("8.0", TF1, "requirements-tf2.txt", "requirements-tf1.txt"),
        ("3.7", TF2, "requirements-tf1.txt", "requirements-tf2.txt"),
        ("3.0", TF2, "no supported TensorFlow version", "requirements"),
    ],
)
def test_a_problem_says_which_tensorflow_to_use(capability, targets, advice, other):
    problem = gpu_support.problem("Some GPU", capability, targets, "2.21.0")
    assert "GPU Some GPU has compute capability %s, but Tens" % capability in problem
    assert advice in problem and other not in problem
    assert 'CUDA_VISIBLE_DEVICES=""' in problem and "\n" not in problem


@pytest.mark.parametrize(
    "with_cuda, tensorflow, advice",
    [
        (False, "1.14.0", "install tensorflow-gpu instead (requirements-tf1.txt)"),
        (False, "2.21.0", 'install "tensorflow[and-cuda]" (requirements-tf2.txt)'),
        (True, "2.21.0", "CUDA libraries are missing"),
    ],
)
def test_a_gpu_that_is_not_used(with_cuda, tensorflow, advice):
    warning = gpu_support.unused(with_cuda, tensorflow)
    assert warning.startswith("THE GPU IS NOT USED")
    assert advice in warning and "\n" not in warning
