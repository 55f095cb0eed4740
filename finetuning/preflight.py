"""Every check of the user's files that needs no graph. Nothing is written here."""

import os
from dataclasses import dataclass
from typing import Optional, Tuple

import modeling
import tokenization
from finetuning import (
    checkpoints,
    custom,
    files,
    label_map,
    model_config,
    sources,
    tasks,
    vocabulary,
    weighting,
)
from finetuning.errors import InputError


@dataclass(frozen=True)
class Inputs:
    """What the user's files hold, found good.

    Attributes:
      task: `tasks.Task`.
      config: `modeling.BertConfig`.
      tokenizer: `tokenization.FullTokenizer`.
      sources: `tasks.Source`s of the sets that the run needs, in the order train, dev,
        test.
      resumed: `checkpoints.Contents` of the newest checkpoint in the output directory,
        or None.
      initial: `checkpoints.Contents` of --init_checkpoint, or None.
      notes: lines for the user about what is odd but legal.
    """

    task: tasks.Task
    config: modeling.BertConfig
    tokenizer: tokenization.FullTokenizer
    sources: Tuple[tasks.Source, ...]
    resumed: Optional[checkpoints.Contents]
    initial: Optional[checkpoints.Contents]
    notes: tuple


def check(settings):
    """Opens and compares all files that the run will read.

    Args:
      settings: `settings.Settings`.

    Returns:
      `Inputs`.

    Raises:
      InputError: at the first thing that cannot be used.
    """
    if not custom.is_custom(settings):
        tasks.find_task(settings.task_name)  # A misspelt task before missing files.
    found, notes = sources.find(settings)
    task = _find_task(settings, found)
    weighting.parse(settings.class_weights, task.labels)
    config = model_config.read_config(settings.bert_config_file)
    if settings.max_seq_length > config.max_position_embeddings:
        raise InputError(
            "--max_seq_length=%d is more than the model's max_position_embeddings %d "
            "(%s)"
            % (
                settings.max_seq_length,
                config.max_position_embeddings,
                settings.bert_config_file,
            )
        )
    path = settings.vocab_file
    tokenizer, about_tokens = vocabulary.read(path, settings.do_lower_case)
    notes += about_tokens
    notes += vocabulary.compare_size(path, tokenizer.vocab, config.vocab_size)
    notes += model_config.unused_keys(settings.bert_config_file, config)
    _check_output_dir(settings.output_dir)
    resumed = _newest(settings, config, task)
    initial = _initial(settings, config, task, resumed)
    if initial is not None and resumed is None and settings.do_train:
        notes += _compare_labels(task, initial)
    if settings.keep_best and not settings.do_train:
        require_best(settings)
    if not (settings.do_train or resumed or initial):
        raise InputError(
            "--output_dir=%s holds no checkpoint and --init_checkpoint is not given: "
            "there are no weights to use; give --do_train=true or --init_checkpoint"
            % settings.output_dir
        )
    return Inputs(
        task=task,
        config=config,
        tokenizer=tokenizer,
        sources=found,
        resumed=resumed,
        initial=initial,
        notes=tuple(notes),
    )


def _check_output_dir(path):
    place = path
    while place and not files.exists(place) and not files.is_remote(place):
        place = os.path.dirname(place)
    if place and files.exists(place) and not files.is_directory(place):
        where = "" if place == path else ": " + place
        raise InputError(
            "--output_dir=%s%s is a file; give a directory" % (path, where)
        )


def _find_task(settings, found):
    """The task, and for the user's own data its labels, as they were trained with."""
    if not custom.is_custom(settings):
        return tasks.find_task(settings.task_name)
    directory = None
    if checkpoints.newest_in(settings.output_dir):
        directory = settings.output_dir
    elif settings.init_checkpoint and not settings.do_train:
        directory = _directory_of(settings.init_checkpoint)
    return custom.find_task(settings, found, directory)


def _directory_of(init_checkpoint):
    return os.path.dirname(checkpoints.resolve(init_checkpoint, "init_checkpoint"))


def _newest(settings, config, task):
    prefix = checkpoints.newest_in(settings.output_dir)
    if prefix is None:
        _check_nothing_is_orphaned(settings.output_dir)
        return None
    label_map.check(settings.output_dir, task)
    contents = checkpoints.read_contents(prefix, config, task.num_outputs)
    if settings.do_train and not contents.trainable:
        raise InputError(
            "--output_dir=%s holds %s, which has no optimiser state: its training "
            "cannot go on; give another --output_dir" % (settings.output_dir, prefix)
        )
    return contents


def require_best(settings):
    """Asks that the weights that --keep_best speaks of are there.

    Raises:
      InputError: they are not.
    """
    directory = os.path.join(settings.output_dir, checkpoints.BEST)
    if checkpoints.newest_in(directory) is None:
        raise InputError(
            "--keep_best=true: %s holds no checkpoint; leave the flag out to use the "
            "newest one, or train with it" % directory
        )


def _check_nothing_is_orphaned(output_dir):
    """Checkpoints that no `checkpoint` file names would be trained over in silence."""
    names = files.list_directory(output_dir) if files.exists(output_dir) else []
    orphans = [n for n in names if n.startswith("model.ckpt-") and n.endswith(".index")]
    if orphans:
        newest = max(orphans, key=lambda name: (len(name), name))[: -len(".index")]
        raise InputError(
            "--output_dir=%s holds %s, but its file 'checkpoint' is missing, damaged "
            "or names others; write 'model_checkpoint_path: \"%s\"' into it, or give "
            "another --output_dir" % (output_dir, newest, newest)
        )


def _initial(settings, config, task, resumed):
    if not settings.init_checkpoint:
        return None
    _check_case(settings.do_lower_case, settings.init_checkpoint)
    prefix = checkpoints.resolve(settings.init_checkpoint, "init_checkpoint")
    _check_case(settings.do_lower_case, prefix)
    if resumed is None and not settings.do_train:
        label_map.check(os.path.dirname(prefix), task)
    return checkpoints.read_contents(prefix, config, task.num_outputs)


def _compare_labels(task, initial):
    """A note where a training starts from a classifier for other labels."""
    saved = label_map.load(os.path.dirname(initial.prefix))
    if saved in (None, task.labels) or initial.fresh:
        return []
    return [
        "%s was trained with the labels %s; its classifier is taken over all the same "
        "and starts from there" % (initial.prefix, label_map.shown(saved))
    ]


def _check_case(do_lower_case, path):
    try:
        tokenization.validate_case_matches_checkpoint(do_lower_case, path)
    except ValueError as error:
        raise InputError(
            "--do_lower_case=%s: %s" % (str(do_lower_case).lower(), error)
        ) from None
