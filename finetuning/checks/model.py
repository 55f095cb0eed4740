"""Reads the config and the vocabulary, and compares them with each other."""

from finetuning.checks import model_config, vocabulary
from finetuning.utils.errors import InputError


def read(settings, has_weights):
    """Reads the config and the vocabulary, and compares them with each other.

    Args:
      settings: `settings.Settings`.
      has_weights: whether there is a checkpoint, whose table has the config's size.

    Returns:
      `modeling.BertConfig`; `tokenization.FullTokenizer`; and notes and warnings about
      what is unusual but allowed, two lists of str.

    Raises:
      InputError: one of them cannot be used, or they do not fit together.
    """
    config_file, vocab_file = settings.bert_config_file, settings.vocab_file
    config = model_config.read_config(config_file, settings.init_checkpoint)
    if settings.max_seq_length > config.max_position_embeddings:
        raise InputError(
            "--max_seq_length=%d is more than the model's max_position_embeddings %d "
            "(%s)"
            % (settings.max_seq_length, config.max_position_embeddings, config_file)
        )
    tokenizer, notes = vocabulary.read(vocab_file, settings.do_lower_case)
    more_notes, warnings = vocabulary.compare_size(
        vocab_file, tokenizer.vocab, config.vocab_size, has_weights
    )
    notes += more_notes + model_config.unused_keys(config_file, config)
    notes += model_config.activation_notes(config_file, config)
    warnings += model_config.warnings(config_file, config)
    return config, tokenizer, notes, warnings
