"""Runs that start from, or use, a model in Hugging Face format."""

import json
import os
import shutil

import numpy as np
import pytest

import modeling
from finetuning import trained_model
from finetuning.checkpoints import compatibility
from tests.support import huggingface
from tests.support.corpus import encoder_weights, read_json
from tests.support.running import refused, succeed, text, value, without

SOURCES = ("vocab_file", "bert_config_file", "init_checkpoint")


@pytest.fixture
def model(corpus_flags, tmp_path):
    """A function that writes the encoder of the corpus in that format."""

    def write(labels=None, head=False, **config_keys):
        config = modeling.BertConfig.from_json_file(value(corpus_flags, "bert_config"))
        arrays = encoder_weights(config)
        if head:
            rng = np.random.RandomState(7)
            for name in compatibility.HEAD:
                shape = compatibility.model_shapes(config, 2)[name]
                arrays[name] = rng.randn(*shape).astype(np.float32)
        content = huggingface.config_of(config, **config_keys)
        if labels:
            content["id2label"] = dict(enumerate(labels))
        content = {key: v for key, v in content.items() if v != "omitted"}
        directory = str(tmp_path / "model")
        huggingface.write(directory, huggingface.as_theirs(arrays), content)
        shutil.copy(value(corpus_flags, "vocab_file"), directory)
        return directory

    return write


@pytest.fixture
def flags(corpus_flags, tmp_path):
    """The flags of the corpus without files of a model, and the output directory."""
    out = str(tmp_path / "out")
    return without(corpus_flags, *SOURCES) + ["--output_dir=" + out], out


def write_json(content, *path):
    with open(os.path.join(*path), "w") as file:
        json.dump(content, file)


@pytest.mark.parametrize("model_type", ["bert", "omitted"])
def test_training_from_a_directory_alone(model, flags, tmp_path, model_type):
    directory = model(model_type=model_type, classifier_dropout=None)
    arguments, out = flags
    arguments = arguments + ["--init_checkpoint=" + directory]
    run = succeed([*arguments, "--do_train", "--do_eval", "--do_predict"])
    taken = "--vocab_file=%s/vocab.txt, --bert_config_file=%s/config.json"
    assert "hidden_act gelu is computed as the exact GELU (erf)" in run.out
    for part in (taken % (directory, directory)).split(", "):
        assert part in run.out
    assert "newly initialised: output_weights, output_bias" in run.out
    # What is saved is enough to compute the same again, wherever it is.
    config = trained_model.load(out).config
    assert modeling.activation_name(config) == "gelu_python"
    assert read_json(os.path.join(out, "run_settings.json"))["activation"] == (
        "gelu_python"
    )
    scores = text(out, "eval_results.txt")
    probabilities = text(out, "test_results.tsv")
    shutil.copytree(out, str(tmp_path / "copy"))
    shutil.rmtree(directory)
    alone = ["--output_dir=" + str(tmp_path / "copy"), value_flag(arguments, "data")]
    run = succeed([*alone, "--do_eval", "--do_predict"])
    assert "exact GELU" in run.out
    assert text(str(tmp_path / "copy"), "eval_results.txt") == scores
    assert text(str(tmp_path / "copy"), "test_results.tsv") == probabilities


def value_flag(arguments, name):
    return next(flag for flag in arguments if flag.startswith("--" + name))


def test_resuming_and_a_model_that_changes(model, flags):
    directory = model(model_type="omitted")
    arguments, out = flags
    arguments = arguments + ["--init_checkpoint=" + directory, "--do_train"]
    succeed([*arguments, "--save_checkpoints_steps=5"])
    longer = without(arguments, "num_train_epochs") + ["--num_train_epochs=4"]
    run = succeed([*longer, "--allow_changes"])
    assert "RESUMING at step 15" in run.out
    evaluated = succeed(without(arguments, "do_train") + ["--do_eval"])
    assert "different" not in evaluated.out
    path = os.path.join(directory, "model.safetensors")
    with open(path, "r+b") as file:
        file.seek(-1, 2)
        file.write(b"\x01")
    line = refused([*longer, "--allow_changes=false"])
    assert "content of the --init_checkpoint: %s" % path in line


def test_the_two_activations_differ(model, flags):
    """Without a word of the config, tanh would be computed in place of erf."""
    directory = model(head=True)
    arguments, out = flags
    arguments = arguments + ["--init_checkpoint=" + directory, "--do_predict"]
    succeed(arguments)
    exact = np.loadtxt(os.path.join(out, "test_results.tsv"))
    path = os.path.join(directory, "config.json")
    content = read_json(path)
    write_json(dict(content, hidden_act="gelu_new"), path)
    assert "approximation of GELU by tanh" in succeed(arguments).out
    tanh = np.loadtxt(os.path.join(out, "test_results.tsv"))
    assert 0 < np.abs(exact - tanh).max() < 0.01


# Labels


def predicted(model_directory, arguments, out):
    run = succeed([*arguments, "--init_checkpoint=" + model_directory, "--do_predict"])
    return run.out, np.loadtxt(os.path.join(out, "test_results.tsv"))


def test_labels_are_taken_by_name_or_by_position(model, flags):
    arguments, out = flags
    said, by_position = predicted(
        model(head=True, labels=["LABEL_0", "LABEL_1"]), arguments, out
    )
    assert "does not name the labels; they are taken in the order of the task" in said
    said, same = predicted(model(head=True, labels=["0", "1"]), arguments, out)
    np.testing.assert_array_equal(same, by_position)
    assert "order" not in said
    said, reordered = predicted(model(head=True, labels=["1", "0"]), arguments, out)
    np.testing.assert_allclose(reordered, by_position[:, ::-1], atol=1e-7)
    assert "in the order 1, 0; they are put into that of the task" in said


def test_a_warm_start_puts_the_classifier_into_the_order_of_the_task(model, flags):
    arguments, out = flags
    directory = model(head=True, labels=["1", "0"])
    _, before = predicted(directory, arguments, out)
    hardly = without(arguments, "learning_rate", "num_train_epochs")
    hardly += ["--learning_rate=1e-30", "--num_train_epochs=0.2", "--do_train"]
    _, after = predicted(directory, hardly, out)
    np.testing.assert_allclose(after, before, atol=1e-6)


def test_other_labels(model, flags):
    arguments, _ = flags
    directory = model(head=True, labels=["no", "yes"])
    arguments = [*arguments, "--init_checkpoint=" + directory]
    for phase in ("--do_predict", "--do_train"):
        line = refused([*arguments, phase])
        assert "has the labels no, yes, and this run has 0, 1" in line
    succeed([*arguments, "--do_train", "--fresh_head"])


def test_labels_of_a_custom_task_come_from_the_config(model, flags, tmp_path):
    directory = model(head=True, labels=["yes", "no"])
    file = tmp_path / "mine.tsv"
    file.write_text("text\nanna paid ben .\n")
    out = str(tmp_path / "custom")
    succeed(
        [
            "--task_name=custom",
            "--init_checkpoint=" + directory,
            "--predict_file=%s" % file,
            "--text_a_column=text",
            "--output_dir=" + out,
            "--max_seq_length=16",
            "--do_predict",
        ]
    )
    assert text(out, "predictions.tsv").splitlines()[0].count("yes") == 1


# Case


def test_case_comes_from_the_tokenizer(model, flags):
    arguments, _ = flags
    directory = model(head=True)
    arguments = [*arguments, "--init_checkpoint=" + directory, "--do_predict"]
    content = {"do_lower_case": True, "model_max_length": int(1e30)}
    write_json(content, directory, "tokenizer_config.json")
    assert "--do_lower_case=true" in succeed(arguments).out
    write_json(dict(content, do_lower_case=False), directory, "tokenizer_config.json")
    assert "--do_lower_case=false" in refused(arguments)
    said = succeed([*arguments, "--do_lower_case=true"]).out
    assert "do_lower_case is false there, and true in this run" in said
    content["tokenize_chinese_chars"] = False
    write_json(content, directory, "tokenizer_config.json")
    assert "tokenize_chinese_chars is false there" in succeed(arguments).out


# What is refused


@pytest.mark.parametrize(
    "keys, part",
    [
        ({"model_type": "roberta"}, "model_type is 'roberta', expected 'bert'"),
        ({"model_type": "electra"}, "model_type is 'electra', expected 'bert'"),
        ({"layer_norm_eps": 1e-5}, "'layer_norm_eps' is 1e-05"),
        ({"position_embedding_type": "relative_key"}, "position_embedding_type"),
        ({"is_decoder": True}, "'is_decoder' is True"),
        ({"is_encoder_decoder": True}, "'is_encoder_decoder' is True"),
        ({"problem_type": "multi_label_classification"}, "multi_label"),
        ({"id2label": {"1": "a", "2": "b"}}, "id2label is not"),
        ({"id2label": {"0": "a", "1": 3}}, "id2label contains a name"),
    ],
)
def test_configs_that_are_refused(model, flags, corpus_flags, keys, part):
    arguments, out = flags
    directory = model(head=True, **keys)
    arguments = [*arguments, "--init_checkpoint=" + directory, "--do_predict"]
    line = refused(arguments)
    assert part in line and os.path.join(directory, "config.json") in line
    # Another config does not change what the weights are.
    config = value_flag(corpus_flags, "bert_config_file")
    assert part in refused([*arguments, config])
    assert not os.path.exists(out)


def test_a_head_of_several_labels_can_be_replaced(model, flags):
    arguments, _ = flags
    directory = model(head=True, problem_type="multi_label_classification")
    arguments = [*arguments, "--init_checkpoint=" + directory]
    succeed([*arguments, "--do_train", "--fresh_head"])


# Vocabulary


def test_the_vocabulary_of_a_tokenizer_file(model, flags):
    """Transformers 5 saves no vocab.txt."""
    arguments, out = flags
    directory = model()
    arguments = [*arguments, "--init_checkpoint=" + directory, "--do_train"]
    vocabulary = text(directory, "vocab.txt")
    os.remove(os.path.join(directory, "vocab.txt"))
    assert "--vocab_file must be given" in refused(arguments)
    ids = {token: index for index, token in enumerate(vocabulary.split())}
    for kind, part in (("BPE", "the type 'BPE'"), ("WordPiece", None)):
        content = {"model": {"type": kind, "vocab": ids}}
        write_json(content, directory, "tokenizer.json")
        if part:
            assert part in refused(arguments)
    succeed(arguments)
    assert text(out, "vocab.txt") == vocabulary
    content["model"]["vocab"] = dict(ids, anna=99)
    write_json(content, directory, "tokenizer.json")
    assert "tokenizer.json" in refused([*arguments, "--allow_changes"])
