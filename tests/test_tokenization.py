"""Tests of `tokenization`: each step by hand, then against independent references.

`BERT_SHARED` names the folder with the golden data (default: ../shared beside the
repository), `BERT_ORIGINAL` a checkout of https://github.com/google-research/bert.
Tests that need one of them say so where they are skipped.
"""

import copy
import hashlib
import importlib.util
import json
import os
import pickle
import random
import re
import subprocess
import sys
import types
import unicodedata

import pytest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import tokenization

ROOT = os.path.dirname(os.path.abspath(tokenization.__file__))

PIECES = ["[UNK]", "[CLS]", "[SEP]", "want", "##want", "##ed", "wa", "un", "runn"]
PIECES += ["##ing", ",", "\u535a", "!", "hello"]


@pytest.fixture
def vocab_file(tmp_path):
    path = tmp_path / "vocab.txt"
    path.write_text("\n".join(PIECES) + "\n", encoding="utf-8")
    return str(path)


def basic(text, do_lower_case=True):
    return tokenization.BasicTokenizer(do_lower_case=do_lower_case).tokenize(text)


def shared(*parts):
    """The path of a file of the shared folder; skips the test where it is absent."""
    folder = os.environ.get("BERT_SHARED") or os.path.join(ROOT, "..", "shared")
    path = os.path.join(folder, *parts)
    if not os.path.exists(path):
        pytest.skip("no golden data: %s is absent (set BERT_SHARED)" % path)
    return path


def shared_tokenizer(do_lower_case=True):
    vocab = shared("models", "minilm-l6-h384", "vocab.txt")
    return tokenization.FullTokenizer(vocab, do_lower_case=do_lower_case)


# Characters


@pytest.mark.parametrize("char", [" ", "\t", "\n", "\r", "\u00a0", "\u2003", "\u3000"])
def test_whitespace(char):
    assert tokenization._is_whitespace(char)
    assert not tokenization._is_control(char)


@pytest.mark.parametrize("char", list("\0\x0b\x0c\x1c\x7f\x85\u00ad\u200b"))
def test_control(char):
    assert tokenization._is_control(char)
    assert not tokenization._is_whitespace(char)


@pytest.mark.parametrize("char", list("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~\u00bf\u3002"))
def test_punctuation(char):
    assert tokenization._is_punctuation(char)


@pytest.mark.parametrize("char", list("aZ0 \t\u00e9\u535a\u20ac\u00d7\u0301\U0001f4a9"))
def test_not_punctuation_or_control(char):
    assert not tokenization._is_punctuation(char)
    assert not tokenization._is_control(char)


# Text in and out


@pytest.mark.parametrize(
    "convert", [tokenization.convert_to_unicode, tokenization.printable_text]
)
def test_text_is_str_or_utf8(convert):
    assert convert("h\u00e9") == "h\u00e9"
    assert convert(b"h\xc3\xa9") == "h\u00e9"
    assert convert(b"a\xffb\xc3") == "ab"
    for other in (None, 7, ["a"], bytearray(b"a")):
        with pytest.raises(ValueError, match=type(other).__name__):
            convert(other)


def test_whitespace_tokenize():
    assert tokenization.whitespace_tokenize("") == []
    assert tokenization.whitespace_tokenize(" \t\n") == []
    assert tokenization.whitespace_tokenize(" a\tb\u2028c\u00a0d ") == list("abcd")


# Basic tokenizer


@pytest.mark.parametrize(
    "text, words",
    [
        ("", []),
        (" \t\r\n\u00a0\u3000", []),
        (" \tHeLLo!how  \n Are yoU?  ", ["hello", "!", "how", "are", "you", "?"]),
        (b"H\xc3\xa9llo\xff", ["hello"]),
        # dropped, and what stood on either side becomes one word
        ("a\x00b\ufffdc\u200bd\u00ade\x0bf\x85g", ["abcdefg"]),
        ("a\x05b", ["ab"]),
        # no control characters to Unicode, and white space at the last split alone
        ("a\u2028b\u2029c", ["a", "b", "c"]),
        ("ah\u535a\u63a8zz", ["ah", "\u535a", "\u63a8", "zz"]),
        ("x\u3400\U00020000\uf900", ["x", "\u3400", "\U00020000", "\u8c48"]),
        # Hangul decomposes, Hiragana and Katakana stay together
        ("\ud55c\uad6d", ["\u1112\u1161\u11ab\u1100\u116e\u11a8"]),
        ("\u30c6\u30b9\u30c8", ["\u30c6\u30b9\u30c8"]),
        ("\u00c5ngstr\u00f6m e\u0301", ["angstrom", "e"]),
        ("\u0301 a", ["a"]),
        ("\u0130I\u0131", ["ii\u0131"]),
        ("\u03a3\u0391\u03a3 \u03a3\u0391\u03a3.", "\u03c3\u03b1\u03c2 " * 2 + "."),
        ("\u1e9e \ufb01", ["\u00df", "\ufb01"]),
        # punctuation only once it is decomposed
        ("a\u037eb\u1fefc", ["a", ";", "b", "`", "c"]),
        ("don't $5.00", ["don", "'", "t", "$", "5", ".", "00"]),
        ("[CLS] ##ing", ["[", "cls", "]", "#", "#", "ing"]),
        ("\u201ca\u201d\u2014b", ["\u201c", "a", "\u201d", "\u2014", "b"]),
        ("\u20ac10 \U0001f600!", ["\u20ac10", "\U0001f600", "!"]),
        ("a\ud800b \ue000", ["a\ud800b", "\ue000"]),
    ],
)
def test_basic_lower(text, words):
    assert basic(text) == (words.split() if isinstance(words, str) else words)


@pytest.mark.parametrize(
    "text, words",
    [
        ("", []),
        (" \tHeLLo!how  \n Are yoU?  ", ["HeLLo", "!", "how", "Are", "yoU", "?"]),
        ("H\u00c9llo,\u00a0e\u0301", ["H\u00c9llo", ",", "e\u0301"]),
        ("\ufb01\u535a\uf900", ["\ufb01", "\u535a", "\uf900"]),
        ("a\u1fefb\u3002", ["a\u1fefb", "\u3002"]),
    ],
)
def test_basic_cased(text, words):
    assert basic(text, do_lower_case=False) == words


def test_basic_takes_the_casing_as_it_stands():
    tokenizer = tokenization.BasicTokenizer()
    assert tokenizer.do_lower_case is True
    tokenizer.do_lower_case = False
    assert tokenizer.tokenize("Ab") == ["Ab"]


# WordPiece


@pytest.mark.parametrize(
    "text, pieces",
    [
        ("", []),
        ("unwanted running", ["un", "##want", "##ed", "runn", "##ing"]),
        ("unwantedX running", ["[UNK]", "runn", "##ing"]),
        (b" want\twa\n", ["want", "wa"]),
        # the longest match is final, even where a shorter one would go through
        ("wanting wanti", ["want", "##ing", "[UNK]"]),
        # a mark in the text is no mark, but the word may still be an entry
        ("##ing ##", ["##ing", "[UNK]"]),
        ("[CLS]", ["[CLS]"]),
    ],
)
def test_wordpiece(text, pieces):
    tokenizer = tokenization.WordpieceTokenizer(vocab=set(PIECES))
    assert tokenizer.tokenize(text) == pieces
    assert tokenizer.tokenize(text) == pieces


def test_wordpiece_is_greedy():
    tokenizer = tokenization.WordpieceTokenizer({"a", "ab", "##bc", "##c"})
    assert tokenizer.tokenize("abc abbc") == ["ab", "##c", "ab", "##bc"]
    assert tokenizer.tokenize("abcb") == ["[UNK]"]


def test_bare_mark_and_empty_entry_match_nothing():
    assert tokenization.WordpieceTokenizer({"a", "##", ""}).tokenize("ab") == ["[UNK]"]


def test_long_words():
    tokenizer = tokenization.WordpieceTokenizer({"x", "##x"})
    assert tokenizer.tokenize("x" * 200) == ["x"] + ["##x"] * 199
    assert tokenizer.tokenize("x" * 201 + " x") == ["[UNK]", "x"]
    short = tokenization.WordpieceTokenizer({"x"}, "<?>", max_input_chars_per_word=1)
    assert short.tokenize("x xx y") == ["x", "<?>", "<?>"]


# Vocabulary


def write(tmp_path, content):
    path = tmp_path / "v.txt"
    path.write_bytes(content)
    return str(path)


def test_load_vocab(tmp_path):
    vocab = tokenization.load_vocab(write(tmp_path, b"[PAD]\nthe\n\xc3\xa9\n"))
    assert vocab == {"[PAD]": 0, "the": 1, "\u00e9": 2}
    assert list(vocab) == ["[PAD]", "the", "\u00e9"]
    assert tokenization.load_vocab(tmp_path / "v.txt") == vocab


@pytest.mark.parametrize(
    "content, vocab",
    [
        (b"", {}),
        (b"\n", {"": 0}),
        (b"a\nb", {"a": 0, "b": 1}),
        (b"a\r\nb\r\n", {"a": 0, "b": 1}),
        (b"a\rb\n", {"ab": 0}),
        (b"a\n\n\nb\n", {"a": 0, "": 2, "b": 3}),
        (b"a\nb\na\n", {"a": 2, "b": 1}),
        (b" a b\t\n\xc2\xa0\n", {"a b": 0, "": 1}),
        (b"x\x0by\xe2\x80\xa8z\n", {"x\x0by\u2028z": 0}),
        (b"\xef\xbb\xbfa\n", {"\ufeffa": 0}),
    ],
)
def test_load_vocab_as_the_original(tmp_path, content, vocab):
    assert tokenization.load_vocab(write(tmp_path, content)) == vocab


def test_load_vocab_refuses_what_is_not_utf8(tmp_path):
    path = write(tmp_path, b"a\n\nb\xff\nc\n")
    with pytest.raises(ValueError) as raised:
        tokenization.load_vocab(path)
    assert str(raised.value).startswith("%s, line 3: not UTF-8 (" % path)
    assert "\n" not in str(raised.value)


def test_load_vocab_without_a_file(tmp_path):
    with pytest.raises(OSError):
        tokenization.load_vocab(str(tmp_path / "absent.txt"))


def test_load_vocab_opens_urls_with_tensorflow(tmp_path, monkeypatch):
    opened = []

    def gfile(url, mode):
        opened.append((url, mode))
        return open(write(tmp_path, b"a\nb\n"), mode)

    v1 = types.ModuleType("tensorflow.compat.v1")
    v1.io = types.SimpleNamespace(gfile=types.SimpleNamespace(GFile=gfile))
    compat = types.ModuleType("tensorflow.compat")
    compat.v1 = v1
    tensorflow = types.ModuleType("tensorflow")
    tensorflow.compat = compat
    for module in (tensorflow, compat, v1):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    assert tokenization.load_vocab("gs://bucket/vocab.txt") == {"a": 0, "b": 1}
    assert opened == [("gs://bucket/vocab.txt", "rb")]


def test_tokens_and_ids():
    vocab = {"a": 0, "b": 1}
    inverse = {0: "a", 1: "b"}
    assert tokenization.convert_by_vocab(vocab, ["b", "a", "b"]) == [1, 0, 1]
    assert tokenization.convert_tokens_to_ids(vocab, ["b", "a"]) == [1, 0]
    assert tokenization.convert_ids_to_tokens(inverse, [1, 0]) == ["b", "a"]
    assert tokenization.convert_tokens_to_ids(vocab, []) == []
    with pytest.raises(KeyError, match="not in the vocabulary: 'c'"):
        tokenization.convert_tokens_to_ids(vocab, ["a", "c"])
    with pytest.raises(KeyError, match="not in the vocabulary: 2"):
        tokenization.convert_ids_to_tokens(inverse, [2])


# Casing of released models


@pytest.mark.parametrize(
    "do_lower_case, checkpoint",
    [
        (True, None),
        (False, ""),
        (False, "/models/mine/bert_model.ckpt"),
        (False, "uncased_L-12_H-768_A-12/model.ckpt-100"),
        (True, "/m/uncased_L-12_H-768_A-12/bert_model.ckpt"),
        (False, "gs://b/cased_L-24_H-1024_A-16/bert_model.ckpt"),
        (True, "my_cased_L-12_H-768_A-12/bert_model.ckpt"),
    ],
)
def test_casing_that_suits(do_lower_case, checkpoint):
    tokenization.validate_case_matches_checkpoint(do_lower_case, checkpoint)


@pytest.mark.parametrize(
    "do_lower_case, model",
    [
        (False, "uncased_L-24_H-1024_A-16"),
        (False, "uncased_L-12_H-768_A-12"),
        (False, "multilingual_L-12_H-768_A-12"),
        (False, "chinese_L-12_H-768_A-12"),
        (True, "cased_L-12_H-768_A-12"),
        (True, "cased_L-24_H-1024_A-16"),
        (True, "multi_cased_L-12_H-768_A-12"),
    ],
)
def test_casing_that_does_not_suit(do_lower_case, model):
    checkpoint = "/models/%s/bert_model.ckpt" % model
    tokenization.validate_case_matches_checkpoint(not do_lower_case, checkpoint)
    message = "is %s, .*%s.* with %s" % (do_lower_case, model, not do_lower_case)
    with pytest.raises(ValueError, match=message):
        tokenization.validate_case_matches_checkpoint(do_lower_case, checkpoint)


# Full tokenizer


def test_full_tokenizer(vocab_file):
    tokenizer = tokenization.FullTokenizer(vocab_file)
    pieces = tokenizer.tokenize("UNwant\u00e9d,running")
    assert pieces == ["un", "##want", "##ed", ",", "runn", "##ing"]
    ids = tokenizer.convert_tokens_to_ids(pieces)
    assert ids == [7, 4, 5, 10, 8, 9]
    assert tokenizer.convert_ids_to_tokens(ids) == pieces
    assert tokenizer.tokenize("") == tokenizer.tokenize("  \t ") == []
    assert tokenizer.tokenize(b"Hello\xff\xe5\x8d\x9a!") == ["hello", "\u535a", "!"]
    assert tokenizer.text_to_ids("UNwant\u00e9d,running") == ids
    assert tokenizer.text_to_ids("") == tokenizer.text_to_ids("  \t ") == []
    assert tokenizer.text_to_ids(b"Hello\xff\xe5\x8d\x9a!") == [13, 11, 12]
    assert tokenizer.vocab == {piece: index for index, piece in enumerate(PIECES)}
    assert tokenizer.inv_vocab == dict(enumerate(PIECES))
    for method in (tokenizer.tokenize, tokenizer.text_to_ids):
        with pytest.raises(ValueError, match="NoneType"):
            method(None)


def test_ids_of_a_text_need_an_unknown_token_only_where_there_is_one(tmp_path):
    tokenizer = tokenization.FullTokenizer(write(tmp_path, b"a\n##b\n"))
    assert tokenizer.text_to_ids("ab a") == [0, 1, 0]
    for _ in range(2):
        with pytest.raises(KeyError, match=r"not in the vocabulary: '\[UNK\]'"):
            tokenizer.text_to_ids("a zz")


def test_full_tokenizer_cased(vocab_file):
    tokenizer = tokenization.FullTokenizer(vocab_file, do_lower_case=False)
    assert tokenizer.tokenize("Want want") == ["[UNK]", "want"]


def test_results_are_the_callers_own(vocab_file):
    tokenizer = tokenization.FullTokenizer(vocab_file)
    for _ in range(2):
        pieces = tokenizer.tokenize("unwanted")
        assert pieces == ["un", "##want", "##ed"]
        pieces.clear()
        ids = tokenizer.text_to_ids("unwanted")
        assert ids == [7, 4, 5]
        ids.clear()


def test_tokenizer_can_be_sent_to_another_process(vocab_file):
    tokenizer = tokenization.FullTokenizer(vocab_file)
    tokenizer.tokenize("unwanted")
    tokenizer.text_to_ids("unwanted")
    for twin in (pickle.loads(pickle.dumps(tokenizer)), copy.deepcopy(tokenizer)):
        twin.vocab["hello"] = 99  # Its own, and what it finds is by its own.
        assert twin.tokenize("unwanted hello") == ["un", "##want", "##ed", "hello"]
        assert twin.text_to_ids("unwanted hello") == [7, 4, 5, 99]
    assert tokenizer.text_to_ids("hello") == [13]


def test_memory_is_bounded(vocab_file, monkeypatch):
    monkeypatch.setattr(tokenization._Cache, "max_size", 3)
    tokenizer = tokenization.FullTokenizer(vocab_file)
    table = tokenization._Cache(lambda code: chr(code).upper())
    for text in ("un", "wa", "want", "wanted", "un", "a" * 300, "\u535a" * 300, "wa!"):
        tokenizer.tokenize(text)
        tokenizer.text_to_ids(text)
        assert text.translate(table) == text.upper()
        remembered = (
            tokenizer._pieces_of_chunks,
            tokenizer._ids_of_chunks,
            tokenizer.wordpiece_tokenizer._pieces_of_words,
        )
        assert all(0 < len(memory) <= 3 for memory in remembered + (table,))
        assert all(len(key) <= 32 for memory in remembered for key in memory)
    assert tokenizer.tokenize("un wanted wa!") == ["un", "want", "##ed", "wa", "!"]
    assert tokenizer.text_to_ids("un wanted wa!") == [7, 3, 5, 6, 12]


def test_import_needs_the_standard_library_alone(vocab_file):
    program = (
        "import sys; sys.modules['tensorflow'] = None; sys.path.insert(0, %r)\n"
        "import tokenization\n"
        "print(*tokenization.FullTokenizer(%r).tokenize('unwanted'))"
        % (ROOT, vocab_file)
    )
    # -S leaves out site-packages, so that any third-party import fails
    output = subprocess.check_output([sys.executable, "-S", "-c", program])
    assert output.split() == [b"un", b"##want", b"##ed"]


# Golden data


def test_golden_texts():
    with open(shared("golden", "tokenization.json"), encoding="utf-8") as reader:
        examples = json.load(reader)
    uncased, cased = shared_tokenizer(), shared_tokenizer(do_lower_case=False)
    assert len(examples) > 30
    for example in examples:
        pieces = uncased.tokenize(example["text"])
        assert pieces == example["uncased"]
        assert uncased.convert_tokens_to_ids(pieces) == example["uncased_ids"]
        assert uncased.convert_ids_to_tokens(example["uncased_ids"]) == pieces
        assert cased.tokenize(example["text"]) == example["cased"]


@pytest.mark.parametrize("name", ["MRPC/train.tsv", "MRPC/test.tsv"])
def test_golden_corpora(name):
    with open(shared("golden", "tokenization_corpora.json")) as reader:
        golden = json.load(reader)[name]
    tokenizer = shared_tokenizer()
    digest = hashlib.sha256()
    count = 0
    with open(shared("data", "glue", *name.split("/")), encoding="utf-8") as reader:
        for line in reader:
            ids = tokenizer.convert_tokens_to_ids(tokenizer.tokenize(line))
            digest.update((" ".join(map(str, ids)) + "\n").encode())
            count += len(ids)
    assert (count, digest.hexdigest()) == (golden["tokens"], golden["sha256"])


# Random texts, against a plain reference and against the original

IDEOGRAPH = re.compile(
    "[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002a6df"
    "\U0002a700-\U0002b73f\U0002b740-\U0002b81f\U0002b820-\U0002ceaf"
    "\U0002f800-\U0002fa1f]"
)


def reference_words(text, lower):
    """The contract's words, one character and one step at a time."""
    kept = []
    for char in text:
        if char in "\t\n\r" or unicodedata.category(char) == "Zs":
            kept.append(" ")
        elif unicodedata.category(char) not in ("Cc", "Cf") and char != "\ufffd":
            kept.append(IDEOGRAPH.sub(" " + char + " ", char))
    words = []
    for word in "".join(kept).split():
        if lower:
            decomposed = unicodedata.normalize("NFD", word.lower())
            word = "".join(c for c in decomposed if unicodedata.category(c) != "Mn")
        apart = ""
        for char in word:
            ascii_symbol = "!" <= char <= "~" and not char.isalnum()
            if ascii_symbol or unicodedata.category(char)[0] == "P":
                apart += "\n" + char + "\n"
            else:
                apart += char
        words.extend(part for part in apart.split("\n") if part)
    return words


def reference_pieces(word, vocab, longest=200):
    """The contract's WordPiece: at each place all matches, of which the longest."""
    pieces = []
    place = 0
    while place < len(word) <= longest:
        ends = range(place + 1, len(word) + 1)
        marked = [("##" if place else "") + word[place:end] for end in ends]
        matches = [piece for piece in marked if piece in vocab]
        if not matches:
            return ["[UNK]"]
        pieces.append(matches[-1])
        place = ends[marked.index(matches[-1])]
    return pieces or ["[UNK]"]


def characters(wanted):
    return [char for char in map(chr, range(0x110000)) if wanted(char)]


@pytest.fixture(scope="module")
def random_texts():
    """4,000 texts, each over a few awkward alphabets, the same in every run."""
    rng = random.Random(20181101)
    category = unicodedata.category
    alphabets = [
        list(map(chr, range(0x80))),
        list(map(chr, range(0x3000))),
        list(map(chr, range(0x110000))),
        list("abcdeABCDE"),
        list(" " * 8 + "\t\n"),
        list("\u03a3\u03c3\u03c2\u0391\u0130I\u0131i\u00df\u1e9e'.:\u00b7\u00ad\u200d"),
        [chr(code) for code in range(0x33F0, 0xA010)],
        [chr(code) for code in range(0xD800, 0xE100)],
        characters(lambda char: unicodedata.combining(char)),
        characters(lambda char: category(char) in ("Cc", "Cf", "Zs", "Zl", "Zp")),
        characters(lambda char: category(char)[0] == "P"),
        characters(lambda char: len(unicodedata.normalize("NFD", char.lower())) > 1),
        [piece.replace("##", "") for piece in PIECES],
    ]
    texts = []
    for _ in range(4000):
        chosen = rng.sample(alphabets, rng.randint(1, 4))
        length = rng.choice([1, 2, 3, 5, 8, 20, 60])
        texts.append("".join(rng.choice(rng.choice(chosen)) for _ in range(length)))
    for length in (199, 200, 201, 202):
        texts.append("a" * length + " " + "\u0130" * length + "e\u0301" * length)
    return texts


@pytest.fixture(scope="module")
def random_vocab_file(random_texts, tmp_path_factory):
    """A vocabulary with pieces of the random texts' words, and holes in it."""
    rng = random.Random(2)
    pieces = {"[UNK]": None}
    for text in random_texts:
        for lower in (True, False):
            for word in reference_words(text, lower):
                for char in word:
                    if rng.random() < 0.8:
                        pieces[char] = pieces["##" + char] = None
                start = rng.randrange(len(word))
                pieces[("##" if start else "") + word[start : start + 4]] = None
    path = tmp_path_factory.mktemp("random") / "vocab.txt"
    lines = [p for p in pieces if p == p.strip() and p.isprintable()]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("lower", [True, False])
def test_random_texts_against_the_reference(random_texts, random_vocab_file, lower):
    tokenizer = tokenization.FullTokenizer(random_vocab_file, do_lower_case=lower)
    unknown = known = 0
    for text in random_texts:
        words = reference_words(text, lower)
        assert basic(text, lower) == words
        pieces = []
        for word in words:
            pieces.extend(reference_pieces(word, tokenizer.vocab))
        assert tokenizer.tokenize(text) == pieces
        assert tokenizer.wordpiece_tokenizer.tokenize(" ".join(words)) == pieces
        ids = [tokenizer.vocab[piece] for piece in pieces]
        assert tokenizer.text_to_ids(text) == ids
        unknown += pieces.count("[UNK]")
        known += len(pieces) - pieces.count("[UNK]")
    assert unknown > 1000
    assert known > 1000


@pytest.fixture(scope="module")
def original():
    """The original's module, from `BERT_ORIGINAL`, which TensorFlow 1 alone runs."""
    checkout = os.environ.get("BERT_ORIGINAL")
    if not checkout:
        pytest.skip("BERT_ORIGINAL names no checkout of google-research/bert")
    tensorflow = pytest.importorskip("tensorflow")
    if not tensorflow.__version__.startswith("1."):
        pytest.skip("the original needs TensorFlow 1, not " + tensorflow.__version__)
    path = os.path.join(checkout, "tokenization.py")
    spec = importlib.util.spec_from_file_location("original_tokenization", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("lower", [True, False])
def test_random_texts_against_the_original(
    original, random_texts, random_vocab_file, lower
):
    theirs = original.FullTokenizer(random_vocab_file, do_lower_case=lower)
    ours = tokenization.FullTokenizer(random_vocab_file, do_lower_case=lower)
    assert dict(theirs.vocab) == ours.vocab
    assert theirs.inv_vocab == ours.inv_vocab
    for text in random_texts:
        assert basic(text, lower) == theirs.basic_tokenizer.tokenize(text)
        assert ours.tokenize(text) == theirs.tokenize(text)


@pytest.mark.parametrize("name", ["MRPC/dev.tsv", "CoLA/dev.tsv", "AX/AX.tsv"])
def test_corpora_against_the_original(original, name):
    vocab = shared("models", "minilm-l6-h384", "vocab.txt")
    theirs = original.FullTokenizer(vocab)
    ours = shared_tokenizer()
    with open(shared("data", "glue", *name.split("/")), encoding="utf-8") as reader:
        for line in reader:
            pieces = ours.tokenize(line)
            assert pieces == theirs.tokenize(line)
            ids = ours.convert_tokens_to_ids(pieces)
            assert ids == theirs.convert_tokens_to_ids(pieces)


def test_vocabularies_against_the_original(original, tmp_path):
    rng = random.Random(3)
    parts = [b"a", b"b ", b"\n", b"\r", b"\n\n", b"\r\n", b"\xc2\xa0", b"\xe2\x80\xa8"]
    for _ in range(300):
        content = b"".join(rng.choice(parts) for _ in range(rng.randrange(12)))
        path = write(tmp_path, content)
        assert tokenization.load_vocab(path) == dict(original.load_vocab(path))


@pytest.mark.parametrize("do_lower_case", [True, False])
def test_casing_against_the_original(original, do_lower_case):
    models = list(tokenization._TRAINED_ON_LOWER_CASE) + ["mine", "uncased_L-2"]
    for model in models:
        for template in ("%s/bert_model.ckpt", "/a b/%s/bert_model.ckpt-1", "%s/x"):
            refused = []
            for module in (original, tokenization):
                try:
                    module.validate_case_matches_checkpoint(
                        do_lower_case, template % model
                    )
                    refused.append(False)
                except ValueError:
                    refused.append(True)
            assert refused[0] == refused[1]
