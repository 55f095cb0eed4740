"""What is said of which run: no more than holds."""

import pytest

from finetuning.device.determinism import guarantee, of_training


@pytest.mark.parametrize("version, switch", [("1.14.0", False), ("2.21.0", True)])
def test_one_cpu_thread(version, switch):
    assert guarantee("CPU", 1, version, switch) == "bit for bit (CPU, one thread)"


def test_more_cpu_threads():
    assert guarantee("CPU", 2, "1.14.0", False) == (
        "not promised (CPU, 2 threads, TensorFlow 1.14.0: no such switch); all runs "
        "measured on 2 threads were equal bit for bit; --num_threads=1 promises it"
    )
    assert guarantee("CPU", 16, "2.21.0", True) == (
        "not promised (CPU, 16 threads, TensorFlow 2.21.0: deterministic operations); "
        "all runs measured on 2 threads were equal bit for bit; --num_threads=1 "
        "promises it"
    )


@pytest.mark.parametrize("threads", [1, 8])
def test_a_gpu(threads):
    assert guarantee("GPU", threads, "1.14.0", False) == (
        "not promised (GPU, TensorFlow 1.14.0: no such switch); not measured on a GPU "
        "yet"
    )
    assert guarantee("GPU", threads, "2.21.0", True) == (
        "not promised (GPU, TensorFlow 2.21.0: deterministic operations); not measured "
        "on a GPU yet"
    )


def test_a_training_that_begins_is_this_runs_alone():
    assert of_training(None, 0, "now") == of_training("before", 0, "now") == "now"


def test_a_training_that_goes_on_under_the_same():
    assert of_training("now", 7, "now") == "now"


def test_a_training_that_goes_on_under_another():
    assert of_training("a", 7, "b") == "until step 7: a; from there on: b"
    assert of_training(None, 7, "b") == "until step 7: not known; from there on: b"


def test_a_training_that_goes_on_with_other_libraries():
    """Equal words, and yet not the numbers that either would give alone."""
    said = of_training("a", 7, "a", same_versions=False)
    assert said == "until step 7: a, under other versions; from there on: a"
    assert of_training("before", 0, "now", same_versions=False) == "now"
