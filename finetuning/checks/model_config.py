"""Reading and judging a `bert_config.json`."""

import json
import math

import numpy as np

import modeling
from finetuning.utils import files
from finetuning.utils.errors import InputError, in_one_line

# What gives a model its shape, with the least and the greatest value of each: far
# beyond every published encoder, and still soon refused where nothing else does.
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
# 40 GB of weights in float32, thrice that with the optimiser's; BERT-Large has 3e8.
_MOST_PARAMETERS = 10**10
_MOST_DIGITS = 20
# Of fresh weights; BERT has 0.02.
_MOST_DEVIATION = 100


def read_config(path):
    """Reads and judges a `bert_config.json`.

    Returns:
      `modeling.BertConfig`.

    Raises:
      InputError: no such file, no JSON, a key is missing, misspelt or there twice, or
        the values make no model.
    """
    files.require_file("--bert_config_file=%s" % path, path)
    try:
        values = _parse(files.read_text(path))
    except InputError:
        raise
    except RecursionError:
        raise InputError(
            "--bert_config_file=%s is no config: its brackets stand too deep in each "
            "other; expected one object of numbers and words" % path
        ) from None
    except ValueError as error:
        raise InputError(
            "--bert_config_file=%s is not JSON: %s" % (path, error)
        ) from None
    if not isinstance(values, dict):
        raise InputError(
            "--bert_config_file=%s: expected a JSON object, got %s"
            % (path, type(values).__name__)
        )
    try:
        config = modeling.BertConfig.from_dict(values)
        _check_config(values, config)
    except ValueError as error:
        raise InputError("--bert_config_file=%s: %s" % (path, error)) from None
    return config


def unused_keys(path, config):
    """Notes on keys that change nothing, save those of Google's own files."""
    known = set(vars(modeling.BertConfig(vocab_size=1))) | {"directionality"}
    unused = [
        key
        for key in sorted(vars(config))
        if key not in known and not key.startswith("pooler_")
    ]
    if not unused:
        return []
    return [in_one_line("%s: not used by this model: %s" % (path, ", ".join(unused)))]


def _parse(text):
    """JSON as its standard has it: Python would read more."""
    return json.loads(
        text,
        parse_int=_whole_number,
        parse_constant=_refuse_constant,
        object_pairs_hook=_unique,
    )


def _whole_number(digits):
    if len(digits) > _MOST_DIGITS:
        raise ValueError("a number of %d digits" % len(digits))
    return int(digits)


def _refuse_constant(name):
    raise ValueError("%s is no number" % name)


def _unique(pairs):
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError("the key %r is there twice; leave one" % twice)
    return found


def _check_config(values, config):
    missing = [key for key in list(_SIZES) + ["hidden_act"] if key not in values]
    if missing:
        raise ValueError("%s missing; the model's shape needs it" % ", ".join(missing))
    for key, (least, most) in _SIZES.items():
        value = values[key]
        if type(value) is not int or value < least:
            raise ValueError(
                "%s is %r, expected a whole number of %d or more" % (key, value, least)
            )
        if value > most:
            raise ValueError("%s is %d, expected %d or less" % (key, value, most))
    for key in _DROPOUTS:
        value = getattr(config, key)
        if not _is_number(value) or not 0 <= value < 1:
            raise ValueError("%s is %r, expected 0 or more, below 1" % (key, value))
    deviation = config.initializer_range
    if not _is_number(deviation) or not 0 <= deviation <= _MOST_DEVIATION:
        raise ValueError(
            "initializer_range is %r, expected 0 to %d" % (deviation, _MOST_DEVIATION)
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
    if count > _MOST_PARAMETERS:
        raise ValueError(
            "these sizes make a model of %.1e parameters, more than the %.0e that this "
            "program builds; is each of them right?" % (count, _MOST_PARAMETERS)
        )
