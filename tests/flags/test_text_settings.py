"""Which flags come from the directory of the weights, and from which directory."""

import json

import pytest

from finetuning.flags import text_settings
from finetuning.flags.settings import Settings

CUSTOM = {"task_name": "custom", "text_a_column": "text", "has_header": False}


@pytest.fixture
def weights(tmp_path):
    """A function that makes a directory of weights with these text settings."""

    def make(name, **settings):
        directory = tmp_path / name
        directory.mkdir()
        (directory / "model.ckpt-1.index").write_text("")
        given = dict({"task_name": "MRPC", "max_seq_length": 64}, **settings)
        text_settings.save(str(directory), Settings(**given))
        (directory / "vocab.txt").write_text("")
        return str(directory)

    return make


def test_what_is_given_is_kept(weights):
    found, where = text_settings.defaults(
        {"output_dir": weights("out"), "max_seq_length": 32}
    )
    assert found == {
        "vocab_file": where + "/vocab.txt",
        "task_name": "MRPC",
        "do_lower_case": True,
    }


def test_the_weights_that_are_used_decide(weights, tmp_path):
    out, start = weights("out"), weights("start", max_seq_length=9)
    both = {"output_dir": out, "init_checkpoint": start + "/model.ckpt-1"}
    assert text_settings.defaults(both)[1] == out
    new = dict(both, output_dir=str(tmp_path / "new"))
    assert text_settings.defaults(new)[0]["max_seq_length"] == 9
    # The directory of a checkpoint may be given, too.
    assert text_settings.defaults(dict(new, init_checkpoint=start))[1] == start
    best = weights("out/best", max_seq_length=10)
    assert text_settings.defaults(dict(both, keep_best=True))[1] == best


def test_training_takes_only_the_files_next_to_the_initial_checkpoint(weights):
    start = weights("start")
    given = {"output_dir": weights("out"), "init_checkpoint": start, "do_train": True}
    assert text_settings.defaults(given) == (
        {"vocab_file": start + "/vocab.txt"},
        start,
    )


def test_flags_of_own_data_are_those_of_own_data(weights):
    out = weights("out", **CUSTOM)
    found, _ = text_settings.defaults({"output_dir": out})
    assert {name: found[name] for name in CUSTOM} == CUSTOM
    found, _ = text_settings.defaults({"output_dir": out, "task_name": "MRPC"})
    assert not set(found) & {"text_a_column", "has_header"}


def test_nothing_is_there(tmp_path):
    assert text_settings.defaults({}) == ({}, None)
    assert text_settings.defaults({"init_checkpoint": "no/such"}) == ({}, None)
    assert text_settings.defaults({"output_dir": str(tmp_path)}) == ({}, None)


@pytest.mark.parametrize(
    "length, positions, taken",
    [
        (64, 512, 64),
        (512, 512, 512),
        (513, 512, None),
        (int(1e30), 512, None),
        (2, 512, None),
        (True, 512, None),
        ("64", 512, None),
        (64, None, None),
    ],
)
def test_the_length_of_a_tokenizer(tmp_path, length, positions, taken):
    for name, content in (
        ("model.safetensors", {}),
        ("config.json", {"max_position_embeddings": positions}),
        ("tokenizer_config.json", {"model_max_length": length}),
    ):
        (tmp_path / name).write_text(json.dumps(content))
    given = {"init_checkpoint": str(tmp_path)}
    assert text_settings.defaults(given)[0].get("max_seq_length") == taken
    training = dict(given, do_train=True)
    assert "max_seq_length" not in text_settings.defaults(training)[0]
    # What a run of this program has recorded is more certain.
    text_settings.save(str(tmp_path), Settings(task_name="MRPC", max_seq_length=9))
    assert text_settings.defaults(given)[0]["max_seq_length"] == 9


def test_a_config_is_completed_where_only_the_weights_tell_whose_it_is(tmp_path):
    theirs, config = tmp_path / "theirs", '{"hidden_act": "gelu"}'
    theirs.mkdir()
    (tmp_path / "bert_config.json").write_text(config)
    (theirs / "config.json").write_text(config)
    completed = text_settings.completed_config
    assert completed(str(theirs / "config.json"), None) is None
    (theirs / "model.safetensors").write_text("")
    assert '"model_type": "bert"' in completed(str(theirs / "config.json"), None)
    # Weights may be used with a config of another directory.
    other = str(tmp_path / "bert_config.json")
    assert completed(other, None) is None
    assert '"model_type": "bert"' in completed(other, str(theirs))
    # One that was saved with weights says itself what they were trained with.
    (tmp_path / "text_settings.json").write_text("{}")
    assert completed(other, str(theirs)) is None
    (theirs / "config.json").write_text('{"model_type": "electra"}')
    assert completed(str(theirs / "config.json"), None) is None
