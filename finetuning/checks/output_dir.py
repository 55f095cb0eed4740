"""Checks of the output directory, before anything is written to it."""

import errno
import os

from finetuning.checkpoints import compatibility, finding, mean_loss, restoring
from finetuning.checkpoints.output_dir import LOCK_FILE
from finetuning.data import label_map, preparation
from finetuning.evaluation import history, result_files
from finetuning.flags import flag_file, text_settings
from finetuning.run_info import fingerprints, saved_run
from finetuning.utils import appending, console, files
from finetuning.utils.errors import InputError

# Files that every run, or every training run, writes.
_OWN_FILES = (
    console.LOG_FILE,
    flag_file.FILE,
    history.FILE,
    mean_loss.FILE,
    label_map.FILE,
    text_settings.FILE,
    saved_run.SETTINGS_FILE,
    finding.STATE_FILE,
    LOCK_FILE,
    "graph.pbtxt",
    *(name % "" for name in preparation.RECORD_FILES.values()),
)
# Files that are opened by name for writing; all others are replaced by new ones.
_APPENDED = (console.LOG_FILE, LOCK_FILE)


def require_usable(path):
    """Checks that --output_dir is a writable directory, or can be made one.

    Raises:
      InputError: it cannot, or checkpoints in it could not be read.
    """
    restoring.require_readable(path)
    try:
        if not files.is_remote(path):
            os.lstat(path)
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise InputError(
                "--output_dir=%s: %s; use a shorter path" % (path, error.strerror)
            ) from None
    parent = path
    while parent and not files.exists(parent) and not files.is_remote(parent):
        if os.path.islink(parent):
            raise InputError(
                "--output_dir=%s: %s is a broken symbolic link to %s; use another "
                "directory" % (path, parent, os.readlink(parent))
            )
        parent = os.path.dirname(parent)
    if parent and files.exists(parent) and not files.is_directory(parent):
        where = "" if parent == path else ": " + parent
        raise InputError(
            "--output_dir=%s%s is a file, expected a directory" % (path, where)
        )
    files.require_writable("--output_dir=%s" % path, parent or os.curdir)


def require_nothing_overwritten(settings, data_files, initial_prefix):
    """Checks that no result would replace an input or collide with a directory.

    Args:
      settings: `settings.Settings`.
      data_files: `tasks.DataFile`s of the run.
      initial_prefix: prefix of the initial checkpoint, or None.

    Raises:
      InputError: one would, or a file that the run appends to is a link.
    """
    for name in _APPENDED if settings.do_train else _APPENDED[:1]:
        appending.require_own(os.path.join(settings.output_dir, name))
    if settings.do_train and settings.keep_best:
        _require_no_link(settings.output_dir, finding.BEST)
    written = set(_OWN_FILES)
    for data_file in data_files:
        written |= result_files.names(data_file.suffix, data_file.layout.submission)
    inputs = [data_file.path for data_file in data_files]
    inputs += [settings.vocab_file, settings.bert_config_file]
    inputs += finding.files_of(initial_prefix) if initial_prefix else []
    for path in inputs:
        _require_not_written(settings.output_dir, written, path)
    for name in ("eval", finding.BEST):
        path = os.path.join(settings.output_dir, name)
        if os.path.islink(path) and not files.exists(path):
            what = "a broken symbolic link"
        elif files.exists(path) and not files.is_directory(path):
            what = "a file"
        else:
            continue
        raise InputError(
            "--output_dir=%s: %s is %s, but a directory of that name must be created; "
            "move it, or use another output directory"
            % (settings.output_dir, path, what)
        )
    for name in sorted(written):
        path = os.path.join(settings.output_dir, name)
        if files.exists(path) and files.is_directory(path):
            raise InputError(
                "--output_dir=%s: %s is a directory, but a file of that name must be "
                "written; move it, or use another output directory"
                % (settings.output_dir, path)
            )


def _require_not_written(output_dir, written, path):
    """Refuses an input that is one of the files to write, by whatever name."""
    for name in sorted(written):
        target = os.path.join(output_dir, name)
        if files.is_same(target, path):
            shown = path if os.path.basename(path) == name else "%s (%s)" % (path, name)
            raise InputError(
                "--output_dir=%s: a result would overwrite %s, which is an input of "
                "this run; use another directory" % (output_dir, shown)
            )


def _require_no_link(output_dir, name):
    """Refuses a directory, in which old files are removed, that is elsewhere."""
    path = os.path.join(output_dir, name)
    if not files.is_remote(path) and os.path.islink(path):
        raise InputError(
            "--output_dir=%s: %s is a symbolic link to %s, where this run would remove "
            "old checkpoints; remove the link, or use another directory"
            % (output_dir, path, os.readlink(path))
        )


def compare_with_saved_run(settings, output_dir, data_files, initial_prefix):
    """Compares a training run with the one in the output directory.

    Args:
      settings: `settings.Settings` of a run that trains.
      output_dir: `OutputDir`.
      data_files: `tasks.DataFile`s of the run.
      initial_prefix: prefix of the initial checkpoint, or None.

    Returns:
      The fingerprints of the run's files (`fingerprints.take`), and the phrases of what
      differs, which --allow_changes=true accepts.

    Raises:
      InputError: something differs, and --allow_changes=true is not given.
    """
    digests = fingerprints.take(settings, data_files, initial_prefix)
    if output_dir.latest.intact_prefix() is None:
        _require_not_initial_directory(settings, initial_prefix)
        return digests, []
    changes = saved_run.changed_training(output_dir.saved_run, settings, digests)
    if changes and not settings.allow_changes:
        raise InputError(
            "--output_dir=%s contains a run with different settings (%s). Choose "
            "another --output_dir, or pass --allow_changes=true to resume it anyway"
            % (settings.output_dir, "; ".join(changes))
        )
    return digests, changes


def _require_not_initial_directory(settings, initial_prefix):
    """The checkpoints of a new run must not mix with those that it starts from."""
    if initial_prefix is None:
        return
    directory = os.path.dirname(initial_prefix) or os.curdir
    if files.is_same(directory, os.path.join(settings.output_dir, finding.BEST)):
        raise InputError(
            "--output_dir=%s: --init_checkpoint is in the best/ of this directory, "
            "where a new run keeps its own best weights; use another directory"
            % settings.output_dir
        )
    if files.is_same(directory, settings.output_dir):
        raise InputError(
            "--output_dir=%s is the directory of --init_checkpoint: the checkpoints "
            "of this run would mix with those that it starts from; use another "
            "directory" % settings.output_dir
        )


def read_latest(settings, output_dir, config, task):
    """Reads what the latest checkpoint of the output directory contains.

    Args:
      settings: `settings.Settings`.
      output_dir: `OutputDir`.
      config: `modeling.BertConfig`.
      task: `tasks.Task`.

    Returns:
      `compatibility.CheckpointContents`, or None if there is no checkpoint.

    Raises:
      InputError: the checkpoint does not fit the model or the task.
    """
    try:
        return _read_latest(settings, output_dir, config, task)
    except compatibility.VanishedError:
        # A training run there has replaced it by a later one.
        output_dir.refresh()
        return _read_latest(settings, output_dir, config, task)


def _read_latest(settings, output_dir, config, task):
    prefix = output_dir.latest.intact_prefix()
    if prefix is None:
        _require_no_orphans(settings.output_dir)
        return None
    label_map.require_same(output_dir.path, output_dir.labels, task)
    contents = compatibility.read_contents(prefix, config, task.num_outputs)
    if settings.do_train and not contents.trainable:
        raise InputError(
            "--output_dir=%s contains %s, which has no optimiser state, so its "
            "training cannot be resumed; use another --output_dir"
            % (settings.output_dir, prefix)
        )
    return contents


def _require_no_orphans(output_dir):
    """Refuses checkpoints that no `checkpoint` file names: a run would replace them."""
    names = files.list_directory(output_dir) if files.exists(output_dir) else []
    orphans = [
        name[: -len(".index")]
        for name in names
        if name.startswith("model.ckpt-") and name.endswith(".index")
    ]
    if orphans:
        latest = max(orphans, key=lambda name: (finding.step_in_name(name), name))
        raise InputError(
            "--output_dir=%s contains %s, but its file 'checkpoint' is missing, "
            "corrupt or names other checkpoints; write 'model_checkpoint_path: "
            '"%s"\' into it, or use another --output_dir' % (output_dir, latest, latest)
        )
