"""Which vocabularies are rejected, noted or accepted."""

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


def error(path, do_lower_case=True):
    with pytest.raises(InputError) as caught:
        vocabulary.read(path, do_lower_case)
    message = str(caught.value)
    assert "\n" not in message
    assert path in message
    return message


def test_a_valid_vocabulary(tmp_path):
    path = write(tmp_path, SPECIAL + LOWER)
    tokenizer, notes = vocabulary.read(path, True)
    assert notes == []
    assert tokenizer.tokenize("The Paids") == ["the", "paid", "##s"]
    assert tokenizer.vocab["\u00e9t\u00e9"] == 11


def test_byte_order_mark_and_windows_line_ends(tmp_path):
    path = write(tmp_path, ["\ufeff[PAD]"] + SPECIAL[1:] + LOWER, "\r\n")
    tokenizer, notes = vocabulary.read(path, True)
    assert (len(tokenizer.vocab), notes) == (12, [])
    assert tokenizer.convert_tokens_to_ids(["[UNK]", "paid"]) == [1, 8]


@pytest.mark.parametrize(
    "tokens, part",
    [
        (SPECIAL[2:] + LOWER, "lacks [PAD], [UNK]"),
        ([], "lacks [PAD], [UNK], [CLS], [SEP]"),
        (["{}"], "lacks [PAD], [UNK], [CLS], [SEP]"),
        (["x"] + SPECIAL + LOWER, "[PAD] must be on line 1, found on line 2"),
        (SPECIAL + LOWER + ["[SEP]"], "[SEP] twice, on lines 4 and 13"),
    ],
)
def test_missing_misplaced_and_repeated_special_tokens(tmp_path, tokens, part):
    path = write(tmp_path, tokens)
    assert error(path).startswith("--vocab_file=" + path)
    assert part in error(path)


def test_other_repeated_tokens(tmp_path):
    """Published vocabularies have some: the later one counts, as in the original."""
    path = write(tmp_path, SPECIAL + LOWER + ["", "paid ", "", "\u2028"])
    tokenizer, (note,) = vocabulary.read(path, True)
    assert note.startswith(
        "--vocab_file=%s: tokens that repeat an earlier one: 3" % path
    )
    assert "'paid' on lines 9 and 14" in note
    assert tokenizer.vocab["paid"] == 13


@pytest.mark.parametrize("content", [b"\0", b"\xff\xfe[\0", b"[PAD]\n\xe9"])
def test_a_file_that_is_not_text(tmp_path, content):
    path = str(tmp_path / "vocab.txt")
    with open(path, "wb") as file:
        file.write(content)
    assert error(path).startswith(path)


# Size


def compare_size(entries, vocab_size, has_weights, last="x"):
    """The notes and the warnings."""
    vocab = {"t%d" % n: n for n in range(entries - 1)}
    vocab[last] = entries - 1
    return vocabulary.compare_size("vocab.txt", vocab, vocab_size, has_weights)


@pytest.mark.parametrize("has_weights, percent", [(False, 1), (True, 10)])
@pytest.mark.parametrize("vocab_size", [100, 700, 30500])
def test_some_of_the_rows_may_be_unused(vocab_size, has_weights, percent):
    unused, most = vocab_size // 100, vocab_size * percent // 100
    assert compare_size(vocab_size, vocab_size, has_weights) == ([], [])
    (note,), warnings = compare_size(vocab_size - unused, vocab_size, has_weights)
    assert "%d of the model's %d rows unused" % (unused, vocab_size) in note
    assert warnings == []
    for entries in (vocab_size - most - 1, vocab_size + 1):
        with pytest.raises(InputError) as caught:
            compare_size(entries, vocab_size, has_weights)
        assert str(caught.value).startswith("--vocab_file=vocab.txt has %d" % entries)
        assert "vocab_size is %d: " % vocab_size in str(caught.value)


def test_a_published_checkpoint_with_a_shorter_vocabulary():
    notes, (warning,) = compare_size(31102, 32102, has_weights=True)
    assert notes == []
    assert "31102 entries" in warning and "1000 rows are unused" in warning


def test_a_blank_line_that_makes_it_too_long():
    with pytest.raises(InputError, match="line 11 is blank"):
        compare_size(11, 10, True, last="")


# Case


@pytest.mark.parametrize(
    "words, do_lower_case, parts",
    [
        (CASED, True, ["3 of the 7 words", "'The'"]),
        (LOWER, False, ["none of the 4 words", "[UNK]"]),
        (["\u0434\u0430", "\u03b1", "\u0561"], False, ["none of the 3 words"]),
        (["\u0414\u0430", "\u0391", "\u0531", "\u4e00"], True, ["3 of the 3 words"]),
    ],
)
def test_words_that_contradict_the_case(tmp_path, words, do_lower_case, parts):
    path = write(tmp_path, SPECIAL + words)
    message = error(path, do_lower_case)
    flags = ["--do_lower_case=true", "--do_lower_case=false"]
    given, remedy = flags if do_lower_case else reversed(flags)
    assert message.startswith(given + ", but ")
    assert message.endswith("; pass " + remedy)
    for part in parts:
        assert part in message
    assert vocabulary.read(path, not do_lower_case)[1] == []


@pytest.mark.parametrize("do_lower_case", [True, False])
@pytest.mark.parametrize(
    "words",
    [
        CHINESE,  # Few words could show it.
        ["\u0628", "##\u05d0", "1", "."],  # Arabic and Hebrew letters have no case.
        [],
        # A few capitals in unused entries.
        LOWER + ["w%d" % n for n in range(60)] + ["COVID", "BERT", "GLUE"],
    ],
)
def test_words_that_do_not_show_the_case(tmp_path, words, do_lower_case):
    vocabulary.read(write(tmp_path, SPECIAL + words), do_lower_case)


def test_a_published_vocabulary(shared_dir):
    """Google's uncased one has no repeated tokens and no capitals."""
    path = os.path.join(shared_dir, "models", "minilm-l6-h384", "vocab.txt")
    tokenizer, notes = vocabulary.read(path, True)
    assert (len(tokenizer.vocab), notes) == (30522, [])
    message = error(path, do_lower_case=False)
    # Different Pythons have different versions of Unicode.
    assert re.search("none of the 269[0-9]{2} words", message)
