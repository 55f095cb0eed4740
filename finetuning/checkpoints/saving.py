"""Writes checkpoints so that an intact one exists at every moment."""

import os

import tensorflow.compat.v1 as tf

from finetuning.checkpoints import finding
from finetuning.device import failures
from finetuning.utils import files


class Saver(tf.train.Saver):
    """A `tf.train.Saver` that survives a kill, a full disk and a power failure.

    It writes the checkpoint's own files, then the `checkpoint` file that names it, and
    then removes old checkpoints; each step is on disk before the next one starts.
    `tf.train.Saver` has the same order, but does not wait for the disk.
    """

    def __init__(self, var_list=None, keep=5):
        """Adds the ops to the graph.

        Args:
          var_list: variables; None: all.
          keep: number of latest checkpoints to keep; 0: all.
        """
        super().__init__(var_list, max_to_keep=keep)
        self._keep = keep
        self._prefixes = []

    def recover_last_checkpoints(self, checkpoint_paths):
        """Counts existing checkpoints, the latest last, among those to keep."""
        self._prefixes = list(checkpoint_paths)

    def save(self, sess, save_path, global_step=None, **options):
        """Writes a checkpoint; returns its prefix.

        Raises:
          InputError: the disk is full; older checkpoints are unchanged.
        """
        options["write_state"] = False
        try:
            with failures.disk_full_errors():
                prefix = super().save(sess, save_path, global_step, **options)
                _sync(prefix)
                self._record(prefix)
        except BaseException:
            _remove_partial(save_path)
            raise
        return prefix

    def _record(self, prefix):
        """Names the checkpoint in the `checkpoint` file and removes old ones."""
        prefixes = [other for other in self._prefixes if other != prefix] + [prefix]
        surplus = prefixes[: -self._keep] if self._keep else []
        self._prefixes = prefixes[len(surplus) :]
        names = [os.path.basename(prefix) for prefix in self._prefixes]
        lines = ['model_checkpoint_path: "%s"\n' % names[-1]]
        lines += ['all_model_checkpoint_paths: "%s"\n' % name for name in names]
        state = os.path.join(os.path.dirname(prefix), finding.STATE_FILE)
        files.write_lines(state, lines)
        for old in surplus:
            for path in finding.files_of(old):
                files.remove_if_exists(path)


def _sync(prefix):
    directory, start = os.path.split(prefix)
    if files.is_remote(prefix):
        return
    for name in files.list_directory(directory):
        if name.startswith((start + ".index", start + ".data-")):
            files.sync(os.path.join(directory, name))
    files.sync_directory(directory)


def _remove_partial(save_path):
    """Removes the files of a checkpoint that has no index, because saving failed."""
    directory, start = os.path.split(save_path)
    if files.is_remote(save_path) or not files.is_directory(directory):
        return
    names = files.list_directory(directory)
    for name in names:
        stem = finding.part_of(name)
        has_no_index = stem is not None and stem + ".index" not in names
        is_temporary = ".tempstate" in name or ".meta.tmp" in name
        if name.startswith(start + "-") and (has_no_index or is_temporary):
            files.remove_if_exists(os.path.join(directory, name))
