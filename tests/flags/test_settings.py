"""The flags: those of the original, and what their metadata says of them."""

import dataclasses
import json

import pytest

from finetuning.flags import settings
from finetuning.flags.settings import Settings, flags_with

# The original's flags, which keep their types and defaults.
ORIGINAL = {
    **dict.fromkeys(["data_dir", "bert_config_file", "task_name"], (str, None)),
    **dict.fromkeys(["vocab_file", "output_dir", "init_checkpoint"], (str, None)),
    "do_lower_case": (bool, True),
    "max_seq_length": (int, 128),
    **dict.fromkeys(["do_train", "do_eval", "do_predict"], (bool, False)),
    "train_batch_size": (int, 32),
    "eval_batch_size": (int, 8),
    "predict_batch_size": (int, 8),
    "learning_rate": (float, 5e-5),
    "num_train_epochs": (float, 3.0),
    "warmup_proportion": (float, 0.1),
    "save_checkpoints_steps": (int, 1000),
    "iterations_per_loop": (int, 1000),
    "use_tpu": (bool, False),
    **dict.fromkeys(["tpu_name", "tpu_zone", "gcp_project", "master"], (str, None)),
    "num_tpu_cores": (int, 8),
}


@pytest.mark.parametrize("name", sorted(ORIGINAL))
def test_flags_of_the_original(name):
    field = Settings.__dataclass_fields__[name]
    assert (settings.type_of(field), field.default) == ORIGINAL[name]


def test_defaults_have_the_type_of_the_flag():
    for field in dataclasses.fields(Settings):
        assert field.default is None or type(field.default) is settings.type_of(field)


def test_required_flags():
    required = {"task_name", "vocab_file", "bert_config_file", "output_dir"}
    assert set(flags_with(required=True)) == required


def test_flags_that_affect_the_weights():
    """A new flag about data or training does so unless it is added here."""
    weights = set(flags_with(affects="weights"))
    assert weights - set(flags_with(group="Training")) == {
        *("task_name", "data_dir", "train_file", "vocab_file", "bert_config_file"),
        *("init_checkpoint", "text_a_column", "text_b_column", "label_column"),
        *("has_header", "labels", "regression", "do_lower_case", "max_seq_length"),
        "precision",
    }
    assert set(flags_with(group="Training")) - {"accumulate_steps"} < weights


def test_flags_with():
    files = flags_with(affects="weights", is_path=True)
    assert files == (
        *("data_dir", "train_file", "vocab_file", "bert_config_file"),
        "init_checkpoint",
    )
    assert set(flags_with(is_path=True)) - set(files) == {
        *("eval_file", "predict_file", "output_dir", "cluster_secret_file"),
    }
    assert set(flags_with(is_path=True)) | set(flags_with(is_path=False)) == (
        set(flags_with())
    )


def test_settings_are_frozen_and_can_be_written_as_json():
    flags = Settings(task_name="MRPC", learning_rate=2e-5)
    with pytest.raises(dataclasses.FrozenInstanceError):
        flags.learning_rate = 1.0
    assert Settings(**json.loads(json.dumps(flags.as_dict()))) == flags


@pytest.mark.parametrize(
    "name, expected", [("custom", True), ("CUSTOM", True), ("MRPC", False)]
)
def test_is_custom(name, expected):
    assert Settings(task_name=name).is_custom is expected


TRAIN = {"do_train": True}


@pytest.mark.parametrize(
    "values, files",
    [
        ({"do_eval": True}, {"dev": None}),
        ({"do_eval": True, "eval_file": "b", "train_file": "a"}, {"dev": "b"}),
        (TRAIN, {"train": None}),
        ({"do_predict": True, "predict_file": "c"}, {"test": "c"}),
        ({"eval_steps": 3, "do_predict": True}, {"test": None}),
        ({"eval_steps": 3, **TRAIN}, {"train": None, "dev": None}),
        (
            {"eval_each_epoch": True, "train_file": "a", "eval_file": "b", **TRAIN},
            {"train": "a", "dev": "b"},
        ),
        (
            {"do_predict": True, "do_eval": True, **TRAIN},
            {"train": None, "dev": None, "test": None},
        ),
    ],
)
def test_files_that_a_run_reads(values, files):
    flags = Settings(**values)
    assert list(flags.files.items()) == list(files.items())
    evaluates = "dev" in files and not flags.do_eval
    assert flags.evaluates_while_training is evaluates


@pytest.mark.parametrize(
    "value, shown",
    [(True, "--x=true"), (5e-5, "--x=5e-05"), ("a b", "--x=a b"), (None, "no --x")],
)
def test_as_flag(value, shown):
    assert settings.as_flag("x", value) == shown
