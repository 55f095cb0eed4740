"""The numbers that the original produced; ../shared/golden/README.md describes them."""

import glob
import json
import os

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

import modeling
import optimization
from finetuning import classifier
from finetuning.data import features, reading, tasks
from tests.support import models
from tokenization import FullTokenizer

FORWARD = {"rtol": 1e-4, "atol": 2e-5}
TINY = ("tiny_gelu", "tiny_three_labels")


class Golden:
    """The classifier on a golden file's batch and weights, in a session of its own."""

    def __init__(self, arrays, train=False):
        self.arrays = arrays
        meta = arrays["meta"]
        self.config = modeling.BertConfig.from_dict(meta["config"])
        self.batch = [
            tf.constant(arrays[name], tf.int32)
            for name in ("input_ids", "input_mask", "segment_ids", "label_ids")
        ]
        self.outputs = classifier.create_model(
            self.config, False, *self.batch, meta["num_labels"], False
        )
        self.variables = tf.trainable_variables()
        if train:
            self.train_op = optimization.create_optimizer(
                self.outputs[0],
                meta["learning_rate"],
                meta["steps"],
                meta["warmup"],
                use_tpu=False,
            )
        self.session = tf.Session()
        self.session.run(tf.global_variables_initializer())
        models.assign(self.session, section(arrays, "weights/"))


def section(arrays, prefix):
    return {k[len(prefix) :]: v for k, v in arrays.items() if k.startswith(prefix)}


@pytest.fixture(params=TINY)
def tiny(request, golden):
    with tf.Graph().as_default():
        yield golden(request.param)


def test_forward_pass(tiny):
    model = Golden(tiny)
    names = ("loss", "per_example_loss", "logits", "probabilities")
    for name, value in zip(names, model.session.run(model.outputs)):
        np.testing.assert_allclose(value, tiny[name], err_msg=name, **FORWARD)


def test_every_layer(tiny):
    golden_model = Golden(tiny)
    with tf.variable_scope(tf.get_variable_scope(), reuse=True):
        model = modeling.BertModel(
            golden_model.config, False, *golden_model.batch[:3], scope="bert"
        )
    real = tiny["input_mask"].astype(bool)
    outputs = {
        "embedding_output": model.get_embedding_output(),
        "sequence_output": model.get_sequence_output(),
        "pooled_output": model.get_pooled_output(),
    }
    for index, layer in enumerate(model.get_all_encoder_layers()):
        outputs["encoder_layer_%d" % index] = layer
    for name, value in golden_model.session.run(outputs).items():
        expected = tiny[name]
        if expected.ndim == 3:  # What stands at padding is nobody's contract.
            value, expected = value[real], expected[real]
        np.testing.assert_allclose(value, expected, err_msg=name, **FORWARD)


def test_gradients_and_their_norm(tiny):
    model = Golden(tiny)
    gradients = tf.gradients(model.outputs[0], model.variables)
    dense = [tf.convert_to_tensor(gradient) for gradient in gradients]
    values, norm = model.session.run([dense, tf.global_norm(dense)])
    expected = section(tiny, "gradients/")
    assert {v.op.name for v in model.variables} == set(expected)
    for variable, value in zip(model.variables, values):
        name = variable.op.name
        scale = np.abs(expected[name]).max()
        if "key/bias" in name:  # It is 0 but for rounding.
            assert scale < 1e-6 and np.abs(value).max() < 1e-6
            continue
        np.testing.assert_allclose(
            value, expected[name], rtol=2e-3, atol=2e-3 * scale, err_msg=name
        )
    assert norm == pytest.approx(float(tiny["global_norm"]), rel=1e-5)


def test_training_steps(tiny):
    model = Golden(tiny, train=True)
    losses = []
    for _ in range(tiny["meta"]["steps"]):
        losses.append(model.session.run(model.outputs[0]))
        model.session.run(model.train_op)
    np.testing.assert_allclose(losses, tiny["train_losses"], rtol=1e-5)
    final = model.session.run(model.outputs[0])
    assert final == pytest.approx(float(tiny["final_loss"]), rel=1e-5)
    expected = section(tiny, "after_training/")
    before = section(tiny, "weights/")
    trained = {v.op.name: v for v in tf.global_variables()}
    assert set(expected) == set(trained) - {"global_step"}
    for name, value in model.session.run({n: trained[n] for n in expected}).items():
        # The movement is compared, not the value: most of that was there before.
        start = before.get(name, 0.0)
        moved = expected[name] - start
        scale = np.abs(moved).max()
        if "key/bias" in name:  # Its gradient is 0 but for rounding.
            assert scale < 1e-6 and np.abs(value - start).max() < 1e-6
            continue
        np.testing.assert_allclose(
            value - start, moved, rtol=5e-3, atol=5e-3 * scale, err_msg=name
        )


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
        atol = 1e-7 * float(init_lr)  # float32 near 0, where the rate ends.
        np.testing.assert_allclose(rates, expected, rtol=1e-6, atol=atol, err_msg=key)


def mrpc_dev(shared_dir, task):
    path = os.path.join(shared_dir, "data", "glue", "MRPC", "dev.tsv")
    return tasks.DataFile("dev", task.layout("dev"), path)


def test_pretrained_encoder_on_real_text(shared_dir, golden):
    """Text to pooled output: tokenizer, features, warm start and encoder in one."""
    expected = golden("minilm_mrpc_dev")
    directory = os.path.join(shared_dir, "models", "minilm-l6-h384")
    tokenizer = FullTokenizer(os.path.join(directory, "vocab.txt"))
    task = tasks.find_task("MRPC")
    source = mrpc_dev(shared_dir, task)
    examples = list(reading.read_examples(task, source))[:32]
    rows = [
        features.encode_example(example, task.labels, 128, tokenizer).padded(128)
        for example in examples
    ]
    for name in ("input_ids", "input_mask", "segment_ids"):
        np.testing.assert_array_equal([getattr(r, name) for r in rows], expected[name])
    with tf.Graph().as_default(), tf.Session() as session:
        model = modeling.BertModel(
            modeling.BertConfig.from_json_file(
                os.path.join(directory, "bert_config.json")
            ),
            False,
            *(
                tf.constant([getattr(row, name) for row in rows], tf.int32)
                for name in ("input_ids", "input_mask", "segment_ids")
            ),
        )
        prefix = os.path.join(directory, "bert_model.ckpt")
        same_names, _ = modeling.get_assignment_map_from_checkpoint(
            tf.trainable_variables(), prefix
        )
        tf.train.init_from_checkpoint(prefix, same_names)
        session.run(tf.global_variables_initializer())
        pooled, first = session.run(
            [model.get_pooled_output(), model.get_sequence_output()[:, 0]]
        )
    np.testing.assert_allclose(pooled, expected["pooled_output"], **FORWARD)
    np.testing.assert_allclose(first, expected["first_token"], **FORWARD)


def test_record_file_of_the_original_run(shared_dir, tmp_path):
    """Our eval.tf_record holds what the original's holds."""
    from finetuning.data import records

    tokenizer = FullTokenizer(
        os.path.join(shared_dir, "models", "minilm-l6-h384", "vocab.txt")
    )
    task = tasks.find_task("MRPC")
    source = mrpc_dev(shared_dir, task)
    path = str(tmp_path / "eval.tf_record")
    records.write_records(
        path,
        (
            features.encode_example(example, task.labels, 64, tokenizer)
            for example in reading.read_examples(task, source)
        ),
        64,
    )
    theirs = os.path.join(
        shared_dir, "golden", "original_run", "output", "eval.tf_record"
    )
    ours, expected = _parsed(path), _parsed(theirs)
    assert len(ours) == 408
    assert ours == expected


def _parsed(path):
    parsed = []
    for record in tf.python_io.tf_record_iterator(path):
        example = tf.train.Example.FromString(record)
        parsed.append(
            {k: list(v.int64_list.value) for k, v in example.features.feature.items()}
        )
    return parsed


def test_all_golden_files_are_used(shared_dir):
    """A new golden file without a test is a gap."""
    names = {os.path.basename(p) for p in glob.glob(shared_dir + "/golden/*")}
    assert names == {
        "README.md",
        "learning_rate.json",
        "minilm_mrpc_dev.npz",
        "original_run",
        "tiny_gelu.npz",
        "tiny_three_labels.npz",
        "tokenization.json",
        "tokenization_corpora.json",
    }
