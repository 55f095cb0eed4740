"""The encoder: config, variables, dropout, and which inputs matter."""

import json

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

import modeling
from tests.support import models

LENGTH = 12


@pytest.fixture
def rng():
    return np.random.RandomState(0)


def test_config_round_trip(tmp_path):
    config = models.tiny_config(hidden_act="relu")
    path = tmp_path / "bert_config.json"
    path.write_text(config.to_json_string())
    assert modeling.BertConfig.from_json_file(str(path)).to_dict() == config.to_dict()
    assert json.loads(config.to_json_string())["hidden_size"] == 16


def test_config_keeps_other_keys_of_published_files():
    values = dict(models.tiny_config().to_dict(), pooler_type="first_token")
    assert modeling.BertConfig.from_dict(values).to_dict() == values


@pytest.mark.parametrize(
    "missing, change, message",
    [
        ("vocab_size", {}, "vocab_size is missing"),
        ("num_attention_heads", {"num_attention_head": 4}, "'num_attention_heads' is"),
        ("hidden_act", {"layer_norm_eps": 1e-5}, "layer_norm_eps"),
        ("hidden_act", {"position_embedding_type": "relative_key"}, "relative_key"),
    ],
)
def test_config_refuses_unknown_variants(missing, change, message):
    values = dict(models.tiny_config().to_dict(), **change)
    del values[missing]
    with pytest.raises(ValueError, match=message):
        modeling.BertConfig.from_dict(values)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"num_attention_heads": 3}, "16 is not a multiple of num_attention_heads 3"),
        ({"hidden_act": "swish"}, "unknown activation 'swish'"),
        ({"num_hidden_layers": 0}, "num_hidden_layers is 0"),
        ({"max_position_embeddings": 4}, "length 5 is larger"),
    ],
)
def test_model_refuses_impossible_configs(session, change, message):
    with pytest.raises(ValueError, match=message):
        modeling.BertModel(
            models.tiny_config(**change), False, tf.ones([2, 5], "int32")
        )


def test_model_refuses_inputs_of_another_rank(session):
    with pytest.raises(ValueError, match="rank 2"):
        modeling.BertModel(models.tiny_config(), False, tf.ones([5], tf.int32))


@pytest.mark.parametrize("changes", [{}, {"num_hidden_layers": 3, "hidden_size": 32}])
def test_variable_shapes_are_those_of_the_graph(session, changes):
    config = models.tiny_config(**changes)
    modeling.BertModel(config, False, tf.ones([2, 5], tf.int32))
    built = {v.op.name: tuple(v.shape.as_list()) for v in tf.global_variables()}
    assert modeling.variable_shapes(config) == built
    assert built["bert/encoder/layer_1/intermediate/dense/kernel"] == (
        config.hidden_size,
        24,
    )


class Encoder:
    """An encoder with fixed random weights that takes arrays of any shape."""

    def __init__(self, session, config, is_training=False, **options):
        tf.set_random_seed(5)
        names = ("input_ids", "input_mask", "segment_ids")
        self.inputs = {name: tf.placeholder(tf.int32, [None, None]) for name in names}
        self.model = modeling.BertModel(
            config, is_training, *self.inputs.values(), **options
        )
        self.pooled_output = self.model.get_pooled_output()
        # Where dropout compares random numbers with its rate.
        ops = tf.get_default_graph().get_operations()
        self.keep_masks = [op.outputs[0] for op in ops if op.type == "GreaterEqual"]
        self.session = session
        session.run(tf.global_variables_initializer())

    def run(self, features, fetches=None, more=()):
        feed = {tensor: features[name] for name, tensor in self.inputs.items()}
        feed.update(more)
        return self.session.run(fetches or self.pooled_output, feed)


@pytest.fixture
def encoder(session):
    return Encoder(session, models.tiny_config())


def test_output_shapes(encoder, rng):
    features = models.random_features(rng, models.tiny_config(), (3, 12), LENGTH)
    model = encoder.model
    outputs = [model.get_sequence_output(), model.get_embedding_output()]
    outputs += model.get_all_encoder_layers()
    values = encoder.run(features, outputs)
    assert [value.shape for value in values] == [(2, LENGTH, 16)] * 4
    assert encoder.run(features).shape == (2, 16)
    assert model.get_embedding_table().shape.as_list() == [50, 16]


def test_scope_and_default_inputs(session, rng):
    """Without mask and segments, all ids are tokens of segment 0."""
    ids = tf.constant(rng.randint(1, 50, (2, 6)).astype(np.int32))
    tf.set_random_seed(5)
    default = modeling.BertModel(models.tiny_config(), False, ids, scope="mine")
    with tf.variable_scope(tf.get_variable_scope(), reuse=True):
        explicit = modeling.BertModel(
            models.tiny_config(),
            False,
            ids,
            tf.ones([2, 6], tf.int32),
            tf.zeros([2, 6], tf.int32),
            use_one_hot_embeddings=True,
            scope="mine",
        )
    assert all(v.name.startswith("mine/") for v in tf.global_variables())
    session.run(tf.global_variables_initializer())
    left, right = session.run(
        [default.get_sequence_output(), explicit.get_sequence_output()]
    )
    # Values are up to 4, and threads may add them up in any order.
    np.testing.assert_allclose(left, right, atol=5e-6)


def test_masked_positions_do_not_matter(encoder, rng):
    """Neither padding nor a hole in the mask, nor the length of the padding."""
    features = models.random_features(rng, models.tiny_config(), (3, 11, 7), LENGTH)
    features["input_mask"][:, 1] = 0
    masked = 1 - features["input_mask"]
    changed = dict(features)
    changed["input_ids"] = (features["input_ids"] + 17 * masked) % 50
    changed["segment_ids"] = features["segment_ids"] ^ masked
    expected = encoder.run(features)
    np.testing.assert_allclose(encoder.run(changed), expected, atol=1e-6)
    cut = {name: value[..., : LENGTH - 1] for name, value in features.items()}
    np.testing.assert_allclose(encoder.run(cut), expected, atol=1e-6)


def test_an_example_without_tokens_is_attended_to_as_a_whole(encoder, rng):
    features = models.random_features(rng, models.tiny_config(), (12, 12), LENGTH)
    masked = dict(features, input_mask=np.zeros_like(features["input_mask"]))
    # With scores of -10,000, float32 has about 3 digits after the point.
    np.testing.assert_allclose(encoder.run(features), encoder.run(masked), atol=5e-3)


def test_order_of_words_and_segments_matter(encoder, rng):
    features = models.random_features(rng, models.tiny_config(), (12,), LENGTH)
    before = encoder.run(features)
    swapped = dict(features, input_ids=features["input_ids"][:, ::-1])
    segments = dict(features, segment_ids=1 - features["segment_ids"])
    assert np.abs(encoder.run(swapped) - before).max() > 1e-2
    assert np.abs(encoder.run(segments) - before).max() > 1e-2


@pytest.mark.parametrize(
    "rate_name, scopes",
    [
        (
            "hidden_dropout_prob",
            ["bert/embeddings"]
            + [
                "layer_%d/%soutput" % (i, s) for i in (0, 1) for s in ("attention/", "")
            ],
        ),
        (
            "attention_probs_dropout_prob",
            ["layer_0/attention/self", "layer_1/attention/self"],
        ),
    ],
)
def test_each_dropout_rate_acts_in_its_places(session, rng, rate_name, scopes):
    """And no two places share a mask."""
    config = models.tiny_config(hidden_size=32, **{rate_name: 0.3})
    encoder = Encoder(session, config, is_training=True, dropout_seed=[3, 4])
    assert len(encoder.keep_masks) == len(scopes)
    for tensor, scope in zip(encoder.keep_masks, scopes):
        assert scope in tensor.op.name
    features = models.random_features(rng, config, [LENGTH] * 16, LENGTH)
    masks = [m.reshape(-1) for m in encoder.run(features, encoder.keep_masks)]
    for index, mask in enumerate(masks):
        assert 1 - mask.mean() == pytest.approx(0.3, abs=0.03)
        for other in masks[:index]:
            # Independent masks agree in 0.3 * 0.3 + 0.7 * 0.7 of their elements.
            assert np.mean(mask == other) == pytest.approx(0.58, abs=0.05)


def test_no_dropout_at_evaluation(session):
    rates = {"hidden_dropout_prob": 0.5, "attention_probs_dropout_prob": 0.5}
    assert Encoder(session, models.tiny_config(**rates)).keep_masks == []


def test_dropout_follows_its_seed(session, rng):
    """The same run and step drop the same elements, other runs and steps others."""
    config = models.tiny_config(hidden_dropout_prob=0.3)
    features = models.random_features(rng, config, (3, 12, 7, 9), LENGTH)
    seed = tf.placeholder(tf.int32, [2])
    encoder = Encoder(session, config, is_training=True, dropout_seed=seed)

    def pooled(*value):
        return encoder.run(features, more={seed: value})

    np.testing.assert_array_equal(pooled(1, 2), pooled(1, 2))
    assert np.abs(pooled(1, 2) - pooled(1, 3)).max() > 1e-2
    assert np.abs(pooled(1, 2) - pooled(2, 2)).max() > 1e-2


def test_assignment_map(session, tmp_path):
    prefix = str(tmp_path / "model.ckpt")
    models.save_checkpoint(
        prefix, {"a/kernel": np.zeros(2, "f"), "unused": np.zeros(1, "f")}
    )
    variables = [tf.get_variable(name, [2]) for name in ("a/kernel", "fresh")]
    mapping, names = modeling.get_assignment_map_from_checkpoint(variables, prefix)
    assert dict(mapping) == {"a/kernel": "a/kernel"}
    assert set(names) == {"a/kernel", "a/kernel:0"}
