"""What an output directory says of the training that it holds, and what differs now."""

import json
import os

from finetuning.flags.settings import MAX_SEED, as_value
from finetuning.run_info import fingerprints
from finetuning.utils import files
from finetuning.utils.errors import InputError

SETTINGS_FILE = "run_settings.json"
# A training that goes on with another value of these is another training.
SHAPE_TRAINING = (
    "task_name",
    "text_a_column",
    "text_b_column",
    "label_column",
    "has_header",
    "regression",
    "max_train_examples",
    "class_weights",
    "adam_bias_correction",
    "do_lower_case",
    "max_seq_length",
    "train_batch_size",
    "learning_rate",
    "num_train_epochs",
    "warmup_proportion",
    "precision",
)
# Its files: compared by `fingerprints`, and as paths where none are saved.
PATHS = ("data_dir", "train_file", "vocab_file", "bert_config_file", "init_checkpoint")
# Compared elsewhere: the seed below, the labels by what they are (`label_map`).
COMPARED_ELSEWHERE = ("random_seed", "labels")
# What decides no weight of a training: its phases, where and how often something is
# written, what it is scored on and which of its weights are used, how fast it runs.
# An early stop ends a training, and changes none of the steps before.
FREE = (
    "do_train",
    "do_eval",
    "do_predict",
    "check",
    "debug",
    "allow_changes",
    "eval_file",
    "predict_file",
    "id_column",
    "output_dir",
    "save_checkpoints_steps",
    "keep_checkpoint_max",
    "eval_steps",
    "eval_each_epoch",
    "keep_best",
    "early_stop",
    "eval_batch_size",
    "predict_batch_size",
    "require_gpu",
    "xla",
    "num_threads",
    "iterations_per_loop",
    "use_tpu",
    "tpu_name",
    "tpu_zone",
    "gcp_project",
    "master",
    "num_tpu_cores",
)
# Weights that see text through other values of these are not what was trained.
SHAPE_READING = ("do_lower_case", "max_seq_length")
TEXT_COLUMNS = ("text_a_column", "text_b_column")
_DIGITS_SHOWN = 12


def load(output_dir):
    """What a training saved of itself, `provenance.describe`'s; None: nothing there.

    A directory that the original wrote has nothing.

    Raises:
      InputError: the file of settings there is damaged.
    """
    path = os.path.join(output_dir, SETTINGS_FILE)
    if not files.exists(path):
        return None
    try:
        content = json.loads(files.read_text(path))
        content["random_seed"] = int(content["random_seed"])
        if not (0 <= content["random_seed"] <= MAX_SEED and _is_sound(content)):
            raise ValueError
        return content
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        raise InputError(
            "%s is damaged: no random_seed can be read from it; give --random_seed and "
            "remove the file, or give another --output_dir" % path
        ) from None


def _is_sound(content):
    """Whether what is read of a file of settings is of the types that are saved."""
    settings, digests = [
        {} if content.get(name) is None else content[name]
        for name in ("settings", "fingerprints")
    ]
    return (
        isinstance(settings, dict)
        and isinstance(settings.get("task_name"), (str, type(None)))
        and isinstance(settings.get("early_stop"), (int, type(None)))
        and isinstance(digests, dict)
        and all(
            isinstance(each, dict)
            and isinstance(each["path"], str)
            and isinstance(each["sha256"], str)
            for each in digests.values()
        )
        and isinstance(content.get("changes"), (list, type(None)))
        and isinstance(content.get("planned_steps"), (int, type(None)))
    )


def load_seed(output_dir):
    """The seed of the training that a directory holds; None where none is saved."""
    content = load(output_dir)
    return None if content is None else content["random_seed"]


def changed_training(output_dir, settings, digests):
    """How the training that a directory holds was begun otherwise: a list of phrases.

    Args:
      output_dir: the directory; the phrases are none where it has no settings.
      settings: `settings.Settings` with which it is to go on.
      digests: what `fingerprints.take` says of its files.

    Raises:
      InputError: the file of settings there is damaged.
    """
    content = load(output_dir) or {}
    before, now = content.get("settings") or {}, settings.as_dict()
    found = _changed(before, now, SHAPE_TRAINING)
    if content.get("fingerprints"):
        found += _changed_files(content["fingerprints"], digests, fingerprints.NAMES)
        if _scored_on_another(content, digests):
            both = content["fingerprints"], digests
            found += _changed_files(*both, [fingerprints.DEV_SET])
    else:
        found += _changed(before, now, PATHS)
    seeds = (content.get("random_seed"), settings.random_seed)
    if None not in seeds and seeds[0] != seeds[1]:
        found.append("--random_seed was %d, is %d" % seeds)
    return found


def changed_dev_set(output_dir, digests):
    """Whether the training there was scored on another dev set than it is now.

    Raises:
      InputError: the file of settings there is damaged.
    """
    return _scored_on_another(load(output_dir) or {}, digests)


def _scored_on_another(content, digests):
    both = content.get("fingerprints") or {}, digests
    old, new = (each.get(fingerprints.DEV_SET) for each in both)
    return None not in (old, new) and old["sha256"] != new["sha256"]


def changed_reading(output_dir, settings):
    """How the model is read, and text by it, otherwise than by its training: phrases.

    Args:
      output_dir: the training's directory; the phrases are none where it has no
        settings.
      settings: `settings.Settings` of an evaluation or prediction.

    Raises:
      InputError: the file of settings there is damaged.
    """
    content = load(output_dir) or {}
    before, now = content.get("settings") or {}, settings.as_dict()
    found = _changed(before, now, SHAPE_READING)
    found += [
        each + " (right where it holds the same)"
        for each in _changed(before, now, TEXT_COLUMNS)
    ]
    before = content.get("fingerprints")
    if before:
        digests = fingerprints.take(settings, (), None)
        found += _changed_files(before, digests, fingerprints.READERS)
    return found


def changed_versions(before, now):
    """Which libraries are others: phrases.

    Args:
      before: what `saved` returned of a training that goes on.
      now: what `provenance.describe` returned of the run that goes on with it.
    """
    old, new = (each.get("versions") or {} for each in (before, now))
    return [
        "%s was %s, is %s" % (name, old[name], new[name])
        for name in sorted(new)
        if name in old and old[name] != new[name]
    ]


def with_dev_set(before, digests):
    """The digests, and that of the dev set of before where none is scored on now.

    Args:
      before: what `saved` returned of a training that goes on.
      digests: what `fingerprints.take` returned.
    """
    kept = (before.get("fingerprints") or {}).get(fingerprints.DEV_SET)
    return dict({} if kept is None else {fingerprints.DEV_SET: kept}, **digests)


def _changed(before, now, names):
    return [
        "--%s was %s, is %s" % (name, as_value(before[name]), as_value(now[name]))
        for name in names
        if name in before and _same_for_all(name, before) != _same_for_all(name, now)
    ]


def _same_for_all(name, values):
    """The value; a task's name stands for itself in any case."""
    value = values[name]
    return value.lower() if name == "task_name" and value else value


def _changed_files(before, now, names):
    found = []
    for name in names:
        old, new = before.get(name), now.get(name)
        if old is None and new is None:
            continue
        flag = name if " " in name else "--" + name
        if old is None or new is None:
            paths = [as_value(each and each["path"]) for each in (old, new)]
            found.append("%s was %s, is %s" % (flag, paths[0], paths[1]))
        elif old["sha256"] != new["sha256"]:
            found.append(
                "the content of the %s is another: %s (sha256 %s) was %s (%s)"
                % (
                    flag,
                    new["path"],
                    new["sha256"][:_DIGITS_SHOWN],
                    old["path"],
                    old["sha256"][:_DIGITS_SHOWN],
                )
            )
    return found
