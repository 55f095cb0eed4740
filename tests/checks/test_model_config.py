"""What of a config is refused that JSON or a careless hand lets through."""

import json
import time

import pytest

from finetuning.checks import model_config
from finetuning.utils.errors import InputError
from tests.support import models

CONFIG = models.tiny_config().to_dict()


def write(directory, content):
    path = str(directory / "bert_config.json")
    with open(path, "w", encoding="utf-8") as file:
        file.write(content if isinstance(content, str) else json.dumps(content))
    return path


def refusal(directory, content):
    """The message, with the flag and the path cut off; it comes within seconds."""
    path = write(directory, content)
    started = time.monotonic()
    with pytest.raises(InputError) as caught:
        model_config.read_config(path)
    assert time.monotonic() - started < 10
    message = str(caught.value)
    assert "\n" not in message and len(message) < len(path) + 300
    return message.replace("--bert_config_file=" + path, "")


def changed(text, **values):
    """The config's JSON with a piece of JSON put in for a key's value."""
    ((key, value),) = values.items()
    pieces = [json.dumps({k: v})[1:-1] for k, v in CONFIG.items() if k != key]
    return "{%s, %s}" % (", ".join(pieces), '"%s": %s%s' % (key, value, text))


@pytest.mark.parametrize(
    "key, most",
    [
        ("vocab_size", 10**8),
        ("hidden_size", 10**6),
        ("num_hidden_layers", 1000),
        ("num_attention_heads", 10**6),
        ("intermediate_size", 10**7),
        ("max_position_embeddings", 10**7),
        ("type_vocab_size", 10**4),
    ],
)
@pytest.mark.parametrize("factor", [1, 10**8])
def test_sizes_without_sense(tmp_path, key, most, factor):
    value = (most + 1) * factor
    assert refusal(tmp_path, dict(CONFIG, **{key: value})) == (
        ": %s is %d, expected %d or less" % (key, value, most)
    )


def test_sizes_without_sense_together(tmp_path):
    sizes = {"hidden_size": 65536, "intermediate_size": 65536}
    message = refusal(tmp_path, dict(CONFIG, **sizes))
    assert message.startswith(": these sizes make a model of 5.6e+10 parameters, more")


def test_large_models_are_none(tmp_path):
    large = dict(
        CONFIG, hidden_size=4096, num_hidden_layers=40, intermediate_size=16384
    )
    model_config.read_config(write(tmp_path, large))


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity"])
@pytest.mark.parametrize("key", ["hidden_size", "hidden_dropout_prob", "comment"])
def test_what_python_takes_for_a_number(tmp_path, key, value):
    message = refusal(tmp_path, changed("", **{key: value}))
    assert message == " is not JSON: %s is no number" % value


@pytest.mark.parametrize("value", ["1e999", "true", "false", "-1e-9"])
@pytest.mark.parametrize(
    "key", ["hidden_dropout_prob", "attention_probs_dropout_prob", "initializer_range"]
)
def test_what_is_no_rate(tmp_path, key, value):
    assert refusal(tmp_path, changed("", **{key: value})).startswith(": %s is " % key)


def test_weights_that_float32_would_not_hold_long(tmp_path):
    model_config.read_config(write(tmp_path, changed("", initializer_range="100")))
    message = refusal(tmp_path, changed("", initializer_range="100.5"))
    assert message == ": initializer_range is 100.5, expected 0 to 100"


def test_number_of_many_digits(tmp_path):
    message = refusal(tmp_path, changed("", hidden_size="9" * 5000))
    assert message == " is not JSON: a number of 5000 digits"


def test_key_that_is_there_twice(tmp_path):
    message = refusal(tmp_path, changed(', "hidden_size": 32', vocab_size="50"))
    assert message == " is not JSON: the key 'hidden_size' is there twice; leave one"


@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_deep_nesting(tmp_path, opening):
    assert refusal(tmp_path, opening * 200000).startswith(" is no config: ")


def test_nul(tmp_path):
    assert "is NUL" in refusal(tmp_path, "{\0}")


def test_key_of_line_ends_and_half_characters(tmp_path):
    """The note on it is one line that any file can hold."""
    path = write(tmp_path, changed("", **{r"a\n\u001b\ud800": "1"}))
    config = model_config.read_config(path)
    (note,) = model_config.unused_keys(path, config)
    assert note == path + r": not used by this model: a\n\x1b\ud800"


def test_key_that_is_the_name_of_a_method(tmp_path):
    path = write(tmp_path, dict(CONFIG, to_dict=3, __class__=4, __dict__=5))
    assert (
        "to_dict" in model_config.unused_keys(path, model_config.read_config(path))[0]
    )
