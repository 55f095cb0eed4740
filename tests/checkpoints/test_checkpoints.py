"""Finding checkpoints, and judging from names and shapes what fits the model."""

import os
import shutil

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
PARTS = (".index", ".meta", ".data-00000-of-00001")


def touch(directory, *names):
    for name in names:
        open(os.path.join(str(directory), name), "w").close()


def touch_checkpoints(directory, *stems):
    for stem in stems:
        touch(directory, *(stem + part for part in PARTS))


def save_checkpoints(directory, *stems):
    for stem in stems:
        models.save_checkpoint(os.path.join(str(directory), stem), {"v": np.zeros(9)})
    os.remove(os.path.join(str(directory), "checkpoint"))


def write_state(directory, newest, *others):
    """Writes the `checkpoint` file that names a training's checkpoints."""
    lines = ['model_checkpoint_path: "%s"' % newest]
    for path in others + (newest,):
        lines.append('all_model_checkpoint_paths: "%s"' % path)
    with open(os.path.join(str(directory), "checkpoint"), "w") as file:
        file.write("\n".join(lines) + "\n")


def refusal(function, *arguments):
    with pytest.raises(InputError) as caught:
        function(*arguments)
    message = str(caught.value)
    assert "\n" not in message
    return message


# Finding one


@pytest.mark.parametrize("part", ("",) + PARTS)
@pytest.mark.parametrize("scheme", ["", "file://"])
def test_prefix_or_one_of_its_files(tmp_path, part, scheme):
    touch_checkpoints(tmp_path, "bert_model.ckpt", "model.ckpt-5")
    prefix = "%s%s/bert_model.ckpt" % (scheme, tmp_path)
    assert finding.resolve(prefix + part, "init_checkpoint") == prefix


@pytest.mark.parametrize("stem", ["a.index", "a.meta.b", "a.data-b", "x.ckpt-5.0"])
@pytest.mark.parametrize("part", ("",) + PARTS)
def test_awkward_names(tmp_path, stem, part):
    (tmp_path / "dir.index").mkdir()
    touch_checkpoints(tmp_path / "dir.index", stem)
    prefix = "%s/dir.index/%s" % (tmp_path, stem)
    assert finding.resolve(prefix + part, "init_checkpoint") == prefix


@pytest.mark.parametrize("name", ["model.ckpt", "model.ckpt.meta", "mod", "none/x"])
def test_no_checkpoint_there(tmp_path, name):
    touch(tmp_path, "model.ckpt.meta", "model.ckpt.data-00000-of-00001")
    path = str(tmp_path / name)
    assert refusal(finding.resolve, path, "init_checkpoint") == (
        "--init_checkpoint=%s: no checkpoint there (%s.index is missing); give the "
        "prefix of one, such as .../bert_model.ckpt" % (path, path)
    )


@pytest.mark.parametrize("scheme", ["", "file://"])
@pytest.mark.parametrize("end", ["", "/"])
def test_directory_with_one(tmp_path, scheme, end):
    touch_checkpoints(tmp_path, "bert_model.ckpt")
    touch(tmp_path, "vocab.txt", "bert_config.json")
    found = finding.resolve("%s%s%s" % (scheme, tmp_path, end), "init_checkpoint")
    assert found == "%s%s/bert_model.ckpt" % (scheme, tmp_path)


def test_directory_of_a_training(tmp_path):
    save_checkpoints(tmp_path, "model.ckpt-0", "model.ckpt-90", "model.ckpt-100")
    write_state(tmp_path, "model.ckpt-90", "model.ckpt-100")
    found = finding.resolve(str(tmp_path), "init_checkpoint")
    assert found == str(tmp_path / "model.ckpt-90")


def test_directory_with_none(tmp_path):
    touch(tmp_path, "vocab.txt")
    assert refusal(finding.resolve, str(tmp_path), "init_checkpoint") == (
        "--init_checkpoint=%s: the directory holds no checkpoint; give the prefix of "
        "one, such as .../bert_model.ckpt" % tmp_path
    )


def test_directory_with_several(tmp_path):
    touch_checkpoints(tmp_path, "b.ckpt", "a.ckpt")
    assert "the directory holds a.ckpt, b.ckpt; give the prefix" in refusal(
        finding.resolve, str(tmp_path), "init_checkpoint"
    )
    touch_checkpoints(tmp_path, "c", "d", "e", "f", "g")
    assert "holds a.ckpt, b.ckpt, c, d, e and 2 more; give" in refusal(
        finding.resolve, str(tmp_path), "init_checkpoint"
    )


# The newest of a training


def test_newest_in(tmp_path):
    assert finding.latest_in(str(tmp_path)) is None
    assert finding.latest_in(str(tmp_path / "none")) is None
    save_checkpoints(tmp_path, "model.ckpt-9", "model.ckpt-10")
    assert finding.latest_in(str(tmp_path)) is None
    write_state(tmp_path, "model.ckpt-9", "model.ckpt-10")
    assert finding.latest_in(str(tmp_path)) == str(tmp_path / "model.ckpt-9")


def test_newest_in_a_moved_directory(tmp_path):
    old, new = str(tmp_path / "old"), str(tmp_path / "new")
    os.mkdir(old)
    save_checkpoints(old, "model.ckpt-5", "model.ckpt-9")
    write_state(old, old + "/model.ckpt-9", old + "/model.ckpt-5")
    assert finding.latest_in(old) == old + "/model.ckpt-9"
    os.rename(old, new)
    assert finding.latest_in(new) == new + "/model.ckpt-9"
    assert finding.all_in(new) == [new + "/model.ckpt-5", new + "/model.ckpt-9"]


def test_newest_in_a_copied_directory_is_the_copys(tmp_path):
    old, new = str(tmp_path / "old"), str(tmp_path / "new")
    os.mkdir(old)
    save_checkpoints(old, "model.ckpt-9")
    write_state(old, old + "/model.ckpt-9")
    shutil.copytree(old, new)
    assert finding.latest_in(new) == new + "/model.ckpt-9"
    assert finding.latest_in(old) == old + "/model.ckpt-9"


def test_listed_checkpoints_that_are_gone(tmp_path):
    save_checkpoints(tmp_path, "model.ckpt-5", "model.ckpt-7")
    write_state(tmp_path, "model.ckpt-7", "model.ckpt-3", "model.ckpt-5")
    assert finding.all_in(str(tmp_path)) == [
        str(tmp_path / "model.ckpt-5"),
        str(tmp_path / "model.ckpt-7"),
    ]
    assert finding.all_in(str(tmp_path / "none")) == []
    for part in PARTS[:1] + PARTS[2:]:
        os.remove(str(tmp_path / "model.ckpt-7") + part)
    assert finding.all_in(str(tmp_path)) == [str(tmp_path / "model.ckpt-5")]


# The model's variables


@pytest.mark.parametrize(
    "num_labels, changes",
    [
        (2, {}),
        (3, {"num_hidden_layers": 1}),
        (2, {"num_hidden_layers": 3, "type_vocab_size": 16, "vocab_size": 31}),
        (5, {"hidden_size": 12, "num_attention_heads": 3, "intermediate_size": 7}),
        (3, {"max_position_embeddings": 9, "num_attention_heads": 1}),
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


def test_number_of_variables_of_bert_base():
    """BERT-base has 109,482,240 weights (Devlin et al.: 110M), the head its own."""
    config = models.tiny_config(
        vocab_size=30522,
        hidden_size=768,
        num_hidden_layers=12,
        intermediate_size=3072,
        max_position_embeddings=512,
    )
    shapes = compatibility.model_shapes(config, 2)
    assert len(shapes) == 199 + 2
    sizes = {name: int(np.prod(shape)) for name, shape in shapes.items()}
    assert sizes.pop("output_weights") + sizes.pop("output_bias") == 1538
    assert sum(sizes.values()) == 109482240


# What is in one


def arrays(with_slots=False, **extra):
    """Zeros for all variables of the model; for their slots too, if wished."""
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


def test_checkpoint_of_a_training(tmp_path):
    contents = read(tmp_path, arrays(with_slots=True, global_step=np.int64(458)))
    assert contents == compatibility.CheckpointContents(
        prefix=str(tmp_path / "model.ckpt"),
        step=458,
        restored=tuple(compatibility.model_shapes(CONFIG, LABELS)),
        fresh=(),
        unused=(),
        trainable=True,
    )
    assert type(contents.step) is int
    assert list(contents.lines()) == [
        "41 variables restored from %s/model.ckpt" % tmp_path
    ]


def test_the_checkpoint_that_training_writes_can_go_on(tmp_path):
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
    "left_out",
    ["global_step", "output_bias/adam_m", "bert/pooler/dense/kernel/adam_v"],
)
def test_training_cannot_go_on_without_step_and_all_slots(tmp_path, left_out):
    values = arrays(with_slots=True, global_step=np.int64(3))
    del values[left_out]
    contents = read(tmp_path, values)
    assert contents.trainable is False
    assert contents.step == (None if left_out == "global_step" else 3)
    assert (contents.fresh, contents.unused) == ((), ())


def test_pretrained_checkpoint(tmp_path):
    """The published ones lack the head, and hold what pre-training alone needs."""
    values = arrays()
    del values["output_weights"], values["output_bias"]
    values["cls/seq_relationship/output_bias"] = np.zeros([2], np.float32)
    values["cls/predictions/output_bias"] = np.zeros([50], np.float32)
    contents = read(tmp_path, values)
    assert contents.fresh == ("output_weights", "output_bias")
    assert contents.unused == (
        "cls/predictions/output_bias",
        "cls/seq_relationship/output_bias",
    )
    assert "output_weights" not in contents.restored
    assert len(contents.restored) == 39
    assert (contents.step, contents.trainable) == (None, False)
    assert list(contents.lines()) == [
        "39 variables restored from %s/model.ckpt" % tmp_path,
        "not in it, starting fresh: output_weights, output_bias",
        "left unused in it: " + ", ".join(contents.unused),
    ]


def test_many_unused_variables_are_cut_short(tmp_path):
    extra = {"cls/v%d" % n: np.zeros([1], np.float32) for n in range(8)}
    lines = list(read(tmp_path, arrays(**extra)).lines())
    assert lines[1] == (
        "left unused in it: cls/v0, cls/v1, cls/v2, cls/v3, cls/v4 and 3 more"
    )


def test_half_a_head(tmp_path):
    values = arrays()
    del values["output_bias"]
    assert read(tmp_path, values).fresh == ("output_bias",)


@pytest.mark.parametrize(
    "name",
    [
        "bert/embeddings/word_embeddings",
        "bert/encoder/layer_1/output/LayerNorm/gamma",
        "bert/pooler/dense/bias",
    ],
)
def test_missing_variable_of_the_encoder(tmp_path, name):
    values = arrays()
    del values[name]
    assert refusal(read, tmp_path, values) == (
        "%s/model.ckpt lacks 1 of the encoder's variables: %s; is it the checkpoint "
        "that belongs to --bert_config_file?" % (tmp_path, name)
    )


def test_fewer_layers_in_the_checkpoint(tmp_path):
    config = models.tiny_config(num_hidden_layers=3)
    assert refusal(read, tmp_path, arrays(), config) == (
        "%s/model.ckpt lacks 16 of the encoder's variables: "
        "bert/encoder/layer_2/attention/self/query/kernel, "
        "bert/encoder/layer_2/attention/self/query/bias, "
        "bert/encoder/layer_2/attention/self/key/kernel, "
        "bert/encoder/layer_2/attention/self/key/bias, "
        "bert/encoder/layer_2/attention/self/value/kernel and 11 more; is it the "
        "checkpoint that belongs to --bert_config_file?" % tmp_path
    )


def test_more_layers_in_the_checkpoint(tmp_path):
    config = models.tiny_config(num_hidden_layers=1)
    message = refusal(read, tmp_path, arrays(), config)
    assert message.startswith(
        "%s/model.ckpt has more layers than --bert_config_file asks for: "
        "bert/encoder/layer_1/attention/output/LayerNorm/beta, " % tmp_path
    )
    assert message.endswith(" and 11 more")


@pytest.mark.parametrize(
    "changes, name, found, wanted",
    [
        ({"vocab_size": 60}, "bert/embeddings/word_embeddings", [50, 16], [60, 16]),
        (
            {"max_position_embeddings": 10},
            "bert/embeddings/position_embeddings",
            [20, 16],
            [10, 16],
        ),
        (
            {"intermediate_size": 16},
            "bert/encoder/layer_0/intermediate/dense/kernel",
            [16, 24],
            [16, 16],
        ),
    ],
)
def test_variable_of_another_shape(tmp_path, changes, name, found, wanted):
    config = models.tiny_config(**changes)
    assert refusal(read, tmp_path, arrays(), config) == (
        "%s/model.ckpt: variable %s has shape %s, expected %s; is it the checkpoint "
        "that belongs to --bert_config_file?" % (tmp_path, name, found, wanted)
    )


def test_transposed_kernel(tmp_path):
    name = "bert/encoder/layer_1/output/dense/kernel"
    message = refusal(read, tmp_path, arrays(**{name: np.zeros([16, 24], np.float32)}))
    assert "variable %s has shape [16, 24], expected [24, 16]" % name in message


def test_head_of_other_labels(tmp_path):
    assert refusal(read, tmp_path, arrays(), CONFIG, 3) == (
        "%s/model.ckpt: variable output_weights has shape [2, 16], expected [3, 16]: "
        "it was fine-tuned for other labels; give a checkpoint of the encoder alone, "
        "or another --output_dir" % tmp_path
    )


@pytest.fixture
def saved(tmp_path):
    prefix = str(tmp_path / "model.ckpt")
    models.save_checkpoint(prefix, arrays(global_step=np.int64(3)))
    return prefix


def test_checkpoint_that_is_not_there(tmp_path):
    prefix = str(tmp_path / "none")
    message = refusal(compatibility.read_contents, prefix, CONFIG, LABELS)
    assert message.startswith(prefix + " is no longer there")


@pytest.mark.parametrize("content", [b"", b"not an index", b"\0" * 1000])
def test_damaged_index(saved, content):
    with open(saved + ".index", "wb") as file:
        file.write(content)
    message = refusal(compatibility.read_contents, saved, CONFIG, LABELS)
    assert message.startswith(saved + " cannot be read as a checkpoint: ")


@pytest.mark.parametrize("step", [{}, {"global_step": np.int64(3)}])
@pytest.mark.parametrize("cut", [os.remove, lambda path: os.truncate(path, 0)])
def test_data_that_is_missing_or_empty(tmp_path, cut, step):
    """A download that broke off is found before the graph is built."""
    prefix = str(tmp_path / "model.ckpt")
    models.save_checkpoint(prefix, arrays(**step))
    cut(prefix + ".data-00000-of-00001")
    message = refusal(compatibility.read_contents, prefix, CONFIG, LABELS)
    assert message.startswith(prefix + " cannot be read as a checkpoint: ")


def test_checkpoint_by_a_path_of_tensorflows_file_layer(saved):
    contents = compatibility.read_contents("file://" + saved, CONFIG, LABELS)
    assert (contents.step, contents.fresh) == (3, ())


def test_published_checkpoint(shared_dir):
    """The encoder that the golden data comes from, under its own config."""
    directory = os.path.join(shared_dir, "models", "minilm-l6-h384")
    config = modeling.BertConfig.from_json_file(directory + "/bert_config.json")
    prefix = finding.resolve(directory, "init_checkpoint")
    contents = compatibility.read_contents(prefix, config, 2)
    assert contents.fresh == ("output_weights", "output_bias")
    assert len(contents.restored) == 7 + 6 * 16


def test_checkpoint_of_the_original(shared_dir):
    """A training of the original can go on here."""
    run = os.path.join(shared_dir, "golden", "original_run")
    config = modeling.BertConfig.from_json_file(run + "/pretrained/bert_config.json")
    prefix = finding.resolve(run + "/output", "init_checkpoint")
    contents = compatibility.read_contents(prefix, config, 2)
    assert contents.trainable
    assert contents.step == 458
    assert (contents.fresh, contents.unused) == ((), ())
