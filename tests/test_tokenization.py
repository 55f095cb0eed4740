"""The tokenizer: by hand, against the golden data, a reference and the original."""

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

import tokenization

PIECES = ["[UNK]", "[CLS]", "[SEP]", "want", "##want", "##ed", "wa", "un", "runn"]
PIECES += ["##ing", ",", "\u535a", "!", "hello"]


@pytest.fixture
def vocab_file(tmp_path):
    path = tmp_path / "vocab.txt"
    path.write_text("\n".join(PIECES) + "\n", encoding="utf-8")
    return str(path)


def basic(text, do_lower_case=True):
    return tokenization.BasicTokenizer(do_lower_case=do_lower_case).tokenize(text)


# Characters and text


@pytest.mark.parametrize(
    "characters, kind",
    [
        (" \t\n\r\u00a0\u2003\u3000", "whitespace"),
        ("\0\x0b\x0c\x1c\x7f\x85\u00ad\u200b", "control"),
        ("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~\u00bf\u3002", "punctuation"),
        ("aZ0\u00e9\u535a\u20ac\u00d7\u0301\U0001f4a9", None),
    ],
)
def test_kinds_of_characters(characters, kind):
    for char in characters:
        assert tokenization._is_whitespace(char) == (kind == "whitespace")
        assert tokenization._is_control(char) == (kind == "control")
        assert tokenization._is_punctuation(char) == (kind == "punctuation")


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
    assert tokenization.whitespace_tokenize(" \t\n") == []
    assert tokenization.whitespace_tokenize(" a\tb\u2028c\u00a0d ") == list("abcd")


# Basic tokenizer


@pytest.mark.parametrize(
    "text, words",
    [
        (" \t\r\n\u00a0\u3000", []),
        (" \tHeLLo!how  \n Are yoU?  ", ["hello", "!", "how", "are", "you", "?"]),
        (b"H\xc3\xa9llo\xff", ["hello"]),
        # Control characters are dropped, and what they separated becomes one word.
        ("a\x00b\ufffdc\u200bd\u00ade\x0bf\x85g \x05h", ["abcdefg", "h"]),
        # No control characters to Unicode, but white space to Python.
        ("a\u2028b\u2029c", ["a", "b", "c"]),
        ("x\u3400\U00020000\uf900y", ["x", "\u3400", "\U00020000", "\u8c48", "y"]),
        # Hangul is decomposed; Hiragana and Katakana stay together.
        ("\ud55c\uad6d", ["\u1112\u1161\u11ab\u1100\u116e\u11a8"]),
        ("\u30c6\u30b9\u30c8", ["\u30c6\u30b9\u30c8"]),
        ("\u00c5ngstr\u00f6m e\u0301 \u0301", ["angstrom", "e"]),
        ("\u0130I\u0131", ["ii\u0131"]),
        # A final sigma depends on the context.
        ("\u03a3\u0391\u03a3 \u03a3", ["\u03c3\u03b1\u03c2", "\u03c3"]),
        # Punctuation only after decomposition.
        ("a\u037eb\u1fefc", ["a", ";", "b", "`", "c"]),
        ("don't $5.00", ["don", "'", "t", "$", "5", ".", "00"]),
        ("[CLS] ##ing", ["[", "cls", "]", "#", "#", "ing"]),
        ("\u20ac10 \U0001f600!\u2014b", ["\u20ac10", "\U0001f600", "!", "\u2014", "b"]),
        ("a\ud800b \ue000", ["a\ud800b", "\ue000"]),
    ],
)
def test_lower_cased_words(text, words):
    assert basic(text) == words


@pytest.mark.parametrize(
    "text, words",
    [
        (" \tHeLLo!how  \n Are yoU?  ", ["HeLLo", "!", "how", "Are", "yoU", "?"]),
        ("H\u00c9llo,\u00a0e\u0301", ["H\u00c9llo", ",", "e\u0301"]),
        ("\ufb01\u535a\uf900", ["\ufb01", "\u535a", "\uf900"]),
        ("a\u1fefb\u3002", ["a\u1fefb", "\u3002"]),
    ],
)
def test_cased_words(text, words):
    assert basic(text, do_lower_case=False) == words


# WordPiece


@pytest.mark.parametrize(
    "text, pieces",
    [
        ("", []),
        ("unwanted running", ["un", "##want", "##ed", "runn", "##ing"]),
        ("unwantedX running", ["[UNK]", "runn", "##ing"]),
        (b" want\twa\n", ["want", "wa"]),
        # The longest match is final, even if only a shorter one could be continued.
        ("wanting wanti", ["want", "##ing", "[UNK]"]),
        # A word may start with "##" if it is in the vocabulary.
        ("##ing ##", ["##ing", "[UNK]"]),
        ("[CLS]", ["[CLS]"]),
    ],
)
def test_wordpiece(text, pieces):
    tokenizer = tokenization.WordpieceTokenizer(vocab=set(PIECES))
    assert tokenizer.tokenize(text) == pieces
    assert tokenizer.tokenize(text) == pieces


def test_an_empty_piece_matches_nothing():
    assert tokenization.WordpieceTokenizer({"a", "##", ""}).tokenize("ab") == ["[UNK]"]


def test_long_words_are_unknown():
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


@pytest.mark.parametrize(
    "content, vocab",
    [
        (b"", {}),
        (b"\n", {"": 0}),
        (b"a\n\xc3\xa9", {"a": 0, "\u00e9": 1}),
        (b"a\r\nb\r\nc\rd\n", {"a": 0, "b": 1, "cd": 2}),
        (b"a\n\n\nb\n", {"a": 0, "": 2, "b": 3}),
        (b"a\nb\na\n", {"a": 2, "b": 1}),
        (b" a b\t\n\xc2\xa0\n", {"a b": 0, "": 1}),
        (b"x\x0by\xe2\x80\xa8z\n", {"x\x0by\u2028z": 0}),
        (b"\xef\xbb\xbfa\n", {"\ufeffa": 0}),
    ],
)
def test_load_vocab(tmp_path, content, vocab):
    assert tokenization.load_vocab(write(tmp_path, content)) == vocab


def test_load_vocab_names_the_line_that_is_not_utf8(tmp_path):
    path = write(tmp_path, b"a\n\nb\xff\nc\n")
    with pytest.raises(ValueError, match=re.escape(path) + ", line 3: not UTF-8 .+$"):
        tokenization.load_vocab(path)


def test_load_vocab_opens_urls_with_tensorflow(tmp_path, monkeypatch):
    def open_url(url, mode):
        assert (url, mode) == ("gs://bucket/vocab.txt", "rb")
        return open(write(tmp_path, b"a\nb\n"), mode)

    gfile = types.SimpleNamespace(GFile=open_url)
    v1 = types.SimpleNamespace(io=types.SimpleNamespace(gfile=gfile))
    compat = types.SimpleNamespace(v1=v1)
    tensorflow = types.SimpleNamespace(compat=compat)
    monkeypatch.setitem(sys.modules, "tensorflow", tensorflow)
    monkeypatch.setitem(sys.modules, "tensorflow.compat", compat)
    monkeypatch.setitem(sys.modules, "tensorflow.compat.v1", v1)
    assert tokenization.load_vocab("gs://bucket/vocab.txt") == {"a": 0, "b": 1}


def test_tokens_and_ids():
    assert tokenization.convert_tokens_to_ids({"a": 0, "b": 1}, ["b", "a"]) == [1, 0]
    assert tokenization.convert_ids_to_tokens({0: "a", 1: "b"}, [1, 0]) == ["b", "a"]
    with pytest.raises(KeyError, match="not in the vocabulary: 'c'"):
        tokenization.convert_tokens_to_ids({"a": 0}, ["a", "c"])
    with pytest.raises(KeyError, match="not in the vocabulary: 2"):
        tokenization.convert_ids_to_tokens({0: "a"}, [2])


@pytest.mark.parametrize(
    "model, trained_on",
    [
        ("/models/uncased_L-24_H-1024_A-16/bert_model.ckpt", True),
        ("multilingual_L-12_H-768_A-12/bert_model.ckpt", True),
        ("gs://b/cased_L-24_H-1024_A-16/bert_model.ckpt", False),
        ("multi_cased_L-12_H-768_A-12/bert_model.ckpt", False),
        (None, None),
        ("/models/mine/bert_model.ckpt", None),
        ("my_cased_L-12_H-768_A-12/bert_model.ckpt", None),
        ("uncased_L-12_H-768_A-12/model.ckpt-100", None),
    ],
)
@pytest.mark.parametrize("given", [True, False])
def test_casing_of_released_models(given, model, trained_on):
    if trained_on in (None, given):
        tokenization.validate_case_matches_checkpoint(given, model)
        return
    message = "is %s, .*%s.* with %s" % (given, model, trained_on)
    with pytest.raises(ValueError, match=message):
        tokenization.validate_case_matches_checkpoint(given, model)


# Full tokenizer


def test_full_tokenizer(vocab_file):
    tokenizer = tokenization.FullTokenizer(vocab_file)
    assert tokenizer.vocab == {piece: index for index, piece in enumerate(PIECES)}
    assert tokenizer.inv_vocab == dict(enumerate(PIECES))
    for text, pieces in (
        ("UNwant\u00e9d,running", ["un", "##want", "##ed", ",", "runn", "##ing"]),
        (b"Hello\xff\xe5\x8d\x9a!", ["hello", "\u535a", "!"]),
        ("  \t ", []),
    ):
        ids = [PIECES.index(piece) for piece in pieces]
        assert tokenizer.convert_tokens_to_ids(pieces) == ids
        assert tokenizer.convert_ids_to_tokens(ids) == pieces
        for _ in range(2):  # The second results come from the cache.
            tokenized = tokenizer.tokenize(text)
            assert tokenized == pieces
            tokenized.clear()  # Callers may change what they get.
            text_ids = tokenizer.text_to_ids(text)
            assert text_ids == ids
            text_ids.clear()
    for method in (tokenizer.tokenize, tokenizer.text_to_ids):
        with pytest.raises(ValueError, match="NoneType"):
            method(None)
    cased = tokenization.FullTokenizer(vocab_file, do_lower_case=False)
    assert cased.tokenize("Want want") == ["[UNK]", "want"]


def test_a_vocabulary_needs_an_unknown_token_only_for_unknown_words(tmp_path):
    tokenizer = tokenization.FullTokenizer(write(tmp_path, b"a\n##b\n"))
    assert tokenizer.text_to_ids("ab a") == [0, 1, 0]
    with pytest.raises(KeyError, match=r"not in the vocabulary: '\[UNK\]'"):
        tokenizer.text_to_ids("a zz")


def test_tokenizer_can_be_pickled_and_copied(vocab_file):
    tokenizer = tokenization.FullTokenizer(vocab_file)
    tokenizer.text_to_ids("unwanted")
    for twin in (pickle.loads(pickle.dumps(tokenizer)), copy.deepcopy(tokenizer)):
        twin.vocab["hello"] = 99
        assert twin.text_to_ids("unwanted hello") == [7, 4, 5, 99]
    assert tokenizer.text_to_ids("hello") == [13]


def test_caches_are_bounded(vocab_file, monkeypatch):
    monkeypatch.setattr(tokenization._Cache, "max_size", 3)
    tokenizer = tokenization.FullTokenizer(vocab_file)
    caches = (
        tokenizer._pieces_of_chunks,
        tokenizer._ids_of_chunks,
        tokenizer.wordpiece_tokenizer._pieces_of_words,
    )
    for text in ("un", "wa", "want", "wanted", "un", "a" * 300, "\u535a" * 300, "wa!"):
        assert tokenizer.convert_tokens_to_ids(
            tokenizer.tokenize(text)
        ) == tokenizer.text_to_ids(text)
        assert all(0 < len(cache) <= 3 for cache in caches)
        assert all(len(key) <= 32 for cache in caches for key in cache)
    assert tokenizer.tokenize("un wanted wa!") == ["un", "want", "##ed", "wa", "!"]


def test_import_needs_only_the_standard_library(vocab_file, root):
    program = (
        "import tokenization\n"
        "print(*tokenization.FullTokenizer(%r).tokenize('unwanted'))" % vocab_file
    )
    # With -S there is no site-packages, so that any other import would fail.
    output = subprocess.check_output([sys.executable, "-S", "-c", program], cwd=root)
    assert output.split() == [b"un", b"##want", b"##ed"]


# Golden data


def golden_tokenizer(shared_dir, do_lower_case=True):
    path = os.path.join(shared_dir, "models", "minilm-l6-h384", "vocab.txt")
    return tokenization.FullTokenizer(path, do_lower_case=do_lower_case)


def load_golden(shared_dir, name):
    path = os.path.join(shared_dir, "golden", name)
    with open(path, encoding="utf-8") as reader:
        return json.load(reader)


def test_golden_texts(shared_dir):
    uncased = golden_tokenizer(shared_dir)
    cased = golden_tokenizer(shared_dir, do_lower_case=False)
    examples = load_golden(shared_dir, "tokenization.json")
    assert len(examples) > 30
    for example in examples:
        pieces = uncased.tokenize(example["text"])
        assert pieces == example["uncased"]
        assert uncased.convert_tokens_to_ids(pieces) == example["uncased_ids"]
        assert cased.tokenize(example["text"]) == example["cased"]


def corpus_lines(shared_dir, name):
    path = os.path.join(shared_dir, "data", "glue", *name.split("/"))
    with open(path, encoding="utf-8") as reader:
        yield from reader


@pytest.mark.parametrize("name", ["MRPC/train.tsv", "MRPC/test.tsv"])
def test_golden_corpora(shared_dir, name):
    golden = load_golden(shared_dir, "tokenization_corpora.json")[name]
    tokenizer = golden_tokenizer(shared_dir)
    digest = hashlib.sha256()
    count = 0
    for line in corpus_lines(shared_dir, name):
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
    """The original's words, one character and one step at a time."""
    cleaned = []
    for char in text:
        if char in "\t\n\r" or unicodedata.category(char) == "Zs":
            cleaned.append(" ")
        elif unicodedata.category(char) not in ("Cc", "Cf") and char != "\ufffd":
            cleaned.append(IDEOGRAPH.sub(" " + char + " ", char))
    words = []
    for word in "".join(cleaned).split():
        if lower:
            decomposed = unicodedata.normalize("NFD", word.lower())
            word = "".join(c for c in decomposed if unicodedata.category(c) != "Mn")
        isolated = ""
        for char in word:
            ascii_symbol = "!" <= char <= "~" and not char.isalnum()
            if ascii_symbol or unicodedata.category(char)[0] == "P":
                isolated += "\n" + char + "\n"
            else:
                isolated += char
        words.extend(part for part in isolated.split("\n") if part)
    return words


def reference_pieces(word, vocab, longest=200):
    """WordPiece that looks for all matches at each place and takes the longest."""
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


@pytest.fixture(scope="module")
def random_texts():
    """4,000 texts from random combinations of awkward alphabets, always the same."""
    rng = random.Random(20181101)
    characters = list(map(chr, range(0x110000)))
    category = unicodedata.category
    alphabets = [
        characters[:0x80],
        characters[:0x3000],
        characters,
        list("abcdeABCDE"),
        list(" " * 8 + "\t\n"),
        list("\u03a3\u03c3\u03c2\u0391\u0130I\u0131i\u00df\u1e9e'.:\u00b7\u00ad\u200d"),
        characters[0x33F0:0xA010],
        characters[0xD800:0xE100],
        [c for c in characters if unicodedata.combining(c)],
        [c for c in characters if category(c) in ("Cc", "Cf", "Zs", "Zl", "Zp")],
        [c for c in characters if category(c)[0] == "P"],
        [c for c in characters if len(unicodedata.normalize("NFD", c.lower())) > 1],
        [piece.replace("##", "") for piece in PIECES],
    ]
    texts = []
    for _ in range(4000):
        mixed = rng.sample(alphabets, rng.randint(1, 4))
        length = rng.choice([1, 2, 3, 5, 8, 20, 60])
        texts.append("".join(rng.choice(rng.choice(mixed)) for _ in range(length)))
    for length in (199, 200, 201, 202):
        texts.append("a" * length + " " + "\u0130" * length + "e\u0301" * length)
    return texts


@pytest.fixture(scope="module")
def random_vocab_file(random_texts, tmp_path_factory):
    """A vocabulary that covers most, but not all, words of the random texts."""
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
def original(original_dir):
    """The original's module."""
    path = os.path.join(original_dir, "tokenization.py")
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
def test_corpora_against_the_original(original, shared_dir, name):
    vocab = os.path.join(shared_dir, "models", "minilm-l6-h384", "vocab.txt")
    theirs = original.FullTokenizer(vocab)
    ours = golden_tokenizer(shared_dir)
    for line in corpus_lines(shared_dir, name):
        pieces = theirs.tokenize(line)
        assert ours.tokenize(line) == pieces
        assert ours.text_to_ids(line) == theirs.convert_tokens_to_ids(pieces)


def test_vocabularies_against_the_original(original, tmp_path):
    rng = random.Random(3)
    parts = [b"a", b"b ", b"\n", b"\r", b"\n\n", b"\r\n", b"\xc2\xa0", b"\xe2\x80\xa8"]
    for _ in range(300):
        content = b"".join(rng.choice(parts) for _ in range(rng.randrange(12)))
        path = write(tmp_path, content)
        assert tokenization.load_vocab(path) == dict(original.load_vocab(path))


@pytest.mark.parametrize("do_lower_case", [True, False])
def test_casing_against_the_original(original, do_lower_case):
    def is_refused(module, path):
        try:
            module.validate_case_matches_checkpoint(do_lower_case, path)
        except ValueError:
            return True
        return False

    for model in list(tokenization._TRAINED_ON_LOWER_CASE) + ["mine", "uncased_L-2"]:
        for template in ("%s/bert_model.ckpt", "/a b/%s/bert_model.ckpt-1", "%s/x"):
            path = template % model
            assert is_refused(original, path) == is_refused(tokenization, path)
