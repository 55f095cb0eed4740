"""Odd but legal rows: they are read, and give the numbers that the original gives."""

import time

import pytest

import tokenization
from finetuning.data import features, reading, tasks
from finetuning.data.tasks import DataFile, InputExample

TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "b", "c", "##s", '"', ".", "\u00e9t"]
HEADER = b"\xef\xbb\xbfQuality\t#1 ID\t#2 ID\t#1 String\t#2 String"
LENGTH = 9
# Two sentences of MRPC's file; ids and the number of those in segment 1, padding left
# out, as google-research/bert (MrpcProcessor, convert_single_example) gave them under
# TensorFlow 1.14.
ROWS = [
    (b"a b\tc", [2, 4, 5, 3, 6, 3], 2),
    (b"\tc", [2, 3, 6, 3], 2),
    (b"a\t", [2, 4, 3], 0),
    (b"\t", [2, 3], 0),
    (b'"a b\tc', [2, 8, 4, 5, 3, 6, 3], 2),
    (b'a "b\tc"', [2, 4, 8, 5, 3, 6, 8, 3], 3),
    (b"a\xc2\xa0b\tc\xe2\x80\xa8a", [2, 4, 5, 3, 6, 4, 3], 3),
    (b"a\xc2\x85b\tc\x0bas", [2, 1, 3, 1, 3], 2),
    (b"a\rb\tc\r", [2, 1, 3, 6, 3], 2),
    (b"a\tb\tc\ta", [2, 4, 3, 5, 3], 2),
    (b" \tb", [2, 3, 5, 3], 2),
    (b"a\x0cb\t\xe2\x80\x8b", [2, 1, 3], 0),
    (b"\xef\xbb\xbfa\t\xe2\x80\xa9b", [2, 4, 3, 5, 3], 2),
    (b"a a a a a a a\tb b b b", [2, 4, 4, 4, 3, 5, 5, 5, 3], 4),
]


@pytest.fixture
def tokenizer(tmp_path):
    path = tmp_path / "vocab.txt"
    path.write_text("\n".join(TOKENS) + "\n", encoding="utf-8")
    return tokenization.FullTokenizer(str(path))


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("last", [b"", b"\n", b"\r\n\r\n"])
def test_features_of_the_original(tmp_path, tokenizer, line_end, last):
    path = str(tmp_path / "train.tsv")
    lines = [b"%d\t7\t8\t%s" % (n % 2, row[0]) for n, row in enumerate(ROWS)]
    with open(path, "wb") as file:
        file.write(line_end.join([HEADER] + lines) + last)
    task, notes = tasks.find_task("MRPC"), []
    source = DataFile("train", task.layout("train"), path)
    examples = list(reading.read_examples(task, source, notes))
    assert [example.guid for example in examples] == [
        "train-%d" % n for n in range(1, len(ROWS) + 1)
    ]
    assert len(notes) == 1 and notes[0].endswith(": 1, the first in line 11")
    for number, (example, row) in enumerate(zip(examples, ROWS)):
        found = features.encode_example(example, task.labels, LENGTH, tokenizer).padded(
            LENGTH
        )
        _, ids, second = row
        padding = [0] * (LENGTH - len(ids))
        assert found.input_ids == ids + padding, example
        assert found.segment_ids == [0] * (len(ids) - second) + [1] * second + padding
        assert found.input_mask == [1] * len(ids) + padding
        assert found.label_id == number % 2


# Long texts cost what their length is worth. A second is enough by far; what is not
# linear takes minutes. The bound leaves room for a machine that does other things.
MOST_SECONDS = 30


@pytest.mark.parametrize(
    "text",
    [
        "a b " * 50000,
        "\u4e00" * 200000,
        "\u00e9t\u00e9 " * 100000,
        "x" * 1000000,
        "\u00e9" * 1000000,
        "." * 500000,
        "a\u0301" * 300000,
        " " * 1000000,
    ],
    ids=["words", "chinese", "accents", "word", "letters", "dots", "marks", "blanks"],
)
def test_long_texts(tokenizer, text):
    example = InputExample("x", text, text, "1")
    started = time.process_time()
    found = features.encode_example(example, ("0", "1"), 128, tokenizer).padded(128)
    assert time.process_time() - started < MOST_SECONDS
    assert len(found.input_ids) == 128


@pytest.mark.parametrize("quoted", [True, False])
def test_long_row(tmp_path, quoted):
    path = str(tmp_path / "x")
    with open(path, "w") as file:
        file.write((("a" * 10**6 + " ") * 10 + ("," if quoted else "\t")) * 2 + "1\n")
    layout = tasks.FileLayout("x", 0, 1, 2, header=False, quoted=quoted)
    source = DataFile("train", layout, path)
    started = time.process_time()
    (example,) = reading.read_examples(tasks.find_task("MRPC"), source)
    assert time.process_time() - started < MOST_SECONDS
    assert len(example.text_b) == 10**7 + 10
