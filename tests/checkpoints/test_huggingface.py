"""Weights in Hugging Face format: names, types, damaged and malicious files."""

import json
import os
import pickle
import shutil
import zipfile

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from finetuning import classifier
from finetuning.checkpoints import compatibility, finding, integrity, restoring
from finetuning.checkpoints.huggingface import Reader
from finetuning.checks import model_config
from finetuning.utils.errors import InputError
from tests.support import huggingface, models

CONFIG = models.tiny_config()
WEIGHTS = huggingface.weights(CONFIG)


def all_of(path):
    reader = Reader(path)
    return {
        name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()
    }


def assert_same(found, expected=WEIGHTS):
    assert set(found) == set(expected)
    for name, value in expected.items():
        assert found[name].shape == value.shape, name
        np.testing.assert_array_equal(found[name], value, err_msg=name)


# Names


def test_every_variable_has_one_name(tmp_path):
    path = huggingface.write(tmp_path, huggingface.as_theirs(WEIGHTS))
    assert_same(all_of(path))
    reader = Reader(path)
    shapes = reader.get_variable_to_shape_map()
    assert shapes == compatibility.model_shapes(CONFIG, 2)
    assert set(reader.get_variable_to_dtype_map().values()) == {tf.float32}
    contents = compatibility.read_contents(path, CONFIG, 2)
    assert contents.fresh == contents.unused == () and contents.step is None


def test_older_names_and_what_is_left_out(tmp_path):
    theirs = {}
    for name, value in huggingface.as_theirs(WEIGHTS).items():
        name = name.replace("LayerNorm.weight", "LayerNorm.gamma")
        theirs[name.replace("LayerNorm.bias", "LayerNorm.beta")] = value
    assert_same(all_of(huggingface.write(tmp_path, theirs)))
    theirs["cls.predictions.bias"] = np.zeros(3)
    theirs["bert.embeddings.position_ids"] = np.zeros([1, 3])
    path = huggingface.write(tmp_path, theirs)
    contents = compatibility.read_contents(path, CONFIG, 2)
    assert contents.unused == ("bert/embeddings/position_ids", "cls.predictions.bias")
    theirs["bert.encoder.layer.0.attention.self.distance_embedding.weight"] = 0 * value
    path = huggingface.write(tmp_path, theirs)
    with pytest.raises(InputError, match="distance_embedding"):
        compatibility.read_contents(path, CONFIG, 2)


@pytest.mark.parametrize("prefix", ["", "module.bert.", "module."])
def test_other_prefixes(tmp_path, prefix):
    theirs = {
        name.replace("bert.", prefix, 1): value
        for name, value in huggingface.as_theirs(WEIGHTS).items()
        if not name.startswith("classifier")
    }
    path = huggingface.write(tmp_path, theirs)
    contents = compatibility.read_contents(path, CONFIG, 2)
    assert contents.fresh == compatibility.HEAD and not contents.unused
    assert_restored(contents)


def test_a_classifier_of_tokens_is_not_one_of_texts(tmp_path):
    config = huggingface.config_of(CONFIG, architectures=["BertForTokenClassification"])
    path = huggingface.write(tmp_path, huggingface.as_theirs(WEIGHTS), config)
    contents = compatibility.read_contents(path, CONFIG, 2)
    assert contents.fresh == compatibility.HEAD
    assert contents.unused == ("classifier.bias", "classifier.weight")


def test_no_pooler(tmp_path):
    theirs = huggingface.as_theirs(WEIGHTS)
    theirs = {name: theirs[name] for name in theirs if "pooler" not in name}
    path = huggingface.write(tmp_path, theirs)
    with pytest.raises(InputError, match="has no pooler"):
        compatibility.read_contents(path, CONFIG, 2)
    contents = compatibility.read_contents(path, CONFIG, 2, starts_training=True)
    assert contents.fresh == compatibility.POOLER


def assert_restored(contents):
    with tf.Graph().as_default(), tf.Session() as session:
        variables = {
            name: tf.get_variable(name, shape, tf.float32)
            for name, shape in compatibility.model_shapes(CONFIG, 2).items()
        }
        restorer = contents.restorer(variables)
        restorer.restore(session)
        found = session.run({name: variables[name] for name in contents.restored})
    assert_same(found, {name: WEIGHTS[name] for name in contents.restored})


# Types and files


@pytest.mark.parametrize("dtype", ["F64", "F32", "F16", "BF16"])
def test_types(tmp_path, dtype):
    rounded = {
        name: huggingface.to_float32(value, dtype) for name, value in WEIGHTS.items()
    }
    path = huggingface.write(tmp_path, huggingface.as_theirs(WEIGHTS), dtype=dtype)
    found = {n: value.astype(np.float32) for n, value in all_of(path).items()}
    assert_same(found, rounded)


@pytest.mark.parametrize("dtype", ["I64", "F8_E4M3"])
def test_types_that_are_refused(tmp_path, dtype):
    path = huggingface.write(tmp_path, huggingface.as_theirs(WEIGHTS), dtype=dtype)
    with pytest.raises(InputError, match="type (int64|F8_E4M3), expected"):
        compatibility.read_contents(path, CONFIG, 2)


def write_shards(directory):
    theirs = huggingface.as_theirs(WEIGHTS)
    names = sorted(theirs)
    shards = {"a.safetensors": names[::2], "b.safetensors": names[1::2]}
    for file, part in shards.items():
        huggingface.write(directory, {name: theirs[name] for name in part}, file=file)
    index = {name: file for file, part in shards.items() for name in part}
    path = str(directory / "model.safetensors.index.json")
    with open(path, "w") as file:
        json.dump({"metadata": {}, "weight_map": index}, file)
    return path, index


def test_an_index_of_several_files(tmp_path):
    path, index = write_shards(tmp_path)
    assert finding.resolve(str(tmp_path)) == path
    assert_same(all_of(path))
    contents = compatibility.read_contents(path, CONFIG, 2)
    assert contents.is_unchanged()
    os.remove(str(tmp_path / "b.safetensors"))
    with pytest.raises(InputError, match=r"b.safetensors is missing"):
        compatibility.read_contents(path, CONFIG, 2)
    write_shards(tmp_path)
    index["bert.pooler.dense.bias"] = "../b.safetensors"
    with open(path, "w") as file:
        json.dump({"weight_map": index}, file)
    with pytest.raises(InputError, match="not the name of a file beside it"):
        compatibility.read_contents(path, CONFIG, 2)


def test_damaged_files(tmp_path):
    path = huggingface.write(tmp_path, huggingface.as_theirs(WEIGHTS))
    with open(path, "rb") as file:
        content = file.read()
    for damaged in (b"", content[:100], content[:-1], content + b"x", b"\xff" * 99):
        with open(path, "wb") as file:
            file.write(damaged)
        assert integrity.damage(path)
        with pytest.raises(InputError, match="cannot be read as a checkpoint: "):
            compatibility.read_contents(path, CONFIG, 2)


def test_files_that_change_after_they_were_read(tmp_path):
    path = huggingface.write(tmp_path, huggingface.as_theirs(WEIGHTS))
    contents = compatibility.read_contents(path, CONFIG, 2)
    other = huggingface.as_theirs(huggingface.weights(CONFIG, seed=1))
    huggingface.write(tmp_path, other, file="other.safetensors")
    os.replace(str(tmp_path / "other.safetensors"), path)
    with pytest.raises(compatibility.ReplacedError), contents.restoring():
        pass
    os.remove(path)
    with pytest.raises(compatibility.VanishedError), contents.restoring():
        Reader(path)
    with pytest.raises(compatibility.VanishedError):
        compatibility.read_contents(path, CONFIG, 2)


def test_which_file_of_a_directory_is_used(tmp_path):
    theirs = huggingface.as_theirs(WEIGHTS)
    huggingface.write_pickle(tmp_path / "pytorch_model.bin", theirs)
    assert finding.resolve(str(tmp_path)) == str(tmp_path / "pytorch_model.bin")
    path = huggingface.write(tmp_path, theirs)
    assert finding.resolve(str(tmp_path)) == finding.resolve(path) == path
    # A checkpoint of TensorFlow's may have such a name, and takes precedence.
    prefix = str(tmp_path / "m.bin")
    models.save_checkpoint(prefix, WEIGHTS)
    assert finding.resolve(str(tmp_path)) == finding.resolve(prefix) == prefix
    with restoring.open_reader(prefix) as reader:
        assert not isinstance(reader, Reader)


# Pickles


def test_a_pickle_of_tensors(tmp_path):
    path = str(tmp_path / "pytorch_model.bin")
    huggingface.write_pickle(path, huggingface.as_theirs(WEIGHTS))
    assert_same(all_of(path))
    assert_restored(compatibility.read_contents(path, CONFIG, 2))


@pytest.mark.parametrize(
    "module, name, arguments",
    [
        ("os", "system", ("touch /tmp/owned",)),
        ("builtins", "eval", ("1",)),
        ("builtins", "getattr", (1, "real")),
        ("torch.serialization", "load", ("x",)),
        ("torch", "FloatStorage.from_file", ("x",)),
        ("collections", "OrderedDict.fromkeys", ("x",)),
    ],
)
def test_a_malicious_pickle_is_refused(tmp_path, module, name, arguments):
    path = str(tmp_path / "pytorch_model.bin")
    theirs = huggingface.as_theirs(WEIGHTS)
    huggingface.write_pickle(path, theirs, x=huggingface.call(module, name, *arguments))
    with pytest.raises(InputError) as caught:
        compatibility.read_contents(path, CONFIG, 2)
    assert "%s refers to %s.%s, which no tensor needs" % (path, module, name) in str(
        caught.value
    )
    assert "save_pretrained" in str(caught.value)


def test_a_plain_malicious_pickle_is_refused(tmp_path):
    class Malicious:
        def __reduce__(self):
            return open, (str(tmp_path / "owned"), "w")

    path = str(tmp_path / "pytorch_model.bin")
    for protocol in range(5):
        with open(path, "wb") as file:
            pickle.dump(Malicious(), file, protocol)
        with pytest.raises(
            InputError, match=r"refers to (_?io|builtins|__builtin__)\.open"
        ):
            Reader(path)
    assert not os.path.exists(str(tmp_path / "owned"))


def test_a_pickle_of_something_else(tmp_path):
    path = str(tmp_path / "pytorch_model.bin")
    huggingface.write_pickle(path, {}, epoch=3)
    with pytest.raises(InputError, match="something else than tensors, .* 'epoch'"):
        Reader(path)
    for content in (b"", b"x", pickle.dumps([1]), pickle.dumps({})):
        with open(path, "wb") as file:
            file.write(content)
        assert integrity.damage(path)


@pytest.mark.parametrize(
    "offset, shape, strides",
    [
        (0, (4, 5), (5, 1)),
        (1, (4, 4), (4, 1)),
        (0, (4, 4), (-4, 1)),
        (0, (2,), (10**12,)),
        (0, (4, 4), (4,)),
        (0, (4.0, 4), (4, 1)),
        (-1, (4,), (1,)),
    ],
)
def test_a_pickle_that_reads_beyond_its_numbers(tmp_path, offset, shape, strides):
    path = str(tmp_path / "pytorch_model.bin")
    view = huggingface.view("0", 16, offset, shape, strides)
    huggingface.write_pickle(path, {"a": np.zeros([4, 4])}, b=view)
    assert integrity.damage(path)


def test_a_pickle_whose_numbers_are_damaged(tmp_path):
    path = str(tmp_path / "pytorch_model.bin")
    huggingface.write_pickle(path, {"a": np.arange(16.0)})
    with open(path, "r+b") as file:
        content = file.read()
        file.seek(content.index(np.arange(16, dtype="<f4").tobytes()) + 9)
        file.write(b"\xff")
    with pytest.raises(zipfile.BadZipFile, match="CRC"):
        Reader(path).get_tensor("a")


# Beside transformers


def logits_of(path, config, num_labels, features):
    contents = compatibility.read_contents(path, config, num_labels)
    with tf.Graph().as_default(), tf.Session() as session:
        inputs = models.constants(features)
        logits = classifier.create_model(
            config,
            False,
            inputs["input_ids"],
            inputs["input_mask"],
            inputs["segment_ids"],
            inputs["label_ids"],
            num_labels,
            False,
        )[2]
        variables = {v.op.name: v for v in tf.global_variables()}
        contents.restorer(variables).restore(session)
        return session.run(logits)


SIZES = {
    "vocab_size": 50,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": 20,
}
VARIANTS = {
    "one": {"num_labels": 1},
    "two": {"num_labels": 2},
    "three": {"num_labels": 3, "save": [["max_shard_size", "20KB"]]},
    "regression": {"num_labels": 1, "problem_type": "regression"},
    "tanh": {"num_labels": 2, "hidden_act": "gelu_pytorch_tanh"},
    "relu": {"num_labels": 2, "hidden_act": "relu"},
    "float16": {"num_labels": 2, "dtype": "float16"},
    "bfloat16": {"num_labels": 2, "dtype": "bfloat16"},
    "float64": {"num_labels": 2, "dtype": "float64"},
    "archive": {"num_labels": 2, "pickled": "zip"},
    "sequence": {"num_labels": 2, "pickled": "legacy"},
    "without_model_type": {"num_labels": 2},
}


def test_logits_equal_those_of_transformers(tmp_path):
    features = models.random_features(
        np.random.RandomState(0), models.tiny_config(), [12, 5, 1, 9], 12
    )
    np.savez(str(tmp_path / "features.npz"), **features)
    calls = []
    for name, variant in VARIANTS.items():
        directory = str(tmp_path / name)
        calls.append(("make", dict(SIZES, directory=directory, **variant)))
        calls.append(
            (
                "logits",
                {
                    "directory": directory,
                    "features": str(tmp_path / "features.npz"),
                    "output": str(tmp_path / (name + ".npy")),
                },
            )
        )
    huggingface.transformers(*calls)
    config_file = tmp_path / "without_model_type" / "config.json"
    content = json.loads(config_file.read_text())
    del content["model_type"]
    config_file.write_text(json.dumps(content))
    for name, variant in VARIANTS.items():
        directory = str(tmp_path / name)
        config = model_config.read_config(os.path.join(directory, "config.json"))
        path = finding.resolve(directory)
        found = logits_of(path, config, variant["num_labels"], features)
        expected = np.load(str(tmp_path / (name + ".npy")))
        assert np.abs(expected).max() > 0.1
        np.testing.assert_allclose(found, expected, atol=1e-5, err_msg=name)
    shutil.rmtree(str(tmp_path))
