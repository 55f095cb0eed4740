"""SavedModels: loaded by either TensorFlow, with what the run itself has written."""

import os
import re
import shutil
import signal
import subprocess
import sys
from typing import Dict, List, NamedTuple

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from finetuning import trained_model
from finetuning.checkpoints import model_files
from finetuning.data import features, label_map
from finetuning.data.tasks import InputExample
from finetuning.export import huggingface, saved_model
from finetuning.flags import text_settings
from finetuning.utils import json_files
from finetuning.utils.errors import InputError
from scripts import export
from tests.support import corpus, models
from tests.support.paths import ROOT
from tests.support.running import rows, succeed, text, value

LOADER = os.path.join(ROOT, "tests", "support", "plain_tensorflow.py")
TOLERANCE = 1e-5
WORDS = corpus.VOCABULARY[5:] + corpus.NAMES + sorted(corpus.VERBS)
GUIDE_PROGRAM = """
import sys
import numpy as np, tensorflow as tf
with np.load(sys.argv[1]) as arrays:
    inputs = dict(arrays)
%s
np.savez(sys.argv[2], **outputs)
"""
KILLED = """
import os, shutil, signal, sys
from scripts import export
%s = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
sys.exit(export.main(sys.argv[1:]))
"""


class Export(NamedTuple):
    """A version, the model that was exported, and what it is compared with."""

    directory: str
    model: trained_model.TrainedModel
    inputs: List[Dict[str, np.ndarray]]  # Int32 [1, S] for each line of the test set.
    results: np.ndarray  # Of the test_results.tsv of a prediction, [lines, L].


def make_export(directory, flags, labels):
    """Predicts with random weights, in whose results texts matter, and exports them."""
    run, data = os.path.join(directory, "run"), value(flags, "data_dir")
    columns = {"text_a_column": "#1 String", "text_b_column": "#2 String"}
    models.save_trained(run, WORDS, labels, max_seq_length=16, **columns)
    succeed(["--do_predict", "--data_dir=" + data, "--output_dir=" + run])
    model, path = trained_model.load(run), os.path.join(directory, "export")
    saved_model.export(model, path)
    inputs = [read(model, *row[3:5]) for row in rows(data, "test.tsv")[1:]]
    results = np.loadtxt(os.path.join(run, "test_results.tsv"), ndmin=2)
    assert np.ptp(results, axis=0).min() > 100 * TOLERANCE
    return Export(os.path.join(path, "1"), model, inputs, results)


def read(model, text_a, text_b):
    """What the model reads of a pair: int32 [1, S] by name."""
    length = model.settings.max_seq_length
    label = "0" if model.is_regression else model.labels[0]
    encoded = features.encode_example(
        InputExample("0", text_a, text_b, label), model.labels, length, model.tokenizer
    ).padded(length)
    return {
        name: np.array([getattr(encoded, name)], np.int32)
        for name in saved_model.INPUTS
    }


@pytest.fixture(scope="module")
def classifier_export(corpus_flags, tmp_path_factory):
    directory = str(tmp_path_factory.mktemp("classifier"))
    return make_export(directory, corpus_flags, ("no", "yes", "maybe"))


@pytest.fixture(params=["tf1", "tf2"])
def python(request):
    """The Python of either TensorFlow, not only of that which runs the tests."""
    path = os.path.join(ROOT, ".venv", request.param, "bin", "python")
    if not os.path.exists(path):
        pytest.skip("needs .venv/%s: make env" % request.param)
    return path


def stacked(examples):
    return {name: np.concatenate([e[name] for e in examples]) for name in examples[0]}


def without_padding(example):
    length = example["input_mask"].sum()
    return {name: array[:, :length] for name, array in example.items()}


def changed(example, name, array):
    return dict(example, **{name: np.array(array, np.int32)})


def load_and_run(python, directory, calls, tmp_path):
    """The outputs of each call in a TensorFlow without this program."""
    given, found = str(tmp_path / "inputs.npz"), str(tmp_path / "outputs.npz")
    named = {
        "%s.%d" % (name, number): array
        for number, call in enumerate(calls)
        for name, array in call.items()
    }
    np.savez(given, **named)
    done = subprocess.run(
        [python, LOADER, directory, given, found],
        cwd=str(tmp_path),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    outputs = [{} for _ in calls]
    with np.load(found) as arrays:
        for key in arrays.files:
            name, number = key.split(".")
            outputs[int(number)][name] = arrays[key]
    return outputs


def assert_close(found, expected):
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE)


def test_the_results_of_a_run(python, classifier_export, tmp_path):
    """For any number of examples of any length, with padding and without."""
    directory, _, examples, results = classifier_export
    first = examples[0]
    wrong = {
        "input_ids must be 0 to 17": changed(first, "input_ids", [[18] * 16]),
        "segment_ids must be 0 to 1": changed(first, "segment_ids", [[-1] * 16]),
        "input_mask is shaped unlike": changed(first, "input_mask", [[1]] * 16),
        "segment_ids is shaped unlike": changed(first, "segment_ids", [[1]]),
        "more than 64 tokens": {name: np.ones([1, 65], np.int32) for name in first},
        "input_ids is empty": {name: array[:0] for name, array in first.items()},
    }
    calls = [stacked(examples), *map(without_padding, examples), *wrong.values()]
    together, *others = load_and_run(python, directory, calls, tmp_path)
    alone, refused = others[: len(examples)], others[len(examples) :]
    assert set(together) == {"probabilities", "logits"}
    assert_close(together["probabilities"], results)
    assert_close(np.concatenate([call["probabilities"] for call in alone]), results)
    exponents = np.exp(together["logits"])
    assert_close(exponents / exponents.sum(axis=1, keepdims=True), results)
    for message, outputs in zip(wrong, refused):
        assert message in str(outputs["error"])


def guide(number, directory):
    """The code of docs/GUIDE.md that loads a SavedModel in TensorFlow 1 or 2."""
    blocks = re.findall(r"```python\n(.*?)```", text(ROOT, "docs", "GUIDE.md"), re.S)
    (code,) = [
        b for b in blocks if "DIR/1" in b and ("tf.Session" in b) == (number == 1)
    ]
    return code.replace('"DIR/1"', repr(directory))


def test_a_regression_as_in_the_guide(python, corpus_flags, tmp_path):
    directory, _, examples, results = make_export(str(tmp_path), corpus_flags, ())
    given, found = str(tmp_path / "inputs.npz"), str(tmp_path / "outputs.npz")
    np.savez(given, **stacked(examples))
    code = GUIDE_PROGRAM % guide(1 if "tf1" in python else 2, directory)
    subprocess.run([python, "-c", code, given, found], cwd=str(tmp_path), check=True)
    with np.load(found) as outputs:
        assert outputs.files == ["value"]
        assert_close(outputs["value"], results[:, 0])


def test_this_program_loads_it(classifier_export):
    directory, model, examples, results = classifier_export
    assert saved_model.find(os.path.dirname(directory)) == directory
    assert saved_model.find(directory) == directory
    assert saved_model.find(model.directory) is None
    loaded, inputs = saved_model.load(directory), stacked(examples)
    with loaded.session as session:
        found = session.run(
            loaded.outputs[saved_model.PROBABILITIES],
            {loaded.inputs[name]: inputs[name] for name in saved_model.INPUTS},
        )
    assert_close(found, results)


def test_weights_in_hugging_faces_format(python, classifier_export, tmp_path):
    """Those of an export, whose "gelu" is the exact one, with what else they need."""
    _, model, examples, results = classifier_export
    weights, path = str(tmp_path / "huggingface"), str(tmp_path / "export")
    huggingface.export(model, weights)
    for name in (text_settings.FILE, label_map.FILE):
        shutil.copy(os.path.join(model.directory, name), weights)
    config = os.path.join(weights, text_settings.CONFIG_FILE)
    json_files.write(config, dict(huggingface.config(model), hidden_act="gelu"))
    saved_model.export(trained_model.load(weights), path)
    loaded, given = saved_model.load(os.path.join(path, "1")), stacked(examples)
    with loaded.session as session:
        feed = {loaded.inputs[name]: given[name] for name in saved_model.INPUTS}
        found = session.run(loaded.outputs["probabilities"], feed)
        types = {operation.type for operation in session.graph.get_operations()}
    np.testing.assert_allclose(found, results, rtol=0, atol=0.01)
    assert np.abs(found - results).max() > TOLERANCE
    (outputs,) = load_and_run(python, os.path.join(path, "1"), [given], tmp_path)
    assert_close(outputs["probabilities"], found)
    assert not [name for name in types if "PyFunc" in name]


def test_damaged_exports_are_refused(finished_run, tmp_path):
    path = str(tmp_path / "export")
    saved_model.export(trained_model.load(finished_run.directory), path)
    for name, content in (
        (os.path.join("variables", "variables.index"), b"x"),
        (os.path.join("variables", "variables.index"), None),
        ("saved_model.pb", b"x"),
        ("saved_model.pb", b""),
    ):
        file = os.path.join(path, "1", name)
        os.remove(file)
        if content is not None:
            with open(file, "wb") as stream:
                stream.write(content)
        with pytest.raises(InputError, match="cannot be loaded as a SavedModel: .*"):
            saved_model.load(os.path.join(path, "1"))


def content(*path):
    with open(os.path.join(*path), "rb") as file:
        return file.read()


def test_the_assets_are_the_files_of_the_run(classifier_export):
    assets = os.path.join(classifier_export.directory, saved_model.ASSETS)
    assert sorted(os.listdir(assets)) == sorted(model_files.NAMES)
    for name in model_files.NAMES:
        assert content(assets, name) == content(classifier_export.model.directory, name)


def prediction_log():
    """The class of `PredictionLog`, with the fields that a request needs.

    From https://github.com/tensorflow/serving/tree/master/tensorflow_serving/apis.
    """
    tensor = tf.make_tensor_proto(0).DESCRIPTOR
    file = descriptor_pb2.FileDescriptorProto(
        name="serving.proto", syntax="proto3", dependency=[tensor.file.name]
    )
    kinds = descriptor_pb2.FieldDescriptorProto

    def add(message, name, number, type_name="", label=kinds.LABEL_OPTIONAL):
        field = message.field.add(name=name, number=number, label=label)
        field.type = kinds.TYPE_MESSAGE if type_name else kinds.TYPE_STRING
        if type_name:
            field.type_name = type_name

    request = file.message_type.add(name="PredictRequest")
    entry = request.nested_type.add(name="InputsEntry")
    entry.options.map_entry = True
    add(entry, "key", 1)
    add(entry, "value", 2, "." + tensor.full_name)
    add(request, "inputs", 2, ".PredictRequest.InputsEntry", kinds.LABEL_REPEATED)
    add(file.message_type.add(name="PredictLog"), "request", 1, ".PredictRequest")
    add(file.message_type.add(name="PredictionLog"), "predict_log", 6, ".PredictLog")
    pool = descriptor_pool.Default()
    pool.Add(file) if hasattr(pool, "Add") else pool.AddSerializedFile(
        file.SerializeToString()
    )
    descriptor = pool.FindMessageTypeByName("PredictionLog")
    if hasattr(message_factory, "GetMessageClass"):
        return message_factory.GetMessageClass(descriptor)
    return message_factory.MessageFactory(pool).GetPrototype(descriptor)


def test_the_warmup_request_is_one_that_the_model_answers(classifier_export):
    path = os.path.join(
        classifier_export.directory, "assets.extra", "tf_serving_warmup_requests"
    )
    (record,) = tf.python_io.tf_record_iterator(path)
    request = prediction_log().FromString(record).predict_log.request
    inputs = {name: tf.make_ndarray(request.inputs[name]) for name in request.inputs}
    assert set(inputs) == set(saved_model.INPUTS)
    assert inputs["input_mask"].tolist() == [[1] * 16]
    loaded = saved_model.load(classifier_export.directory)
    with loaded.session as session:
        feed = {loaded.inputs[name]: array for name, array in inputs.items()}
        assert session.run(loaded.outputs["logits"], feed).shape == (1, 3)


def test_versions(finished_run, tmp_path, monkeypatch):
    monkeypatch.setattr(saved_model, "_save_graph", lambda *_: None)
    model, path = trained_model.load(finished_run.directory), str(tmp_path / "export")

    def versions(version=None):
        saved_model.export(model, path, version)
        return sorted(os.listdir(path))

    assert versions() == ["1"]
    os.makedirs(os.path.join(path, "0007"))
    os.makedirs(os.path.join(path, "notes"))
    assert versions() == ["0007", "1", "8", "notes"]
    assert versions(3) == ["0007", "1", "3", "8", "notes"]
    for version, message in (
        (3, "--version=3: %s/3 exists; it was not changed: .* means 9, or" % path),
        (7, "--version=7: %s/0007 exists" % path),
        (-1, "--version=-1: expected a whole number from 0 to 9223372036854775807"),
        (2**63, "--version=9223372036854775808: expected a whole number"),
    ):
        with pytest.raises(InputError, match=message):
            versions(version)
    assert sorted(os.listdir(path)) == ["0007", "1", "3", "8", "notes"]


def test_directories_that_cannot_be_written_or_read(finished_run, tmp_path):
    model = trained_model.load(finished_run.directory)
    (tmp_path / "file").write_text("mine")
    for path, message in (
        (str(tmp_path / "file"), "is a file, expected a directory"),
        (str(tmp_path / "a[1]"), "as a pattern; use a path without them"),
        ("gs://bucket/export", "^--output=gs://bucket/export: expected a local"),
    ):
        with pytest.raises(InputError, match=message):
            saved_model.export(model, path)
    assert os.listdir(str(tmp_path)) == ["file"]


def test_a_kill_leaves_no_version(finished_run, tmp_path):
    path = str(tmp_path / "export")
    command = ["--format=saved_model", finished_run.directory, "--output=" + path]
    for moment in ("shutil.copyfileobj", "os.rename"):
        done = subprocess.run(
            [sys.executable, "-c", KILLED % moment, *command], cwd=ROOT, check=False
        )
        assert done.returncode == -signal.SIGKILL
        assert not [name for name in os.listdir(path) if name.isdigit()]
    assert export.main([*command, "--version=5"]) == 0
    assert [name for name in os.listdir(path) if name.isdigit()] == ["5"]


@pytest.mark.slow
def test_tensorflows_own_tool(classifier_export):
    tool = os.path.join(os.path.dirname(sys.executable), "saved_model_cli")
    if not os.path.exists(tool):
        pytest.skip("needs saved_model_cli beside this Python")

    def answer(*arguments):
        return subprocess.run(
            [
                tool,
                arguments[0],
                "--dir=" + classifier_export.directory,
                *arguments[1:],
            ],
            stdout=subprocess.PIPE,
            check=True,
            text=True,
        ).stdout

    shown = answer("show", "--all")
    for name in saved_model.INPUTS:
        assert "inputs['%s'] tensor_info" % name in shown
    assert shown.count("shape: (-1, -1)") == 3
    expressions = ";".join(name + "=[[1, 1, 1]]" for name in saved_model.INPUTS)
    ran = answer(
        "run",
        "--tag_set=serve",
        "--signature_def=serving_default",
        "--input_exprs=" + expressions,
    )
    assert "Result for output key probabilities:" in ran
