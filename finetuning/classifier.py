"""The classifier: BERT's pooled output, one dense layer, cross-entropy.

The only place where model and optimiser meet. Shapes: see modeling.py; L is the number
of labels.
"""

import collections
from dataclasses import dataclass
from typing import Optional

import tensorflow.compat.v1 as tf

import modeling
import optimization
from finetuning import layers, loss_scaling
from finetuning.precision import FLOAT32, Precision

HEAD_DROPOUT = 0.1
HEAD_INITIALIZER_RANGE = 0.02
# The head's place in the dropout stream, behind any that an encoder can have.
_HEAD_PLACE = 100000

TrainGraph = collections.namedtuple(
    "TrainGraph", ("loss",) + optimization.TrainStep._fields
)
InferenceGraph = collections.namedtuple(
    "InferenceGraph", "probabilities per_example_loss label_ids"
)


@dataclass(frozen=True)
class Execution:
    """How the graph computes what it computes.

    Attributes:
      precision: `precision.Precision` of the encoder's products.
      pad_to: see `packing.pack_batch`; None: no padding is computed.
    """

    precision: Precision = FLOAT32
    pad_to: Optional[int] = None


PLAIN = Execution()


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
    execution=PLAIN,
):
    """Adds encoder, head and loss to the graph.

    Args:
      bert_config: `modeling.BertConfig`.
      is_training: whether dropout acts.
      input_ids: int32 [B, S].
      input_mask: int32 [B, S].
      segment_ids: int32 [B, S].
      labels: int32 [B], ids of the labels.
      num_labels: L.
      use_one_hot_embeddings: see `modeling.BertModel`.
      dropout_seed: int32 [2], or None: the graph's own random stream.
      execution: `Execution`.

    Returns:
      Float32 tensors: loss [], per-example loss [B], logits [B, L], probabilities
      [B, L].
    """
    model = modeling.BertModel(
        config=bert_config,
        is_training=is_training,
        input_ids=input_ids,
        input_mask=input_mask,
        token_type_ids=segment_ids,
        use_one_hot_embeddings=use_one_hot_embeddings,
        dropout_seed=dropout_seed,
        precision=execution.precision,
        pad_to=execution.pad_to,
    )
    pooled = model.get_pooled_output()  # [B, H]
    weights = tf.get_variable(
        "output_weights",
        [num_labels, bert_config.hidden_size],
        initializer=tf.truncated_normal_initializer(stddev=HEAD_INITIALIZER_RANGE),
    )
    bias = tf.get_variable(
        "output_bias", [num_labels], initializer=tf.zeros_initializer()
    )
    if is_training:
        seed = None
        if dropout_seed is not None:
            seed = layers.seed_at(dropout_seed, _HEAD_PLACE)
        pooled = layers.dropout(pooled, HEAD_DROPOUT, seed)
    logits = tf.nn.bias_add(tf.matmul(pooled, weights, transpose_b=True), bias)
    per_example_loss = tf.nn.sparse_softmax_cross_entropy_with_logits(
        labels=labels, logits=logits
    )
    loss = tf.reduce_mean(per_example_loss)
    return loss, per_example_loss, logits, tf.nn.softmax(logits)


def training_graph(
    config,
    num_labels,
    batch,
    seed,
    init_lr,
    num_train_steps,
    num_warmup_steps,
    execution=PLAIN,
):
    """Adds one training step to the graph.

    Args:
      config: `modeling.BertConfig`.
      num_labels: L.
      batch: tensors of `records.training_batches`.
      seed: int; with the global step it decides what dropout drops.
      init_lr: peak learning rate.
      num_train_steps: optimiser steps in all.
      num_warmup_steps: of them, in warm-up.
      execution: `Execution`.

    Returns:
      `TrainGraph`.
    """
    # Seeds are read on the host: made there, they cost a GPU one copy a step.
    with tf.device("/cpu:0"):
        step = tf.cast(tf.train.get_or_create_global_step(), tf.int32)
        dropout_seed = tf.stack([tf.constant(seed, tf.int32), step])
    loss, _, _, _ = create_model(
        config,
        True,
        batch["input_ids"],
        batch["input_mask"],
        batch["segment_ids"],
        batch["label_ids"],
        num_labels,
        use_one_hot_embeddings=False,
        dropout_seed=dropout_seed,
        execution=execution,
    )
    scaled = execution.precision.needs_loss_scaling
    step = optimization.create_train_step(
        loss,
        init_lr,
        num_train_steps,
        num_warmup_steps,
        loss_scaling.LossScale() if scaled else None,
        static_shapes=execution.pad_to is not None,
    )
    return TrainGraph(loss=loss, **step._asdict())


def inference_graph(config, num_labels, batch, execution=PLAIN):
    """Adds a forward pass to the graph.

    Args:
      config: `modeling.BertConfig`.
      num_labels: L.
      batch: tensors of `records.inference_batches`.
      execution: `Execution`.

    Returns:
      `InferenceGraph` of float32 [B, L], float32 [B] and int32 [B].
    """
    _, per_example_loss, _, probabilities = create_model(
        config,
        False,
        batch["input_ids"],
        batch["input_mask"],
        batch["segment_ids"],
        batch["label_ids"],
        num_labels,
        use_one_hot_embeddings=False,
        execution=execution,
    )
    return InferenceGraph(probabilities, per_example_loss, batch["label_ids"])
