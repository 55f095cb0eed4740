"""Which configs are rejected, and with what message."""

import json
import time

import pytest

import modeling
from finetuning.checks import model_config
from finetuning.utils.errors import InputError
from tests.support import models

CONFIG = models.tiny_config().to_dict()
RATES = ["hidden_dropout_prob", "attention_probs_dropout_prob"]
SIZES = ["hidden_size", "num_hidden_layers", "num_attention_heads"]
SIZES += ["intermediate_size", "max_position_embeddings", "type_vocab_size"]
# In Google's multilingual and Chinese configs.
PUBLISHED_EXTRAS = {"directionality": "bidi", "pooler_type": "first_token_transform"}


def write(directory, content):
    path = str(directory / "bert_config.json")
    if not isinstance(content, (str, bytes)):
        content = json.dumps(content)
    if isinstance(content, str):
        content = content.encode("utf-8")
    with open(path, "wb") as file:
        file.write(content)
    return path


def read(directory, **changes):
    return model_config.read_config(write(directory, dict(CONFIG, **changes)))


def error(directory, content):
    """The message after flag and path; it is short, and comes within seconds."""
    path = write(directory, content)
    started = time.monotonic()
    with pytest.raises(InputError) as caught:
        model_config.read_config(path)
    assert time.monotonic() - started < 10
    message = str(caught.value)
    assert "\n" not in message and len(message) < len(path) + 300
    start = "--bert_config_file=" + path
    assert message.startswith(start)
    return message[len(start) :]


def error_of(directory, **changes):
    return error(directory, dict(CONFIG, **changes))


def without(key):
    return {name: value for name, value in CONFIG.items() if name != key}


def with_json(key, value, more=""):
    """The config as JSON, with a piece of JSON as the value of a key."""
    return json.dumps(without(key))[:-1] + ', "%s": %s%s}' % (key, value, more)


# JSON


@pytest.mark.parametrize(
    "content, part",
    [
        ("", " is not JSON: "),
        ("{", " is not JSON: "),
        ("{'vocab_size': 3}", " is not JSON: "),
        (with_json("comment", "NaN"), " is not JSON: NaN is not a number"),
        (with_json("hidden_size", "-Infinity"), " is not JSON: -Infinity is not a"),
        (
            with_json("hidden_size", "9" * 5000),
            " is not JSON: a number has 5000 digits",
        ),
        (with_json("a", "1", ', "a": 2'), " is not JSON: the key 'a' appears twice"),
        ("[" * 200000, " is not JSON: its brackets are nested"),
        ("[3]", " is not valid: it is not an object; expected one JSON object"),
    ],
)
def test_what_is_not_a_json_object(tmp_path, content, part):
    assert error(tmp_path, content).startswith(part)


@pytest.mark.parametrize(
    "content, part", [(b'{"caf\xe9": 3}', "line 1, byte 6"), (b"{\0}", "NUL byte")]
)
def test_what_is_not_text(tmp_path, content, part):
    path = write(tmp_path, content)
    with pytest.raises(InputError) as caught:
        model_config.read_config(path)
    assert str(caught.value).startswith(path) and part in str(caught.value)


def test_byte_order_mark(tmp_path):
    path = write(tmp_path, "\ufeff" + json.dumps(CONFIG))
    assert model_config.read_config(path).to_dict() == CONFIG


# Keys


@pytest.mark.parametrize("key", [*SIZES, "vocab_size", "hidden_act"])
def test_missing_key(tmp_path, key):
    message = error(tmp_path, without(key))
    assert message.startswith(": " + key) and "missing" in message


@pytest.mark.parametrize("key", [*RATES, "initializer_range"])
def test_keys_with_a_default_may_be_missing(tmp_path, key):
    config = model_config.read_config(write(tmp_path, without(key)))
    assert getattr(config, key) == getattr(modeling.BertConfig(vocab_size=1), key)


@pytest.mark.parametrize(
    "misspelt, meant",
    [
        ("hidden_sise", "hidden_size"),
        ("num_hidden_layer", "num_hidden_layers"),
        ("attention_probs_dropout", "attention_probs_dropout_prob"),
    ],
)
def test_misspelt_key(tmp_path, misspelt, meant):
    message = error(tmp_path, dict(without(meant), **{misspelt: 4}))
    assert repr(misspelt) in message and repr(meant) in message


def test_keys_without_effect_are_accepted(tmp_path):
    others = {
        "layer_norm_eps": 1e-12,
        "position_embedding_type": "absolute",
        "is_decoder": False,
        "pruned_heads": {},
        "embedding_size": CONFIG["hidden_size"],
    }
    config = read(tmp_path, **PUBLISHED_EXTRAS, **others)
    assert config.pooler_type == "first_token_transform"


@pytest.mark.parametrize(
    "key, value",
    [
        ("layer_norm_eps", 1e-5),
        ("position_embedding_type", "relative_key"),
        ("is_decoder", True),
        ("pruned_heads", {"0": [1]}),
        ("embedding_size", 8),
    ],
)
def test_keys_that_would_change_the_model_are_rejected(tmp_path, key, value):
    message = error_of(tmp_path, **{key: value})
    assert message.startswith(": config key '%s' is %r" % (key, value))


@pytest.mark.parametrize(
    "keys, parts",
    [
        ({}, []),
        ({"model_type": "bert", "hidden_act": "gelu_new"}, []),
        ({"model_type": "bert"}, []),
        ({"model_type": "electra"}, []),
        ({"model_type": "roberta", "hidden_act": "relu"}, ["model_type is 'roberta'"]),
    ],
)
def test_warnings_about_configs_of_hugging_face(tmp_path, keys, parts):
    path = write(tmp_path, dict(CONFIG, **keys))
    lines = model_config.warnings(path, model_config.read_config(path))
    assert len(lines) == len(parts)
    for line, part in zip(lines, parts):
        assert line.startswith("--bert_config_file=" + path) and part in line


@pytest.mark.parametrize(
    "name, model_type, form",
    [
        ("gelu", "bert", "erf"),
        ("gelu", None, None),
        ("gelu_python", "bert", "erf"),
        ("gelu_new", "bert", "tanh"),
        ("relu", "bert", None),
    ],
)
def test_a_note_says_which_form_of_gelu_is_computed(tmp_path, name, model_type, form):
    path = write(tmp_path, dict(CONFIG, model_type=model_type, hidden_act=name))
    notes = model_config.activation_notes(path, model_config.read_config(path))
    assert len(notes) == (form is not None)
    assert form is None or form in notes[0]


def test_a_config_beside_weights_of_hugging_face_needs_no_model_type(tmp_path):
    path = str(tmp_path / "config.json")
    with open(path, "w") as file:
        json.dump(CONFIG, file)
    assert not hasattr(model_config.read_config(path), "model_type")
    (tmp_path / "model.safetensors").write_bytes(b"")
    config = model_config.read_config(path)
    assert modeling.activation_name(config) == "gelu_python"


@pytest.mark.parametrize("value", ["0.1", 1.0, -0.1, True])
def test_dropout_of_the_classifier_must_be_a_rate(tmp_path, value):
    assert "classifier_dropout is" in error_of(tmp_path, classifier_dropout=value)
    read(tmp_path, classifier_dropout=None)
    read(tmp_path, classifier_dropout=0.3)


def test_a_note_on_an_unused_key_is_one_line(tmp_path):
    path = write(tmp_path, with_json(r"a\n\u001b\ud800", "1"))
    config = model_config.read_config(path)
    (note,) = model_config.unused_keys(path, config)
    assert note == path + r": not used by this model: a\n\x1b\ud800"


def test_keys_with_the_names_of_methods(tmp_path):
    path = write(tmp_path, dict(CONFIG, to_dict=3, __class__=4, __dict__=5))
    (note,) = model_config.unused_keys(path, model_config.read_config(path))
    assert "to_dict" in note


# Values


@pytest.mark.parametrize("value", ["8", 8.0, 8.5, None, [8], True, 0, -8, 10**9])
@pytest.mark.parametrize("key", [*SIZES, "vocab_size"])
def test_a_size_must_be_a_whole_number_in_its_range(tmp_path, key, value):
    message = error_of(tmp_path, **{key: value})
    assert message.startswith(
        ": %s is %r, expected a whole number from " % (key, value)
    )


def test_a_model_with_one_segment_cannot_take_pairs(tmp_path):
    assert "expected a whole number from 2" in error_of(tmp_path, type_vocab_size=1)


@pytest.mark.parametrize("value", ["0.1", None, [0.02], -0.1, True, 100.5, 1e999])
@pytest.mark.parametrize("key", [*RATES, "initializer_range"])
def test_a_rate_must_be_a_number_in_its_range(tmp_path, key, value):
    shown = "inf" if value == 1e999 else repr(value)
    content = dict(CONFIG, **{key: value})
    if value == 1e999:
        content = with_json(key, "1e999")
    message = error(tmp_path, content)
    assert message.startswith(": %s is %s, expected a number from 0 " % (key, shown))


def test_the_edges_of_the_ranges(tmp_path):
    assert "(exclusive)" in error_of(tmp_path, hidden_dropout_prob=1)
    read(tmp_path, hidden_dropout_prob=0, initializer_range=100)
    read(tmp_path, initializer_range=0)
    assert "of at least 1.2e-38" in error_of(tmp_path, initializer_range=1e-50)


def test_sizes_that_make_too_large_a_model_together(tmp_path):
    message = error_of(tmp_path, hidden_size=65536, intermediate_size=65536)
    assert "5.6e+10 parameters" in message
    read(tmp_path, hidden_size=4096, num_hidden_layers=40, intermediate_size=16384)


def test_hidden_size_that_the_heads_do_not_divide(tmp_path):
    message = error_of(tmp_path, hidden_size=8, num_attention_heads=3)
    assert message == ": hidden_size 8 is not a multiple of num_attention_heads 3"


@pytest.mark.parametrize("value", ["swish", "quick_gelu", 3, ["gelu"], None, ""])
def test_unknown_activation(tmp_path, value):
    assert str(value) in error_of(tmp_path, hidden_act=value)


@pytest.mark.parametrize("value", ["gelu", "GELU", "relu", "tanh", "linear"])
def test_known_activation(tmp_path, value):
    assert read(tmp_path, hidden_act=value).hidden_act == value
