"""BERT: a bidirectional Transformer encoder over WordPiece tokens.

Devlin et al. 2018, https://arxiv.org/abs/1810.04805; the blocks are those of Vaswani
et al. 2017, https://arxiv.org/abs/1706.03762, section 3. Names and shapes of the
variables are those of Google's published checkpoints. This file and the folder
`encoder/` are the whole model; they import nothing else of this project.

Shapes are written in these letters throughout the project:
  B  examples in the batch             N  attention heads
  S  tokens in a sequence              D  width of one head, H / N
  T  tokens in the batch, unpadded     I  width of the feed-forward layer
  H  hidden size                       V  entries of the vocabulary
"""

import collections
import copy
import difflib
import json
from dataclasses import dataclass

import tensorflow.compat.v1 as tf

from encoder import joint_attention
from encoder.attention import attention_probs
from encoder.dropout import DropoutStream, dropout
from encoder.layers import (
    RowNorm,
    create_initializer,
    dense,
    gelu,
    get_activation,
    get_shape_list,
    layer_norm,
)
from encoder.mixed_precision import FLOAT32
from encoder.transformer import Shared, embed, encode
from encoder.unpadding import MAX_GROUPS, compute_unpadding

__all__ = [
    "BertConfig",
    "BertModel",
    "activation_name",
    "create_initializer",
    "dropout",
    "gelu",
    "get_activation",
    "get_assignment_map_from_checkpoint",
    "get_shape_list",
    "layer_norm",
    "variable_shapes",
]

# See `DropoutStream`: 25 tensors in BERT-Base and 49 in BERT-Large are dropped from.
_MASKS_AT_ONCE = 5
# Keys that other projects' configs have, with the only value that this model supports.
FIXED_KEYS = {
    "add_cross_attention": False,
    "is_decoder": False,
    "is_encoder_decoder": False,
    "layer_norm_eps": 1e-12,
    "position_embedding_type": "absolute",
    "pruned_heads": {},
}


@dataclass(eq=False)
class BertConfig:
    """The content of a `bert_config.json`; `BertModel` checks it.

    Attributes:
      vocab_size: V, rows of the word-embedding table.
      hidden_size: H.
      num_hidden_layers: number of Transformer blocks.
      num_attention_heads: N, a divisor of H.
      intermediate_size: I.
      hidden_act: activation of the feed-forward layer, see `activation_name`.
      hidden_dropout_prob: dropout rate (fraction 0-1 that is dropped) on the embeddings
        and on each block's two dense outputs.
      attention_probs_dropout_prob: dropout rate on the attention probabilities.
      max_position_embeddings: maximum sequence length in tokens.
      type_vocab_size: number of segments.
      initializer_range: standard deviation of newly initialised weights.
    """

    vocab_size: int
    hidden_size: int = 768
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    intermediate_size: int = 3072
    hidden_act: str = "gelu"
    hidden_dropout_prob: float = 0.1
    attention_probs_dropout_prob: float = 0.1
    max_position_embeddings: int = 512
    type_vocab_size: int = 16
    initializer_range: float = 0.02

    @classmethod
    def from_dict(cls, json_object):
        """Builds a config from a dictionary.

        Other keys (`pooler_*`, `directionality`, …) become attributes without effect.

        Raises:
          ValueError: it is no dictionary, `vocab_size` is missing, or a key looks like
            a misspelt attribute or asks for a variant of BERT that is not supported.
        """
        if not isinstance(json_object, dict):
            raise ValueError("the config is %s, not dict" % type(json_object).__name__)
        if "vocab_size" not in json_object:
            raise ValueError("vocab_size is missing from the config")
        config = cls(vocab_size=json_object["vocab_size"])
        attributes, keys = set(vars(config)), set(json_object)
        for key in sorted(keys - attributes):
            _check_foreign_key(key, json_object[key], attributes - keys)
        vars(config).update(json_object)
        # Narrower embeddings are projected to the hidden size, in ELECTRA and ALBERT.
        size = json_object.get("embedding_size", config.hidden_size)
        _check_value("embedding_size", size, config.hidden_size)
        return config

    @classmethod
    def from_json_file(cls, json_file):
        """Reads a `bert_config.json`; raises ValueError as `from_dict` does."""
        with tf.io.gfile.GFile(json_file, "r") as reader:
            text = reader.read()
        try:
            return cls.from_dict(json.loads(text))
        except RecursionError:
            raise ValueError("the brackets are nested too deeply") from None

    def to_dict(self):
        return copy.deepcopy(vars(self))

    def to_json_string(self):
        return json.dumps(self.to_dict(), indent=2, sort_keys=True) + "\n"


def _check_foreign_key(key, value, absent_keys):
    """Raises ValueError for an unknown key that must not be ignored."""
    meant = difflib.get_close_matches(key, absent_keys, n=1, cutoff=0.8)
    if meant:
        raise ValueError(
            "config key '%s' is unknown and '%s' is missing: probably misspelt"
            % (key, meant[0])
        )
    if key in FIXED_KEYS:
        _check_value(key, value, FIXED_KEYS[key])


def _check_value(key, value, supported):
    if value != supported:
        raise ValueError(
            "config key '%s' is %r, only %r is supported" % (key, value, supported)
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
        num_rows=None,
        few_ops=False,
        fused_norm=False,
    ):
        """Adds the model's ops and variables to the current graph.

        Args:
          config: `BertConfig`.
          is_training: whether to apply dropout.
          input_ids: int32 [B, S], rows of the word-embedding table.
          input_mask: int32 [B, S], 1 for tokens and 0 for padding; None: all tokens.
          token_type_ids: int32 [B, S], the segment of each token; None: all 0.
          use_one_hot_embeddings: look words up by a product with one-hot rows instead
            of a gather, which gives the same numbers and is faster only on TPUs.
          scope: variable scope; None: "bert".
          dropout_seed: int32 [2], see `dropout`; None: the graph's own random stream.
          precision: `mixed_precision.Precision` of the blocks' products.
          num_rows: see `unpadding.compute_unpadding`.
          few_ops: whether to compute with fewer, larger ops, which is faster on GPUs;
            the same function, but dropout drops other elements.
          fused_norm: whether `layers.RowNorm` computes the norms.

        Raises:
          ValueError: N does not divide H, the activation is unknown, the inputs are not
            of rank 2, or S is larger than `max_position_embeddings`.
        """
        check_config(config)
        length = get_shape_list(input_ids, expected_rank=2)[1]
        if isinstance(length, int) and length > config.max_position_embeddings:
            raise ValueError(
                "the sequence length %d is larger than max_position_embeddings %d"
                % (length, config.max_position_embeddings)
            )
        if input_mask is None:
            input_mask = tf.ones_like(input_ids)
        if token_type_ids is None:
            token_type_ids = tf.zeros_like(input_ids)
        unpadding = compute_unpadding(
            *(input_mask, config.num_attention_heads, num_rows),
            max_groups=1 if few_ops else MAX_GROUPS,
        )
        inputs = unpadding.unpad(input_ids), unpadding.unpad(token_type_ids)  # [T] each
        shared = Shared(
            *(config, unpadding),
            drop=DropoutStream(
                dropout_seed, is_training, _MASKS_AT_ONCE if few_ops else 1
            ),
            precision=precision,
            activation=get_activation(activation_name(config)),
            heads=joint_attention.compute_heads(unpadding) if few_ops else None,
            row_norm=RowNorm(unpadding.positions) if fused_norm else None,
        )
        with tf.variable_scope(scope, default_name="bert"):
            with tf.variable_scope("embeddings"):
                embedded, self.embedding_table = embed(
                    shared, inputs, use_one_hot_embeddings
                )
            with tf.variable_scope("encoder"):
                layers, self._projections = encode(shared, embedded)
            with tf.variable_scope("pooler"):
                self.pooled_output = dense(
                    unpadding.first_tokens(layers[-1]),  # [B, H]
                    config.hidden_size,
                    shared.initializer,
                    tf.tanh,
                )
        self.embedding_output = unpadding.pad(embedded)
        self.all_encoder_layers = [unpadding.pad(layer) for layer in layers]
        self.sequence_output = self.all_encoder_layers[-1]
        self._attention = input_mask, unpadding, config.num_attention_heads, precision

    def get_pooled_output(self):
        """Float32 [B, H]: a tanh layer on the last output of the first token."""
        return self.pooled_output

    def get_sequence_output(self):
        """Float32 [B, S, H]: the last block's output."""
        return self.sequence_output

    def get_all_encoder_layers(self):
        """A list of float32 [B, S, H], the output of each block."""
        return self.all_encoder_layers

    def get_attention_probs(self):
        """How much each token attends to each other, in each block.

        Each call adds the ops that compute them; without one there are none.

        Returns:
          A list of float32 [B, N, S, S], the softmax in equation 1 of Vaswani et al.
          before dropout: in row i, how much position i attends to each position. Rows
          sum to 1; rows and columns of padding are zeros.

        Example:
          session.run(model.get_attention_probs()[0])[0, 3]  # Layer 1, head 4: [S, S]
        """
        probs = []
        for projected in self._projections:
            if len(projected) == 1:
                projected = tf.split(projected[0], 3, axis=1)
            probs.append(attention_probs(*projected[:2], *self._attention))
        return probs

    def get_embedding_output(self):
        """Float32 [B, S, H]: the first block's input."""
        return self.embedding_output

    def get_embedding_table(self):
        """The word-embedding variable, float32 [V, H]."""
        return self.embedding_table


def check_config(config):
    """Raises ValueError if no model can be built from a config, see `BertModel`."""
    if config.hidden_size % config.num_attention_heads:
        raise ValueError(
            "hidden_size %d is not a multiple of num_attention_heads %d"
            % (config.hidden_size, config.num_attention_heads)
        )
    if config.num_hidden_layers < 1:
        raise ValueError(
            "num_hidden_layers is %d, expected 1 or more" % config.num_hidden_layers
        )
    get_activation(activation_name(config))


def activation_name(config):
    """The name that `get_activation` has for a config's `hidden_act`.

    In Google's configs "gelu" is the approximation by tanh; in Hugging Face configs,
    which have a `model_type`, it is the exact function.
    """
    is_gelu = str(config.hidden_act).lower() == "gelu"
    if is_gelu and getattr(config, "model_type", None) is not None:
        return "gelu_python"
    return config.hidden_act


def variable_shapes(config):
    """A dictionary of the names and shapes of a `BertModel`'s variables.

    No graph is built. Shapes are tuples of ints.
    """
    hidden, inner = config.hidden_size, config.intermediate_size
    shapes = {
        "bert/embeddings/word_embeddings": (config.vocab_size, hidden),
        "bert/embeddings/token_type_embeddings": (config.type_vocab_size, hidden),
        "bert/embeddings/position_embeddings": (config.max_position_embeddings, hidden),
    }

    def add_dense(name, inputs, outputs):
        shapes.update({name + "/kernel": (inputs, outputs), name + "/bias": (outputs,)})

    def add_layer_norm(scope):
        for name in ("beta", "gamma"):
            shapes["%s/LayerNorm/%s" % (scope, name)] = (hidden,)

    add_layer_norm("bert/embeddings")
    for index in range(config.num_hidden_layers):
        block = "bert/encoder/layer_%d" % index
        for name in ("query", "key", "value"):
            add_dense("%s/attention/self/%s" % (block, name), hidden, hidden)
        add_dense(block + "/attention/output/dense", hidden, hidden)
        add_layer_norm(block + "/attention/output")
        add_dense(block + "/intermediate/dense", hidden, inner)
        add_dense(block + "/output/dense", inner, hidden)
        add_layer_norm(block + "/output")
    add_dense("bert/pooler/dense", hidden, hidden)
    return shapes


def get_assignment_map_from_checkpoint(tvars, init_checkpoint):
    """Finds the variables that a checkpoint can initialise.

    Args:
      tvars: list of variables.
      init_checkpoint: prefix of a checkpoint. As in `tf.train.init_from_checkpoint`,
        the characters [ ? * in it are a pattern.

    Returns:
      Two dictionaries: the assignment map for `tf.train.init_from_checkpoint`, from
      names to the same names, and one whose keys are these names with and without ":0".
    """
    in_checkpoint = {name for name, _ in tf.train.list_variables(init_checkpoint)}
    names = [v.op.name for v in tvars if v.op.name in in_checkpoint]
    assignment_map = collections.OrderedDict(zip(names, names))
    initialized = {name + end: 1 for name in names for end in ("", ":0")}
    return assignment_map, initialized
