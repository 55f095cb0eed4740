"""The places that a checkpoint's index names at its end."""

import itertools

import numpy as np
import pytest

from finetuning.checkpoints import compatibility, integrity
from finetuning.utils.errors import InputError
from tests.support import models

LENGTH = 48
# Sizes for which TensorFlow would ask for memory that no machine has, and end.
HUGE = [2**36, 2**40, 2**62, 2**64 - 6, 2**64 - 1]


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    prefix = str(tmp_path_factory.mktemp("saved") / "model.ckpt")
    shapes = compatibility.model_shapes(models.tiny_config(), 2)
    models.save_checkpoint(
        prefix, {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
    )
    with open(prefix + ".index", "rb") as file:
        return prefix, file.read()


def varint(number):
    """The number in 7 bits a byte, the lowest first."""
    found = []
    while number > 127:
        found.append(number & 127 | 128)
        number >>= 7
    return bytes(found + [number])


def with_blocks(content, *numbers):
    footer = b"".join(map(varint, numbers))[: LENGTH - 8].ljust(LENGTH - 8, b"\0")
    return content[:-LENGTH] + footer + content[-8:]


def test_good_index(saved):
    prefix, _ = saved
    assert integrity.index_damage(prefix + ".index") is None
    assert compatibility.read_contents(prefix, models.tiny_config(), 2).fresh == ()


@pytest.mark.parametrize(
    "place, size", list(itertools.product(range(4), HUGE)) + [(1, 10**5), (3, 10**5)]
)
def test_blocks_outside(saved, place, size):
    """Without the check this ends the process that runs the test."""
    prefix, content = saved
    numbers = [0, 8, 8, 8]
    numbers[place] = size
    path = prefix + ".index"
    try:
        with open(path, "wb") as file:
            file.write(with_blocks(content, *numbers))
        with pytest.raises(InputError) as caught:
            compatibility.read_contents(prefix, models.tiny_config(), 2)
    finally:
        with open(path, "wb") as file:
            file.write(content)
    assert str(caught.value).startswith(
        prefix + " cannot be read as a checkpoint: a block of its .index lies outside"
    )


def test_end_that_names_nothing(saved, tmp_path):
    path = str(tmp_path / "x.index")
    with open(path, "wb") as file:
        file.write(saved[1][:-LENGTH] + b"\xff" * (LENGTH - 8) + saved[1][-8:])
    assert integrity.index_damage(path) == "the end of its .index names no blocks"


@pytest.mark.parametrize("content", [b"", b"short", b"x" * 100])
def test_what_is_no_index_is_left_to_tensorflow(tmp_path, content):
    path = str(tmp_path / "x.index")
    assert integrity.index_damage(path) is None
    with open(path, "wb") as file:
        file.write(content)
    assert integrity.index_damage(path) is None
