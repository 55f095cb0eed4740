"""Every check of the user's files that needs no graph. Nothing is written here."""

import json
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
    sources,
    tasks,
    weighting,
)
from finetuning.errors import InputError

# What gives a model its shape, with the least value of each.
_SIZES = {
    "vocab_size": 1,
    "hidden_size": 1,
    "num_hidden_layers": 1,
    "num_attention_heads": 1,
    "intermediate_size": 1,
    "max_position_embeddings": 1,
    "type_vocab_size": 2,
}
_SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
# Some published tables are padded to a round number; more than this is another file.
_MOST_SPARE_ROWS = 0.01


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
    config = read_config(settings.bert_config_file)
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
    tokenizer = _read_vocabulary(settings)
    notes += _compare_vocabulary(
        settings.vocab_file, tokenizer.vocab, config.vocab_size
    )
    notes += _unused_keys(settings.bert_config_file, config)
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


def read_config(path):
    """Reads and judges a `bert_config.json`.

    Returns:
      `modeling.BertConfig`.

    Raises:
      InputError: no such file, no JSON, a key is missing or misspelt, or the values
        make no model.
    """
    files.require_file("--bert_config_file=%s" % path, path)
    try:
        values = json.loads(files.read_text(path))
    except ValueError as error:
        raise InputError(
            "--bert_config_file=%s is not JSON: %s" % (path, error)
        ) from None
    if not isinstance(values, dict):
        raise InputError(
            "--bert_config_file=%s: expected a JSON object, got %s"
            % (path, type(values).__name__)
        )
    try:
        config = modeling.BertConfig.from_dict(values)
        _check_config(values, config)
    except ValueError as error:
        raise InputError("--bert_config_file=%s: %s" % (path, error)) from None
    return config


def _check_config(values, config):
    missing = [key for key in list(_SIZES) + ["hidden_act"] if key not in values]
    if missing:
        raise ValueError("%s missing; the model's shape needs it" % ", ".join(missing))
    for key, least in _SIZES.items():
        value = values[key]
        if type(value) is not int or value < least:
            raise ValueError(
                "%s is %r, expected a whole number of %d or more" % (key, value, least)
            )
    for key in ("hidden_dropout_prob", "attention_probs_dropout_prob"):
        value = getattr(config, key)
        if not isinstance(value, (int, float)) or not 0 <= value < 1:
            raise ValueError("%s is %r, expected 0 or more, below 1" % (key, value))
    deviation = config.initializer_range
    if not isinstance(deviation, (int, float)) or deviation < 0:
        raise ValueError("initializer_range is %r, expected 0 or more" % (deviation,))
    if config.hidden_act in (None, ""):
        raise ValueError("hidden_act is %r, expected a name" % (config.hidden_act,))
    modeling.check_config(config)


def _unused_keys(path, config):
    """A note on keys that change nothing, save those of Google's own files."""
    known = set(vars(modeling.BertConfig(vocab_size=1))) | {"directionality"}
    unused = [
        key
        for key in sorted(vars(config))
        if key not in known and not key.startswith("pooler_")
    ]
    if not unused:
        return []
    return ["%s: not used by this model: %s" % (path, ", ".join(unused))]


def _read_vocabulary(settings):
    files.require_file("--vocab_file=%s" % settings.vocab_file, settings.vocab_file)
    try:
        tokenizer = tokenization.FullTokenizer(
            settings.vocab_file, do_lower_case=settings.do_lower_case
        )
    except ValueError as error:
        raise InputError(" ".join(str(error).split())) from None
    missing = [token for token in _SPECIAL_TOKENS if token not in tokenizer.vocab]
    if missing:
        raise InputError(
            "--vocab_file=%s lacks %s: it is not a BERT vocabulary"
            % (settings.vocab_file, ", ".join(missing))
        )
    return tokenizer


def _compare_vocabulary(path, vocab, vocab_size):
    """Ids beyond the table would read garbage; returns notes on what is odd."""
    if vocab["[PAD]"] != 0:
        raise InputError(
            "--vocab_file=%s: [PAD] stands in line %d, expected in the first"
            % (path, vocab["[PAD]"] + 1)
        )
    entries = max(vocab.values()) + 1
    if entries > vocab_size or entries < vocab_size * (1 - _MOST_SPARE_ROWS):
        raise InputError(
            "--vocab_file=%s has %d entries, the model's vocab_size is %d: they do not "
            "belong together" % (path, entries, vocab_size)
        )
    if entries < vocab_size:
        return [
            "The vocabulary leaves %d of the model's %d rows unused"
            % (vocab_size - entries, vocab_size)
        ]
    return []


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
    try:
        return _read_newest(settings, config, task)
    except checkpoints.VanishedError:
        # A training that runs there has written a newer one.
        return _read_newest(settings, config, task)


def _read_newest(settings, config, task):
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
