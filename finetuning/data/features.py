"""Text to features: packing token ids into sequences of a fixed length."""

import logging
from dataclasses import dataclass
from typing import List, NamedTuple, Union

import tokenization
from finetuning.data.tasks import InputExample

__all__ = [
    "InputExample",
    "InputFeatures",
    "convert_single_example",
    "convert_examples_to_features",
    "pack",
]
SHOWN_EXAMPLES = 5
_log = logging.getLogger("finetuning")


@dataclass
class InputFeatures:
    """One example as the model reads it.

    Attributes:
      input_ids: S token ids, padded with 0.
      input_mask: S ints, 1 for tokens and 0 for padding.
      segment_ids: S ints, 0 up to and with the first [SEP] and for padding, 1 between.
      label_id: position of the label in the task's labels; its number in a regression.
      is_real_example: always True; False marked padding examples on TPUs.
      truncated: whether tokens were left out to fit the length.
    """

    input_ids: List[int]
    input_mask: List[int]
    segment_ids: List[int]
    label_id: Union[int, float]
    is_real_example: bool = True
    truncated: bool = False


class PackedExample(NamedTuple):
    """One example without its padding, from which all of `InputFeatures` follows.

    Attributes:
      token_ids: list of its n token ids, `[CLS]` and `[SEP]` among them, n <= S.
      first_segment: how many of them are of segment 0; the rest are of segment 1.
      label_id: position of the label in the task's labels; its number in a regression.
      truncated: whether tokens were left out to fit the length.
      whole_length: tokens that it would have if none were left out.
    """

    token_ids: List[int]
    first_segment: int
    label_id: Union[int, float]
    truncated: bool
    whole_length: int = 0

    def padded(self, max_seq_length):
        """The same as `InputFeatures` of S = `max_seq_length`."""
        length = len(self.token_ids)
        padding = [0] * (max_seq_length - length)
        second_segment = [1] * (length - self.first_segment)
        return InputFeatures(
            input_ids=self.token_ids + padding,
            input_mask=[1] * length + padding,
            segment_ids=[0] * self.first_segment + second_segment + padding,
            label_id=self.label_id,
            truncated=self.truncated,
        )


def convert_examples_to_features(examples, label_list, max_seq_length, tokenizer):
    """`convert_single_example` for each of an iterable of examples, as a list."""
    return [
        convert_single_example(index, example, label_list, max_seq_length, tokenizer)
        for index, example in enumerate(examples)
    ]


def convert_single_example(ex_index, example, label_list, max_seq_length, tokenizer):
    """Packs one example; logs it if it is one of the first five.

    Args:
      ex_index: its position in the file.
      example: `InputExample`.
      label_list: labels in the order of their ids; empty: labels are numbers.
      max_seq_length: S, in tokens.
      tokenizer: `tokenization.FullTokenizer`.

    Returns:
      `InputFeatures`.
    """
    features = convert_example(example, label_list, max_seq_length, tokenizer)
    if ex_index < SHOWN_EXAMPLES:
        _show(example, features, tokenizer)
    return features


def convert_example(example, label_list, max_seq_length, tokenizer):
    """`convert_single_example`, without a word."""
    packed = pack_example(example, label_list, max_seq_length, tokenizer)
    return packed.padded(max_seq_length)


def pack_examples(examples, label_list, max_seq_length, tokenizer, shown=False):
    """Yields the `PackedExample` of each example, and logs the first five if `shown`.

    This is the fast way to a record file; the arguments are otherwise those of
    `convert_examples_to_features`.
    """
    for index, example in enumerate(examples):
        packed = pack_example(example, label_list, max_seq_length, tokenizer)
        if shown and index < SHOWN_EXAMPLES:
            _show(example, packed.padded(max_seq_length), tokenizer)
        yield packed


def pack_example(example, label_list, max_seq_length, tokenizer):
    """The `PackedExample` of one example; arguments as of `convert_single_example`."""
    split, ends = tokenizer.tokenize, ("[CLS]", "[SEP]")
    straight_to_ids = _is_our_own(tokenizer)
    if straight_to_ids:
        split, ends = tokenizer.text_to_ids, tokenizer.convert_tokens_to_ids(ends)
    a = split(example.text_a)
    b = split(example.text_b) if example.text_b else []
    packed, first_segment = pack(a, b, max_seq_length, ends)
    whole_length = len(a) + len(b) + (3 if b else 2)
    truncated = whole_length > len(packed)
    if not straight_to_ids:
        packed = tokenizer.convert_tokens_to_ids(packed)
    label = example.label
    label_id = list(label_list).index(label) if label_list else float(label)
    return PackedExample(packed, first_segment, label_id, truncated, whole_length)


def _is_our_own(tokenizer):
    """Whether `text_to_ids` skips no method that a user's class or object replaced."""
    ours = tokenization.FullTokenizer
    return (
        getattr(tokenizer.tokenize, "__func__", None) is ours.tokenize
        and getattr(tokenizer.convert_tokens_to_ids, "__func__", None)
        is ours.convert_tokens_to_ids
    )


def pack(tokens_a, tokens_b, max_seq_length, ends=("[CLS]", "[SEP]")):
    """`[CLS] a [SEP]`, or `[CLS] a [SEP] b [SEP]` where b has tokens.

    Args:
      tokens_a: list of the first text's tokens, or of their ids.
      tokens_b: list of the second text's; empty: a single sentence.
      max_seq_length: most tokens of the result, 3 or more.
      ends: what stands for `[CLS]` and `[SEP]`, such as their ids.

    Returns:
      The tokens, a new list, and how many of them are of the first segment.
    """
    begin, end = ends
    kept_a, kept_b = max_seq_length - 2, 0
    if tokens_b:
        kept_a, kept_b = _kept_lengths(len(tokens_a), len(tokens_b), max_seq_length - 3)
    first = [begin] + tokens_a[:kept_a] + [end]
    if not kept_b:  # None was given, or nothing of it is left.
        return first, len(first)
    return first + tokens_b[:kept_b] + [end], len(first)


def _kept_lengths(length_a, length_b, room):
    """What is left of a pair whose longer side loses its last token until both fit.

    On a tie b loses it. Computed at once: a text of 100,000 words costs what it must.
    """
    if length_a + length_b <= room:
        return length_a, length_b
    shorter = min(length_a, length_b)
    if shorter > room - shorter:
        return (room + 1) // 2, room // 2
    if length_a < length_b:
        return length_a, room - length_a
    return room - length_b, length_b


def _show(example, features, tokenizer):
    length = sum(features.input_mask)
    tokens = tokenizer.convert_ids_to_tokens(features.input_ids[:length])
    _log.info("*** Example ***")
    _log.info("guid: %s", example.guid)
    _log.info("tokens: %s", " ".join(map(tokenization.printable_text, tokens)))
    for name in ("input_ids", "input_mask", "segment_ids"):
        _log.info("%s: %s", name, " ".join(map(str, getattr(features, name))))
    _log.info("label: %s (id = %g)", example.label, features.label_id)
