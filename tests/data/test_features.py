"""Packing, truncating and padding, and the first examples in the log."""

import itertools
import logging

import pytest

import run_classifier
import tokenization
from finetuning.data import features
from finetuning.data.tasks import InputExample

# Ids are the positions: [PAD] 0, [UNK] 1, [CLS] 2, [SEP] 3, a 4, b 5, ...
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"] + list("abcdefgh") + ["##s", "\u00e9"]
LABELS = ("no", "yes")


@pytest.fixture
def tokenizer(tmp_path):
    path = tmp_path / "vocab.txt"
    path.write_text("\n".join(VOCABULARY) + "\n", encoding="utf-8")
    return tokenization.FullTokenizer(str(path), do_lower_case=False)


@pytest.fixture
def logged(monkeypatch, caplog):
    """A function that gives the lines logged so far."""
    monkeypatch.setattr(logging.getLogger("finetuning"), "propagate", True)
    caplog.set_level(logging.INFO, logger="finetuning")
    return lambda: [record.getMessage() for record in caplog.records]


def convert(tokenizer, text_a, text_b, length, label="yes"):
    example = InputExample("dev-7", text_a, text_b, label)
    return features.encode_example(example, LABELS, length, tokenizer).padded(length)


# Whole examples


def test_single_sentence(tokenizer):
    row = convert(tokenizer, "a bs", None, 8)
    assert row.input_ids == [2, 4, 5, 12, 3, 0, 0, 0]
    assert row.input_mask == [1, 1, 1, 1, 1, 0, 0, 0]
    assert row.segment_ids == [0, 0, 0, 0, 0, 0, 0, 0]
    assert row.label_id == 1
    assert row.is_real_example is True
    assert row.truncated is False


def test_pair(tokenizer):
    row = convert(tokenizer, "a b", "c d e", 10, "no")
    assert row.input_ids == [2, 4, 5, 3, 6, 7, 8, 3, 0, 0]
    assert row.input_mask == [1, 1, 1, 1, 1, 1, 1, 1, 0, 0]
    assert row.segment_ids == [0, 0, 0, 0, 1, 1, 1, 1, 0, 0]
    assert row.label_id == 0
    assert row.truncated is False


def test_pair_that_fits_exactly(tokenizer):
    row = convert(tokenizer, "a b", "c d", 7)
    assert row.input_ids == [2, 4, 5, 3, 6, 7, 3]
    assert row.input_mask == [1] * 7
    assert row.segment_ids == [0, 0, 0, 0, 1, 1, 1]
    assert row.truncated is False


def test_pair_that_is_one_too_long(tokenizer):
    row = convert(tokenizer, "a b", "c d", 6)
    assert row.input_ids == [2, 4, 5, 3, 6, 3]
    assert row.segment_ids == [0, 0, 0, 0, 1, 1]
    assert row.truncated is True


@pytest.mark.parametrize("length, truncated", [(5, False), (4, True)])
def test_single_sentence_at_the_limit(tokenizer, length, truncated):
    row = convert(tokenizer, "a b c", None, length)
    assert row.input_ids == [2, 4, 5, 6, 3] if length == 5 else [2, 4, 5, 3]
    assert row.truncated is truncated


@pytest.mark.parametrize("text_b", [None, "", " ", "\u200b", "\t \x00"])
def test_second_text_without_tokens_makes_a_single_sentence(tokenizer, text_b):
    row = convert(tokenizer, "a b", text_b, 6)
    assert row.input_ids == [2, 4, 5, 3, 0, 0]
    assert row.input_mask == [1, 1, 1, 1, 0, 0]
    assert row.segment_ids == [0] * 6
    assert row.truncated is False


def test_first_text_without_tokens(tokenizer):
    row = convert(tokenizer, "", "a b", 7)
    assert row.input_ids == [2, 3, 4, 5, 3, 0, 0]
    assert row.segment_ids == [0, 0, 1, 1, 1, 0, 0]


def test_two_texts_without_tokens(tokenizer):
    row = convert(tokenizer, "", "", 4)
    assert row.input_ids == [2, 3, 0, 0]
    assert row.input_mask == [1, 1, 0, 0]


def test_label_ids_are_positions(tokenizer):
    example = InputExample("x", "a", None, "neutral")
    labels = ["contradiction", "entailment", "neutral"]
    assert (
        features.encode_example(example, labels, 4, tokenizer).padded(4).label_id == 2
    )


@pytest.mark.parametrize("label, value", [("2.5", 2.5), ("3", 3.0), ("-1e2", -100.0)])
def test_without_labels_they_are_numbers(tokenizer, label, value):
    example = InputExample("x", "a", None, label)
    row = features.encode_example(example, (), 4, tokenizer).padded(4)
    assert (row.label_id, type(row.label_id)) == (value, float)
    packed = features.encode_example(example, (), 4, tokenizer)
    assert packed.label_id == value


# Truncation


def packed_one_token_at_a_time(tokens_a, tokens_b, max_seq_length):
    """BERT's own way: takes the last token of the longer side off until both fit."""
    tokens_a, tokens_b = list(tokens_a), list(tokens_b)
    room = max_seq_length - (3 if tokens_b else 2)
    while len(tokens_a) + len(tokens_b) > room:
        (tokens_a if len(tokens_a) > len(tokens_b) else tokens_b).pop()
    first = ["[CLS]"] + tokens_a + ["[SEP]"]
    return first + (tokens_b + ["[SEP]"] if tokens_b else []), len(first)


@pytest.mark.parametrize("max_seq_length", range(3, 16))
def test_truncation_against_a_slow_reference(max_seq_length):
    for length_a, length_b in itertools.product(range(13), repeat=2):
        tokens_a = ["a%d" % index for index in range(length_a)]
        tokens_b = ["b%d" % index for index in range(length_b)]
        expected = packed_one_token_at_a_time(tokens_a, tokens_b, max_seq_length)
        assert features.join_segments(tokens_a, tokens_b, max_seq_length) == expected
        assert len(tokens_a) == length_a
        assert len(tokens_b) == length_b


@pytest.mark.parametrize(
    "text_a, text_b, length, packed",
    [
        ("a b c", "d e f", 8, "[CLS] a b c [SEP] d e [SEP]"),
        ("a b c", "d e f", 7, "[CLS] a b [SEP] d e [SEP]"),
        ("a b c d", "e", 7, "[CLS] a b c [SEP] e [SEP]"),
        ("a", "b c d e", 7, "[CLS] a [SEP] b c d [SEP]"),
        ("a b c d", "e f", 8, "[CLS] a b c [SEP] e f [SEP]"),
        ("a b", "c d e f", 8, "[CLS] a b [SEP] c d e [SEP]"),
        ("a b c d", "e f g h", 6, "[CLS] a b [SEP] e [SEP]"),
        ("a b c d", "e f g h", 5, "[CLS] a [SEP] e [SEP]"),
        ("a b c d", None, 5, "[CLS] a b c [SEP]"),
        ("a b c d", None, 3, "[CLS] a [SEP]"),
    ],
)
def test_truncation_by_hand(tokenizer, text_a, text_b, length, packed):
    row = convert(tokenizer, text_a, text_b, length)
    ids = [VOCABULARY.index(token) for token in packed.split()]
    assert row.input_ids == ids + [0] * (length - len(ids))
    assert row.truncated is True


@pytest.mark.parametrize(
    "length, ids, mask",
    [(4, [2, 4, 3, 0], [1, 1, 1, 0]), (3, [2, 3, 0], [1, 1, 0])],
)
def test_second_text_that_is_cut_away_makes_a_single_sentence(
    tokenizer, length, ids, mask
):
    """As in the original: no [SEP] behind a second text of which nothing is left."""
    row = convert(tokenizer, "a", "b", length)
    assert row.input_ids == ids
    assert row.input_mask == mask
    assert row.segment_ids == [0] * length
    assert row.truncated is True


def test_long_texts_are_cut_at_once():
    tokens = ["a"] * 1000000
    packed, first = features.join_segments(tokens, tokens, 128)
    assert (len(packed), first) == (128, 65)


def test_a_pair_of_very_long_texts(tokenizer):
    row = convert(tokenizer, "a " * 100000, "b " * 100000, 8)
    assert row.input_ids == [2, 4, 4, 4, 3, 5, 5, 3]
    assert row.truncated is True


# Packed, and by which methods of the tokenizer


@pytest.mark.parametrize("text_b", ["c bs", None, ""])
@pytest.mark.parametrize("length", [3, 4, 5, 6, 7, 8, 11])
def test_packed_example_holds_all_of_the_features(tokenizer, text_b, length):
    example = InputExample("dev-7", "a b", text_b, "yes")
    packed = features.encode_example(example, LABELS, length, tokenizer)
    row = features.encode_example(example, LABELS, length, tokenizer).padded(length)
    assert packed.padded(length) == row
    assert packed.token_ids == row.input_ids[: sum(row.input_mask)]
    assert packed.first_segment == sum(row.input_mask) - sum(row.segment_ids)
    assert (packed.label_id, packed.truncated) == (1, row.truncated)


class Words:
    """A tokenizer of a user's own, with the two methods that conversion is to use."""

    def tokenize(self, text):
        return text.split("-")

    def convert_tokens_to_ids(self, tokens):
        assert tokens[0] == "[CLS]" and tokens[-1] == "[SEP]"
        return [len(token) for token in tokens]


class OtherPieces(tokenization.FullTokenizer):
    tokenize = Words.tokenize


class OtherIds(tokenization.FullTokenizer):
    convert_tokens_to_ids = Words.convert_tokens_to_ids


def test_a_tokenizer_of_ones_own(tokenizer):
    assert convert(Words(), "aa-b", "ccc", 8).input_ids == [5, 2, 1, 5, 3, 5, 0, 0]


def test_what_a_user_replaced_is_used(tokenizer, tmp_path):
    vocab = str(tmp_path / "vocab.txt")
    with pytest.raises(KeyError, match="not in the vocabulary: 'bs'"):
        convert(OtherPieces(vocab, False), "a-bs", "c", 8)
    assert convert(OtherIds(vocab, False), "a bs", None, 5).input_ids == [5, 1, 1, 3, 5]
    tokenizer.tokenize = Words().tokenize
    assert convert(tokenizer, "h-a", None, 3).input_ids == [2, 11, 3]


# The log


def test_first_example_is_logged(tokenizer, logged):
    example = InputExample("dev-7", "a bs", "zz \u00e9", "yes")
    row = features.convert_single_example(0, example, LABELS, 9, tokenizer)
    assert logged() == [
        "*** Example ***",
        "guid: dev-7",
        "tokens: [CLS] a b ##s [SEP] [UNK] \u00e9 [SEP]",
        "input_ids: 2 4 5 12 3 1 13 3 0",
        "input_mask: 1 1 1 1 1 1 1 1 0",
        "segment_ids: 0 0 0 0 0 1 1 1 0",
        "label: yes (id = 1)",
    ]
    assert row == features.encode_example(example, LABELS, 9, tokenizer).padded(9)


def test_number_in_the_log(tokenizer, logged):
    example = InputExample("dev-7", "a", None, "2.50")
    features.convert_single_example(0, example, (), 4, tokenizer)
    assert logged()[-1] == "label: 2.50 (id = 2.5)"


def test_five_examples_are_logged(tokenizer, logged):
    examples = [InputExample("dev-%d" % n, "a", None, "no") for n in range(7)]
    rows = features.convert_examples_to_features(examples, LABELS, 4, tokenizer)
    assert len(rows) == 7
    guids = [line for line in logged() if line.startswith("guid: ")]
    assert guids == ["guid: dev-%d" % n for n in range(5)]
    assert len(logged()) == 5 * 7


def test_convert_example_logs_nothing(tokenizer, logged):
    convert(tokenizer, "a", "b", 8)
    assert logged() == []


@pytest.mark.parametrize("shown, lines", [(True, 5 * 7), (False, 0)])
def test_packed_examples_are_logged_if_so_wished(tokenizer, logged, shown, lines):
    examples = [InputExample("dev-%d" % n, "a bs", "c", "no") for n in range(7)]
    packed = list(features.encode_examples(examples, LABELS, 9, tokenizer, shown))
    assert len(logged()) == lines
    rows = features.convert_examples_to_features(examples, LABELS, 9, tokenizer)
    assert [example.padded(9) for example in packed] == rows
    assert not lines or logged()[:lines] == logged()[lines:]


# The names of the original


def test_names_of_the_original():
    assert run_classifier.InputExample is InputExample
    assert run_classifier.InputFeatures is features.InputFeatures
    assert run_classifier.convert_single_example is features.convert_single_example
    assert (
        run_classifier.convert_examples_to_features
        is features.convert_examples_to_features
    )


def test_input_features_as_the_original_builds_them():
    row = features.InputFeatures(
        input_ids=[2, 3], input_mask=[1, 1], segment_ids=[0, 0], label_id=1
    )
    assert row.is_real_example is True
