"""The tokenizer as Hugging Face's `tokenizers` reads it, written without that library.

Its format is documented at https://huggingface.co/docs/tokenizers; BERT's parts are
`BertNormalizer`, `BertPreTokenizer` and `WordPiece`.
"""

import sys
import unicodedata

_SPECIAL = {
    "pad_token": "[PAD]",
    "unk_token": "[UNK]",
    "cls_token": "[CLS]",
    "sep_token": "[SEP]",
    "mask_token": "[MASK]",
}
# A part of an extension of the CJK ideographs that `BertNormalizer` leaves out.
_CJK_LEFT_OUT = "[\U0002b820-\U0002b91f]"


def contents(model):
    """Returns a dictionary from file name to content, for JSON.

    Args:
      model: `trained_model.TrainedModel`.
    """
    vocab = model.tokenizer.vocab
    special = {name: token for name, token in _SPECIAL.items() if token in vocab}
    return {
        "tokenizer.json": _tokenizer(model, sorted(special.values(), key=vocab.get)),
        "tokenizer_config.json": dict(
            special,
            tokenizer_class="PreTrainedTokenizerFast",
            model_input_names=["input_ids", "token_type_ids", "attention_mask"],
            model_max_length=model.settings.max_seq_length,
            # "[MASK]" in a text is three tokens, as in the original.
            split_special_tokens=True,
            clean_up_tokenization_spaces=False,
            do_lower_case=model.settings.do_lower_case,
        ),
        "special_tokens_map.json": special,
    }


def _tokenizer(model, special):
    vocab, lower = model.tokenizer.vocab, model.settings.do_lower_case
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {
                "id": vocab[token],
                "content": token,
                "single_word": False,
                "lstrip": False,
                "rstrip": False,
                "normalized": False,
                "special": True,
            }
            for token in special
        ],
        "normalizer": _sequence(
            "normalizers",
            # `clean_text` would also remove characters of private use.
            {"type": "Replace", "pattern": {"Regex": _removed()}, "content": ""},
            {
                "type": "BertNormalizer",
                "clean_text": False,
                "handle_chinese_chars": True,
                "strip_accents": lower,
                "lowercase": lower,
            },
        ),
        "pre_tokenizer": _sequence(
            "pretokenizers",
            {
                "type": "Split",
                "pattern": {"Regex": _CJK_LEFT_OUT},
                "behavior": "Isolated",
                "invert": False,
            },
            {"type": "BertPreTokenizer"},
        ),
        "post_processor": _template(vocab),
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {
            "type": "WordPiece",
            "unk_token": model.tokenizer.wordpiece_tokenizer.unk_token,
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": (
                model.tokenizer.wordpiece_tokenizer.max_input_chars_per_word
            ),
            "vocab": vocab,
        },
    }


def _sequence(name, *parts):
    return {"type": "Sequence", name: list(parts)}


def _removed():
    """A regular expression for the characters that `tokenization` removes."""
    codes = [
        code
        for code in range(sys.maxunicode + 1)
        if unicodedata.category(chr(code)) in ("Cc", "Cf") and chr(code) not in "\t\n\r"
    ]
    codes.append(0xFFFD)
    return "[%s]" % "".join("%s-%s" % span for span in _spans(sorted(codes)))


def _spans(codes):
    """Pairs of the first and the last character of each range of sorted codes."""
    codes = set(codes)
    firsts = sorted(code for code in codes if code - 1 not in codes)
    lasts = sorted(code for code in codes if code + 1 not in codes)
    return zip(map(chr, firsts), map(chr, lasts))


def _template(vocab):
    """[CLS] A [SEP], or [CLS] A [SEP] B [SEP] with B in segment 1."""

    def special(token, segment):
        return {"SpecialToken": {"id": token, "type_id": segment}}

    def text(name, segment):
        return {"Sequence": {"id": name, "type_id": segment}}

    single = [special("[CLS]", 0), text("A", 0), special("[SEP]", 0)]
    return {
        "type": "TemplateProcessing",
        "single": single,
        "pair": [*single, text("B", 1), special("[SEP]", 1)],
        "special_tokens": {
            token: {"id": token, "ids": [vocab[token]], "tokens": [token]}
            for token in ("[CLS]", "[SEP]")
        },
    }
