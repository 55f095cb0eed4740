"""The classifier: the BERT encoder, a dense head on its pooled output, and the loss.

Model and optimiser meet only here. Shapes: see modeling.py; L is the number of labels.
"""

import copy
from dataclasses import dataclass
from typing import Any, NamedTuple, Optional, Tuple

import tensorflow.compat.v1 as tf

import modeling
import optimization
from encoder import compiling, dropout, layers, mixed_precision, unpadding
from encoder.mixed_precision import FLOAT32, Precision
from finetuning.device import backend

_INPUTS = ("input_ids", "input_mask", "segment_ids", "label_ids")
# Where a config says nothing else, as in the original.
HEAD_DROPOUT = 0.1
HEAD_INITIALIZER_RANGE = 0.02
# More than the uses of dropout in any encoder, so that their seeds differ.
_HEAD_DROPOUT_INDEX = 100000
# 2^32 divided by the golden ratio: the multiples of no other number, modulo 2^32, stay
# so far apart (Knuth, The Art of Computer Programming, volume 3, section 6.4). It is
# written as an int32.
_PART_STRIDE = 0x9E3779B1 - 2**32


class InferenceGraph(NamedTuple):
    """The tensors of one forward pass.

    Attributes:
      probabilities: float32 [B, L].
      per_example_loss: float32 [B].
      label_ids: the labels, [B].
      num_rows: int32 scalar, see `unpadding.rounded_rows`; None without XLA.
    """

    probabilities: Any
    per_example_loss: Any
    label_ids: Any
    num_rows: Any = None


@dataclass(frozen=True)
class ComputeOptions:
    """How the graph is computed; the options change results only by rounding.

    Attributes:
      precision: `mixed_precision.Precision` of the encoder's matrix products.
      xla: whether XLA compiles the model.
      few_ops: whether fewer, larger ops are better, as on a GPU, where each op costs
        the host time; on a CPU smaller ones, whose data fit into the cache.
      fused_norm: see `modeling.BertModel`.
    """

    precision: Precision = FLOAT32
    xla: bool = False
    few_ops: bool = False
    fused_norm: bool = False


DEFAULT_COMPUTE = ComputeOptions()


@dataclass(frozen=True)
class Hyperparameters:
    """Settings of the optimiser and the loss.

    Attributes:
      learning_rate: the peak learning rate.
      num_steps: number of optimiser steps.
      num_warmup_steps: how many of them are warm-up.
      bias_correction: see `optimization.create_train_step`.
      label_weights: see `create_model`.
    """

    learning_rate: float
    num_steps: int
    num_warmup_steps: int
    bias_correction: bool = False
    label_weights: Optional[Tuple[float, ...]] = None


def create_model(
    bert_config,
    is_training,
    input_ids,
    input_mask,
    segment_ids,
    labels,
    num_labels,
    use_one_hot_embeddings,
    dropout_seed=None,
    compute=DEFAULT_COMPUTE,
    label_weights=None,
):
    """Adds encoder, head and loss to the graph.

    The loss is cross-entropy, or for float labels the squared error of the one logit.

    Args:
      bert_config: `modeling.BertConfig`.
      is_training: whether to apply dropout.
      input_ids: int32 [B, S].
      input_mask: int32 [B, S].
      segment_ids: int32 [B, S].
      labels: int32 [B], class indices; or float32 [B], regression targets, with L = 1.
      num_labels: L.
      use_one_hot_embeddings: see `modeling.BertModel`.
      dropout_seed: int32 [2]; None: the graph's own random stream.
      compute: `ComputeOptions`.
      label_weights: L floats, the factor of each label's examples in the mean loss;
        None: 1 for all.

    Returns:
      Float32 tensors: loss [], unweighted per-example loss [B], logits [B, L] and
      probabilities [B, L] (for regression the logits again).
    """
    logits, _ = create_logits(
        bert_config,
        is_training,
        input_ids,
        input_mask,
        segment_ids,
        num_labels,
        use_one_hot_embeddings,
        dropout_seed,
        compute,
    )
    return _add_loss(logits, labels, label_weights)


def create_logits(
    bert_config,
    is_training,
    input_ids,
    input_mask,
    segment_ids,
    num_labels,
    use_one_hot_embeddings=False,
    dropout_seed=None,
    compute=DEFAULT_COMPUTE,
):
    """Adds encoder and head to the graph; the arguments are those of `create_model`.

    Returns:
      Logits, float32 [B, L], and the encoder, a `modeling.BertModel`.
    """
    model = modeling.BertModel(
        config=_with_fast_activation(bert_config),
        is_training=is_training,
        input_ids=input_ids,
        input_mask=input_mask,
        token_type_ids=segment_ids,
        use_one_hot_embeddings=use_one_hot_embeddings,
        scope="bert",  # The default would be "bert_1" in a second model.
        dropout_seed=dropout_seed,
        precision=compute.precision,
        num_rows=_num_rows(input_mask, compute),
        few_ops=compute.few_ops,
        fused_norm=compute.fused_norm,
    )
    pooled = model.get_pooled_output()  # [B, H]
    weights = tf.get_variable(
        "output_weights",
        [num_labels, bert_config.hidden_size],
        initializer=layers.create_initializer(HEAD_INITIALIZER_RANGE),
    )
    bias = tf.get_variable(
        "output_bias", [num_labels], initializer=tf.zeros_initializer()
    )
    if is_training:
        seed = None
        if dropout_seed is not None:
            seed = dropout.derive_seed(dropout_seed, _HEAD_DROPOUT_INDEX)
        pooled = dropout.dropout(pooled, head_dropout(bert_config), seed)
    logits = tf.nn.bias_add(tf.matmul(pooled, weights, transpose_b=True), bias)
    return logits, model


def _with_fast_activation(bert_config):
    """The config, with the fastest function for the activation that it names."""
    if modeling.activation_name(bert_config) != "gelu_python":
        return bert_config
    bert_config = copy.copy(bert_config)
    bert_config.hidden_act = backend.exact_gelu()
    return bert_config


def head_dropout(bert_config):
    """The dropout rate on the head's input.

    It is `classifier_dropout` of Hugging Face configs, where null means
    `hidden_dropout_prob`; Google's have no such key.
    """
    rate = getattr(bert_config, "classifier_dropout", HEAD_DROPOUT)
    return bert_config.hidden_dropout_prob if rate is None else rate


def _add_loss(logits, labels, label_weights):
    """What `create_model` returns, from logits [B, L] and labels [B]."""
    if labels.dtype.is_floating:
        per_example_loss = tf.square(tf.squeeze(logits, axis=1) - labels)  # [B]
        return tf.reduce_mean(per_example_loss), per_example_loss, logits, logits
    # TensorFlow's function for integer labels copies indices from a GPU to the host.
    with tf.device("/cpu:0"):
        one_hot = tf.one_hot(labels, logits.shape.as_list()[1])  # [B, L]
    per_example_loss = -tf.reduce_sum(one_hot * tf.nn.log_softmax(logits), axis=1)
    weighted = per_example_loss
    if label_weights is not None:
        with tf.device("/cpu:0"):
            factors = tf.gather(tf.constant(label_weights, tf.float32), labels)
        weighted *= factors
    loss = tf.reduce_mean(weighted)
    return loss, per_example_loss, logits, tf.nn.softmax(logits)


def training_graph(
    config,
    num_labels,
    batch,
    seed,
    hyperparameters,
    compute=DEFAULT_COMPUTE,
    accumulate_steps=1,
    combine=None,
):
    """Adds one training step to the graph; returns an `optimization.TrainStep`.

    Args:
      config: `modeling.BertConfig`.
      num_labels: L.
      batch: tensors of `input_pipeline.training_batches`.
      seed: int that, with the global step and the part of the batch, determines what
        dropout drops.
      hyperparameters: `Hyperparameters`.
      compute: `ComputeOptions`.
      accumulate_steps: see `optimization.create_train_step`.
      combine: see `optimization.create_train_step`.

    Example:
      batch = input_pipeline.training_batches(...)
      step = training_graph(config, 2, batch, seed, Hyperparameters(2e-5, 343, 34))
      loss, _ = session.run([step.loss, step.train_op])
    """
    # On the host, where seeds are read: from a GPU they would be copied at every step.
    with tf.device("/cpu:0"):
        step = tf.cast(tf.train.get_or_create_global_step(), tf.int32)
        if "part" in batch:
            # No other pair of a step and a part has this sum while there are less than
            # 2^29 such pairs, which is to say examples in all steps.
            step += batch["part"] * _PART_STRIDE
        dropout_seed = tf.stack([tf.constant(seed, tf.int32), step])

    def build_loss():
        label_weights = hyperparameters.label_weights
        options = dropout_seed, compute, label_weights
        return _model_of(config, True, batch, num_labels, *options)[0]

    if compute.xla:  # In TensorFlow 1, a cluster can read no other variables.
        tf.get_variable_scope().set_use_resource(True)
    scaled = compute.precision.needs_loss_scaling
    step = optimization.create_train_step(
        build_loss if compute.xla else build_loss(),
        hyperparameters.learning_rate,
        hyperparameters.num_steps,
        hyperparameters.num_warmup_steps,
        mixed_precision.LossScale() if scaled else None,
        bias_correction=hyperparameters.bias_correction,
        accumulate_steps=accumulate_steps,
        combine=combine,
        few_ops=compute.few_ops,
    )
    return step._replace(num_rows=_num_rows(batch["input_mask"], compute))


def _model_of(config, is_training, batch, num_labels, *options):
    """What `create_model` returns for a batch; `options` are its last arguments."""
    inputs = [batch[name] for name in _INPUTS]
    return create_model(config, is_training, *inputs, num_labels, False, *options)


def _num_rows(input_mask, compute):
    """See `modeling.BertModel`; None without XLA."""
    return unpadding.rounded_rows(input_mask) if compute.xla else None


def inference_graph(config, num_labels, batch, compute=DEFAULT_COMPUTE):
    """Adds a forward pass to the graph and returns its `InferenceGraph`.

    Args:
      config: `modeling.BertConfig`.
      num_labels: L.
      batch: tensors of `input_pipeline.inference_batches`.
      compute: `ComputeOptions`.
    """

    def build():
        outputs = _model_of(config, False, batch, num_labels, None, compute)
        _, per_example_loss, _, probabilities = outputs
        return [probabilities, per_example_loss]

    outputs = compiling.compiled(build) if compute.xla else build()
    num_rows = _num_rows(batch["input_mask"], compute)
    return InferenceGraph(*outputs, batch["label_ids"], num_rows)
