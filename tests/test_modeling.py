"""The encoder: its config, its shapes and names, and what padding must not do."""

import json

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

import modeling
from finetuning.checkpoints import compatibility
from tests.support import models

LENGTHS = (3, 12, 7, 9)
LENGTH = 12


@pytest.fixture
def rng():
    return np.random.RandomState(0)


class Encoder:
    """An encoder with fixed random weights that takes arrays of any shape."""

    def __init__(self, config, is_training=False, **options):
        tf.set_random_seed(5)
        self.inputs = {
            name: tf.placeholder(tf.int32, [None, None])
            for name in ("input_ids", "input_mask", "segment_ids")
        }
        self.model = modeling.BertModel(
            config,
            is_training,
            self.inputs["input_ids"],
            self.inputs["input_mask"],
            self.inputs["segment_ids"],
            **options,
        )
        self.session = tf.Session()
        self.session.run(tf.global_variables_initializer())

    def run(self, features, *tensors):
        feed = {self.inputs[name]: features[name] for name in self.inputs}
        return self.session.run(tensors or self.model.get_pooled_output(), feed)


@pytest.fixture
def encoder():
    with tf.Graph().as_default():
        yield Encoder(models.tiny_config())


def cut(features, length):
    return {k: v[:, :length] if v.ndim == 2 else v for k, v in features.items()}


def rows(features, chosen):
    return {name: value[chosen] for name, value in features.items()}


def test_config_round_trip(tmp_path):
    config = models.tiny_config(hidden_act="relu")
    path = tmp_path / "bert_config.json"
    path.write_text(config.to_json_string())
    assert modeling.BertConfig.from_json_file(str(path)).to_dict() == config.to_dict()
    assert json.loads(config.to_json_string())["hidden_size"] == 16


def test_config_defaults_are_those_of_bert_base():
    assert modeling.BertConfig(vocab_size=7).to_dict() == {
        "vocab_size": 7,
        "hidden_size": 768,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "intermediate_size": 3072,
        "hidden_act": "gelu",
        "hidden_dropout_prob": 0.1,
        "attention_probs_dropout_prob": 0.1,
        "max_position_embeddings": 512,
        "type_vocab_size": 16,
        "initializer_range": 0.02,
    }


def test_config_tolerates_what_published_files_hold_besides():
    values = dict(
        models.tiny_config().to_dict(), pooler_type="first_token", directionality="bidi"
    )
    assert modeling.BertConfig.from_dict(values).pooler_type == "first_token"


@pytest.mark.parametrize(
    "change, words",
    [
        ({"num_attention_head": 4}, "'num_attention_heads' is missing"),
        ({"layer_norm_eps": 1e-5}, "layer_norm_eps"),
        ({"position_embedding_type": "relative_key"}, "relative_key"),
    ],
)
def test_config_refuses_what_it_cannot_honour(change, words):
    values = models.tiny_config().to_dict()
    del values["num_attention_heads"]
    with pytest.raises(ValueError, match=words):
        modeling.BertConfig.from_dict(dict(values, **change))


def test_config_needs_a_vocabulary_size():
    with pytest.raises(ValueError, match="vocab_size is missing"):
        modeling.BertConfig.from_dict({"hidden_size": 8})


@pytest.mark.parametrize(
    "change, words",
    [
        ({"num_attention_heads": 3}, "16 is not a multiple of num_attention_heads 3"),
        ({"hidden_act": "swish"}, "unknown activation 'swish'"),
        ({"num_hidden_layers": 0}, "num_hidden_layers is 0"),
        ({"max_position_embeddings": 4}, "length 5 is larger"),
    ],
)
def test_model_refuses_what_it_cannot_honour(change, words):
    with tf.Graph().as_default(), pytest.raises(ValueError, match=words):
        modeling.BertModel(
            models.tiny_config(**change), False, tf.ones([2, 5], "int32")
        )


def test_model_wants_rank_two():
    with tf.Graph().as_default(), pytest.raises(ValueError, match="rank 2"):
        modeling.BertModel(models.tiny_config(), False, tf.ones([5], tf.int32))


def test_output_shapes(encoder, rng):
    config = models.tiny_config()
    features = models.random_features(rng, config, LENGTHS, LENGTH)
    model = encoder.model
    values = encoder.run(
        features,
        model.get_pooled_output(),
        model.get_sequence_output(),
        model.get_embedding_output(),
        model.get_embedding_table(),
        *model.get_all_encoder_layers(),
    )
    batch = len(LENGTHS)
    assert [value.shape for value in values] == [
        (batch, 16),
        (batch, LENGTH, 16),
        (batch, LENGTH, 16),
        (50, 16),
        (batch, LENGTH, 16),
        (batch, LENGTH, 16),
    ]


def test_names_and_shapes_of_the_variables():
    """The checkpoint is an interface; this is its list for two layers."""
    with tf.Graph().as_default():
        modeling.BertModel(models.tiny_config(), False, tf.ones([2, 5], tf.int32))
        found = {v.op.name: tuple(v.shape.as_list()) for v in tf.global_variables()}
    expected = {
        "bert/embeddings/word_embeddings": (50, 16),
        "bert/embeddings/token_type_embeddings": (2, 16),
        "bert/embeddings/position_embeddings": (20, 16),
        "bert/embeddings/LayerNorm/beta": (16,),
        "bert/embeddings/LayerNorm/gamma": (16,),
        "bert/pooler/dense/kernel": (16, 16),
        "bert/pooler/dense/bias": (16,),
    }
    for layer in ("bert/encoder/layer_0", "bert/encoder/layer_1"):
        for name in ("query", "key", "value"):
            expected[layer + "/attention/self/%s/kernel" % name] = (16, 16)
            expected[layer + "/attention/self/%s/bias" % name] = (16,)
        expected[layer + "/attention/output/dense/kernel"] = (16, 16)
        expected[layer + "/attention/output/dense/bias"] = (16,)
        expected[layer + "/attention/output/LayerNorm/beta"] = (16,)
        expected[layer + "/attention/output/LayerNorm/gamma"] = (16,)
        expected[layer + "/intermediate/dense/kernel"] = (16, 24)
        expected[layer + "/intermediate/dense/bias"] = (24,)
        expected[layer + "/output/dense/kernel"] = (24, 16)
        expected[layer + "/output/dense/bias"] = (16,)
        expected[layer + "/output/LayerNorm/beta"] = (16,)
        expected[layer + "/output/LayerNorm/gamma"] = (16,)
    assert found == expected
    listed = compatibility.model_shapes(models.tiny_config(), 2)
    del listed["output_weights"], listed["output_bias"]
    assert found == listed


def test_scope_and_default_inputs(rng):
    """Without mask and segments: all tokens are real, all of segment 0."""
    config = models.tiny_config()
    ids = rng.randint(1, 50, (2, 6)).astype(np.int32)
    with tf.Graph().as_default(), tf.Session() as session:
        tf.set_random_seed(5)
        default = modeling.BertModel(config, False, tf.constant(ids), scope="mine")
        with tf.variable_scope(tf.get_variable_scope(), reuse=True):
            given = modeling.BertModel(
                config,
                False,
                tf.constant(ids),
                tf.ones([2, 6], tf.int32),
                tf.zeros([2, 6], tf.int32),
                use_one_hot_embeddings=True,
                scope="mine",
            )
        assert all(v.name.startswith("mine/") for v in tf.global_variables())
        session.run(tf.global_variables_initializer())
        left, right = session.run(
            [default.get_sequence_output(), given.get_sequence_output()]
        )
    # Of values up to 4: some last places of float32, which threads may add up anew.
    np.testing.assert_allclose(left, right, atol=5e-6)


def test_padding_changes_nothing(encoder, rng):
    features = models.random_features(rng, models.tiny_config(), (7, 7), LENGTH)
    long = encoder.run(features)
    short = encoder.run(cut(features, 7))
    np.testing.assert_allclose(long, short, atol=1e-6)


def test_what_stands_at_padding_changes_nothing(encoder, rng):
    features = models.random_features(rng, models.tiny_config(), LENGTHS, LENGTH)
    other = dict(features)
    padding = 1 - features["input_mask"]
    other["input_ids"] = features["input_ids"] + 17 * padding
    other["segment_ids"] = features["segment_ids"] + padding
    np.testing.assert_allclose(encoder.run(features), encoder.run(other), atol=1e-6)


def test_a_hole_in_the_mask_is_not_attended_to(encoder, rng):
    """Real tokens may stand behind masked ones."""
    features = models.random_features(rng, models.tiny_config(), (12, 12), LENGTH)
    features["input_mask"][:, 4] = 0
    other = dict(features, input_ids=features["input_ids"].copy())
    other["input_ids"][:, 4] = 3
    np.testing.assert_allclose(encoder.run(features), encoder.run(other), atol=1e-6)


def test_a_row_masked_whole_attends_as_if_nothing_were(encoder, rng):
    features = models.random_features(rng, models.tiny_config(), (12, 12), LENGTH)
    masked = dict(features, input_mask=np.zeros_like(features["input_mask"]))
    # float32 keeps about 3 digits after the point of a score of -10,000.
    np.testing.assert_allclose(encoder.run(features), encoder.run(masked), atol=5e-3)


def test_batch_mates_change_nothing(encoder, rng):
    features = models.random_features(rng, models.tiny_config(), LENGTHS, LENGTH)
    together = encoder.run(features)
    for row in range(len(LENGTHS)):
        alone = encoder.run(rows(features, [row]))
        np.testing.assert_allclose(together[[row]], alone, atol=1e-6)


def test_order_in_the_batch_changes_nothing(encoder, rng):
    features = models.random_features(rng, models.tiny_config(), LENGTHS, LENGTH)
    order = [2, 0, 3, 1]
    np.testing.assert_allclose(
        encoder.run(features)[order], encoder.run(rows(features, order)), atol=1e-6
    )


def test_order_of_words_and_segments_do_change_it(encoder, rng):
    """The counterpart of the tests above: what must matter does."""
    features = models.random_features(rng, models.tiny_config(), (12,), LENGTH)
    before = encoder.run(features)
    swapped = dict(features, input_ids=features["input_ids"][:, ::-1])
    segments = dict(features, segment_ids=1 - features["segment_ids"])
    assert np.abs(encoder.run(swapped) - before).max() > 1e-2
    assert np.abs(encoder.run(segments) - before).max() > 1e-2


# Where dropout acts: an op that is multiplied by the kept mask, with the rate there.
PLACES = [
    ("hidden_dropout_prob", "embeddings"),
    ("attention_probs_dropout_prob", "attention/self"),
    ("hidden_dropout_prob", "attention/output"),
    ("hidden_dropout_prob", "layer_0/output"),
]


def dropped_fractions(config, is_training, lengths, length):
    """Scope of each place where dropout compares -> the fraction that it drops."""
    rng = np.random.RandomState(1)
    features = models.random_features(rng, config, lengths, length)
    with tf.Graph().as_default() as graph:
        encoder = Encoder(config, is_training=is_training, dropout_seed=[3, 4])
        kept = [op.outputs[0] for op in graph.get_operations() if is_dropout(op)]
        values = encoder.run(features, *kept) if kept else []
    return {k.op.name: 1 - float(v.mean()) for k, v in zip(kept, values)}


def is_dropout(op):
    return op.type == "GreaterEqual"


@pytest.mark.parametrize("rate_name, scope", PLACES)
def test_each_dropout_acts_at_its_own_rate(rate_name, scope):
    """One rate at a time: it acts in its places, nowhere else."""
    config = models.tiny_config(hidden_size=32, **{rate_name: 0.3})
    found = dropped_fractions(config, True, (12,) * 16, 12)
    here = [value for name, value in found.items() if scope in name]
    assert here
    for value in here:
        assert value == pytest.approx(0.3, abs=0.03)
    expected = 1 + 2 * 2 if rate_name == "hidden_dropout_prob" else 2
    assert len(found) == expected


def test_no_dropout_at_evaluation(rng):
    config = models.tiny_config(
        hidden_dropout_prob=0.5, attention_probs_dropout_prob=0.5
    )
    assert dropped_fractions(config, False, (12,), 12) == {}
    with tf.Graph().as_default():
        encoder = Encoder(config)
        features = models.random_features(rng, config, LENGTHS, LENGTH)
        np.testing.assert_array_equal(encoder.run(features), encoder.run(features))


def test_dropout_follows_its_seed(rng):
    """Same run and step: same masks. Another step, another seed: other masks."""
    config = models.tiny_config(hidden_dropout_prob=0.3)
    features = models.random_features(rng, config, LENGTHS, LENGTH)
    with tf.Graph().as_default():
        seed = tf.placeholder(tf.int32, [2])
        encoder = Encoder(config, is_training=True, dropout_seed=seed)
        inputs = {encoder.inputs[name]: features[name] for name in encoder.inputs}

        def pooled(run, step):
            inputs[seed] = [run, step]
            return encoder.session.run(encoder.model.get_pooled_output(), inputs)

        np.testing.assert_array_equal(pooled(1, 2), pooled(1, 2))
        assert np.abs(pooled(1, 2) - pooled(1, 3)).max() > 1e-2
        assert np.abs(pooled(1, 2) - pooled(2, 2)).max() > 1e-2


def test_no_two_places_share_a_mask():
    """Blocks with equal masks would drop the same units twice over."""
    config = models.tiny_config(hidden_dropout_prob=0.5)
    rng = np.random.RandomState(1)
    features = models.random_features(rng, config, (12,) * 4, 12)
    with tf.Graph().as_default() as graph:
        encoder = Encoder(config, is_training=True, dropout_seed=[3, 4])
        kept = [op.outputs[0] for op in graph.get_operations() if is_dropout(op)]
        masks = [mask.reshape(-1) for mask in encoder.run(features, *kept)]
    for index, mask in enumerate(masks):
        for other in masks[index + 1 :]:
            assert abs(np.mean(mask == other) - 0.5) < 0.1


def test_assignment_map(tmp_path):
    prefix = str(tmp_path / "model.ckpt")
    models.save_checkpoint(
        prefix, {"a/kernel": np.zeros(2, "f"), "unused": np.zeros(1, "f")}
    )
    with tf.Graph().as_default():
        variables = [tf.get_variable(name, [2]) for name in ("a/kernel", "fresh")]
        found, names = modeling.get_assignment_map_from_checkpoint(variables, prefix)
    assert dict(found) == {"a/kernel": "a/kernel"}
    assert set(names) == {"a/kernel", "a/kernel:0"}
