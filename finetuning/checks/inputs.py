"""Checks of all files that a run reads. No graph is built and nothing is written."""

import dataclasses
import os
from dataclasses import dataclass
from typing import Optional, Tuple

import modeling
import tokenization
from finetuning.checkpoints import compatibility, finding, model_files
from finetuning.checkpoints.output_dir import OutputDir
from finetuning.checks import huggingface as huggingface_checks
from finetuning.checks import model as model_checks
from finetuning.checks import output_dir as output_dir_checks
from finetuning.data import class_weights, columns, data_files, label_map, tasks
from finetuning.device import failures
from finetuning.flags import text_settings
from finetuning.run_info import fingerprints, saved_run
from finetuning.utils import huggingface
from finetuning.utils.errors import InputError
from finetuning.utils.watched_files import WatchedFiles


@dataclass(frozen=True)
class Inputs:
    """The content of the user's files, after all checks have passed.

    Attributes:
      task: `tasks.Task`.
      config: `modeling.BertConfig`.
      tokenizer: `tokenization.FullTokenizer`.
      data_files: `tasks.DataFile`s that the run reads, in the order train, dev, test.
      resumed: `compatibility.CheckpointContents` of the latest checkpoint in the output
        directory, or None.
      initial: `compatibility.CheckpointContents` of --init_checkpoint, or None.
      notes: lines to log about what is unusual but allowed.
      warnings: lines to log about what may make the results worse.
      watched: `WatchedFiles` of the user's files, which must not change before all of
        their examples are read.
      fingerprints: `fingerprints.take` of the files that determine a training run; for
        other runs only of those that determine how they read text.
      data_digests: `fingerprints.of_data` of the data files.
      changes: phrases about settings that differ from those of the resumed run.
    """

    task: tasks.Task
    config: modeling.BertConfig
    tokenizer: tokenization.FullTokenizer
    data_files: Tuple[tasks.DataFile, ...]
    resumed: Optional[compatibility.CheckpointContents]
    initial: Optional[compatibility.CheckpointContents]
    notes: tuple
    watched: WatchedFiles
    warnings: tuple = ()
    fingerprints: dict = dataclasses.field(default_factory=dict)
    data_digests: dict = dataclasses.field(default_factory=dict)
    changes: tuple = ()


# Nothing but files is used here, so every error of TensorFlow's is about one.
@failures.tensorflow_errors(only_files=True)
def check_inputs(settings, output_dir, needs_weights=True):
    """Opens and compares all files that the run will read.

    Args:
      settings: `settings.Settings`.
      output_dir: `OutputDir`.
      needs_weights: whether a run that does not train must find weights; one that takes
        them from another worker need not.

    Returns:
      `Inputs`.

    Raises:
      InputError: a file cannot be used, or two do not fit together.
    """
    output_dir_checks.require_usable(output_dir.path)
    watched = WatchedFiles()
    task, files_found, notes = data_files.find(
        settings, lambda: _labels_directory(settings, output_dir), watched
    )
    initial_prefix = _initial_prefix(settings)
    _watch_model(watched, settings, initial_prefix)
    class_weights.parse(settings.class_weights, task.labels)
    has_weights = bool(initial_prefix or output_dir.latest.prefix)
    config, tokenizer, about_model, warnings = model_checks.read(settings, has_weights)
    output_dir_checks.require_nothing_overwritten(settings, files_found, initial_prefix)
    if settings.do_train:
        digests, changes = output_dir_checks.compare_with_saved_run(
            settings, output_dir, files_found, initial_prefix
        )
        for directory in (output_dir.path, output_dir.join(finding.BEST)):
            model_files.require_not_overwritten(settings, directory, digests)
    else:
        digests, changes = fingerprints.take(settings, (), None), []
    resumed = output_dir_checks.read_latest(settings, output_dir, config, task)
    initial, about_labels = _read_initial(
        settings, initial_prefix, config, task, resumed
    )
    if settings.keep_best:
        output_dir.require_best_usable()
        if not settings.do_train and needs_weights:
            output_dir.require_best()
    if needs_weights:
        _require_weights(settings, output_dir, resumed, initial)
    if initial is not None and resumed is None:
        warnings += huggingface_checks.tokenizer_warnings(
            initial_prefix, settings.do_lower_case
        )
    notes += about_model + _about_weights(settings, output_dir, resumed, initial)
    warnings += columns.header_warnings(
        settings, files_found, _trained_columns(output_dir, files_found, initial)
    )
    return Inputs(
        task=task,
        config=config,
        tokenizer=tokenizer,
        data_files=files_found,
        resumed=resumed,
        initial=initial,
        notes=tuple(notes + about_labels),
        warnings=tuple(warnings),
        watched=watched,
        fingerprints=digests,
        data_digests=fingerprints.of_data(files_found),
        changes=tuple(changes),
    )


def _watch_model(watched, settings, initial_prefix):
    watched.add(settings.vocab_file)
    watched.add(settings.bert_config_file)
    if settings.do_train and initial_prefix is not None:  # Its fingerprint is saved.
        for path in huggingface.identifying_files(initial_prefix):
            watched.add(path)


def _require_weights(settings, output_dir, resumed, initial):
    if not (settings.do_train or resumed or initial):
        best = output_dir.best.prefix
        raise InputError(
            "--output_dir=%s contains no checkpoint and --init_checkpoint is not "
            "given, so there are no weights to use; pass %s"
            % (
                settings.output_dir,
                "--init_checkpoint=%s to use the best weights" % os.path.dirname(best)
                if best
                else "--do_train=true or --init_checkpoint",
            )
        )


def _labels_directory(settings, output_dir):
    """The directory of the weights whose labels a custom task has, or None."""
    if output_dir.latest.intact_prefix():
        return output_dir.path
    if settings.init_checkpoint and not settings.do_train:
        return os.path.dirname(_initial_prefix(settings))
    return None


def _initial_prefix(settings):
    """The prefix of --init_checkpoint, or None.

    The names of cased and uncased checkpoints must agree with --do_lower_case.
    """
    if not settings.init_checkpoint:
        return None
    _check_case(settings.do_lower_case, settings.init_checkpoint)
    prefix = finding.resolve(settings.init_checkpoint, "init_checkpoint")
    _check_case(settings.do_lower_case, prefix)
    huggingface_checks.require_bert(prefix)
    return prefix


def _check_case(do_lower_case, path):
    try:
        tokenization.validate_case_matches_checkpoint(do_lower_case, path)
    except ValueError as error:
        raise InputError(
            "--do_lower_case=%s: %s" % (str(do_lower_case).lower(), error)
        ) from None


def _read_initial(settings, prefix, config, task, resumed):
    """The contents of the initial checkpoint, or None, and notes about its labels."""
    if prefix is None:
        return None, []
    directory = os.path.dirname(prefix)
    is_used = resumed is None
    in_order = is_used and not huggingface.is_weights(prefix)
    saved_labels = label_map.load(directory) if in_order else None
    if in_order and not settings.do_train:
        label_map.require_same(directory, saved_labels, task)
    contents = compatibility.read_contents(
        prefix,
        config,
        task.num_outputs,
        starts_training=settings.do_train or not is_used,
        fresh_head=settings.fresh_head or not is_used,
    )
    if not is_used:
        return contents, []
    if settings.fresh_head:
        return contents, [
            "--fresh_head=true: training starts with a new classifier; %s gives only "
            "the encoder" % prefix
        ]
    if saved_labels is None:
        return huggingface_checks.match_labels(contents, task)
    if saved_labels == task.labels or set(contents.fresh) & set(compatibility.HEAD):
        return contents, []
    return contents, [
        "%s was trained with the labels %s; this run starts from "
        "its classifier anyway" % (prefix, label_map.as_text(saved_labels))
    ]


def _trained_columns(output_dir, files_found, initial):
    """What the training file, of this run or of its weights, calls the columns."""
    for data_file in files_found:
        if data_file.split == "train":
            return columns.names(data_file.layout)
    if output_dir.latest.intact_prefix() is None:
        return OutputDir.of_checkpoint(initial.prefix).saved_run.columns
    return output_dir.saved_run.columns


def _about_weights(settings, output_dir, resumed, initial):
    """Notes about the weights that the run starts from or uses."""
    has_settings = output_dir.saved_run.exists  # A corrupt file is an error anyway.
    if resumed is None:
        return _about_initial(settings, initial)
    notes = list(resumed.notes())
    if initial is not None:
        notes.append(
            "--init_checkpoint=%s is not used: --output_dir contains %s, which takes "
            "precedence" % (settings.init_checkpoint, resumed.prefix)
        )
    if not has_settings and not _is_text_known(settings, resumed):
        notes.append(_nothing_saved("output_dir", settings.output_dir))
    return notes


def _about_initial(settings, initial):
    if initial is None:
        return []
    notes = list(initial.notes())
    is_trained = not set(compatibility.HEAD) & set(initial.fresh)
    if is_trained and not settings.do_train:
        saved = OutputDir.of_checkpoint(initial.prefix).saved_run
        if not saved.exists and not _is_text_known(settings, initial):
            notes.append(_nothing_saved("init_checkpoint", settings.init_checkpoint))
    return notes


def _is_text_known(settings, contents):
    """Whether all that prediction depends on is saved next to the weights."""
    directory = os.path.dirname(contents.prefix)
    return not settings.do_train and bool(text_settings.load(directory))


def _nothing_saved(flag, path):
    # The original program saves no settings.
    return (
        "--%s=%s has no %s, so it is not known whether its run used the same flags and "
        "files" % (flag, path, saved_run.SETTINGS_FILE)
    )
