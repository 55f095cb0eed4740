"""Encoding, truncating and padding examples, and the first examples in the log."""

import itertools
import logging
import time

import pytest

import tokenization
from finetuning.data import features, reading, tasks
from finetuning.data.tasks import DataFile, InputExample

# The ids are the indices: [PAD] 0, [UNK] 1, [CLS] 2, [SEP] 3, a 4, b 5, ...
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"] + list("abcdefgh") + ["##s", "\u00e9"]
VOCABULARY += ['"', ".", "\u00e9t"]
LABELS = ("no", "yes")


@pytest.fixture
def tokenizer(tmp_path):
    path = tmp_path / "vocab.txt"
    path.write_text("\n".join(VOCABULARY) + "\n", encoding="utf-8")
    return tokenization.FullTokenizer(str(path), do_lower_case=False)


@pytest.fixture
def logged(monkeypatch, caplog):
    """A function that returns the lines logged so far."""
    monkeypatch.setattr(logging.getLogger("finetuning"), "propagate", True)
    caplog.set_level(logging.INFO, logger="finetuning")
    return lambda: [record.getMessage() for record in caplog.records]


def convert(tokenizer, text_a, text_b, length, label="yes", labels=LABELS):
    example = InputExample("dev-7", text_a, text_b, label)
    encoded = features.encode_example(example, labels, length, tokenizer)
    row = encoded.padded(length)
    assert encoded.token_ids == row.input_ids[: sum(row.input_mask)]
    row.truncated = encoded.truncated
    return row


@pytest.mark.parametrize("is_replaced", [False, True])
def test_unknown_words_are_counted(tokenizer, is_replaced):
    if is_replaced:  # By a tokenizer of the user's, which is called.
        original = tokenizer.tokenize
        tokenizer.tokenize = lambda text: original(text)
    found = []
    examples = [
        InputExample("dev-1", "a zz b", "zebra a", "no"),
        InputExample("dev-2", "a b", None, "no"),
        InputExample("dev-3", "a b c d e f zz", None, "no"),
    ]
    encoded = features.encode_examples(
        examples, LABELS, 8, tokenizer, on_unknown_words=found.append
    )
    assert [example.unknown_words for example in encoded] == [2, 0, 0]
    assert found == examples[:1]


# Whole examples


@pytest.mark.parametrize(
    "text_a, text_b, length, tokens, second, truncated",
    [
        ("a bs", None, 8, "[CLS] a b ##s [SEP]", 0, False),
        ("a b", "c d e", 10, "[CLS] a b [SEP] c d e [SEP]", 4, False),
        ("a b", "c d", 7, "[CLS] a b [SEP] c d [SEP]", 3, False),
        ("a b", "c d", 6, "[CLS] a b [SEP] c [SEP]", 2, True),
        ("a b c", None, 5, "[CLS] a b c [SEP]", 0, False),
        ("a b c", None, 4, "[CLS] a b [SEP]", 0, True),
        ("a b c d", None, 3, "[CLS] a [SEP]", 0, True),
        # A second text without tokens makes a single sentence.
        *[
            ("a b", text, 6, "[CLS] a b [SEP]", 0, False)
            for text in ("", "\u200b", "\0")
        ],
        ("", "a b", 7, "[CLS] [SEP] a b [SEP]", 3, False),
        ("", "", 4, "[CLS] [SEP]", 0, False),
        # The longer text loses a token; on a tie, the second one.
        ("a b c", "d e f", 8, "[CLS] a b c [SEP] d e [SEP]", 3, True),
        ("a b c", "d e f", 7, "[CLS] a b [SEP] d e [SEP]", 3, True),
        ("a b c d", "e", 7, "[CLS] a b c [SEP] e [SEP]", 2, True),
        ("a b", "c d e f", 8, "[CLS] a b [SEP] c d e [SEP]", 4, True),
        # As in the original: no second [SEP] if nothing is left of the second text.
        ("a", "b", 4, "[CLS] a [SEP]", 0, True),
        ("a", "b", 3, "[CLS] [SEP]", 0, True),
        ("a " * 100000, "b " * 100000, 8, "[CLS] a a a [SEP] b b [SEP]", 3, True),
    ],
)
def test_examples(tokenizer, text_a, text_b, length, tokens, second, truncated):
    row = convert(tokenizer, text_a, text_b, length)
    ids = [VOCABULARY.index(token) for token in tokens.split()]
    padding = [0] * (length - len(ids))
    assert row.input_ids == ids + padding
    assert row.input_mask == [1] * len(ids) + padding
    assert row.segment_ids == [0] * (len(ids) - second) + [1] * second + padding
    assert row.truncated is truncated
    assert (row.label_id, row.is_real_example) == (1, True)


@pytest.mark.parametrize("label, value", [("2.5", 2.5), ("3", 3.0), ("-1e2", -100.0)])
def test_labels_are_numbers_in_a_regression(tokenizer, label, value):
    row = convert(tokenizer, "a", None, 4, label, labels=())
    assert (row.label_id, type(row.label_id)) == (value, float)


def truncate_one_by_one(tokens_a, tokens_b, max_seq_length):
    """BERT's own way: removes the last token of the longer text until both fit."""
    tokens_a, tokens_b = list(tokens_a), list(tokens_b)
    available = max_seq_length - (3 if tokens_b else 2)
    while len(tokens_a) + len(tokens_b) > available:
        (tokens_a if len(tokens_a) > len(tokens_b) else tokens_b).pop()
    first = ["[CLS]"] + tokens_a + ["[SEP]"]
    return first + (tokens_b + ["[SEP]"] if tokens_b else []), len(first)


@pytest.mark.parametrize("max_seq_length", range(3, 16))
def test_truncation_against_a_slow_reference(max_seq_length):
    for length_a, length_b in itertools.product(range(13), repeat=2):
        tokens_a = ["a%d" % index for index in range(length_a)]
        tokens_b = ["b%d" % index for index in range(length_b)]
        expected = truncate_one_by_one(tokens_a, tokens_b, max_seq_length)
        assert features.join_segments(tokens_a, tokens_b, max_seq_length) == expected
        assert (len(tokens_a), len(tokens_b)) == (length_a, length_b)


# Irregular rows. The ids and the number of them in segment 1 are those that
# google-research/bert (MrpcProcessor, convert_single_example) gave under TensorFlow
# 1.14, for this vocabulary in lower case and S = 9.

HEADER = b"\xef\xbb\xbfQuality\t#1 ID\t#2 ID\t#1 String\t#2 String"
TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "b", "c", "##s", '"', ".", "\u00e9t"]
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


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("last", [b"", b"\r\n\r\n"])
def test_features_of_the_original(tmp_path, line_end, last):
    vocabulary = tmp_path / "tokens.txt"
    vocabulary.write_text("\n".join(TOKENS) + "\n", encoding="utf-8")
    tokenizer = tokenization.FullTokenizer(str(vocabulary))
    path = str(tmp_path / "train.tsv")
    lines = [b"%d\t7\t8\t%s" % (n % 2, row[0]) for n, row in enumerate(ROWS)]
    with open(path, "wb") as file:
        file.write(line_end.join([HEADER] + lines) + last)
    task = tasks.find_task("MRPC")
    data_file = DataFile("train", task.layout("train"), path)
    examples = list(reading.read_examples(task, data_file))
    assert len(examples) == len(ROWS)
    for number, (example, (_, ids, second)) in enumerate(zip(examples, ROWS)):
        encoded = features.encode_example(example, task.labels, 9, tokenizer)
        assert encoded.token_ids == ids, example
        assert encoded.first_segment == len(ids) - second
        assert encoded.label_id == number % 2


@pytest.mark.parametrize(
    "text",
    ["a b " * 50000, "\u4e00" * 200000, "\u00e9t\u00e9 " * 100000, "x" * 1000000]
    + ["." * 500000, "a\u0301" * 300000, " " * 1000000],
    ids=["words", "chinese", "accents", "word", "dots", "marks", "blanks"],
)
def test_long_texts_take_linear_time(tokenizer, text):
    """A second or so; anything quadratic would take minutes."""
    started = time.process_time()
    convert(tokenizer, text, text, 128)
    assert time.process_time() - started < 30


# The tokenizer's methods that are used


class Words:
    """A tokenizer of the user's, with the two methods that the conversion needs."""

    def tokenize(self, text):
        return text.split("-")

    def convert_tokens_to_ids(self, tokens):
        assert tokens[0] == "[CLS]" and tokens[-1] == "[SEP]"
        return [len(token) for token in tokens]


class OtherPieces(tokenization.FullTokenizer):
    tokenize = Words.tokenize


class OtherIds(tokenization.FullTokenizer):
    convert_tokens_to_ids = Words.convert_tokens_to_ids


def test_a_tokenizer_of_the_users(tokenizer):
    assert convert(Words(), "aa-b", "ccc", 8).input_ids == [5, 2, 1, 5, 3, 5, 0, 0]


def test_overridden_methods_are_used(tokenizer, tmp_path):
    vocab = str(tmp_path / "vocab.txt")
    with pytest.raises(KeyError, match="not in the vocabulary: 'bs'"):
        convert(OtherPieces(vocab, False), "a-bs", "c", 8)
    assert convert(OtherIds(vocab, False), "a bs", None, 5).input_ids == [5, 1, 1, 3, 5]
    tokenizer.tokenize = Words().tokenize
    assert convert(tokenizer, "h-a", None, 3).input_ids == [2, 11, 3]


# The log


def test_the_first_example_is_logged(tokenizer, logged):
    example = InputExample("dev-7", "a bs", "zz \u00e9", "yes")
    row = features.convert_single_example(0, example, LABELS, 9, tokenizer)
    assert logged() == [
        "*** Example ***",
        "guid: dev-7",
        "tokens: [CLS] a b ##s [SEP] [UNK] \u00e9 [SEP]",
        "input_ids: 2 4 5 12 3 1 13 3",
        "segment_ids: 0 (5 tokens), 1 (3 tokens)",
        "label: yes (id = 1)",
    ]
    assert row == convert(tokenizer, "a bs", "zz \u00e9", 9)


def test_a_numeric_label_in_the_log(tokenizer, logged):
    example = InputExample("dev-7", "a", None, "2.50")
    features.convert_single_example(0, example, (), 4, tokenizer)
    assert logged()[-1] == "label: 2.50 (id = 2.5)"


def test_a_line_break_in_a_logged_label(tokenizer, logged):
    example = InputExample("dev-7", "a", None, "y\nes")
    features.convert_single_example(0, example, ("y\nes",), 4, tokenizer)
    assert logged()[-1] == "label: y\\nes (id = 0)"


@pytest.mark.parametrize("count", [0, 5])
def test_examples_are_logged_one_of_them_on_the_screen(
    tokenizer, logged, caplog, count
):
    caplog.set_level(logging.INFO, logger="finetuning")
    examples = [InputExample("dev-%d" % n, "a bs", "c", "no") for n in range(7)]
    encoded = list(
        features.encode_examples(
            examples, LABELS, 9, tokenizer, logged=count, has_labels=False
        )
    )
    records = caplog.records[:]
    lines = [record.getMessage() for record in records]
    guids = [n for n, line in enumerate(lines) if line.startswith("guid: ")]
    assert [lines[n] for n in guids] == ["guid: dev-%d" % n for n in range(count)]
    assert [records[n].only_in_file for n in guids] == [False, True, True, True, True][
        :count
    ]
    assert not any(line.startswith("label: ") for line in lines)
    rows = features.convert_examples_to_features(examples, LABELS, 9, tokenizer)
    assert [example.padded(9) for example in encoded] == rows
