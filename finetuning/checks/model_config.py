"""Reads a `bert_config.json` and checks its values."""

import math

import numpy as np

import modeling
from encoder import layers
from finetuning.flags import text_settings
from finetuning.flags.settings import MIN_FLOAT
from finetuning.utils import files, huggingface, json_files
from finetuning.utils.errors import InputError, in_one_line

# The sizes that define a model, with the minimum and maximum of each. The maximum is
# far above every published encoder, and rejects typing errors before anything is built.
_SIZES = {
    "vocab_size": (1, 10**8),
    "hidden_size": (1, 10**6),
    "num_hidden_layers": (1, 1000),
    "num_attention_heads": (1, 10**6),
    "intermediate_size": (1, 10**7),
    "max_position_embeddings": (1, 10**7),
    "type_vocab_size": (2, 10**4),
}
_DROPOUTS = ("hidden_dropout_prob", "attention_probs_dropout_prob")
# 40 GB in float32, three times that with the optimiser's state; BERT-Large has 3e8.
_MAX_PARAMETERS = 10**10
# Hugging Face's names of the architectures that this model computes.
_COMPUTED_AS_BERT = ("bert", "electra")
# Keys that need no note: they are used elsewhere, or say what holds anyway.
_OTHER_KEYS = {
    "architectures",
    "classifier_dropout",
    "directionality",
    "dtype",
    "id2label",
    "label2id",
    "model_type",
    "num_labels",
    "pad_token_id",
    "problem_type",
    "tie_word_embeddings",
    "torch_dtype",
    "transformers_version",
    "use_cache",
    *modeling.FIXED_KEYS,
}
# Standard deviation of new weights; BERT's is 0.02.
_MAX_INITIALIZER_RANGE = 100


def read_config(path, init_checkpoint=None):
    """Reads and checks a `bert_config.json`.

    Args:
      path: --bert_config_file.
      init_checkpoint: --init_checkpoint, which tells whether the config is a
        Hugging Face config; None: only its `model_type` and its directory tell.

    Returns:
      `modeling.BertConfig`.

    Raises:
      InputError: there is no such file, it is not JSON, a key is missing, misspelt or
        repeated, or no model can have the values.
    """
    files.require_file("--bert_config_file=%s" % path, path)
    values = json_files.read(
        path,
        "one JSON object of numbers and strings",
        "pass the bert_config.json of the checkpoint",
        name="--bert_config_file=%s" % path,
    )
    if text_settings.completed_config(path, init_checkpoint) is not None:
        values["model_type"] = huggingface.MODEL_TYPE
    try:
        config = modeling.BertConfig.from_dict(values)
        _check_config(values, config)
    except ValueError as error:
        raise InputError("--bert_config_file=%s: %s" % (path, error)) from None
    return config


def unused_keys(path, config):
    """Notes about keys that have no effect, except for those in Google's own files."""
    known = set(vars(modeling.BertConfig(vocab_size=1))) | _OTHER_KEYS
    unused = [
        key
        for key in sorted(vars(config))
        if key not in known and not key.startswith("pooler_")
    ]
    if not unused:
        return []
    return [in_one_line("%s: not used by this model: %s" % (path, ", ".join(unused)))]


def warnings(path, config):
    """Warns about a Hugging Face config for another architecture than BERT.

    Args:
      path: --bert_config_file.
      config: `modeling.BertConfig` that was read from it.

    Returns:
      List of lines.
    """
    model_type = getattr(config, "model_type", None)
    if model_type is None or model_type in _COMPUTED_AS_BERT:
        return []
    return [
        in_one_line(
            "--bert_config_file=%s: model_type is %r, and this program computes it as "
            "a BERT" % (path, model_type)
        )
    ]


def activation_notes(path, config):
    """Says which form of GELU is computed for a Hugging Face config."""
    if getattr(config, "model_type", None) is None:
        return []
    forms = {
        layers.exact_gelu: "exact GELU (erf)",
        layers.gelu: "approximation of GELU by tanh",
    }
    form = forms.get(modeling.get_activation(modeling.activation_name(config)))
    if form is None:
        return []
    return [
        "%s: hidden_act %s is computed as the %s, as Hugging Face's transformers do"
        % (path, config.hidden_act, form)
    ]


def _check_config(values, config):
    missing = [key for key in list(_SIZES) + ["hidden_act"] if key not in values]
    if missing:
        raise ValueError("%s missing, but required" % ", ".join(missing))
    for key, (minimum, maximum) in _SIZES.items():
        value = values[key]
        if type(value) is not int or not minimum <= value <= maximum:
            raise ValueError(
                "%s is %r, expected a whole number from %d to %d"
                % (key, value, minimum, maximum)
            )
    rates = {key: getattr(config, key) for key in _DROPOUTS}
    if values.get("classifier_dropout") is not None:
        rates["classifier_dropout"] = values["classifier_dropout"]
    for key, value in rates.items():
        if not _is_number(value) or not 0 <= value < 1:
            raise ValueError(
                "%s is %r, expected a number from 0 to 1 (exclusive)" % (key, value)
            )
    value = config.initializer_range
    if not _is_number(value) or not (
        value == 0 or MIN_FLOAT <= value <= _MAX_INITIALIZER_RANGE
    ):
        raise ValueError(
            "initializer_range is %r, expected a number from 0 to %d, and above 0 of "
            "at least %g" % (value, _MAX_INITIALIZER_RANGE, MIN_FLOAT)
        )
    if config.hidden_act in (None, ""):
        raise ValueError("hidden_act is %r, expected a name" % (config.hidden_act,))
    modeling.check_config(config)
    _check_parameters(config)


def _is_number(value):
    return type(value) in (int, float) and math.isfinite(value)


def _check_parameters(config):
    shapes = modeling.variable_shapes(config).values()
    count = sum(int(np.prod(shape, dtype=np.int64)) for shape in shapes)
    if count > _MAX_PARAMETERS:
        raise ValueError(
            "a model of these sizes has %.1e parameters, more than the maximum of "
            "%.0e; check the sizes" % (count, _MAX_PARAMETERS)
        )
