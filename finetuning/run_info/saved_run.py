"""What a training run saved about itself, and how the current run differs from it."""

import os
import re
from dataclasses import dataclass, field
from typing import Optional

from finetuning.flags.settings import MAX_SEED, as_value, flags_with
from finetuning.run_info import fingerprints
from finetuning.utils import files, json_files

SETTINGS_FILE = "run_settings.json"
# Compared by themselves: the seed only if it is given, the labels by `label_map`.
_COMPARED_ELSEWHERE = ("random_seed", "labels")
# A training run that resumes with another value of one of these is another run.
SHAPE_TRAINING = tuple(
    name
    for name in flags_with(affects="weights", is_path=False)
    if name not in _COMPARED_ELSEWHERE
)
# Files are compared by content; by path only if no fingerprints were saved.
PATHS = flags_with(affects="weights", is_path=True)
# With other values of these, the model does not see the text it was trained on.
SHAPE_READING = ("do_lower_case", "max_seq_length")
TEXT_COLUMNS = ("text_a_column", "text_b_column")
_DIGITS_SHOWN = 12
_NUMBER_SIGN = re.compile(r"^#(?=\d+$)")


@dataclass(frozen=True)
class SavedRun:
    """The content of `run_settings.json`; without a file every field has its default.

    Attributes:
      content: the whole JSON object, or None if there is no file.
      random_seed: the seed of the run.
      settings: flag name -> value.
      fingerprints: what `fingerprints.take` returned for the files of the run.
      changes: the settings that were changed on resuming, one phrase each.
      planned_steps: the number of optimiser steps that the run was to take.
      columns: what the training file calls the columns that flags chose, by flag.
    """

    content: Optional[dict] = None
    random_seed: Optional[int] = None
    settings: dict = field(default_factory=dict)
    fingerprints: dict = field(default_factory=dict)
    changes: tuple = ()
    planned_steps: Optional[int] = None
    columns: dict = field(default_factory=dict)

    @property
    def exists(self):
        return self.content is not None

    def get(self, name):
        """An entry of the file, or None."""
        return (self.content or {}).get(name)


def load(output_dir):
    """Reads what a training run saved about itself.

    Args:
      output_dir: the directory of the run; one that the original program wrote has no
        such file.

    Returns:
      `SavedRun`.

    Raises:
      InputError: the file is corrupt.
    """
    path = os.path.join(output_dir, SETTINGS_FILE)
    if not files.exists(path):
        return SavedRun()
    return json_files.read(
        path,
        "the JSON object that a training run saves, with its random_seed",
        "remove the file and pass --random_seed, or use another --output_dir",
        _parse,
    )


def _parse(content):
    _check_types(content)
    return SavedRun(
        content=content,
        random_seed=content["random_seed"],
        settings=content.get("settings") or {},
        fingerprints=content.get("fingerprints") or {},
        changes=tuple(content.get("changes") or ()),
        planned_steps=content.get("planned_steps"),
        columns=content.get("columns") or {},
    )


def _check_types(content):
    """Checks that the entries that the program reads have the types that it writes.

    Raises:
      KeyError: one is missing.
      ValueError: one has another type or is out of range; the message names it.
    """
    if type(content["random_seed"]) is not int:
        raise ValueError("random_seed is no whole number")
    if not 0 <= content["random_seed"] <= MAX_SEED:
        raise ValueError("random_seed must be from 0 to %d" % MAX_SEED)
    _require(content, "planned_steps", int)
    _require(content, "determinism", str)
    settings = _require(content, "settings", dict)
    _require(settings, "task_name", str)
    _require(settings, "early_stop", int)
    _require_texts(content, "versions")
    _require_texts(content, "columns")
    fingerprints.check(content.get("fingerprints") or {})
    if not all(isinstance(line, str) for line in _require(content, "changes", list)):
        raise ValueError("changes is no list of strings")
    for part in _require(content, "determinism_history", list):
        if not isinstance(part, dict) or type(part["from_step"]) is not int:
            raise ValueError("determinism_history is no list of parts with from_step")


def _require_texts(content, name):
    texts = _require(content, name, dict)
    for key in texts:
        _require(texts, key, str)


def _require(content, name, kind):
    """An optional entry, or an empty value of its type.

    Raises:
      ValueError: it has another type.
    """
    value = content.get(name)
    if value is None:
        return kind()
    if type(value) is not kind:
        raise ValueError(
            "%s is %s, expected %s" % (name, type(value).__name__, kind.__name__)
        )
    return value


def changed_training(saved, settings, digests):
    """How a training run that resumes differs from what it was started with.

    Args:
      saved: `SavedRun` of the output directory.
      settings: `settings.Settings` of the current run.
      digests: what `fingerprints.take` returned for its files.

    Returns:
      List of phrases such as "--learning_rate: 2e-05 -> 3e-05".
    """
    current = settings.as_dict()
    changes = _changed(saved.settings, current, SHAPE_TRAINING)
    if saved.fingerprints:
        changes += changed_files(saved.fingerprints, digests, fingerprints.NAMES)
        if has_another_dev_set(saved, digests):
            names = [fingerprints.DEV_SET]
            changes += changed_files(saved.fingerprints, digests, names)
    else:
        changes += _changed(saved.settings, current, PATHS)
    seeds = (saved.random_seed, settings.random_seed)
    if None not in seeds and seeds[0] != seeds[1]:
        changes.append("--random_seed: %d -> %d" % seeds)
    return changes


def has_another_dev_set(saved, digests):
    """Whether a run was evaluated on another dev set than the current one."""
    before, now = (
        content.get(fingerprints.DEV_SET) for content in (saved.fingerprints, digests)
    )
    return None not in (before, now) and before["sha256"] != now["sha256"]


def changed_reading(saved, settings, digests):
    """How an evaluation or prediction reads text differently from its training run.

    Args:
      saved: `SavedRun` of the directory that contains the weights.
      settings: `settings.Settings` of the current run.
      digests: what `fingerprints.take` returned for its files.

    Returns:
      List of phrases, as `changed_training` returns them.
    """
    changes = changed_text_settings(saved.settings, settings)
    if saved.fingerprints:
        changes += changed_files(saved.fingerprints, digests, fingerprints.READERS)
    return changes


def changed_text_settings(before, settings):
    """How a run reads text differently from other settings.

    Args:
      before: dictionary from flag name to value, of `run_settings.json` or of
        `text_settings.json`.
      settings: `settings.Settings` of the current run.

    Returns:
      List of phrases, as `changed_training` returns them.
    """
    current = settings.as_dict()
    changes = _changed(before, current, SHAPE_READING)
    return changes + [
        change + " (correct if that column contains the same text)"
        for change in _changed(before, current, TEXT_COLUMNS)
    ]


def changed_versions(saved, description):
    """Which library versions differ from those that a run was trained with.

    Args:
      saved: `SavedRun` of the run that resumes.
      description: what `provenance.describe` returned for the current run.

    Returns:
      List of phrases such as "tensorflow: 1.14.0 -> 2.21.0".
    """
    before, now = saved.get("versions") or {}, description.get("versions") or {}
    return [
        "%s: %s -> %s" % (name, before[name], now[name])
        for name in sorted(now)
        if name in before and before[name] != now[name]
    ]


def changed_files(before, now, names):
    """How the contents of files differ, as `fingerprints.take` describes them.

    Returns:
      List of phrases, as `changed_training` returns them.
    """
    changes = []
    for name in names:
        old, new = before.get(name), now.get(name)
        if old is None and new is None:
            continue
        flag = name if " " in name else "--" + name
        if old is None or new is None:
            paths = [as_value(digest and digest["path"]) for digest in (old, new)]
            changes.append("%s: %s -> %s" % (flag, paths[0], paths[1]))
        elif old["sha256"] != new["sha256"]:
            changes.append(
                "content of the %s: %s (sha256 %s) -> %s (sha256 %s)"
                % (
                    flag,
                    old["path"],
                    old["sha256"][:_DIGITS_SHOWN],
                    new["path"],
                    new["sha256"][:_DIGITS_SHOWN],
                )
            )
    return changes


def with_dev_set(saved, digests):
    """The digests, with that of the earlier dev set if this run has none of its own."""
    kept = saved.fingerprints.get(fingerprints.DEV_SET)
    return dict({} if kept is None else {fingerprints.DEV_SET: kept}, **digests)


def _changed(before, now, names):
    return [
        "--%s: %s -> %s" % (name, as_value(before[name]), as_value(now[name]))
        for name in names
        if name in before and _normalised(name, before) != _normalised(name, now)
    ]


def _normalised(name, values):
    """The value of a flag, the same for spellings that mean the same.

    Where `2` and `#2` are both valid for a column, they mean the same: see `columns`.
    """
    value = values[name]
    if value and name.endswith("_column"):
        return _NUMBER_SIGN.sub("", value)
    return value.lower() if name == "task_name" and value else value
