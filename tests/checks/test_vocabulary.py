"""The judgement of vocabularies: what is refused, noted, accepted."""

import os
import re

import pytest

from finetuning.checks import vocabulary
from finetuning.utils.errors import InputError

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[unused1]"]
LOWER = ["the", "##s", "paid", "7", ".", "\u00e9t\u00e9"]
CASED = LOWER + ["The", "##S", "Paid"]
CHINESE = ["\u4e00", "##\u4e01", "\u4e03", "\u3002", "##\u4e09", "\u4e0a", "1", "nba"]


def write(directory, tokens, end="\n"):
    path = os.path.join(str(directory), "vocab.txt")
    with open(path, "wb") as file:
        file.write("".join(token + end for token in tokens).encode("utf-8"))
    return path


def refusal(path, do_lower_case=True):
    with pytest.raises(InputError) as caught:
        vocabulary.read(path, do_lower_case)
    message = str(caught.value)
    assert "\n" not in message
    assert path in message
    return message


def test_a_good_one(tmp_path):
    path = write(tmp_path, SPECIAL + LOWER)
    tokenizer, notes = vocabulary.read(path, True)
    assert notes == []
    assert tokenizer.tokenize("The Paids") == ["the", "paid", "##s"]
    assert tokenizer.vocab["\u00e9t\u00e9"] == 11


def test_mark_and_windows_line_ends(tmp_path):
    path = write(tmp_path, ["\ufeff[PAD]"] + SPECIAL[1:] + LOWER, "\r\n")
    tokenizer, notes = vocabulary.read(path, True)
    assert (len(tokenizer.vocab), notes) == (12, [])
    assert tokenizer.convert_tokens_to_ids(["[UNK]", "paid"]) == [1, 8]


# Tokens


def test_special_tokens_that_are_missing(tmp_path):
    path = write(tmp_path, SPECIAL[2:] + LOWER)
    assert refusal(path) == (
        "--vocab_file=%s lacks [PAD], [UNK]: it is not a BERT vocabulary" % path
    )


def test_padding_that_is_not_the_first(tmp_path):
    path = write(tmp_path, ["x"] + SPECIAL + LOWER)
    assert refusal(path) == (
        "--vocab_file=%s: [PAD] stands in line 2, expected in the first" % path
    )


@pytest.mark.parametrize("token", ["[PAD]", "[UNK]", "[CLS]", "[SEP]"])
def test_special_token_that_is_there_twice(tmp_path, token):
    path = write(tmp_path, SPECIAL + LOWER + [token])
    assert refusal(path) == (
        "--vocab_file=%s has %s twice, in lines %d and 13; expected once: is it put "
        "together of two files?" % (path, token, SPECIAL.index(token) + 1)
    )


def test_other_tokens_that_are_there_twice(tmp_path):
    """Published vocabularies may have some: the later counts, as in the original."""
    path = write(tmp_path, SPECIAL + LOWER + ["", "paid ", "", "\u2028"])
    tokenizer, notes = vocabulary.read(path, True)
    assert notes == [
        "--vocab_file=%s: 3 lines hold a token that an earlier line has, such as "
        "'paid' in lines 9 and 14; as in the original the later line counts" % path
    ]
    assert tokenizer.vocab["paid"] == 13


@pytest.mark.parametrize("content", [b"\0", b"\xff\xfe[\0", b"[PAD]\n\xe9"])
def test_file_that_is_no_text(tmp_path, content):
    path = str(tmp_path / "vocab.txt")
    with open(path, "wb") as file:
        file.write(content)
    assert refusal(path).startswith(path)


# Length


def size_of(entries, vocab_size, last="x"):
    vocab = {"t%d" % n: n for n in range(entries - 1)}
    vocab[last] = entries - 1
    return vocabulary.compare_size("vocab.txt", vocab, vocab_size)


@pytest.mark.parametrize("vocab_size", [100, 700, 30500, 119600])
def test_one_percent_may_be_lacking_and_no_more(vocab_size):
    spare = vocab_size // 100
    assert size_of(vocab_size, vocab_size) == []
    assert size_of(vocab_size - spare, vocab_size) == [
        "The vocabulary leaves %d of the model's %d rows unused" % (spare, vocab_size)
    ]
    for entries in (vocab_size - spare - 1, vocab_size + 1):
        with pytest.raises(InputError) as caught:
            size_of(entries, vocab_size)
        assert str(caught.value) == (
            "--vocab_file=vocab.txt has %d entries, the model's vocab_size is %d: they "
            "do not belong together" % (entries, vocab_size)
        )


def test_blank_line_that_makes_it_too_long():
    with pytest.raises(InputError, match="together; its line 11 is blank"):
        size_of(11, 10, last="")


# Case


def test_cased_words_against_lower_casing(tmp_path):
    path = write(tmp_path, SPECIAL + CASED)
    assert refusal(path, do_lower_case=True) == (
        "--do_lower_case=true, but 3 of the 7 words with letters in --vocab_file=%s "
        "have capitals, such as 'The', which lower-cased text never meets; give "
        "--do_lower_case=false" % path
    )
    assert vocabulary.read(path, False)[1] == []


def test_lower_cased_words_against_case(tmp_path):
    path = write(tmp_path, SPECIAL + LOWER)
    assert refusal(path, do_lower_case=False) == (
        "--do_lower_case=false, but none of the 4 words with letters in --vocab_file="
        "%s has a capital: a word with one would be [UNK]; give --do_lower_case=true"
        % path
    )


@pytest.mark.parametrize("do_lower_case", [True, False])
@pytest.mark.parametrize(
    "words",
    [
        CHINESE,  # Few words would show it.
        ["\u0628", "##\u05d0", "1", "."],  # Arabic and Hebrew letters have no case.
        [],
        LOWER + ["w%d" % n for n in range(60)] + ["COVID", "BERT", "GLUE"],  # Put in.
    ],
)
def test_words_that_do_not_tell_their_case(tmp_path, words, do_lower_case):
    vocabulary.read(write(tmp_path, SPECIAL + words), do_lower_case)


def test_case_of_other_alphabets(tmp_path):
    path = write(tmp_path, SPECIAL + ["\u0434\u0430", "\u03b1", "\u0561"])
    assert "none of the 3 words" in refusal(path, do_lower_case=False)
    path = write(tmp_path, SPECIAL + ["\u0414\u0430", "\u0391", "\u0531", "\u4e00"])
    assert "3 of the 3 words" in refusal(path, do_lower_case=True)


def test_published_vocabulary(shared_dir):
    """Google's uncased one: no token twice, none with a capital."""
    path = os.path.join(shared_dir, "models", "minilm-l6-h384", "vocab.txt")
    tokenizer, notes = vocabulary.read(path, True)
    assert (len(tokenizer.vocab), notes) == (30522, [])
    message = refusal(path, do_lower_case=False)
    # Pythons know letters of different Unicode versions.
    assert re.search("none of the 269[0-9]{2} words", message)
