"""Every check of the user's files that needs no graph. Nothing is written here."""

import dataclasses
import errno
import os
from dataclasses import dataclass
from typing import Optional, Tuple

import modeling
import tokenization
from finetuning.checkpoints import compatibility, finding
from finetuning.checks import model_config, vocabulary
from finetuning.data import class_weights, custom_task, data_files, label_map, tasks
from finetuning.evaluation import history, result_files
from finetuning.flags import flag_file
from finetuning.run_info import fingerprints, saved_run
from finetuning.utils import console, files
from finetuning.utils.errors import InputError

# What every run, or every training, writes into its output directory.
_OWN_FILES = (
    console.LOG_FILE,
    flag_file.FILE,
    history.FILE,
    label_map.FILE,
    saved_run.SETTINGS_FILE,
    finding.STATE_FILE,
    "graph.pbtxt",
    ".lock",
    "train.tf_record",
    "eval.tf_record",
    "predict.tf_record",
)


@dataclass(frozen=True)
class Inputs:
    """What the user's files hold, found good.

    Attributes:
      task: `tasks.Task`.
      config: `modeling.BertConfig`.
      tokenizer: `tokenization.FullTokenizer`.
      data_files: `tasks.DataFile`s of the sets that the run needs, in the order train, dev,
        test.
      resumed: `compatibility.CheckpointContents` of the newest checkpoint in the output directory,
        or None.
      initial: `compatibility.CheckpointContents` of --init_checkpoint, or None.
      notes: lines for the user about what is odd but legal.
      fingerprints: of the files that shape a training, `fingerprints.take`'s.
      changes: how the training that goes on was begun otherwise, which is allowed.
    """

    task: tasks.Task
    config: modeling.BertConfig
    tokenizer: tokenization.FullTokenizer
    data_files: Tuple[tasks.DataFile, ...]
    resumed: Optional[compatibility.CheckpointContents]
    initial: Optional[compatibility.CheckpointContents]
    notes: tuple
    fingerprints: dict = dataclasses.field(default_factory=dict)
    changes: tuple = ()


def check(settings):
    """Opens and compares all files that the run will read.

    Args:
      settings: `settings.Settings`.

    Returns:
      `Inputs`.

    Raises:
      InputError: at the first thing that cannot be used.
    """
    if not custom_task.is_custom(settings):
        tasks.find_task(settings.task_name)  # A misspelt task before missing files.
    found, notes = data_files.find(settings)
    task = _find_task(settings, found)
    class_weights.parse(settings.class_weights, task.labels)
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
    _check_nothing_is_overwritten(settings, found)
    digests, changes = _compare_training(settings, found)
    resumed = _newest(settings, config, task)
    initial = _initial(settings, config, task, resumed)
    notes += _say_which_weights(settings, resumed, initial)
    notes += _say_what_is_not_compared(settings, resumed)
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
        data_files=found,
        resumed=resumed,
        initial=initial,
        notes=tuple(notes),
        fingerprints=digests,
        changes=tuple(changes),
    )


def _check_output_dir(path):
    try:
        if not files.is_remote(path):
            os.lstat(path)
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise InputError(
                "--output_dir=%s: %s; give a shorter one" % (path, error.strerror)
            ) from None
    place = path
    while place and not files.exists(place) and not files.is_remote(place):
        if os.path.islink(place):
            raise InputError(
                "--output_dir=%s: %s is a symbolic link to %s, where nothing is; "
                "give another" % (path, place, os.readlink(place))
            )
        place = os.path.dirname(place)
    if place and files.exists(place) and not files.is_directory(place):
        where = "" if place == path else ": " + place
        raise InputError(
            "--output_dir=%s%s is a file; give a directory" % (path, where)
        )
    files.require_writable("--output_dir=%s" % path, place or os.curdir)


def _check_nothing_is_overwritten(settings, found):
    """Refuses an output directory in which a result would take another's place."""
    written = set(_OWN_FILES)
    for data_file in found:
        written |= result_files.names(data_file.suffix, data_file.layout.submission)
    read = [data_file.path for data_file in found]
    for path in [*read, settings.vocab_file, settings.bert_config_file]:
        directory, name = os.path.split(path)
        there = files.is_same(directory or os.curdir, settings.output_dir)
        if there and name in written:
            raise InputError(
                "--output_dir=%s: the results would be written over %s, which this run "
                "reads; give another directory" % (settings.output_dir, path)
            )
    for name in ("eval", finding.BEST):
        path = os.path.join(settings.output_dir, name)
        if files.exists(path) and not files.is_directory(path):
            raise InputError(
                "--output_dir=%s: %s is a file, and a directory of that name is to be "
                "made; move it, or give another" % (settings.output_dir, path)
            )
    for name in sorted(written):
        path = os.path.join(settings.output_dir, name)
        if files.exists(path) and files.is_directory(path):
            raise InputError(
                "--output_dir=%s: %s is a directory, and a file of that name is to be "
                "written; move it, or give another" % (settings.output_dir, path)
            )


def _compare_training(settings, found):
    """Holds a training against what its directory says of it.

    Returns:
      What `fingerprints.take` says of its files, and the phrases of what differs, which
      --allow_changes lets pass; both empty where nothing is trained.
    """
    if not settings.do_train:
        return {}, []
    prefix = _initial_prefix(settings)
    digests = fingerprints.take(settings, found, prefix)
    if finding.newest_in(settings.output_dir) is None:
        _check_own_directory(settings, prefix)
        return digests, []
    changes = saved_run.changed_training(settings.output_dir, settings, digests)
    if changes and not settings.allow_changes:
        raise InputError(
            "--output_dir=%s holds a training that was begun otherwise: %s; give "
            "another --output_dir, or --allow_changes=true to go on with it"
            % (settings.output_dir, "; ".join(changes))
        )
    return digests, changes


def _check_own_directory(settings, prefix):
    """A new training's checkpoints would be taken for those that it starts from."""
    if prefix is None:
        return
    directory = os.path.dirname(prefix) or os.curdir
    if files.is_same(directory, settings.output_dir):
        raise InputError(
            "--output_dir=%s is the directory of --init_checkpoint: the training's "
            "checkpoints would stand among those that it starts from; give another"
            % settings.output_dir
        )


def _say_what_is_not_compared(settings, resumed):
    """Of a training of this program's, whose settings are gone."""
    labels = os.path.join(settings.output_dir, label_map.FILE)
    known = saved_run.load(settings.output_dir) is not None
    if resumed is None or known or not files.exists(labels):
        return []
    return [
        "--output_dir=%s has no %s: whether its training was begun with these flags "
        "and files is not known" % (settings.output_dir, saved_run.SETTINGS_FILE)
    ]


def _say_which_weights(settings, resumed, initial):
    if resumed is None or initial is None:
        return []
    return [
        "--init_checkpoint=%s is not used: --output_dir holds %s, which goes before it"
        % (settings.init_checkpoint, resumed.prefix)
    ]


def _find_task(settings, found):
    """The task, and for the user's own data its labels, as they were trained with."""
    if not custom_task.is_custom(settings):
        return tasks.find_task(settings.task_name)
    directory = None
    if finding.newest_in(settings.output_dir):
        directory = settings.output_dir
    elif settings.init_checkpoint and not settings.do_train:
        directory = _directory_of(settings.init_checkpoint)
    return custom_task.find_task(settings, found, directory)


def _directory_of(init_checkpoint):
    return os.path.dirname(finding.resolve(init_checkpoint, "init_checkpoint"))


def _newest(settings, config, task):
    try:
        return _read_newest(settings, config, task)
    except compatibility.VanishedError:
        # A training that runs there has written a newer one.
        return _read_newest(settings, config, task)


def _read_newest(settings, config, task):
    prefix = finding.newest_in(settings.output_dir)
    if prefix is None:
        _check_nothing_is_orphaned(settings.output_dir)
        return None
    label_map.check(settings.output_dir, task)
    contents = compatibility.read_contents(prefix, config, task.num_outputs)
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
    directory = os.path.join(settings.output_dir, finding.BEST)
    if finding.newest_in(directory) is None:
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
    prefix = _initial_prefix(settings)
    if prefix is None:
        return None
    if resumed is None and not settings.do_train:
        label_map.check(os.path.dirname(prefix), task)
    return compatibility.read_contents(prefix, config, task.num_outputs)


def _initial_prefix(settings):
    """That of --init_checkpoint, or None; its name may say that text keeps its case."""
    if not settings.init_checkpoint:
        return None
    _check_case(settings.do_lower_case, settings.init_checkpoint)
    prefix = finding.resolve(settings.init_checkpoint, "init_checkpoint")
    _check_case(settings.do_lower_case, prefix)
    return prefix


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
