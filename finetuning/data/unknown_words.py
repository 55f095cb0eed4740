"""Words that the vocabulary lacks, which become [UNK], and what would help."""

from typing import NamedTuple

import tokenization

# If more of the tokens are [UNK], the vocabulary and the text do not belong together.
_MANY = 0.03
_MOST = 0.5
_SAMPLE_SIZE = 200
_WORDS_SHOWN = 3
_MAX_SHOWN = 20


class UnknownWords(NamedTuple):
    """The unknown words of a file, within the maximum length.

    Attributes:
      count: number of words, each of which became one [UNK].
      tokens: number of tokens of the texts, without [CLS] and [SEP].
      remedy: what would help, if they are many; else "".
    """

    count: int = 0
    tokens: int = 0
    remedy: str = ""

    @property
    def are_many(self):
        return self.count > _MANY * self.tokens

    @property
    def are_most(self):
        return self.count > _MOST * self.tokens


class Counter:
    """Counts unknown words, and keeps a sample of the texts that contain them."""

    def __init__(self, tokenizer):
        self._tokenizer = tokenizer
        self._texts = []
        self._count = self._tokens = 0

    def add(self, encoded):
        """Counts the words of a `features.EncodedExample`."""
        length = len(encoded.token_ids)
        special_tokens = 3 if length > encoded.first_segment else 2
        self._tokens += length - special_tokens
        self._count += encoded.unknown_words

    def keep(self, example):
        """Keeps the text of an `InputExample` with unknown words, if room is left."""
        if len(self._texts) < _SAMPLE_SIZE:
            self._texts += filter(None, (example.text_a, example.text_b))

    def result(self):
        """The `UnknownWords` so far."""
        result = UnknownWords(self._count, self._tokens)
        if not result.are_many:
            return result
        return result._replace(remedy=find_remedy(self._texts, self._tokenizer))


def find_remedy(texts, tokenizer):
    """Finds out what would make unknown words known, by trying it.

    Args:
      texts: list of str with unknown words.
      tokenizer: `tokenization.FullTokenizer`.

    Returns:
      Examples of the words, and what to do: the end of a sentence about them.
    """
    lower = tokenizer.basic_tokenizer.do_lower_case
    words, other = (_find(texts, tokenizer, case) for case in (lower, not lower))
    shown = ", ".join(
        repr(word if len(word) <= _MAX_SHOWN else word[:_MAX_SHOWN] + "...")
        for word in list(dict.fromkeys(words))[:_WORDS_SHOWN]
    )
    longest = tokenizer.wordpiece_tokenizer.max_input_chars_per_word
    if 2 * len(other) <= len(words):
        remedy = (
            "train and evaluate with --do_lower_case=%s, which finds %s of them"
            % (
                str(not lower).lower(),
                "most" if other else "all",
            )
        )
    elif 2 * sum(len(word) > longest for word in words) >= len(words):
        remedy = "separate words of more than %d characters by blanks" % longest
    else:
        chinese = sum(len(word) == 1 and "\u3400" <= word <= "\u9fff" for word in words)
        remedy = "use a checkpoint whose vocabulary has them (%s)" % (
            "chinese_L-12_H-768_A-12 is for Chinese"
            if 2 * chinese >= len(words)
            else "multi_cased_L-12_H-768_A-12 is for 104 languages"
        )
    return "such as %s; %s" % (shown, remedy)


def _find(texts, tokenizer, lower_case):
    """The unknown words of texts, as they are if lower-cased or not."""
    basic = tokenization.BasicTokenizer(do_lower_case=lower_case)
    pieces, unknown = (
        tokenizer.wordpiece_tokenizer,
        tokenizer.wordpiece_tokenizer.unk_token,
    )
    return [
        word
        for text in texts
        for word in basic.tokenize(text)
        if pieces.tokenize(word) == [unknown]
    ]
