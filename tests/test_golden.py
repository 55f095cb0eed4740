"""The numbers that the original produced; ../shared/golden/README.md describes them."""

import json
import os

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

import modeling
import optimization
from finetuning import classifier
from finetuning.data import features, reading, records, tasks
from tests.support import models
from tokenization import FullTokenizer

FORWARD = {"rtol": 1e-4, "atol": 2e-5}
INPUTS = ("input_ids", "input_mask", "segment_ids")


class Golden:
    """The classifier on a golden file's batch and weights."""

    def __init__(self, session, arrays, graph):
        self.session, self.arrays, self.meta = session, arrays, arrays["meta"]
        self.graph = graph
        self.config = modeling.BertConfig.from_dict(self.meta["config"])
        self.inputs = [tf.constant(arrays[name], tf.int32) for name in INPUTS]
        labels = tf.constant(arrays["label_ids"], tf.int32)
        self.outputs = classifier.create_model(
            *(self.config, False, *self.inputs, labels, self.meta["num_labels"], False),
            compute=classifier.ComputeOptions(**graph),
        )
        self.loss = self.outputs[0]
        self.variables = tf.trainable_variables()

    def section(self, prefix):
        names = [name for name in self.arrays if name.startswith(prefix)]
        return {name[len(prefix) :]: self.arrays[name] for name in names}

    def load_weights(self):
        self.session.run(tf.global_variables_initializer())
        models.assign(self.session, self.section("weights/"))


@pytest.fixture(params=models.GRAPHS, ids=models.graph_name)
def graph(request):
    return request.param


@pytest.fixture(params=["tiny_gelu", "tiny_three_labels"])
def model(request, session, golden, graph):
    return Golden(session, golden(request.param), graph)


def assert_close(values, expected, tolerance):
    """Compares dictionaries of arrays; the tolerance is relative to the largest."""
    assert set(values) == set(expected)
    for name, value in values.items():
        scale = np.abs(expected[name]).max()
        if "key/bias" in name:  # Its gradient is 0 but for rounding.
            assert scale < 1e-6
            assert np.abs(value).max() < 1e-6
            continue
        np.testing.assert_allclose(
            value, expected[name], rtol=tolerance, atol=tolerance * scale, err_msg=name
        )


def test_forward_pass(model):
    names = ("loss", "per_example_loss", "logits", "probabilities")
    outputs = dict(zip(names, model.outputs))
    with tf.variable_scope(tf.get_variable_scope(), reuse=True):
        encoder = modeling.BertModel(
            model.config, False, *model.inputs, scope="bert", **model.graph
        )
    outputs["embedding_output"] = encoder.get_embedding_output()
    outputs["sequence_output"] = encoder.get_sequence_output()
    outputs["pooled_output"] = encoder.get_pooled_output()
    for index, layer in enumerate(encoder.get_all_encoder_layers()):
        outputs["encoder_layer_%d" % index] = layer
    model.load_weights()
    tokens = model.arrays["input_mask"].astype(bool)
    for name, value in model.session.run(outputs).items():
        expected = model.arrays[name]
        if expected.ndim == 3:  # The outputs for padding are not defined.
            value, expected = value[tokens], expected[tokens]
        np.testing.assert_allclose(value, expected, err_msg=name, **FORWARD)


def test_gradients_and_their_norm(model):
    gradients = tf.gradients(model.loss, model.variables)
    gradients = [tf.convert_to_tensor(gradient) for gradient in gradients]
    model.load_weights()
    values, norm = model.session.run([gradients, tf.global_norm(gradients)])
    names = [variable.op.name for variable in model.variables]
    assert_close(dict(zip(names, values)), model.section("gradients/"), 2e-3)
    assert norm == pytest.approx(float(model.arrays["global_norm"]), rel=1e-5)


def test_training_steps(model):
    steps = model.meta["steps"]
    settings = model.loss, model.meta["learning_rate"], steps, model.meta["warmup"]
    if model.graph:
        step = optimization.create_train_step(*settings, few_ops=True)
        train_op = step.train_op
    else:
        train_op = optimization.create_optimizer(*settings, use_tpu=False)
    model.load_weights()
    losses = []
    for _ in range(steps):
        losses.append(model.session.run(model.loss))
        model.session.run(train_op)
    np.testing.assert_allclose(losses, model.arrays["train_losses"], rtol=1e-5)
    final_loss = model.session.run(model.loss)
    assert final_loss == pytest.approx(float(model.arrays["final_loss"]), rel=1e-5)
    variables = {v.op.name: v for v in tf.global_variables()}
    del variables["global_step"]
    # The changes are compared, because they are small beside the values.
    before, after = model.section("weights/"), model.section("after_training/")
    trained = model.session.run(variables)
    changes, expected = (
        {name: value - before.get(name, 0.0) for name, value in values.items()}
        for values in (trained, after)
    )
    assert_close(changes, expected, 5e-3)


def test_learning_rate(shared_dir):
    with open(os.path.join(shared_dir, "golden", "learning_rate.json")) as file:
        schedules = json.load(file)
    for key, expected in schedules.items():
        init_lr, num_steps, num_warmup_steps = key.split("_")
        with tf.Graph().as_default(), tf.Session() as session:
            steps = tf.placeholder(tf.int64, [])
            rate = optimization.learning_rate_at(
                steps, float(init_lr), int(num_steps), int(num_warmup_steps)
            )
            rates = [session.run(rate, {steps: k}) for k in range(len(expected))]
        atol = 1e-7 * float(init_lr)  # Near 0, where the rate ends.
        np.testing.assert_allclose(rates, expected, rtol=1e-6, atol=atol, err_msg=key)


@pytest.fixture
def pretrained(shared_dir):
    return os.path.join(shared_dir, "models", "minilm-l6-h384")


@pytest.fixture
def encode_mrpc_dev(shared_dir, pretrained):
    """A function that encodes MRPC's dev set with a maximum sequence length."""
    tokenizer = FullTokenizer(os.path.join(pretrained, "vocab.txt"))
    task = tasks.find_task("MRPC")
    path = os.path.join(shared_dir, "data", "glue", "MRPC", "dev.tsv")
    data_file = tasks.DataFile("dev", task.layout("dev"), path)

    def encode(length):
        for example in reading.read_examples(task, data_file):
            yield features.encode_example(example, task.labels, length, tokenizer)

    return encode


def test_pretrained_encoder_on_real_text(
    session, golden, pretrained, encode_mrpc_dev, graph
):
    """Tokenizer, features, checkpoint and encoder together."""
    expected = golden("minilm_mrpc_dev")
    rows = [row.padded(128) for row in encode_mrpc_dev(128)][:32]
    inputs = [[getattr(row, name) for row in rows] for name in INPUTS]
    for name, values in zip(INPUTS, inputs):
        np.testing.assert_array_equal(values, expected[name])
    config_file = os.path.join(pretrained, "bert_config.json")
    config = modeling.BertConfig.from_json_file(config_file)
    inputs = [tf.constant(values) for values in inputs]
    model = modeling.BertModel(config, False, *inputs, **graph)
    prefix = os.path.join(pretrained, "bert_model.ckpt")
    assignment_map, _ = modeling.get_assignment_map_from_checkpoint(
        tf.trainable_variables(), prefix
    )
    tf.train.init_from_checkpoint(prefix, assignment_map)
    session.run(tf.global_variables_initializer())
    pooled, first = session.run(
        [model.get_pooled_output(), model.get_sequence_output()[:, 0]]
    )
    np.testing.assert_allclose(pooled, expected["pooled_output"], **FORWARD)
    np.testing.assert_allclose(first, expected["first_token"], **FORWARD)


def test_record_file_of_the_original_run(shared_dir, tmp_path, encode_mrpc_dev):
    path = str(tmp_path / "eval.tf_record")
    records.write_records(path, encode_mrpc_dev(64), 64)
    original = os.path.join(shared_dir, "golden/original_run/output/eval.tf_record")
    ours, theirs = (
        [
            tf.train.Example.FromString(record)
            for record in tf.python_io.tf_record_iterator(file)
        ]
        for file in (path, original)
    )
    assert len(ours) == 408
    assert ours == theirs
