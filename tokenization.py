r"""BERT's tokenizer: text to words, words to the pieces of a fixed vocabulary.

    text                             "H\u00e9llo,\0 embeddings\u535a"
    -> clean, set CJK apart          "H\u00e9llo, embeddings \u535a "
    -> lower-case, strip accents     "hello, embeddings \u535a "
    -> set punctuation apart, split  ["hello", ",", "embeddings", "\u535a"]
    -> WordPiece                     ["hello", ",", "em", "##bed", "##ding", "##s", ...]

`BasicTokenizer` goes as far as the words, `WordpieceTokenizer` takes them on, and
`FullTokenizer` is both together with the ids of a vocabulary file. Texts are str, or
bytes in UTF-8; anything else is refused with a ValueError (`convert_to_unicode`).

The tokens are those of https://github.com/google-research/bert under the same Python,
whose Unicode tables say what a character is (punctuation, accent, ...). TensorFlow is
needed for a vocabulary behind a URL (gs://...) alone.
"""

import itertools
import os
import re
import string
import unicodedata

# Whether a released model was trained on lower-cased text, which its name tells.
_TRAINED_ON_LOWER_CASE = {
    "uncased_L-12_H-768_A-12": True,
    "uncased_L-24_H-1024_A-16": True,
    "multilingual_L-12_H-768_A-12": True,
    "chinese_L-12_H-768_A-12": True,
    "cased_L-12_H-768_A-12": False,
    "cased_L-24_H-1024_A-16": False,
    "multi_cased_L-12_H-768_A-12": False,
}
_MODEL_NAME = re.compile(r"([A-Za-z0-9_-]+)/bert_model\.ckpt")

# "$", "+", "^", "`" and the like are symbols to Unicode, but punctuation to BERT.
_ASCII_PUNCTUATION = frozenset(string.punctuation)
_ASCII_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]+")
_ASCII_WORDS = re.compile(r"[0-9A-Za-z]+|[!-~]")

# The Unicode blocks in which every character is a word of its own. Hangul, Hiragana
# and Katakana are not among them.
_CJK_BLOCKS = (
    (0x3400, 0x4DBF),  # Unified Ideographs Extension A
    (0x4E00, 0x9FFF),  # Unified Ideographs
    (0xF900, 0xFAFF),  # Compatibility Ideographs
    (0x20000, 0x2A6DF),  # Extension B
    (0x2A700, 0x2CEAF),  # Extensions C, D and E
    (0x2F800, 0x2FA1F),  # Compatibility Ideographs Supplement
)

# Longer texts, such as a sentence of Chinese, hardly ever come again.
_MAX_REMEMBERED_LENGTH = 32


def validate_case_matches_checkpoint(do_lower_case, init_checkpoint):
    """Refuses a casing that contradicts the name of a released model.

    A checkpoint does not record its casing, so all there is to go by is the name of
    the folder in `init_checkpoint` (the path prefix, a str or None); others pass.

    Raises:
        ValueError: the named model was trained with the other setting.
    """
    named = _MODEL_NAME.search(init_checkpoint or "")
    given = bool(do_lower_case)
    right = _TRAINED_ON_LOWER_CASE.get(named.group(1), given) if named else given
    if given != right:
        raise ValueError(
            "do_lower_case is %s, but the model in %s was trained with %s (if it is "
            "another model, rename its folder)" % (given, init_checkpoint, right)
        )


def convert_to_unicode(text):
    """Returns `text`, str or bytes, as str; bytes that are not UTF-8 are left out."""
    if isinstance(text, str):
        return text
    if isinstance(text, bytes):
        return text.decode("utf-8", "ignore")
    raise ValueError("text must be str or bytes, not %s" % type(text).__name__)


def printable_text(text):
    """Returns `text` as str for printing and logging, as `convert_to_unicode` does."""
    return convert_to_unicode(text)


def load_vocab(vocab_file):
    """Reads a vocabulary, one token a line, as a dict from token (str) to id (int).

    As in the original, every line counts, a blank one too (its token is ""), white
    space around a token is dropped, only line feeds end a line, carriage returns are
    ignored, and a token that is there twice has the later id.

    Args:
        vocab_file: path; one with "://" is opened by TensorFlow's file layer.

    Raises:
        ValueError: a line is not UTF-8.
        OSError: a local file cannot be read.
    """
    lines = _read_bytes(vocab_file).replace(b"\r", b"").split(b"\n")
    if not lines[-1]:
        del lines[-1]
    vocab = {}
    for index, line in enumerate(lines):
        try:
            token = line.decode("utf-8")
        except UnicodeDecodeError as error:
            place = "%s, line %d" % (vocab_file, index + 1)
            raise ValueError("%s: not UTF-8 (%s)" % (place, error)) from error
        vocab[token.strip()] = index
    return vocab


def _read_bytes(path):
    """Returns the whole content of the file at `path`, a local path or a URL."""
    path = os.fsdecode(path)
    if "://" in path:
        import tensorflow.compat.v1 as tf

        with tf.io.gfile.GFile(path, "rb") as reader:
            return reader.read()
    with open(path, "rb") as reader:
        return reader.read()


def convert_by_vocab(vocab, items):
    """Returns the list of each item's entry; raises KeyError for one not in `vocab`."""
    try:
        return [vocab[item] for item in items]
    except KeyError as error:
        raise KeyError("not in the vocabulary: %s" % error) from None


def convert_tokens_to_ids(vocab, tokens):
    """Returns the ids (int) of `tokens`; raises KeyError for one not in `vocab`."""
    return convert_by_vocab(vocab, tokens)


def convert_ids_to_tokens(inv_vocab, ids):
    """Returns the tokens (str) of `ids`; raises KeyError for one not in `inv_vocab`."""
    return convert_by_vocab(inv_vocab, ids)


def whitespace_tokenize(text):
    """Returns the words of `text` that white space of any kind separates."""
    return text.split()


class FullTokenizer:
    """Text to the pieces of a vocabulary, and those to ids.

    It remembers what it has found, so its attributes, and theirs, must not be changed
    once `tokenize` or `text_to_ids` has been called.

    Attributes:
        vocab: dict from token (str) to id (int).
        inv_vocab: dict from id to token.
        basic_tokenizer: the `BasicTokenizer` that makes words of text.
        wordpiece_tokenizer: the `WordpieceTokenizer` that makes pieces of words.
    """

    def __init__(self, vocab_file, do_lower_case=True):
        """Reads the vocabulary at the path `vocab_file`; raises as `load_vocab` does.

        `do_lower_case` (bool) says whether to lower-case and strip accents.
        """
        self.vocab = load_vocab(vocab_file)
        self.inv_vocab = {index: token for token, index in self.vocab.items()}
        self.basic_tokenizer = BasicTokenizer(do_lower_case=do_lower_case)
        self.wordpiece_tokenizer = WordpieceTokenizer(vocab=self.vocab)
        # No step looks across a space, so what a chunk between spaces yields does
        # not depend on its neighbours, and most chunks of a corpus come again.
        self._pieces_of_chunks = _Results(self._find_pieces)
        self._ids_of_chunks = _Results(self._find_ids)

    def tokenize(self, text):
        """Returns the list of the pieces (str) of `text`."""
        return self._pieces_of_chunks.joined(convert_to_unicode(text).split(" "))

    def text_to_ids(self, text):
        """Returns the list of the ids (int) of the pieces of `text`.

        These are `convert_tokens_to_ids(tokenize(text))`, found without the pieces.

        Raises:
            KeyError: a piece, such as "[UNK]", is not in the vocabulary.
        """
        return self._ids_of_chunks.joined(convert_to_unicode(text).split(" "))

    def convert_tokens_to_ids(self, tokens):
        """Returns the ids (int) of `tokens`; raises KeyError for an unknown one."""
        return convert_by_vocab(self.vocab, tokens)

    def convert_ids_to_tokens(self, ids):
        """Returns the tokens (str) of `ids`; raises KeyError for an unknown one."""
        return convert_by_vocab(self.inv_vocab, ids)

    def _find_pieces(self, chunk):
        """Returns the tuple of the pieces of `chunk`, a text without a space."""
        words = self.basic_tokenizer.tokenize(chunk)
        return tuple(self.wordpiece_tokenizer.tokenize(" ".join(words)))

    def _find_ids(self, chunk):
        """Returns the tuple of the ids of the pieces of `chunk`."""
        return tuple(self.convert_tokens_to_ids(self._find_pieces(chunk)))


class BasicTokenizer:
    """Text to words: cleaned, CJK and punctuation apart, lower-cased if so wished."""

    def __init__(self, do_lower_case=True):
        """Takes whether to lower-case and strip accents (bool)."""
        self.do_lower_case = do_lower_case

    def tokenize(self, text):
        """Returns the list of the words (str) of `text`."""
        text = convert_to_unicode(text)
        if text.isascii():
            return self._tokenize_ascii(text)
        # The original splits at white space before it changes case. The order makes
        # no difference: white space ends the context that lower-casing (a final
        # sigma) and normalisation (the order of marks) look at, and neither makes any.
        text = text.translate(_CLEAN_AND_SET_CJK_APART)
        if self.do_lower_case:
            text = unicodedata.normalize("NFD", text.lower())
            text = text.translate(_STRIP_ACCENTS_AND_SET_PUNCTUATION_APART)
        else:
            text = text.translate(_SET_PUNCTUATION_APART)
        return whitespace_tokenize(text)

    def _tokenize_ascii(self, text):
        """Does for ASCII, where characters are of few kinds, the same but faster."""
        if self.do_lower_case:
            text = text.lower()
        if text.isalnum():  # As most chunks of a text are: a word as it stands.
            return [text]
        return _ASCII_WORDS.findall(_ASCII_CONTROLS.sub("", text))


class WordpieceTokenizer:
    """Words to the longest pieces of a vocabulary, from left to right.

    The method is that of https://arxiv.org/abs/1609.08144, section 4.1, but "##" marks
    the pieces that go on with a word. It remembers the pieces of each word, so its
    attributes must not be changed once `tokenize` has been called.
    """

    def __init__(self, vocab, unk_token="[UNK]", max_input_chars_per_word=200):
        """Takes the vocabulary and what to do with a word it does not cover.

        Args:
            vocab: container of the pieces (str), such as a dict from piece to id.
            unk_token: str, stands for a word that the pieces cannot make up.
            max_input_chars_per_word: int, a word with more characters is unknown.
        """
        self.vocab = vocab
        self.unk_token = unk_token
        self.max_input_chars_per_word = max_input_chars_per_word
        self._pieces_of_words = _Results(self._find_pieces)

    def tokenize(self, text):
        """Returns the list of the pieces (str) of the words in `text`.

        The words stand between white space, as `BasicTokenizer` returns them. With a
        suitable vocabulary "unaffable" gives ["un", "##aff", "##able"].
        """
        words = whitespace_tokenize(convert_to_unicode(text))
        return self._pieces_of_words.joined(words)

    def _find_pieces(self, word):
        """Returns the tuple of the pieces of `word`, or of the unknown token alone."""
        if len(word) > self.max_input_chars_per_word:
            return (self.unk_token,)
        vocab, pieces = self.vocab, []
        if word in vocab:
            return (word,)
        rest, shortest = word, 1
        while len(rest) >= shortest:
            for end in range(len(rest), shortest - 1, -1):
                if rest[:end] in vocab:
                    break
            else:
                return (self.unk_token,)
            pieces.append(rest[:end])
            rest, shortest = "##" + rest[end:], len("##") + 1
        return tuple(pieces)


def _is_whitespace(char):
    """Whether the character is a blank (any Zs), a tab or a line end."""
    return char in ("\t", "\n", "\r") or unicodedata.category(char) == "Zs"


def _is_control(char):
    """Whether the character is a control or format one, but not white space."""
    return unicodedata.category(char) in ("Cc", "Cf") and not _is_whitespace(char)


def _is_punctuation(char):
    """Whether the character is punctuation, as all of ASCII's symbols are."""
    return char in _ASCII_PUNCTUATION or unicodedata.category(char).startswith("P")


class _Memory(dict):
    """Results worth keeping; emptied when full, so as never to grow without end."""

    limit = 1 << 17

    def keep(self, key, result):
        """Returns `result`, and holds it under `key` from now on."""
        if len(self) >= self.limit:
            self.clear()
        self[key] = result
        return result


class _Results(_Memory):
    """What a rule makes of texts; found when first asked for, and kept if short."""

    def __init__(self, find):
        """Takes the rule, a function from a text (str) to a tuple."""
        self._find = find

    def __missing__(self, text):
        """Returns the tuple that the rule makes of `text`."""
        found = self._find(text)
        return self.keep(text, found) if len(text) <= _MAX_REMEMBERED_LENGTH else found

    def joined(self, texts):
        """Returns the list of what all the tuples of `texts` hold, in order."""
        return list(itertools.chain.from_iterable(map(self.__getitem__, texts)))


class _CharacterTable(_Memory):
    """A table for `str.translate` that is filled as characters are met."""

    def __init__(self, replace):
        """Takes the rule: from a character to its str replacement, None to drop it."""
        self._replace = replace

    def __missing__(self, code):
        """Returns the replacement of the character with the number `code`."""
        return self.keep(code, self._replace(chr(code)))


def _clean_and_set_cjk_apart(char):
    """Returns what stands for `char` in clean text; None where it is dropped."""
    if char == "\ufffd" or _is_control(char):
        return None
    if _is_whitespace(char):
        return " "
    code = ord(char)
    is_cjk = any(first <= code <= last for first, last in _CJK_BLOCKS)
    return " %s " % char if is_cjk else char


def _set_punctuation_apart(char):
    """Returns `char`, between blanks where it is punctuation."""
    return " %s " % char if _is_punctuation(char) else char


def _strip_accent_or_set_apart(char):
    """Returns None for a non-spacing mark, as accents are in NFD, and else as above."""
    return None if unicodedata.category(char) == "Mn" else _set_punctuation_apart(char)


_CLEAN_AND_SET_CJK_APART = _CharacterTable(_clean_and_set_cjk_apart)
_SET_PUNCTUATION_APART = _CharacterTable(_set_punctuation_apart)
_STRIP_ACCENTS_AND_SET_PUNCTUATION_APART = _CharacterTable(_strip_accent_or_set_apart)
