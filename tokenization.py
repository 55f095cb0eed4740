r"""BERT's tokenizer: text to words, and words to the pieces of a fixed vocabulary.

    text                              "H\u00e9llo,\0 embeddings\u535a"
    -> clean, isolate CJK characters  "H\u00e9llo, embeddings \u535a "
    -> lower-case, strip accents      "hello, embeddings \u535a "
    -> isolate punctuation, split     ["hello", ",", "embeddings", "\u535a"]
    -> WordPiece                      ["hello", ",", "em", "##bed", "##ding", ...]

`BasicTokenizer` splits text into words, `WordpieceTokenizer` words into pieces, and
`FullTokenizer` does both and converts pieces to ids:

    tokenizer = FullTokenizer("vocab.txt", do_lower_case=True)
    ids = tokenizer.convert_tokens_to_ids(tokenizer.tokenize("H\u00e9llo"))

Texts are str, or bytes in UTF-8; other types raise ValueError. The tokens are those of
https://github.com/google-research/bert under the same Python, whose Unicode tables
define punctuation, accents and so on. TensorFlow is imported only to read a vocabulary
from a URL (gs://...).
"""

import itertools
import json
import os
import re
import string
import unicodedata

# Whether the released model of this name was trained on lower-cased text.
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

# Unicode calls "$", "+", "^", "`" and others symbols; BERT treats them as punctuation.
_ASCII_PUNCTUATION = frozenset(string.punctuation)
_ASCII_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]+")
_ASCII_WORDS = re.compile(r"[0-9A-Za-z]+|[!-~]")

# The Unicode blocks whose characters are words of their own. Hangul, Hiragana and
# Katakana are not among them.
_CJK_BLOCKS = (
    (0x3400, 0x4DBF),  # Unified Ideographs Extension A
    (0x4E00, 0x9FFF),  # Unified Ideographs
    (0xF900, 0xFAFF),  # Compatibility Ideographs
    (0x20000, 0x2A6DF),  # Extension B
    (0x2A700, 0x2CEAF),  # Extensions C, D and E
    (0x2F800, 0x2FA1F),  # Compatibility Ideographs Supplement
)


def validate_case_matches_checkpoint(do_lower_case, init_checkpoint):
    """Checks the casing against the name of a released model.

    A checkpoint does not record its casing, so only the name of its folder can tell.

    Args:
      do_lower_case: bool.
      init_checkpoint: prefix of a checkpoint, or None.

    Raises:
      ValueError: the released model of this name was trained with the other casing.
    """
    match = _MODEL_NAME.search(init_checkpoint or "")
    trained_on = _TRAINED_ON_LOWER_CASE.get(match.group(1)) if match else None
    if trained_on is not None and trained_on != bool(do_lower_case):
        raise ValueError(
            "do_lower_case is %s, but the model in %s was trained with %s (if it is "
            "another model, rename its folder)"
            % (bool(do_lower_case), init_checkpoint, trained_on)
        )


def convert_to_unicode(text):
    """Converts str or bytes to str, ignoring bytes that are not valid UTF-8."""
    if isinstance(text, str):
        return text
    if isinstance(text, bytes):
        return text.decode("utf-8", "ignore")
    raise ValueError("text must be str or bytes, not %s" % type(text).__name__)


def printable_text(text):
    """Converts text to str for printing and logging, as `convert_to_unicode` does."""
    return convert_to_unicode(text)


def load_vocab(vocab_file):
    """Reads a vocabulary, one token per line, as a dict from token (str) to id (int).

    A Hugging Face `tokenizer.json` contains that dict.

    As in the original, blank lines count (their token is ""), white space around tokens
    is removed, only line feeds end a line, carriage returns are ignored, and of
    duplicate tokens the last id wins.

    Args:
      vocab_file: path; TensorFlow opens paths with "://".

    Raises:
      ValueError: a line is not UTF-8.
      OSError: a local file cannot be read.
    """
    if os.path.basename(os.fsdecode(vocab_file)) == "tokenizer.json":
        return json.loads(_read_bytes(vocab_file).decode("utf-8"))["model"]["vocab"]
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
    path = os.fsdecode(path)
    if "://" in path:
        import tensorflow.compat.v1 as tf

        with tf.io.gfile.GFile(path, "rb") as reader:
            return reader.read()
    with open(path, "rb") as reader:
        return reader.read()


def convert_by_vocab(vocab, items):
    """Looks up a list of tokens or ids; raises KeyError for an unknown one."""
    try:
        return [vocab[item] for item in items]
    except KeyError as error:
        raise KeyError("not in the vocabulary: %s" % error) from None


def convert_tokens_to_ids(vocab, tokens):
    """Converts tokens (str) to ids (int); raises KeyError for an unknown one."""
    return convert_by_vocab(vocab, tokens)


def convert_ids_to_tokens(inv_vocab, ids):
    """Converts ids (int) to tokens (str); raises KeyError for an unknown one."""
    return convert_by_vocab(inv_vocab, ids)


def whitespace_tokenize(text):
    """Splits text at white space of any kind."""
    return text.split()


class FullTokenizer:
    """Converts text to pieces of a vocabulary, and pieces to ids and back.

    Results are cached, so attributes must not be changed once a text was tokenized.

    Attributes:
      vocab: dict from token (str) to id (int).
      inv_vocab: dict from id to token.
      basic_tokenizer: `BasicTokenizer` that splits text into words.
      wordpiece_tokenizer: `WordpieceTokenizer` that splits words into pieces.
    """

    def __init__(self, vocab_file, do_lower_case=True):
        """Reads the vocabulary; raises as `load_vocab` does.

        Args:
          vocab_file: path of the vocabulary.
          do_lower_case: whether to lower-case text and strip accents.
        """
        self.vocab = load_vocab(vocab_file)
        self.inv_vocab = {index: token for token, index in self.vocab.items()}
        self.basic_tokenizer = BasicTokenizer(do_lower_case=do_lower_case)
        self.wordpiece_tokenizer = WordpieceTokenizer(vocab=self.vocab)
        # No rule looks beyond a space, so a chunk between two spaces can be tokenized
        # by itself, and most chunks of a corpus occur again.
        self._pieces_of_chunks = _Cache(self._chunk_to_pieces)
        self._ids_of_chunks = _Cache(self._chunk_to_ids)

    def tokenize(self, text):
        """Splits a text into a list of pieces (str)."""
        return self._pieces_of_chunks.concatenate(convert_to_unicode(text).split(" "))

    def text_to_ids(self, text):
        """Returns `convert_tokens_to_ids(tokenize(text))`, but faster.

        Raises:
          KeyError: a piece, such as "[UNK]", is not in the vocabulary.
        """
        return self._ids_of_chunks.concatenate(convert_to_unicode(text).split(" "))

    def convert_tokens_to_ids(self, tokens):
        """Converts tokens (str) to ids (int); raises KeyError for an unknown one."""
        return convert_by_vocab(self.vocab, tokens)

    def convert_ids_to_tokens(self, ids):
        """Converts ids (int) to tokens (str); raises KeyError for an unknown one."""
        return convert_by_vocab(self.inv_vocab, ids)

    def _chunk_to_pieces(self, chunk):
        words = self.basic_tokenizer.tokenize(chunk)
        return self.wordpiece_tokenizer.tokenize(" ".join(words))

    def _chunk_to_ids(self, chunk):
        return self.convert_tokens_to_ids(self._chunk_to_pieces(chunk))


class BasicTokenizer:
    """Splits text into words; CJK characters and punctuation are words of their own."""

    def __init__(self, do_lower_case=True):
        """Takes whether to lower-case text and strip accents."""
        self.do_lower_case = do_lower_case

    def tokenize(self, text):
        """Splits a text into a list of words (str)."""
        text = convert_to_unicode(text)
        if text.isascii():
            return self._tokenize_ascii(text)
        # The original splits at white space before it changes case. The order does not
        # matter: white space ends the context that lower-casing (a final sigma) and
        # normalisation (the order of marks) look at, and neither creates any.
        text = text.translate(_CLEAN_AND_ISOLATE_CJK)
        if self.do_lower_case:
            text = unicodedata.normalize("NFD", text.lower())
            text = text.translate(_STRIP_ACCENTS_AND_ISOLATE_PUNCTUATION)
        else:
            text = text.translate(_ISOLATE_PUNCTUATION)
        return whitespace_tokenize(text)

    def _tokenize_ascii(self, text):
        """A fast path, as ASCII has no CJK characters or accents."""
        if self.do_lower_case:
            text = text.lower()
        if text.isalnum():  # Most chunks of a text are one word.
            return [text]
        return _ASCII_WORDS.findall(_ASCII_CONTROLS.sub("", text))


class WordpieceTokenizer:
    """Splits words into the longest pieces of a vocabulary, from left to right.

    The algorithm is that of https://arxiv.org/abs/1609.08144, section 4.1, but "##"
    marks the pieces that continue a word. Results are cached, so attributes must not be
    changed once `tokenize` has been called.
    """

    def __init__(self, vocab, unk_token="[UNK]", max_input_chars_per_word=200):
        """Stores the vocabulary and how to treat unknown words.

        Args:
          vocab: container of the pieces (str), such as a dict from piece to id.
          unk_token: str that replaces a word that cannot be split into pieces.
          max_input_chars_per_word: int; longer words are replaced, too.
        """
        self.vocab = vocab
        self.unk_token = unk_token
        self.max_input_chars_per_word = max_input_chars_per_word
        self._pieces_of_words = _Cache(self._word_to_pieces)

    def tokenize(self, text):
        """Splits the words of a text into a list of pieces (str).

        Words are separated by white space, as `BasicTokenizer` returns them. With a
        suitable vocabulary, "unaffable" becomes ["un", "##aff", "##able"].
        """
        words = whitespace_tokenize(convert_to_unicode(text))
        return self._pieces_of_words.concatenate(words)

    def _word_to_pieces(self, word):
        if len(word) > self.max_input_chars_per_word:
            return [self.unk_token]
        vocab, pieces = self.vocab, []
        if word in vocab:
            return [word]
        rest, shortest = word, 1
        while len(rest) >= shortest:
            for end in range(len(rest), shortest - 1, -1):
                if rest[:end] in vocab:
                    break
            else:
                return [self.unk_token]
            pieces.append(rest[:end])
            rest, shortest = "##" + rest[end:], len("##") + 1
        return pieces


def _is_whitespace(char):
    """Whether the character is a tab, a line end or in Unicode's category Zs."""
    return char in ("\t", "\n", "\r") or unicodedata.category(char) == "Zs"


def _is_control(char):
    """Whether the character is a control or format one, but not white space."""
    return unicodedata.category(char) in ("Cc", "Cf") and not _is_whitespace(char)


def _is_punctuation(char):
    """Whether the character is punctuation; all symbols of ASCII are."""
    return char in _ASCII_PUNCTUATION or unicodedata.category(char).startswith("P")


class _Cache(dict):
    """Results of a function, computed when first needed.

    The cache is emptied when it is full. Results of long texts, such as a sentence of
    Chinese, are not kept, because these hardly ever occur again.
    """

    max_size = 1 << 17
    max_key_length = 32

    def __init__(self, function):
        self._function = function

    def __missing__(self, key):
        result = self._function(key)
        if isinstance(key, str) and len(key) > self.max_key_length:
            return result
        if len(self) >= self.max_size:
            self.clear()
        self[key] = result
        return result

    def concatenate(self, keys):
        """Returns the results (lists) of all keys as one list."""
        return list(itertools.chain.from_iterable(map(self.__getitem__, keys)))


# Tables for `str.translate`: a character's code to its replacement; None drops it.


def _clean_and_isolate_cjk(code):
    char = chr(code)
    if char == "\ufffd" or _is_control(char):
        return None
    if _is_whitespace(char):
        return " "
    is_cjk = any(first <= code <= last for first, last in _CJK_BLOCKS)
    return " %s " % char if is_cjk else char


def _isolate_punctuation(code):
    return " %s " % chr(code) if _is_punctuation(chr(code)) else chr(code)


def _strip_accents_and_isolate_punctuation(code):
    # In the normal form NFD, accents are characters of the category Mn.
    is_accent = unicodedata.category(chr(code)) == "Mn"
    return None if is_accent else _isolate_punctuation(code)


_CLEAN_AND_ISOLATE_CJK = _Cache(_clean_and_isolate_cjk)
_ISOLATE_PUNCTUATION = _Cache(_isolate_punctuation)
_STRIP_ACCENTS_AND_ISOLATE_PUNCTUATION = _Cache(_strip_accents_and_isolate_punctuation)
