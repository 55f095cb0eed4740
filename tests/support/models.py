"""Small models, features and runs that several tests build."""

import os
import types

import numpy as np
import tensorflow.compat.v1 as tf

import modeling
from finetuning import classifier
from finetuning.checkpoints import compatibility
from finetuning.checkpoints.output_dir import OutputDir
from finetuning.data import input_pipeline, label_map
from finetuning.device import detect
from finetuning.flags import text_settings
from finetuning.flags.settings import Settings
from finetuning.utils import files
from finetuning.workers import cluster, collectives


def tiny_config(**changes):
    values = {
        "vocab_size": 50,
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 24,
        "max_position_embeddings": 20,
        "type_vocab_size": 2,
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
        "initializer_range": 0.3,
    }
    values.update(changes)
    return modeling.BertConfig(**values)


# The ways of computing the same model, as keywords of `modeling.BertModel`.
GRAPHS = [{}, {"few_ops": True}]
if not tf.__version__.startswith("1."):  # 1.14 has no kernel for CPUs.
    GRAPHS.append({"few_ops": True, "fused_norm": True})


def graph_name(graph):
    """The name of one of `GRAPHS` in the names of tests."""
    return "-".join(graph) or "many_ops"


def random_features(rng, config, lengths, sequence_length):
    """Arrays of random tokens in two segments, padded at the end.

    Args:
      rng: `numpy.random.RandomState`.
      config: `modeling.BertConfig`.
      lengths: number of tokens of each example.
      sequence_length: S.
    """
    shape = (len(lengths), sequence_length)
    mask = (np.arange(sequence_length) < np.array(lengths)[:, None]).astype(np.int32)
    second = np.arange(sequence_length) >= (np.array(lengths) // 2)[:, None]
    return {
        "input_ids": rng.randint(1, config.vocab_size, shape).astype(np.int32) * mask,
        "input_mask": mask,
        "segment_ids": second.astype(np.int32) * mask,
        "label_ids": rng.randint(0, 2, len(lengths)).astype(np.int32),
    }


def random_masks(rng, batch, length):
    """Input masks [batch, length], some with holes, or without a first or any token."""
    masks = (rng.rand(batch, length) < 0.7).astype(np.int32)
    for row, kind in enumerate(rng.randint(4, size=batch)):
        if kind == 0:  # As they usually are: padding only at the end.
            masks[row] = np.arange(length) < rng.randint(1, length + 1)
        if kind == 1 and row % 3 == 0:
            masks[row] = 0
    return masks


def constants(features):
    return {name: tf.constant(value) for name, value in features.items()}


def as_placeholders(features):
    """Int32 placeholders of the features' ranks; all sizes are left open."""
    return {
        name: tf.placeholder(tf.int32, [None] * value.ndim, name=name)
        for name, value in features.items()
    }


def feed(placeholders, features):
    return {placeholders[name]: value for name, value in features.items()}


def assign(session, values):
    """Sets variables from a dictionary of name to array."""
    for variable in tf.global_variables():
        name = variable.op.name
        if name in values:
            variable.load(values[name], session)


def save_checkpoint(path, arrays):
    """Writes a checkpoint that holds these arrays under these names."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with tf.Graph().as_default(), tf.Session() as session:
        for name, value in arrays.items():
            tf.get_variable(name, initializer=tf.constant(value))
        session.run(tf.global_variables_initializer())
        tf.train.Saver().save(session, path, write_meta_graph=False)


def save_trained(directory, words, labels, dtype=np.float32, more=(), **settings):
    """Writes a directory of random weights that `trained_model.load` reads.

    Args:
      directory: where to write.
      words: the vocabulary after the special tokens.
      labels: the labels of the classifier; (): a regression.
      dtype: of the weights.
      more: dictionary of further keys of the config.
      **settings: flags of `text_settings.json` other than those of a custom task.

    Returns:
      Dictionary from the names of the weights to arrays.
    """
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words]
    config = tiny_config(vocab_size=len(vocabulary), max_position_embeddings=64)
    vars(config).update(more)
    rng = np.random.RandomState(5)
    weights = {
        name: rng.normal(0.0, 0.3, shape).astype(dtype)
        for name, shape in compatibility.model_shapes(config, len(labels) or 1).items()
    }
    save_checkpoint(os.path.join(directory, "model.ckpt"), weights)
    task = types.SimpleNamespace(name="custom", labels=labels)
    label_map.save(directory, task)
    values = {"task_name": "custom", "text_a_column": "1", "regression": not labels}
    values["max_seq_length"] = config.max_position_embeddings
    text_settings.save(directory, Settings(**dict(values, **settings)))
    for name, text in (
        (text_settings.VOCAB_FILE, "\n".join(vocabulary) + "\n"),
        (text_settings.CONFIG_FILE, config.to_json_string()),
    ):
        files.write_text(os.path.join(directory, name), text)
    return weights


def read_checkpoint(*path):
    """Name -> array of all variables of the checkpoint with this prefix."""
    reader = tf.train.NewCheckpointReader(os.path.join(*path))
    return {n: reader.get_tensor(n) for n in reader.get_variable_to_shape_map()}


def fake_run(directory, config=None, outputs=2, first_step=0, **settings):
    """What the training and evaluation modules read of a `run_record.Run`.

    Args:
      directory: the output directory.
      config: `modeling.BertConfig`.
      outputs: of the classifier.
      first_step: that of the checkpoint that is resumed; 0: none is.
      settings: fields of `Settings`.
    """
    resumed = types.SimpleNamespace(step=first_step) if first_step else None
    return types.SimpleNamespace(
        settings=Settings(output_dir=str(directory), **settings),
        inputs=types.SimpleNamespace(config=config, resumed=resumed, initial=None),
        task=types.SimpleNamespace(num_outputs=outputs),
        output_dir=OutputDir(str(directory)),
        device=detect.Device("CPU", "2 threads", "2"),
        compute=classifier.DEFAULT_COMPUTE,
        seed=1,
        first_step=first_step,
        session_config=None,
        share=input_pipeline.WHOLE_BATCHES,
        cluster=cluster.Alone(),
        collectives=collectives.ALONE,
    )


def fake_plan(num_steps, schedule=None):
    """What the hooks read of a `plan.TrainingPlan`."""
    return types.SimpleNamespace(
        hyperparameters=classifier.Hyperparameters(1e-3, num_steps, 0),
        schedule=schedule,
    )
