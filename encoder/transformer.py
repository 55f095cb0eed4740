"""The embeddings and the Transformer blocks, on the tokens of a batch [T, H].

Devlin et al. 2018, https://arxiv.org/abs/1810.04805, section 3; Vaswani et al. 2017,
https://arxiv.org/abs/1706.03762, section 3. Shapes: see modeling.py.
"""

import functools
import math
from typing import Any, NamedTuple

import tensorflow.compat.v1 as tf

from encoder import joint_attention
from encoder.attention import attend
from encoder.compiling import look_up
from encoder.layers import (
    create_initializer,
    dense,
    dense_weights,
    layer_norm,
    linear,
)
from encoder.mixed_precision import to_float32


class Shared(NamedTuple):
    """What all blocks of a model share.

    Attributes:
      config: `modeling.BertConfig`.
      unpadding: `unpadding.Unpadding`.
      drop: `dropout.DropoutStream`.
      precision: `mixed_precision.Precision`.
      activation: function of the feed-forward layer, or None.
      heads: `joint_attention.Heads`; None: `attention.attend` is used.
      row_norm: see `layers.layer_norm`.
    """

    config: Any
    unpadding: Any
    drop: Any
    precision: Any
    activation: Any
    heads: Any
    row_norm: Any

    @property
    def initializer(self):
        return create_initializer(self.config.initializer_range)

    def add_and_norm(self, output, residual):
        """Norm(dropout(output) + residual), float32 [T, H]."""
        output = self.drop(to_float32(output), self.config.hidden_dropout_prob)
        return layer_norm(output + residual, "LayerNorm", self.row_norm)


def embed(shared, inputs, use_one_hot_embeddings):
    """Sums word, segment and position embeddings (section 3 of the paper, figure 2).

    Takes word ids and segment ids, int32 [T] each, as `inputs`; returns float32 [T, H]
    and the word-embedding variable, [V, H].
    """
    word_ids, type_ids = inputs
    config, width = shared.config, shared.config.hidden_size

    def table(name, rows):
        return tf.get_variable(name, [rows, width], initializer=shared.initializer)

    word_table = table("word_embeddings", config.vocab_size)
    type_table = table("token_type_embeddings", config.type_vocab_size)
    position_table = table("position_embeddings", config.max_position_embeddings)
    if use_one_hot_embeddings:
        words = tf.matmul(tf.one_hot(word_ids, config.vocab_size), word_table)
    else:
        # From the table's value: a gather from the variable itself makes TensorFlow 2
        # copy the whole table whenever it is read or assigned.
        words = look_up(tf.convert_to_tensor(word_table), word_ids)
    # A product, because the gradient of a gather from so few rows is a slow scatter:
    # almost all tokens are added to the same row.
    types = tf.matmul(tf.one_hot(type_ids, config.type_vocab_size), type_table)
    positions = shared.unpadding.positions
    positions = look_up(tf.convert_to_tensor(position_table), positions)
    embedded = layer_norm(words + types + positions, "LayerNorm", shared.row_norm)
    return shared.drop(embedded, config.hidden_dropout_prob), word_table


def encode(shared, hidden):
    """Runs the Transformer blocks on [T, H].

    Returns two lists with an entry per block: its output, [T, H], and its `_project`.
    """
    layers, projections = [], []
    joint = _joint_weights(shared) if shared.heads else {}
    for index in range(shared.config.num_hidden_layers):
        with tf.variable_scope("layer_%d" % index):
            hidden, projected = _block(shared, hidden, joint.get(index))
        layers.append(hidden)
        projections.append(projected)
    return layers, projections


def _joint_weights(shared):
    """Creates the weights of each block's query, key and value, and joins them.

    Returns a dictionary from the block's number to a kernel, [H, 3 * H], and a bias,
    [3 * H].
    """
    width = shared.config.hidden_size
    kernels, biases = [], []
    for index in range(shared.config.num_hidden_layers):
        weights = []
        for name in ("query", "key", "value"):
            with tf.variable_scope("layer_%d/attention/self/%s" % (index, name)):
                weights.append(dense_weights(width, width, shared.initializer))
        kernels.append([kernel for kernel, _ in weights])
        biases.append([bias for _, bias in weights])
    joined = [
        joint_attention.join(parts, _query_scale(shared.config))
        for parts in (kernels, biases)
    ]
    return dict(enumerate(zip(*joined)))


def _query_scale(config):
    """The 1/sqrt(D) of the attention scores."""
    return 1.0 / math.sqrt(config.hidden_size // config.num_attention_heads)


def _block(shared, hidden, joint):
    """One Transformer block: [T, H] -> [T, H], and its `_project`."""
    config = shared.config
    layer = functools.partial(
        dense, initializer=shared.initializer, precision=shared.precision
    )
    with tf.variable_scope("attention"):
        with tf.variable_scope("self"):
            projected = _project(shared, hidden, joint)
            context = _attend(shared, projected)
        with tf.variable_scope("output"):
            attended = layer(context, config.hidden_size)
            attended = shared.add_and_norm(attended, hidden)
    with tf.variable_scope("intermediate"):
        expanded = layer(
            attended, config.intermediate_size, activation=shared.activation
        )
    with tf.variable_scope("output"):
        output = layer(expanded, config.hidden_size)  # [T, I] -> [T, H]
        return shared.add_and_norm(output, attended), projected


def _project(shared, hidden, joint):
    """A list of query, key and value, [T, H] each; or of all in one, [T, 3 * H]."""
    config, precision = shared.config, shared.precision
    inputs = precision.to_compute_type(hidden)  # Cast once for all three.
    if joint is not None:
        return [linear(inputs, *joint, precision)]
    return [
        dense(
            *(inputs, config.hidden_size, shared.initializer),
            name=name,
            scale=_query_scale(config) if name == "query" else None,
            precision=precision,
        )
        for name in ("query", "key", "value")
    ]


def _attend(shared, projected):
    """The context, float32 [T, H], of what `_project` returned."""
    drop, rate = shared.drop, shared.config.attention_probs_dropout_prob
    if shared.heads is None:
        return attend(*projected, shared.unpadding, drop, rate, shared.precision)
    keep_mask = joint_attention.keep_mask(shared.heads, drop, rate)
    return joint_attention.attend(*projected, shared.heads, keep_mask, shared.precision)
