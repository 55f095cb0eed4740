"""Which variables of a checkpoint fit the model."""

import os

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

import modeling
import optimization
from finetuning import classifier
from finetuning.checkpoints import compatibility, finding
from finetuning.utils.errors import InputError
from tests.support import models

CONFIG = models.tiny_config()
LABELS = 2


def arrays(with_slots=False, **extra):
    """Zeros for all variables of the model, and optionally for their slots."""
    shapes = compatibility.model_shapes(CONFIG, LABELS)
    values = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
    if with_slots:
        for name in list(values):
            values[name + "/adam_m"] = values[name + "/adam_v"] = values[name]
    values.update(extra)
    return values


def read(directory, values, config=CONFIG, num_labels=LABELS):
    prefix = str(directory / "model.ckpt")
    models.save_checkpoint(prefix, values)
    return compatibility.read_contents(prefix, config, num_labels)


def read_error(*arguments):
    with pytest.raises(InputError) as caught:
        read(*arguments)
    message = str(caught.value)
    assert message.startswith("%s/model.ckpt" % arguments[0])
    assert "\n" not in message
    return message


# The model's variables


@pytest.mark.parametrize(
    "num_labels, changes",
    [
        (2, {}),
        (2, {"num_hidden_layers": 3, "type_vocab_size": 16, "vocab_size": 31}),
        (5, {"hidden_size": 12, "num_attention_heads": 3, "intermediate_size": 7}),
    ],
)
def test_model_shapes_are_those_of_the_graph(num_labels, changes):
    config = models.tiny_config(**changes)
    with tf.Graph().as_default():
        ids = tf.zeros([2, 4], tf.int32)
        labels = tf.zeros([2], tf.int32)
        classifier.create_model(config, True, ids, ids, ids, labels, num_labels, False)
        made = {v.op.name: tuple(v.shape.as_list()) for v in tf.trainable_variables()}
        assert len(tf.global_variables()) == len(made)
    shapes = compatibility.model_shapes(config, num_labels)
    assert shapes == made
    assert list(shapes)[-2:] == ["output_weights", "output_bias"]


# What a checkpoint has


def test_a_checkpoint_of_a_training_run(tmp_path):
    contents = read(tmp_path, arrays(with_slots=True, global_step=np.int64(458)))
    assert contents == compatibility.CheckpointContents(
        prefix=str(tmp_path / "model.ckpt"),
        step=458,
        restored={name: name for name in compatibility.model_shapes(CONFIG, LABELS)},
        fresh=(),
        unused=(),
        trainable=True,
    )
    assert type(contents.step) is int
    (line,) = contents.lines()
    assert line == "41 variables restored from %s/model.ckpt" % tmp_path


def test_training_can_resume_from_what_the_optimizer_saves(tmp_path):
    with tf.Graph().as_default(), tf.Session() as session:
        ids, labels = tf.ones([2, 4], tf.int32), tf.zeros([2], tf.int32)
        loss = classifier.create_model(CONFIG, True, ids, ids, ids, labels, 2, False)[0]
        train = optimization.create_optimizer(loss, 1e-4, 5, 0, False)
        session.run(tf.global_variables_initializer())
        session.run(train)
        prefix = tf.train.Saver().save(session, str(tmp_path / "model.ckpt-1"))
    contents = compatibility.read_contents(prefix, CONFIG, LABELS)
    assert (contents.step, contents.trainable) == (1, True)
    assert (contents.fresh, contents.unused) == ((), ())
    assert compatibility.read_step(prefix) == 1


@pytest.mark.parametrize(
    "missing",
    ["global_step", "output_bias/adam_m", "bert/pooler/dense/kernel/adam_v"],
)
def test_training_cannot_resume_without_the_step_and_all_slots(tmp_path, missing):
    values = arrays(with_slots=True, global_step=np.int64(3))
    del values[missing]
    contents = read(tmp_path, values)
    assert contents.trainable is False
    assert contents.step == (None if missing == "global_step" else 3)
    assert (contents.fresh, contents.unused) == ((), ())


def test_a_pretrained_checkpoint(tmp_path):
    """It lacks the head, and has the variables of the pretraining tasks."""
    values = arrays(**{"cls/v%d" % n: np.zeros([1], np.float32) for n in range(8)})
    del values["output_weights"], values["output_bias"]
    contents = read(tmp_path, values)
    assert contents.fresh == ("output_weights", "output_bias")
    assert contents.unused == tuple("cls/v%d" % n for n in range(8))
    assert (len(contents.restored), contents.step, contents.trainable) == (
        39,
        None,
        False,
    )
    restored, fresh, unused = contents.lines()
    assert restored.startswith("39 variables restored from ")
    assert fresh.endswith(": output_weights, output_bias")
    assert unused.endswith(": cls/v0, cls/v1, cls/v2, cls/v3, cls/v4 and 3 more")


def test_half_a_head(tmp_path):
    values = arrays()
    del values["output_bias"]
    assert read(tmp_path, values).fresh == ("output_bias",)


# What does not fit


@pytest.mark.parametrize(
    "name",
    ["bert/embeddings/word_embeddings", "bert/encoder/layer_1/output/dense/bias"],
)
def test_a_missing_variable_of_the_encoder(tmp_path, name):
    values = arrays()
    del values[name]
    message = read_error(tmp_path, values)
    assert "lacks variables of the encoder (1): %s; " % name in message
    assert "--bert_config_file" in message


def test_another_number_of_layers(tmp_path):
    fewer = read_error(tmp_path, arrays(), models.tiny_config(num_hidden_layers=3))
    assert "lacks variables of the encoder (16): bert/encoder/layer_2/" in fewer
    assert "and 11 more; does it match --bert_config_file?" in fewer
    more = read_error(tmp_path, arrays(), models.tiny_config(num_hidden_layers=1))
    assert "more layers than --bert_config_file: bert/encoder/layer_1/" in more
    assert more.endswith(" and 11 more; do they match?")


@pytest.mark.parametrize(
    "changes, name, shape, expected",
    [
        ({"vocab_size": 60}, "bert/embeddings/word_embeddings", [50, 16], [60, 16]),
        (
            {"intermediate_size": 16},
            "bert/encoder/layer_0/intermediate/dense/kernel",
            [16, 24],
            [16, 16],
        ),
    ],
)
def test_a_variable_of_another_shape(tmp_path, changes, name, shape, expected):
    message = read_error(tmp_path, arrays(), models.tiny_config(**changes))
    shapes = "variable %s has shape %s, expected %s;" % (name, shape, expected)
    assert shapes in message and "--bert_config_file" in message


def test_a_transposed_kernel(tmp_path):
    name = "bert/encoder/layer_1/output/dense/kernel"
    message = read_error(tmp_path, arrays(**{name: np.zeros([16, 24], np.float32)}))
    assert "variable %s has shape [16, 24], expected [24, 16]" % name in message


def test_a_head_of_other_labels(tmp_path):
    message = read_error(tmp_path, arrays(), CONFIG, 3)
    assert "output_weights has shape [2, 16], expected [3, 16]: it was f" in message
    assert "another --output_dir" in message


def test_a_checkpoint_that_no_longer_exists(tmp_path):
    prefix = str(tmp_path / "none")
    with pytest.raises(compatibility.VanishedError, match="none no longer exists"):
        compatibility.read_contents(prefix, CONFIG, LABELS)


# Other programs' checkpoints


def moved(scope, head=""):
    """All variables, with the encoder in another scope than bert/."""
    return {
        scope + name[len("bert/") :] if name.startswith("bert/") else head + name: value
        for name, value in arrays().items()
    }


@pytest.mark.parametrize(
    "scope, head",
    [("module/bert/", ""), ("module/bert/", "module/"), ("electra/", ""), ("", "")],
)
def test_another_scope(tmp_path, scope, head):
    contents = read(tmp_path, moved(scope, head))
    assert contents.fresh == contents.unused == ()
    words = scope + "embeddings/word_embeddings"
    assert contents.restored["bert/embeddings/word_embeddings"] == words
    assert contents.restored["output_bias"] == head + "output_bias"
    assert not contents.trainable
    (note,) = contents.notes()
    assert note.endswith(": bert/embeddings/word_embeddings is %s there" % words)
    # What does not fit has the name that it has there.
    message = read_error(tmp_path, moved(scope), models.tiny_config(vocab_size=60))
    assert "variable %s has shape" % words in message


def test_two_scopes(tmp_path):
    two = dict(moved("student/"), **moved("teacher/"))
    message = read_error(tmp_path, two)
    for scope in ("student", "teacher"):
        assert scope + "/embeddings/word_embeddings" in message
    # One whose shapes do not fit is not meant, nor is another than the model's own.
    two["student/pooler/dense/bias"] = np.zeros([3], np.float32)
    assert "2 encoders" in read_error(tmp_path, two)  # The pooler does not matter.
    two["student/encoder/layer_0/output/dense/bias"] = np.zeros([3], np.float32)
    contents = read(tmp_path, two)
    assert contents.restored["bert/pooler/dense/bias"] == "teacher/pooler/dense/bias"
    contents = read(tmp_path, dict(arrays(), **two))
    assert contents.restored["bert/pooler/dense/bias"] == "bert/pooler/dense/bias"


@pytest.mark.parametrize(
    "names, part",
    [
        (["model/kernel/.ATTRIBUTES/VARIABLE_VALUE"], "object-based"),
        (["bert/encoder/transformer/group_0/inner_group_0/ffn_1/bias"], "an ALBERT"),
        (["model/h0/attn/c_attn/w", "model/h0/attn/c_attn/w/Adam"], "a GPT-2"),
        (["classifier/kernel", "cls/predictions/output_bias"], "a checkpoint of BERT?"),
    ],
)
def test_other_programs(tmp_path, names, part):
    message = read_error(tmp_path, {name: np.zeros([1], np.float32) for name in names})
    assert part in message
    assert names[0] in message and "/Adam" not in message


def test_an_electra_with_narrow_embeddings(tmp_path):
    values = moved("electra/")
    values["electra/embeddings_project/kernel"] = np.zeros([8, 16], np.float32)
    values["electra/embeddings/word_embeddings"] = np.zeros([50, 8], np.float32)
    assert "this is an ELECTRA with embeddings narrower" in read_error(tmp_path, values)


@pytest.mark.parametrize(
    "slot",
    ["Adam", "AdamWeightDecayOptimizer_1", "Momentum", "ExponentialMovingAverage"],
)
def test_slots_of_other_optimisers(tmp_path, slot):
    values = arrays()
    for name in list(values):
        values["%s/%s" % (name, slot)] = values[name]
    values["cls/bias"] = values["cls/bias/" + slot] = np.zeros([1], np.float32)
    assert read(tmp_path, values).unused == ("cls/bias",)


def test_variables_that_the_encoder_would_have_to_compute_with(tmp_path):
    name = "bert/encoder/layer_0/attention/output/adapter/kernel"
    message = read_error(tmp_path, arrays(**{name: np.zeros([1], np.float32)}))
    assert "variables in its encoder that BERT does not have: " + name in message


# Types


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_float_types(tmp_path, dtype):
    values = arrays(with_slots=True, global_step=np.int32(3))
    for name in list(values)[:-1]:
        values[name] = values[name].astype(dtype)
    contents = read(tmp_path, values)
    assert (contents.trainable, contents.step) == (True, 3)


@pytest.mark.parametrize("value", [np.zeros([16], np.int32), np.array(["a"] * 16)])
def test_a_variable_of_another_type(tmp_path, value):
    name = "bert/pooler/dense/bias"
    message = read_error(tmp_path, arrays(**{name: value}))
    kind = "int32" if value.dtype == np.int32 else "string"
    assert "variable %s has type %s, expected float32" % (name, kind) in message


@pytest.mark.parametrize("step", [np.float32(3), np.array([3]), np.array("three")])
def test_a_step_that_is_no_integer(tmp_path, step):
    assert "variable global_step has type" in read_error(
        tmp_path, arrays(global_step=step)
    )


def test_slots_that_do_not_fit(tmp_path):
    values = arrays(with_slots=True, global_step=np.int64(3))
    values["output_bias/adam_m"] = np.zeros([3], np.float32)
    assert read(tmp_path, values).trainable is False


# A new training run that starts from it


@pytest.mark.parametrize("scope", ["bert/", "electra/"])
def test_no_pooler(tmp_path, scope):
    values = moved(scope)
    for end in ("kernel", "bias"):
        del values[scope + "pooler/dense/" + end]
    assert "has no pooler (bert/pooler/dense/kernel and" in read_error(tmp_path, values)
    contents = compatibility.read_contents(
        str(tmp_path / "model.ckpt"), CONFIG, LABELS, starts_training=True
    )
    assert contents.fresh == compatibility.POOLER
    (line,) = contents.warnings()
    assert line.startswith(str(tmp_path)) and "bert/pooler/dense/bias" in line


def test_half_a_pooler(tmp_path):
    name = "bert/pooler/dense/bias"
    values = {key: value for key, value in arrays().items() if key != name}
    models.save_checkpoint(str(tmp_path / "model.ckpt"), values)
    with pytest.raises(InputError, match="lacks variables of the encoder .*" + name):
        compatibility.read_contents(
            str(tmp_path / "model.ckpt"), CONFIG, LABELS, starts_training=True
        )


def test_a_fresh_head(tmp_path):
    models.save_checkpoint(str(tmp_path / "model.ckpt"), arrays())
    given = (str(tmp_path / "model.ckpt"), CONFIG, 3, True)
    with pytest.raises(InputError, match="--fresh_head=true"):
        compatibility.read_contents(*given)
    contents = compatibility.read_contents(*given, fresh_head=True)
    assert contents.fresh == compatibility.HEAD
    assert contents.unused == tuple(sorted(compatibility.HEAD))
    assert list(contents.warnings()) == []


# Real checkpoints


def test_a_path_of_tensorflows_file_layer(tmp_path):
    prefix = str(tmp_path / "model.ckpt")
    models.save_checkpoint(prefix, arrays(global_step=np.int64(3)))
    contents = compatibility.read_contents("file://" + prefix, CONFIG, LABELS)
    assert (contents.step, contents.fresh) == (3, ())


def test_a_published_checkpoint(shared_dir):
    """The encoder of the golden data, with its own config."""
    directory = os.path.join(shared_dir, "models", "minilm-l6-h384")
    config = modeling.BertConfig.from_json_file(directory + "/bert_config.json")
    prefix = finding.resolve(directory, "init_checkpoint")
    contents = compatibility.read_contents(prefix, config, 2)
    assert contents.fresh == ("output_weights", "output_bias")
    assert len(contents.restored) == 7 + 6 * 16


def test_a_checkpoint_of_the_original(shared_dir):
    """A training run of the original can be resumed."""
    run = os.path.join(shared_dir, "golden", "original_run")
    config = modeling.BertConfig.from_json_file(run + "/pretrained/bert_config.json")
    prefix = finding.resolve(run + "/output", "init_checkpoint")
    contents = compatibility.read_contents(prefix, config, 2)
    assert (contents.trainable, contents.step) == (True, 458)
    assert (contents.fresh, contents.unused) == ((), ())
