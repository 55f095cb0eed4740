"""Reading and judging a vocabulary: its tokens, its length, its case."""

import re
from typing import NamedTuple

import tokenization
from finetuning.utils import files
from finetuning.utils.errors import InputError, in_one_line

_NEEDED = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
_SPECIAL = re.compile(r"\[.*\]\Z")
# Some published tables are padded to a round number; more than this is another file.
_MOST_SPARE_PERCENT = 1
# A cased vocabulary has a third and more of its words with capitals; a few were put
# into unused places of lower-cased ones.
_CAPITALS_OF_CASED = 0.05
_FEWEST_CAPITALS = 3
# Most of an alphabet's vocabulary are words that capitals would show in; of a Chinese
# one few are, and its case tells too little.
_WORDS_OF_ALPHABET = 0.5


def read(path, do_lower_case):
    """Reads and judges a vocabulary by itself; see also `compare_size`.

    Args:
      path: --vocab_file.
      do_lower_case: whether texts will be lower-cased.

    Returns:
      `tokenization.FullTokenizer`; notes for the user on what is odd but legal.

    Raises:
      InputError: no such file, no text in UTF-8, a special token is missing or there
        twice, [PAD] is not the first, or the case of the words contradicts.
    """
    files.require_file("--vocab_file=%s" % path, path)
    tokens = [line.strip() for _, line in files.read_text_lines(path)]
    missing = [token for token in _NEEDED if token not in set(tokens)]
    if missing:
        raise InputError(
            "--vocab_file=%s lacks %s: it is not a BERT vocabulary"
            % (path, ", ".join(missing))
        )
    notes = _check_twice(path, tokens)
    if tokens[0] != "[PAD]":
        raise InputError(
            "--vocab_file=%s: [PAD] stands in line %d, expected in the first"
            % (path, tokens.index("[PAD]") + 1)
        )
    _check_case(path, tokens, do_lower_case)
    return tokenization.FullTokenizer(path, do_lower_case=do_lower_case), notes


def compare_size(path, vocab, vocab_size):
    """Ids beyond the model's table would read garbage.

    Args:
      path: --vocab_file.
      vocab: dictionary from token to id.
      vocab_size: rows of the model's table.

    Returns:
      Notes for the user, as a list.

    Raises:
      InputError: there are more tokens than rows, or too many fewer.
    """
    entries = max(vocab.values()) + 1
    spare = vocab_size - entries
    if spare < 0 or spare * 100 > vocab_size * _MOST_SPARE_PERCENT:
        blank = "; its line %d is blank" % (vocab[""] + 1) if "" in vocab else ""
        raise InputError(
            "--vocab_file=%s has %d entries, the model's vocab_size is %d: they do not "
            "belong together%s" % (path, entries, vocab_size, blank)
        )
    if not spare:
        return []
    return [
        "The vocabulary leaves %d of the model's %d rows unused" % (spare, vocab_size)
    ]


def _check_twice(path, tokens):
    """Notes on tokens that are there twice; of the special ones it is an error."""
    first, twice = {}, []
    for place, token in enumerate(tokens, 1):
        if token in first:
            twice.append((token, first[token], place))
        first.setdefault(token, place)
    if not twice:
        return []
    for token, before, behind in twice:
        if token in _NEEDED:
            raise InputError(
                "--vocab_file=%s has %s twice, in lines %d and %d; expected once: is "
                "it put together of two files?" % (path, token, before, behind)
            )
    return [
        in_one_line(
            "--vocab_file=%s: %d lines hold a token that an earlier line has, such as "
            "%r in lines %d and %d; as in the original the later line counts"
            % ((path, len(twice)) + twice[0])
        )
    ]


class _Words(NamedTuple):
    """What of a vocabulary tells its case.

    Attributes:
      number: tokens that are not special.
      with_case: how many of them have a letter that is known as capital and small.
      capitals: those with a capital.
    """

    number: int
    with_case: int
    capitals: list


def _check_case(path, tokens, do_lower_case):
    """Refuses a casing that the words contradict; those that tell nothing pass."""
    words = _words(tokens)
    if do_lower_case and _is_cased(words):
        raise InputError(
            "--do_lower_case=true, but %d of the %d words with letters in --vocab_file="
            "%s have capitals, such as %r, which lower-cased text never meets; give "
            "--do_lower_case=false"
            % (len(words.capitals), words.with_case, path, words.capitals[0])
        )
    if not do_lower_case and _is_lower_cased(words):
        raise InputError(
            "--do_lower_case=false, but none of the %d words with letters in "
            "--vocab_file=%s has a capital: a word with one would be [UNK]; give "
            "--do_lower_case=true" % (words.with_case, path)
        )


def _words(tokens):
    plain = [token for token in tokens if token and not _SPECIAL.match(token)]
    capitals = [token for token in plain if token.lower() != token]
    with_case = sum(token.lower() != token.upper() for token in plain)
    return _Words(len(plain), with_case, capitals)


def _is_cased(words):
    found = len(words.capitals)
    enough = max(_FEWEST_CAPITALS, _CAPITALS_OF_CASED * words.with_case)
    return found >= enough


def _is_lower_cased(words):
    clear = words.with_case >= _WORDS_OF_ALPHABET * words.number
    return words.with_case > 0 and not words.capitals and clear
