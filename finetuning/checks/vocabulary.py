"""Reads a vocabulary and checks its tokens, its size and its case."""

import re

import tokenization
from finetuning.utils import files, huggingface
from finetuning.utils.errors import InputError, in_one_line

_REQUIRED = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
_SPECIAL = re.compile(r"\[.*\]\Z")
# The embedding tables of some published models are padded to a round number of rows.
_PADDING_PERCENT = 1
# Some published checkpoints have more rows than their own vocabulary needs. One that
# leaves even more of them unused belongs to another model.
_MAX_UNUSED_PERCENT = 10
# In cased vocabularies, a third or more of the words have capitals. Some lower-cased
# ones have a few, in entries that were unused before.
_MIN_CAPITALS_FRACTION = 0.05
_MIN_CAPITALS = 3
# In the vocabulary of an alphabetic script most words have letters with case. In a
# Chinese one only a few have, too few to infer whether it is cased.
_MIN_CASE_FRACTION = 0.5


def read(path, do_lower_case):
    """Reads a vocabulary and checks it on its own; see also `compare_size`.

    Args:
      path: --vocab_file.
      do_lower_case: whether texts will be lower-cased.

    Returns:
      `tokenization.FullTokenizer`; and notes about what is unusual but allowed, a list
      of str.

    Raises:
      InputError: there is no such file, it is not UTF-8, a special token is missing or
        repeated, [PAD] is not first, or its case contradicts `do_lower_case`.
    """
    files.require_file("--vocab_file=%s" % path, path)
    tokens = huggingface.vocabulary(path)
    if tokens is None:
        tokens = [line.strip() for _, line in files.read_text_lines(path)]
    missing = [token for token in _REQUIRED if token not in set(tokens)]
    if missing:
        raise InputError(
            "--vocab_file=%s lacks %s: it is not a BERT vocabulary"
            % (path, ", ".join(missing))
        )
    notes = _check_repeated(path, tokens)
    if tokens[0] != "[PAD]":
        raise InputError(
            "--vocab_file=%s: [PAD] must be on line 1, found on line %d"
            % (path, tokens.index("[PAD]") + 1)
        )
    _check_case(path, tokens, do_lower_case)
    return tokenization.FullTokenizer(path, do_lower_case=do_lower_case), notes


def compare_size(path, vocab, vocab_size, has_weights):
    """Compares the vocabulary with the size of the model's embedding table.

    Args:
      path: --vocab_file.
      vocab: dictionary from token to id.
      vocab_size: rows of the model's table.
      has_weights: whether they are those of a checkpoint, whose table must have the
        same size.

    Returns:
      Notes and warnings to log, two lists of str.

    Raises:
      InputError: there are more tokens than rows, or far fewer.
    """
    entries = max(vocab.values()) + 1
    unused = vocab_size - entries
    most = _MAX_UNUSED_PERCENT if has_weights else _PADDING_PERCENT
    if unused < 0 or unused * 100 > vocab_size * most:
        blank = "; line %d is blank" % (vocab[""] + 1) if "" in vocab else ""
        raise InputError(
            "--vocab_file=%s has %d entries, but the model's vocab_size is %d: they do "
            "not match%s" % (path, entries, vocab_size, blank)
        )
    if unused * 100 > vocab_size * _PADDING_PERCENT:
        return [], [
            "--vocab_file=%s has %d entries, and the model's vocab_size is %d: %d rows "
            "are unused; make sure that the vocabulary is that of the checkpoint"
            % (path, entries, vocab_size, unused)
        ]
    if not unused:
        return [], []
    return [
        "The vocabulary leaves %d of the model's %d rows unused" % (unused, vocab_size)
    ], []


def _check_repeated(path, tokens):
    """Returns notes about repeated tokens; a repeated special token is an error."""
    first_lines, repeated = {}, []
    for line, token in enumerate(tokens, 1):
        first_line = first_lines.setdefault(token, line)
        if first_line != line:
            repeated.append((token, first_line, line))
    for token, first_line, line in repeated:
        if token in _REQUIRED:
            raise InputError(
                "--vocab_file=%s has %s twice, on lines %d and %d, expected once: is "
                "it a concatenation of two files?" % (path, token, first_line, line)
            )
    if not repeated:
        return []
    return [
        in_one_line(
            "--vocab_file=%s: tokens that repeat an earlier one: %d, such as %r on "
            "lines %d and %d; as in the original, the later line is used"
            % ((path, len(repeated)) + repeated[0])
        )
    ]


def _check_case(path, tokens, do_lower_case):
    """Rejects a vocabulary whose words clearly contradict `do_lower_case`."""
    words = [token for token in tokens if token and not _SPECIAL.match(token)]
    with_case = sum(word.lower() != word.upper() for word in words)
    capitalized = [word for word in words if word.lower() != word]
    if do_lower_case:
        cased_from = max(_MIN_CAPITALS, _MIN_CAPITALS_FRACTION * with_case)
        if len(capitalized) >= cased_from:
            raise InputError(
                "--do_lower_case=true, but %d of the %d words with letters in "
                "--vocab_file=%s have capitals, such as %r, which lower-cased text "
                "never matches; pass --do_lower_case=false"
                % (len(capitalized), with_case, path, capitalized[0])
            )
    elif not capitalized and with_case >= max(1, _MIN_CASE_FRACTION * len(words)):
        raise InputError(
            "--do_lower_case=false, but none of the %d words with letters in "
            "--vocab_file=%s has a capital, so that every word with one would become "
            "[UNK]; pass --do_lower_case=true" % (with_case, path)
        )
