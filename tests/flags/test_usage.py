"""What --help shows."""

import re

from finetuning.flags import command_line
from tests.flags.test_settings import ALL_FLAGS, REQUIRED


def help_entries():
    """Name -> (group, all of its text on one line), from the help text."""
    entries = {}
    group = name = None
    for line in command_line.help_text("run_classifier.py").split("\n")[4:]:
        if re.match(r"  --\w+", line):
            name, text = line.split(None, 1)
            name = name[2:]
            assert name not in entries
            entries[name] = (group, text)
        elif line.startswith(" "):
            entries[name] = (group, entries[name][1] + " " + line.strip())
        elif line:
            group = line
    return entries


def test_help_lists_every_flag_once_with_type_and_default():
    entries = help_entries()
    assert set(entries) == set(ALL_FLAGS) | {"flagfile=PATH", "help"}
    for name, (kind, default, _) in ALL_FLAGS.items():
        if name in REQUIRED and name != "data_dir":
            shown = "required"
        elif kind is bool:
            shown = "default: " + ("true" if default else "false")
        else:
            shown = "default: %s" % ("none" if default is None else default)
        assert entries[name][1].endswith("(%s; %s)" % (kind.__name__, shown)), name


def test_help_is_grouped():
    groups = {}
    for name, (group, _) in help_entries().items():
        groups.setdefault(group, []).append(name)
    assert groups == {
        "What to do:": [
            "task_name",
            "do_train",
            "do_eval",
            "do_predict",
            "check",
            "debug",
        ],
        "Files:": [
            "data_dir",
            "train_file",
            "eval_file",
            "predict_file",
            "vocab_file",
            "bert_config_file",
            "init_checkpoint",
            "output_dir",
        ],
        "Your own data (--task_name=custom):": [
            "text_a_column",
            "text_b_column",
            "label_column",
            "id_column",
            "has_header",
            "labels",
            "regression",
        ],
        "Text:": ["do_lower_case", "max_seq_length"],
        "Training:": [
            "train_batch_size",
            "learning_rate",
            "num_train_epochs",
            "warmup_proportion",
            "max_train_examples",
            "class_weights",
            "adam_bias_correction",
            "random_seed",
            "allow_changes",
            "save_checkpoints_steps",
            "keep_checkpoint_max",
        ],
        "Evaluation during training:": [
            "eval_steps",
            "eval_each_epoch",
            "keep_best",
            "early_stop",
        ],
        "Evaluation and prediction:": ["eval_batch_size", "predict_batch_size"],
        "Device:": ["require_gpu", "precision", "xla", "num_threads"],
        "Accepted so that old command lines run; without effect:": [
            "iterations_per_loop",
            "use_tpu",
            "tpu_name",
            "tpu_zone",
            "gcp_project",
            "master",
            "num_tpu_cores",
        ],
        "Other:": ["flagfile=PATH", "help"],
    }


def test_help_fits_a_terminal():
    lines = command_line.help_text("run_classifier.py").split("\n")
    assert max(map(len, lines)) <= 92
    assert all(line == line.rstrip() for line in lines)
