"""The files of an export for Hugging Face, looked at without transformers."""

import json
import os
import shutil
import stat

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

import modeling
import tokenization
from finetuning import trained_model
from finetuning.checkpoints import restoring
from finetuning.checks import model_config
from finetuning.export import huggingface
from finetuning.utils.errors import InputError
from tests.support import corpus, models
from tests.support import huggingface as huggingface_support
from tests.support.running import succeed, text, without

FILES = ["README.md", "config.json", "model.safetensors", "special_tokens_map.json"]
FILES += ["tokenizer.json", "tokenizer_config.json", "vocab.txt"]


def export(source, target):
    usage = huggingface.export(trained_model.load(str(source)), str(target))
    return usage, {
        name: corpus.read_json(os.path.join(str(target), name))
        for name in FILES
        if name.endswith(".json")
    }


def read_safetensors(path):
    """The metadata of a file, and a dictionary from name to array."""
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header, data = json.loads(file.read(length).decode()), file.read()
    metadata = header.pop("__metadata__")
    arrays = {}
    for name, entry in header.items():
        first, last = entry["data_offsets"]
        assert entry["dtype"] == "F32"
        arrays[name] = np.frombuffer(data[first:last], "<f4").reshape(entry["shape"])
    return metadata, arrays


def test_every_bit_of_the_weights(finished_run, tmp_path):
    """Also after they were read again, as weights to start from."""
    export(finished_run.directory, tmp_path / "export")
    path = str(tmp_path / "export" / "model.safetensors")
    metadata, arrays = read_safetensors(path)
    assert metadata == {"format": "pt"}
    ours = tf.train.load_checkpoint(finished_run.directory)
    shapes = ours.get_variable_to_shape_map()
    names = {name for name in shapes if "adam_" not in name} - {"global_step"}
    assert set(arrays) == set(map(huggingface_support.name_of, names))
    with restoring.open_reader(path) as again:
        assert set(again.get_variable_to_shape_map()) == names
        for name in names:
            value = ours.get_tensor(name)
            assert again.get_tensor(name).tobytes() == value.tobytes()
            value = np.ascontiguousarray(value.T if name.endswith("kernel") else value)
            theirs = arrays[huggingface_support.name_of(name)]
            assert theirs.tobytes() == value.tobytes()


@pytest.mark.parametrize("name", ["finished_run", "evaluated_run"])
def test_there_and_back(name, request, tmp_path):
    """The program predicts the same from an export, with nothing but the data."""
    run = request.getfixturevalue(name)
    source = os.path.join(run.directory, "best" if name == "evaluated_run" else "")
    target, out = str(tmp_path / "export"), str(tmp_path / "out")
    export(source, target)
    flags = without(run.flags, "vocab_file", "bert_config_file", "init_checkpoint")
    flags = without(flags, "eval_file", "max_seq_length", "do_lower_case")
    flags += ["--do_predict", "--init_checkpoint=" + target, "--output_dir=" + out]
    succeed(flags)
    assert text(out, "test_results.tsv") == text(run.directory, "test_results.tsv")


def test_files_and_usage(finished_run, tmp_path):
    target = str(tmp_path / "export")
    usage, found = export(finished_run.directory, target)
    assert sorted(os.listdir(target)) == FILES
    modes = {stat.S_IMODE(os.stat(os.path.join(target, n)).st_mode) for n in FILES}
    assert len(modes) == 1
    assert '("text-classification", "%s")' % target in usage[1]
    assert '"text_pair"' in usage[2]
    assert text(target, "vocab.txt") == text(finished_run.directory, "vocab.txt")
    config = found["config.json"]
    read = modeling.BertConfig.from_dict(config)
    assert model_config.unused_keys("config.json", read) == []
    assert config["model_type"] == "bert" and config["hidden_act"] == "gelu_new"
    assert config["layer_norm_eps"] == 1e-12 and config["classifier_dropout"] == 0.1
    assert config["id2label"] == {"0": "0", "1": "1"} and config["num_labels"] == 2
    assert config["label2id"] == {"0": 0, "1": 1}
    assert config["problem_type"] == "single_label_classification"
    assert found["tokenizer_config.json"]["model_max_length"] == 16
    assert found["tokenizer_config.json"]["split_special_tokens"] is True
    assert found["tokenizer.json"]["model"]["max_input_chars_per_word"] == 200


def test_a_regression(evaluated_run, tmp_path):
    best = os.path.join(evaluated_run.directory, "best")
    usage, found = export(best, tmp_path / "export")
    config = found["config.json"]
    assert config["problem_type"] == "regression" and config["num_labels"] == 1
    assert config["id2label"] == {"0": "LABEL_0"}
    _, arrays = read_safetensors(str(tmp_path / "export" / "model.safetensors"))
    assert arrays["classifier.weight"].shape == (1, config["hidden_size"])


def test_a_cased_vocabulary_with_repeated_and_blank_lines(tmp_path):
    """Ids are those of the lines; of repeated tokens, the last line counts."""
    source, words = tmp_path / "source", ["Anna", "", "Ben", "Anna"]
    models.save_trained(str(source), words, ("no", "yes"), do_lower_case=False)
    usage, found = export(source, tmp_path / "export")
    vocab = tokenization.load_vocab(str(source / "vocab.txt"))
    assert found["tokenizer.json"]["model"]["vocab"] == vocab and vocab["Anna"] == 8
    normalizer = found["tokenizer.json"]["normalizer"]["normalizers"][-1]
    assert normalizer["lowercase"] is normalizer["strip_accents"] is False
    assert usage[-1] == 'classify("A text.", truncation=True)'


@pytest.mark.parametrize(
    "ours, theirs",
    [
        ("gelu", "gelu_new"),
        ("gelu_pytorch_tanh", "gelu_new"),
        ("gelu_python", "gelu"),
        ("relu", "relu"),
    ],
)
def test_the_activation_is_what_is_computed(tmp_path, ours, theirs):
    source = str(tmp_path / "source")
    models.save_trained(source, ["anna"], ("no", "yes"))
    path = os.path.join(source, "bert_config.json")
    config = dict(corpus.read_json(path), hidden_act=ours)
    corpus.write_lines(path, [json.dumps(config)])
    _, found = export(source, tmp_path / "export")
    assert found["config.json"]["hidden_act"] == theirs
    again = modeling.BertConfig.from_dict(found["config.json"])
    computed = modeling.get_activation(modeling.activation_name(again))
    assert computed is modeling.get_activation(ours)


# ---- The model card ----


def test_the_card_shows_scores_seed_and_warnings(finished_run, tmp_path):
    export(finished_run.directory, tmp_path / "export")
    card = text(str(tmp_path / "export"), "README.md")
    results = corpus.read_json(
        os.path.join(finished_run.directory, "eval_results.json")
    )
    assert "# BERT for MRPC" in card and "Scores on 13 examples" in card
    assert "| accuracy | %.4g |" % results["results"]["eval_accuracy"] in card
    assert "--random_seed=11\n" in card and "--learning_rate=0.001\n" in card
    for warning in results["warnings"]:
        assert warning in card
    assert finished_run.directory not in card


def test_scores_of_other_weights_are_not_shown(finished_run, evaluated_run, tmp_path):
    earlier = os.path.join(finished_run.directory, "model.ckpt-12")
    export(earlier, tmp_path / "earlier")
    assert "Scores" not in text(str(tmp_path / "earlier"), "README.md")
    best = os.path.join(evaluated_run.directory, "best")
    export(best, tmp_path / "best")
    assert "| pearson | " in text(str(tmp_path / "best"), "README.md")
    export(evaluated_run.directory, tmp_path / "latest")
    assert "Scores" not in text(str(tmp_path / "latest"), "README.md")
    moved = shutil.copytree(best, str(tmp_path / "moved"))
    export(moved, tmp_path / "alone")
    assert "BERT for custom" in text(str(tmp_path / "alone"), "README.md")


@pytest.mark.parametrize("content", ["[]", "{", '{"results": 1}'])
def test_damaged_results_are_refused(finished_run, tmp_path, content):
    out = finished_run.copy(tmp_path)
    corpus.write_lines(os.path.join(out, "eval_results.json"), [content])
    with pytest.raises(InputError, match="eval_results.json .*evaluate again"):
        export(out, tmp_path / "export")
    assert os.listdir(str(tmp_path)) == ["out"]
