"""BERT: a bidirectional Transformer encoder over WordPiece tokens.

Devlin et al. 2018, https://arxiv.org/abs/1810.04805; the blocks are those of Vaswani
et al. 2017, https://arxiv.org/abs/1706.03762, section 3. Variable names and shapes are
those of Google's published checkpoints.

Shapes are written in these letters throughout the project:
  B  examples in the batch            N  attention heads
  S  tokens in a sequence             D  width of one head, H / N
  T  rows: the batch's tokens         I  width of the feed-forward layer
  H  hidden size                      V  entries of the vocabulary
"""

import collections
import copy
import difflib
import functools
import json
import math

import tensorflow.compat.v1 as tf

from encoder.attention import attend
from encoder.layers import (
    NO_DROPOUT,
    DropoutStream,
    create_initializer,
    dense,
    dropout,
    gelu,
    get_activation,
    get_shape_list,
    layer_norm,
)
from encoder.mixed_precision import FLOAT32, to_float32
from encoder.unpadding import pack_batch

__all__ = [
    "BertConfig",
    "BertModel",
    "create_initializer",
    "dropout",
    "gelu",
    "get_activation",
    "get_assignment_map_from_checkpoint",
    "get_shape_list",
    "layer_norm",
]

# Keys of other projects' configs, with the one value that this model computes.
_FIXED_KEYS = {"layer_norm_eps": 1e-12, "position_embedding_type": "absolute"}


class BertConfig:
    """What shapes a BERT model: the content of a `bert_config.json`."""

    def __init__(
        self,
        vocab_size,
        hidden_size=768,
        num_hidden_layers=12,
        num_attention_heads=12,
        intermediate_size=3072,
        hidden_act="gelu",
        hidden_dropout_prob=0.1,
        attention_probs_dropout_prob=0.1,
        max_position_embeddings=512,
        type_vocab_size=16,
        initializer_range=0.02,
    ):
        """Takes the values as they are; `BertModel` refuses what it cannot build.

        Args:
          vocab_size: V, rows of the word-embedding table.
          hidden_size: H.
          num_hidden_layers: Transformer blocks.
          num_attention_heads: N, a divisor of H.
          intermediate_size: I.
          hidden_act: activation of the feed-forward layer, see `get_activation`.
          hidden_dropout_prob: rate of dropout (fraction 0-1 that is dropped) on the
            embeddings and on each block's two dense outputs.
          attention_probs_dropout_prob: rate of dropout on the attention probabilities.
          max_position_embeddings: longest sequence, in tokens.
          type_vocab_size: number of segments.
          initializer_range: standard deviation of the truncated normal that fresh
            weights are drawn from.
        """
        self.vocab_size = vocab_size
        self.hidden_size = hidden_size
        self.num_hidden_layers = num_hidden_layers
        self.num_attention_heads = num_attention_heads
        self.intermediate_size = intermediate_size
        self.hidden_act = hidden_act
        self.hidden_dropout_prob = hidden_dropout_prob
        self.attention_probs_dropout_prob = attention_probs_dropout_prob
        self.max_position_embeddings = max_position_embeddings
        self.type_vocab_size = type_vocab_size
        self.initializer_range = initializer_range

    @classmethod
    def from_dict(cls, json_object):
        """Builds a config from a dictionary.

        Keys that this model does not use (`pooler_*`, `directionality`, …) are kept as
        attributes and change nothing.

        Raises:
          ValueError: `vocab_size` is missing, a key looks like a misspelt one of ours,
            or a key of another project asks for arithmetic that differs from BERT's.
        """
        if "vocab_size" not in json_object:
            raise ValueError("vocab_size is missing from the config")
        config = cls(vocab_size=json_object["vocab_size"])
        known = set(vars(config))
        for key in sorted(set(json_object) - known):
            _check_foreign_key(key, json_object[key], known - set(json_object))
        vars(config).update(json_object)
        return config

    @classmethod
    def from_json_file(cls, json_file):
        """Reads a `bert_config.json`; raises ValueError as `from_dict` does."""
        with tf.io.gfile.GFile(json_file, "r") as reader:
            return cls.from_dict(json.loads(reader.read()))

    def to_dict(self):
        return copy.deepcopy(vars(self))

    def to_json_string(self):
        return json.dumps(self.to_dict(), indent=2, sort_keys=True) + "\n"


def _check_foreign_key(key, value, absent_keys):
    """Refuses an unknown key that would change the model if it were honoured."""
    meant = difflib.get_close_matches(key, absent_keys, n=1, cutoff=0.8)
    if meant:
        raise ValueError(
            "config key '%s' is unknown and '%s' is missing: probably misspelt"
            % (key, meant[0])
        )
    if key in _FIXED_KEYS and value != _FIXED_KEYS[key]:
        raise ValueError(
            "config key '%s' is %r; this model computes %r alone"
            % (key, value, _FIXED_KEYS[key])
        )


class BertModel:
    """The encoder and its pooler as a TensorFlow graph, under the scope `bert`."""

    def __init__(
        self,
        config,
        is_training,
        input_ids,
        input_mask=None,
        token_type_ids=None,
        use_one_hot_embeddings=False,
        scope=None,
        dropout_seed=None,
        precision=FLOAT32,
        pad_to=None,
    ):
        """Adds the model's ops and variables to the current graph.

        Args:
          config: `BertConfig`; not changed.
          is_training: whether dropout acts.
          input_ids: int32 [B, S], rows of the word-embedding table.
          input_mask: int32 [B, S], 1 for tokens and 0 for padding; None: all tokens.
          token_type_ids: int32 [B, S], segment of each token; None: all 0.
          use_one_hot_embeddings: look words up by a product with one-hot rows instead
            of a gather: the same numbers, faster on TPUs and slower elsewhere.
          scope: variable scope; None: "bert".
          dropout_seed: int32 [2], see `dropout`; None: the graph's own random stream.
          precision: `mixed_precision.Precision` of the blocks' products.
          pad_to: see `unpadding.pack_batch`.

        Raises:
          ValueError: N does not divide H, the activation is unknown, the inputs are not
            of rank 2, or S is larger than `max_position_embeddings`.
        """
        check_config(config)
        _check_length(config, get_shape_list(input_ids, expected_rank=2)[1])
        if input_mask is None:
            input_mask = tf.ones_like(input_ids)
        if token_type_ids is None:
            token_type_ids = tf.zeros_like(input_ids)
        packing = pack_batch(input_mask, config.num_attention_heads, pad_to)
        inputs = packing.pack(input_ids), packing.pack(token_type_ids)
        drop = DropoutStream(dropout_seed) if is_training else NO_DROPOUT
        with tf.variable_scope(scope, default_name="bert"):
            with tf.variable_scope("embeddings"):
                embedded, self.embedding_table = _embed(
                    config, inputs, packing, use_one_hot_embeddings, drop
                )
            with tf.variable_scope("encoder"):
                layers = _encode(config, embedded, packing, drop, precision)
            with tf.variable_scope("pooler"):
                self.pooled_output = dense(
                    packing.first_tokens(layers[-1]),
                    config.hidden_size,
                    create_initializer(config.initializer_range),
                    tf.tanh,
                )
        self.embedding_output = packing.unpack(embedded)
        self.all_encoder_layers = [packing.unpack(layer) for layer in layers]
        self.sequence_output = self.all_encoder_layers[-1]

    def get_pooled_output(self):
        """Float32 [B, H]: tanh of a dense layer over the first token's last output."""
        return self.pooled_output

    def get_sequence_output(self):
        """Float32 [B, S, H]: the last block's output."""
        return self.sequence_output

    def get_all_encoder_layers(self):
        """List of float32 [B, S, H], one a block; the last is the sequence output."""
        return self.all_encoder_layers

    def get_embedding_output(self):
        """Float32 [B, S, H]: the normed sum of the three embeddings."""
        return self.embedding_output

    def get_embedding_table(self):
        """The word-embedding variable, float32 [V, H]."""
        return self.embedding_table


def _check_length(config, length):
    if isinstance(length, int) and length > config.max_position_embeddings:
        raise ValueError(
            "the sequence length %d is larger than max_position_embeddings %d"
            % (length, config.max_position_embeddings)
        )


def check_config(config):
    """Raises ValueError for what no model can be built of; see `BertModel`."""
    if config.hidden_size % config.num_attention_heads:
        raise ValueError(
            "hidden_size %d is not a multiple of num_attention_heads %d"
            % (config.hidden_size, config.num_attention_heads)
        )
    if config.num_hidden_layers < 1:
        raise ValueError(
            "num_hidden_layers is %d, expected 1 or more" % config.num_hidden_layers
        )
    get_activation(config.hidden_act)


def _embed(config, inputs, packing, use_one_hot_embeddings, drop):
    """Sums word, segment and position embeddings (section 3 of the paper, figure 2).

    Args:
      config: `BertConfig`.
      inputs: int32 [T], rows of the word-embedding table; int32 [T], segments.
      packing: `Packing`.
      use_one_hot_embeddings: see `BertModel`.
      drop: `DropoutStream`.

    Returns:
      Float32 [T, H] and the word-embedding variable [V, H].
    """
    word_ids, type_ids = inputs
    width = config.hidden_size
    initializer = create_initializer(config.initializer_range)

    def table(name, rows):
        return tf.get_variable(name, [rows, width], initializer=initializer)

    word_table = table("word_embeddings", config.vocab_size)
    type_table = table("token_type_embeddings", config.type_vocab_size)
    position_table = table("position_embeddings", config.max_position_embeddings)
    if use_one_hot_embeddings:
        words = tf.matmul(tf.one_hot(word_ids, config.vocab_size), word_table)
    else:
        # Of the table's value, not the variable: that TensorFlow 2 would from then on
        # copy the whole table whenever it is read or assigned.
        words = tf.gather(tf.convert_to_tensor(word_table), word_ids)
    # A product, not a gather: the gradient of a gather from so few rows is a slow
    # scatter in which every token meets every other on the same row.
    types = tf.matmul(tf.one_hot(type_ids, config.type_vocab_size), type_table)
    positions = tf.gather(tf.convert_to_tensor(position_table), packing.positions)
    embedded = layer_norm(words + types + positions, name="LayerNorm")
    return drop(embedded, config.hidden_dropout_prob), word_table


def _encode(config, hidden, packing, drop, precision):
    """Runs the Transformer blocks: [T, H] -> list of [T, H], one a block."""
    layers = []
    for index in range(config.num_hidden_layers):
        with tf.variable_scope("layer_%d" % index):
            hidden = _block(config, hidden, packing, drop, precision)
        layers.append(hidden)
    return layers


def _block(config, hidden, packing, drop, precision):
    """One Transformer block: [T, H] -> [T, H]."""
    layer = functools.partial(
        dense,
        initializer=create_initializer(config.initializer_range),
        precision=precision,
    )
    with tf.variable_scope("attention"):
        with tf.variable_scope("self"):
            scale = 1.0 / math.sqrt(config.hidden_size // config.num_attention_heads)
            low = precision.lower(hidden)  # Once for the three.
            query = layer(low, config.hidden_size, name="query", scale=scale)
            key = layer(low, config.hidden_size, name="key")
            value = layer(low, config.hidden_size, name="value")
            rate = config.attention_probs_dropout_prob
            context = attend(query, key, value, packing, drop, rate, precision)
        with tf.variable_scope("output"):
            attended = layer(context, config.hidden_size)
            attended = drop(to_float32(attended), config.hidden_dropout_prob)
            attended = layer_norm(attended + hidden, name="LayerNorm")
    with tf.variable_scope("intermediate"):
        activation = get_activation(config.hidden_act)
        expanded = layer(attended, config.intermediate_size, activation=activation)
    with tf.variable_scope("output"):
        output = layer(expanded, config.hidden_size)
        output = drop(to_float32(output), config.hidden_dropout_prob)
        return layer_norm(output + attended, name="LayerNorm")


def get_assignment_map_from_checkpoint(tvars, init_checkpoint):
    """Which variables a checkpoint can initialise.

    Args:
      tvars: variables of the graph.
      init_checkpoint: prefix of a checkpoint.

    Returns:
      An ordered dictionary from the checkpoint's names to the graph's (the same), as
      `tf.train.init_from_checkpoint` takes it, and a dictionary whose keys are the
      names of the variables in it, with and without ":0".
    """
    in_checkpoint = {name for name, _ in tf.train.list_variables(init_checkpoint)}
    names = [variable.name.split(":")[0] for variable in tvars]
    found = [name for name in names if name in in_checkpoint]
    assignment_map = collections.OrderedDict((name, name) for name in found)
    initialized = dict.fromkeys(found, 1)
    initialized.update({name + ":0": 1 for name in found})
    return assignment_map, initialized
