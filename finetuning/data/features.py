"""Converts text to features: token ids in sequences of a maximum length."""

import logging
from dataclasses import dataclass
from typing import List, NamedTuple, Union

import tokenization
from finetuning.utils.errors import in_one_line

LOGGED_EXAMPLES = 5
_log = logging.getLogger("finetuning")


@dataclass
class InputFeatures:
    """One example as the model reads it, padded to S = `max_seq_length`.

    Attributes:
      input_ids: S token ids, padded with 0.
      input_mask: S ints, 1 for tokens and 0 for padding.
      segment_ids: S ints, 0 up to and including the first [SEP], 1 for the second text,
        0 for padding.
      label_id: index of the label in the task's labels; in a regression, the number.
      is_real_example: always True; False marked padding examples on TPUs.
    """

    input_ids: List[int]
    input_mask: List[int]
    segment_ids: List[int]
    label_id: Union[int, float]
    is_real_example: bool = True


class EncodedExample(NamedTuple):
    """One example without padding, which `InputFeatures` can be derived from.

    Attributes:
      token_ids: ids of [CLS], the texts' tokens and each [SEP].
      first_segment: how many of them are in segment 0; the others are in segment 1.
      label_id: index of the label in the task's labels; in a regression, the number.
      full_length: number of tokens before truncation.
      unknown_words: how many of the tokens are [UNK]. Each stands for a whole word.
    """

    token_ids: List[int]
    first_segment: int
    label_id: Union[int, float]
    full_length: int = 0
    unknown_words: int = 0

    @property
    def truncated(self):
        """Whether tokens were removed to fit the maximum length."""
        return self.full_length > len(self.token_ids)

    def padded(self, max_seq_length):
        """Returns the example as `InputFeatures` of `max_seq_length` tokens."""
        length = len(self.token_ids)
        padding = [0] * (max_seq_length - length)
        second_segment = [1] * (length - self.first_segment)
        return InputFeatures(
            input_ids=self.token_ids + padding,
            input_mask=[1] * length + padding,
            segment_ids=[0] * self.first_segment + second_segment + padding,
            label_id=self.label_id,
        )


def convert_examples_to_features(examples, label_list, max_seq_length, tokenizer):
    """Calls `convert_single_example` for each example; returns a list."""
    return [
        convert_single_example(index, example, label_list, max_seq_length, tokenizer)
        for index, example in enumerate(examples)
    ]


def convert_single_example(ex_index, example, label_list, max_seq_length, tokenizer):
    """Converts one example to features, and logs it if it is one of the first five.

    Args:
      ex_index: its index in the file.
      example: `InputExample`.
      label_list: labels in the order of their ids; empty if labels are numbers.
      max_seq_length: S, in tokens, 3 or more.
      tokenizer: `tokenization.FullTokenizer`.

    Returns:
      `InputFeatures`.
    """
    encoded = encode_example(example, label_list, max_seq_length, tokenizer)
    if ex_index < LOGGED_EXAMPLES:
        _log_example(ex_index, example, encoded, tokenizer)
    return encoded.padded(max_seq_length)


def encode_examples(
    examples,
    label_list,
    max_seq_length,
    tokenizer,
    on_unknown_words=None,
    logged=0,
    has_labels=True,
):
    """Encodes examples one by one, without padding.

    Args:
      examples: iterable of `InputExample`.
      label_list: as for `convert_single_example`.
      max_seq_length: as for `convert_single_example`.
      tokenizer: as for `convert_single_example`.
      on_unknown_words: function that is called with each `InputExample` in which a word
        has become [UNK]; or None.
      logged: how many examples to log: the first on the screen, all in the log file.
      has_labels: whether the examples' labels are true, so that they are logged, too.

    Yields:
      `EncodedExample`.
    """
    for index, example in enumerate(examples):
        encoded = encode_example(example, label_list, max_seq_length, tokenizer)
        if index < logged:
            _log_example(index, example, encoded, tokenizer, has_labels)
        if encoded.unknown_words and on_unknown_words is not None:
            on_unknown_words(example)
        yield encoded


def encode_example(example, label_list, max_seq_length, tokenizer):
    """Encodes one example; arguments as for `convert_single_example`.

    Returns:
      `EncodedExample`.
    """
    split, special, unknown = tokenizer.tokenize, ("[CLS]", "[SEP]"), "[UNK]"
    straight_to_ids = _is_unmodified(tokenizer)
    if straight_to_ids:
        split = tokenizer.text_to_ids
        special = tokenizer.convert_tokens_to_ids(special)
        unknown = tokenizer.vocab.get(unknown)
    a = split(example.text_a)
    b = split(example.text_b) if example.text_b else []
    tokens, first_segment = join_segments(a, b, max_seq_length, special)
    full_length = len(a) + len(b) + (3 if b else 2)
    unknown_words = tokens.count(unknown)
    if not straight_to_ids:
        tokens = tokenizer.convert_tokens_to_ids(tokens)
    label = example.label
    label_id = list(label_list).index(label) if label_list else float(label)
    return EncodedExample(tokens, first_segment, label_id, full_length, unknown_words)


def _is_unmodified(tokenizer):
    """Whether `text_to_ids` may replace methods that a user could have overridden."""
    ours = tokenization.FullTokenizer
    return (
        getattr(tokenizer.tokenize, "__func__", None) is ours.tokenize
        and getattr(tokenizer.convert_tokens_to_ids, "__func__", None)
        is ours.convert_tokens_to_ids
    )


def join_segments(tokens_a, tokens_b, max_seq_length, special=("[CLS]", "[SEP]")):
    """Joins two texts to `[CLS] a [SEP] b [SEP]`, or one to `[CLS] a [SEP]`.

    Args:
      tokens_a: list of the first text's tokens, or of their ids.
      tokens_b: list of the second text's; empty for a single text.
      max_seq_length: maximum number of tokens of the result, 3 or more.
      special: `[CLS]` and `[SEP]`, or their ids.

    Returns:
      The tokens, a new list, and how many of them are in the first segment.
    """
    cls, sep = special
    kept_a, kept_b = max_seq_length - 2, 0
    if tokens_b:
        kept_a, kept_b = _truncated_lengths(
            len(tokens_a), len(tokens_b), max_seq_length - 3
        )
    first = [cls] + tokens_a[:kept_a] + [sep]
    if not kept_b:  # There is no second text, or nothing is left of it.
        return first, len(first)
    return first + tokens_b[:kept_b] + [sep], len(first)


def _truncated_lengths(length_a, length_b, available):
    """Lengths of a pair after truncation to `available` tokens.

    The longer text loses its last token until both fit; on a tie, b loses it. The
    result is computed directly, as a loop would be slow on very long texts.
    """
    if length_a + length_b <= available:
        return length_a, length_b
    shorter = min(length_a, length_b)
    if shorter > available - shorter:
        return (available + 1) // 2, available // 2
    if length_a < length_b:
        return length_a, available - length_a
    return available - length_b, length_b


def _log_example(index, example, encoded, tokenizer, has_labels=True):
    tokens = tokenizer.convert_ids_to_tokens(encoded.token_ids)
    second = len(tokens) - encoded.first_segment
    segments = "0 (%d tokens)" % encoded.first_segment
    lines = [
        "*** Example ***",
        "guid: %s" % example.guid,
        "tokens: %s" % " ".join(map(tokenization.printable_text, tokens)),
        "input_ids: %s" % " ".join(map(str, encoded.token_ids)),
        "segment_ids: %s%s" % (segments, ", 1 (%d tokens)" % second if second else ""),
    ]
    if has_labels:
        label = in_one_line(example.label)
        lines.append("label: %s (id = %g)" % (label, encoded.label_id))
    for line in lines:
        _log.info("%s", line, extra={"only_in_file": index > 0})
