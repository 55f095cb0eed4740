"""Files of random content are read as a strict reader reads them, or refused.

The strict readers are written from the formats' definitions, not from the program.
"""

import csv
import io
import json
import os
import re

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from finetuning.checkpoints import compatibility, finding
from finetuning.checks import model_config, vocabulary
from finetuning.data import custom_task, reading
from finetuning.data.tasks import DataFile, FileLayout, Task
from finetuning.flags.settings import Settings
from finetuning.utils.errors import InputError
from tests.support import models

TASK = Task("own", ("0", "1"), (), ())
CONFIG = models.tiny_config()
MARK = b"\xef\xbb\xbf"
# What texts, labels and mishaps are made of.
PIECES = [bytes([byte]) for byte in b'aB011\t\t\t,,\n\n\r""\' \x0b\x1c\xe9\0']
PIECES += [b"\xc2\xa0", b"\xe2\x80\xa8", b"\xc3\xa9", b"\xed\xa0\x80", MARK]
PIECES += [b"A\tB\t1\n", b"A\tB\t0\n", b"A\tB\t1\n", b"A,B,1\n", b'"A, ""b""",B,0\n']
PIECES += [b"index\ta\tb\n", b"text,b,label\n", b"PK\x03\x04", b"\x1f\x8b"]
PIECES += [b"\xf0\x9f\x98\x80"]


def pieces(of, most=12):
    return st.lists(st.sampled_from(of), max_size=most).map(b"".join)


@pytest.fixture(params=[50, pytest.param(300, marks=pytest.mark.slow)])
def repeatedly(request):
    """A decorator that has a test draw so many examples, the same in every run."""
    return settings(
        max_examples=request.param,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return str(tmp_path_factory.mktemp("fuzz"))


class RefusedError(Exception):
    """A strict reader refuses a file."""


def write(directory, name, content):
    path = os.path.join(directory, name)
    with open(path, "wb") as file:
        file.write(content)
    return path


def strict(read, *arguments):
    """What a strict reader returns; None if it refuses."""
    try:
        return read(*arguments)
    except (RefusedError, ValueError):
        return None


def ours(read, *arguments):
    """What the program returns; None if it refuses in one line."""
    try:
        return read(*arguments)
    except InputError as error:
        message = str(error)
    assert message.isprintable()
    return None


# TSV and CSV


def strict_text(content):
    if content.startswith(MARK):
        content = content[len(MARK) :]
    text = content.replace(b"\r", b"").decode("utf-8", "strict")
    if "\0" in text:
        raise RefusedError
    return text


def strict_data(content):
    """Text whose lines do not all end in a lone carriage return."""
    if b"\n" not in content and b"\r" in content.rstrip(b"\r"):
        raise RefusedError
    return strict_text(content)


def strict_tsv(text):
    return [line.split("\t") if line else [] for line in text.split("\n")]


def strict_examples(content, layout):
    rows = strict_tsv(strict_data(content))
    while rows and not rows[-1]:
        rows.pop()
    if any(not row for row in rows):
        raise RefusedError
    if rows and layout.header:
        header = rows.pop(0)
        if len(header) > layout.label and header[layout.label] in TASK.labels:
            raise RefusedError
        if header[0] in ("index", "id") and layout.label_name not in header:
            raise RefusedError
    if any(len(row) < 3 or row[2] not in TASK.labels for row in rows):
        raise RefusedError
    return [tuple(row[:3]) for row in rows]


def our_examples(directory, content, layout):
    path = write(directory, layout.file, content)
    found = reading.read_examples(TASK, DataFile("dev", layout, path), [])
    return [(row.text_a, row.text_b, row.label) for row in found]


@pytest.mark.parametrize("header", [True, False])
def test_tsv(directory, repeatedly, header):
    layout = FileLayout("x.tsv", 0, 1, 2, header=header, label_name="label")

    @repeatedly
    @given(pieces(PIECES))
    def check(content):
        found = ours(our_examples, directory, content, layout)
        assert found == strict(strict_examples, content, layout)

    check()


def test_csv(directory, repeatedly):
    """What Python writes is read back; anything else is read or refused."""
    layout = FileLayout("x.csv", 0, 1, 2, header=True, label_name="label", quoted=True)
    cells = st.text(st.sampled_from("aB \",\n'\t\u2028\u00e9\U0001f600"), max_size=9)
    rows = st.lists(st.tuples(cells, cells, st.sampled_from("01")), min_size=1)

    @repeatedly
    @given(rows, pieces(PIECES))
    def check(rows, content):
        text = io.StringIO()
        csv.writer(text).writerows([("text", "b", "label"), *rows])
        written = text.getvalue().encode("utf-8")
        assert ours(our_examples, directory, written, layout) == rows
        ours(our_examples, directory, content, layout)

    check()


@pytest.mark.parametrize("name", ["x.tsv", "x.csv"])
def test_columns_and_labels_of_ones_own(directory, repeatedly, name):
    """The layout that flags give, and the labels that the file gives."""
    names = ["a", "b", "1", "2", "label", "", "\u00b2", "9" * 5000, "0", "-1"]

    @repeatedly
    @given(
        pieces(PIECES), st.sampled_from(names), st.sampled_from(names), st.booleans()
    )
    def check(content, text, label, has_header):
        given_flags = {"text_a_column": text, "label_column": label}
        chosen = Settings(task_name="custom", has_header=has_header, **given_flags)
        path = write(directory, name, content)

        def read():
            source = DataFile(
                "train", custom_task.read_layout(chosen, "train", path), path
            )
            task = custom_task.create_task(chosen, [source], None)
            return [row.label for row in reading.read_examples(task, source)]

        assert ours(read) != []

    check()


# The vocabulary

TOKENS = [b"[PAD]\n", b"[UNK]\n", b"[CLS]\n", b"[SEP]\n", b"[MASK]\n", b"##s\n"]
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")


def strict_vocabulary(content):
    lines = strict_text(content).split("\n")
    tokens = [line.strip() for line in (lines if lines[-1] else lines[:-1])]
    if any(tokens.count(token) != 1 for token in SPECIAL) or tokens[0] != "[PAD]":
        raise RefusedError
    return {token: place for place, token in enumerate(tokens)}


def our_vocabulary(path):
    """A mark stays with the first token, which no text holds: as in the original."""
    vocab = vocabulary.read(path, True)[0].vocab
    return {
        token if place else token.replace("\ufeff", "", 1): place
        for token, place in vocab.items()
    }


def test_vocabulary(directory, repeatedly):
    @repeatedly
    @given(pieces(PIECES), st.permutations(TOKENS), pieces(PIECES + TOKENS))
    def check(before, tokens, behind):
        for content in (
            b"".join(TOKENS[:4]) + behind,
            before + b"".join(tokens) + behind,
            b"".join(TOKENS) + before + b"\n" + b"".join(tokens[:2]),
        ):
            path = write(directory, "vocab.txt", content)
            found = ours(our_vocabulary, path)
            expected = strict(strict_vocabulary, content)
            capitals = re.search(b"[AB]", content)
            assert found == expected or (found is None and capitals)

    check()


# The config

KEYS = sorted(CONFIG.to_dict())
SIZES = [key for key in KEYS if "size" in key or "num_" in key or "max_" in key]
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-3, 64),
    st.floats(),
    st.text(max_size=5),
    st.sampled_from([10**12, 10**25, "16", 16.0, 0.1, "gelu", "relu", -0.0]),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.text(max_size=3), inner, max_size=3),
    ),
    max_leaves=4,
)
CHANGES = st.dictionaries(
    st.one_of(st.sampled_from(KEYS), st.sampled_from(KEYS), st.text(max_size=8)),
    VALUES,
    max_size=3,
)
JUNK = [b"{", b"}", b"[" * 3000, b'"', b":", b",", b"NaN", b"1e999", b"-", b"\0"]
JUNK += [b'"vocab_size": 3,', b"9" * 5000, b"\\ud800", b"true", MARK, b"\r", b"//"]
JUNK += [b"\xe9"]


def compare_configs(directory, content):
    """What is accepted has the values that JSON gives, and sizes that make sense."""
    path = write(directory, "bert_config.json", content)
    found = ours(model_config.read_config, path)
    if found is None:
        return
    expected = json.loads(strict_text(content))
    assert {key: vars(found)[key] for key in expected} == expected
    assert all(type(expected[key]) is int and expected[key] > 0 for key in SIZES)
    assert all("\n" not in note for note in model_config.unused_keys(path, found))


def test_values_of_the_config(directory, repeatedly):
    compare_configs(directory, json.dumps(CONFIG.to_dict()).encode("utf-8"))

    @repeatedly
    @given(CHANGES, st.lists(st.sampled_from(KEYS), max_size=1))
    def check(changes, left_out):
        values = dict(CONFIG.to_dict(), **changes)
        for key in left_out:
            del values[key]
        compare_configs(directory, json.dumps(values).encode("utf-8"))

    check()


def test_text_of_the_config(directory, repeatedly):
    @repeatedly
    @given(st.integers(0, 400), st.integers(0, 20), pieces(JUNK, 4))
    def check(place, length, junk):
        content = json.dumps(CONFIG.to_dict()).encode("utf-8")
        compare_configs(directory, content[:place] + junk + content[place + length :])

    check()


# Checkpoints


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A small checkpoint: its prefix, what it holds, the bytes of its index."""
    prefix = str(tmp_path_factory.mktemp("saved") / "model.ckpt")
    shapes = compatibility.model_shapes(CONFIG, 2)
    arrays = {name: np.full(shape, 0.5, np.float32) for name, shape in shapes.items()}
    models.save_checkpoint(prefix, dict(arrays, global_step=np.int64(7)))
    with open(prefix + ".index", "rb") as file:
        return prefix, compatibility.read_contents(prefix, CONFIG, 2), file.read()


PLACES = st.one_of(st.integers(0, 2000), st.integers(-60, -1))


def test_index(saved, repeatedly):
    prefix, contents, good = saved

    @repeatedly
    @given(PLACES, st.integers(0, 60), st.binary(max_size=12))
    def check(place, length, junk):
        place = max(place % len(good), 0)
        write("", prefix + ".index", good[:place] + junk + good[place + length :])
        assert ours(compatibility.read_contents, prefix, CONFIG, 2) in (None, contents)

    try:
        check()
    finally:
        write("", prefix + ".index", good)


STATE = [b'model_checkpoint_path: "model.ckpt"\n', b'all_model_checkpoint_paths: "']
STATE += [b'model_checkpoint_path: "\\xff"\n', b"model_checkpoint_path: ", b'"', b"\n"]
STATE += [b"\xe9", b"\0", b"{", b"}", b"/", b"x", b"\xff\xfe", b'"../model.ckpt"', MARK]


def test_file_that_names_the_latest(saved, repeatedly):
    directory = os.path.dirname(saved[0])

    @repeatedly
    @given(pieces(STATE, 6))
    def check(content):
        write(directory, "checkpoint", content)
        assert ours(finding.latest_in, directory) in (None, saved[0])
        assert set(ours(finding.all_in, directory) or ()) <= {saved[0]}

    check()
