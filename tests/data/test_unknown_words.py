"""Words that become [UNK], and what would help."""

import unicodedata

import pytest

import tokenization
from finetuning.data import features, unknown_words
from finetuning.data.tasks import InputExample

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
HANGUL = "\ud55c\uad6d\uc5b4"  # Three syllables, which NFD takes apart.
CHINESE = "\u4eca\u5929\u5929\u6c14"


def tokenizer(directory, words, do_lower_case):
    path = directory / "vocab.txt"
    path.write_text("\n".join(SPECIAL + words) + "\n", encoding="utf-8")
    return tokenization.FullTokenizer(str(path), do_lower_case)


@pytest.mark.parametrize(
    "text, words, do_lower_case, expected",
    [
        (HANGUL, [HANGUL], True, "--do_lower_case=false, which finds all"),
        (HANGUL, [unicodedata.normalize("NFD", HANGUL)], False, "case=true, which"),
        (
            "caf\u00e9 th\u00e9",
            ["caf\u00e9", "th\u00e9"],
            True,
            "=false, which finds all",
        ),
        ("BEN ANNA BEN", ["ben"], False, "--do_lower_case=true, which finds most"),
        # In the other case, other words would be unknown.
        (HANGUL + " Ben Anna", [HANGUL, "ben", "anna"], True, "use a checkpoint"),
        (CHINESE, ["ben"], True, "'\u4eca', '\u5929', '\u6c14'; use a checkpoint"),
        (CHINESE, ["ben"], True, "(chinese_L-12_H-768_A-12"),
        (HANGUL, ["ben"], True, "(multi_cased_L-12_H-768_A-12"),
        ("x" * 201, ["x", "##x"], True, "%s...'; separate words" % ("x" * 20)),
    ],
)
def test_remedies(tmp_path, text, words, do_lower_case, expected):
    found = unknown_words.find_remedy([text], tokenizer(tmp_path, words, do_lower_case))
    assert found.startswith("such as ") and expected in found


def count(tokenizer, *texts):
    counter = unknown_words.Counter(tokenizer)
    examples = [InputExample("dev-1", a, b, "no") for a, b in texts]
    for encoded in features.encode_examples(
        examples, ("no",), 9, tokenizer, on_unknown_words=counter.keep
    ):
        counter.add(encoded)
    return counter.result()


def test_counts(tmp_path):
    ours = tokenizer(tmp_path, ["a", "b", "##b"], True)
    assert count(ours, ("a abb", "b"), ("a", None)) == (0, 6, "")
    found = count(ours, ("a x", "y y"), ("z", None))
    assert (found.count, found.tokens, found.are_many) == (4, 5, True)
    assert found.remedy.startswith("such as 'x', 'y', 'z'; ") and found.are_most


def test_few_unknown_words_need_no_remedy(tmp_path):
    ours = tokenizer(tmp_path, ["a"], True)
    found = count(ours, ("x", None), *[("a a a", None)] * 20)
    assert found == (1, 61, "") and not found.are_many
