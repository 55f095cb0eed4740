"""Writing checkpoints so that a good one is there whatever happens meanwhile."""

import os

import tensorflow.compat.v1 as tf

from finetuning.checkpoints import finding
from finetuning.device import failures
from finetuning.utils import files


class Saver(tf.train.Saver):
    """A `tf.train.Saver` that loses nothing to a kill, a full disk or a power cut.

    In this order, each step on the disk before the next: the checkpoint's own files,
    the `checkpoint` file that names it, the removal of those that are too many.
    TensorFlow's own takes the steps in the same order, but leaves it to the system when
    they reach the disk. What a disk loses in spite of that, `finding.find_newest`
    passes over.
    """

    def __init__(self, var_list=None, keep=5):
        """Adds the saving to the graph.

        Args:
          var_list: variables; None: all.
          keep: the newest checkpoints that stay; 0: all.
        """
        super().__init__(var_list, max_to_keep=keep)
        self._keep_newest = keep
        self._prefixes = []

    def recover_last_checkpoints(self, checkpoint_paths):
        """Counts checkpoints, the newest last, as if this had written them."""
        self._prefixes = list(checkpoint_paths)

    def save(self, sess, save_path, global_step=None, **options):
        """Writes a checkpoint; returns its prefix.

        Raises:
          InputError: there is no room for it; what was there before stays.
        """
        options["write_state"] = False
        try:
            with failures.disk_full_errors():
                prefix = super().save(sess, save_path, global_step, **options)
                self._sync(prefix)
                self._record(prefix)
        except BaseException:
            _remove_halves(save_path)
            raise
        return prefix

    def _sync(self, prefix):
        directory, start = os.path.split(prefix)
        if files.is_remote(prefix):
            return
        for name in files.list_directory(directory):
            if name.startswith((start + ".index", start + ".data-")):
                files.sync(os.path.join(directory, name))
        files.sync_directory(directory)

    def _record(self, prefix):
        kept = [each for each in self._prefixes if each != prefix] + [prefix]
        surplus = kept[: -self._keep_newest] if self._keep_newest else []
        self._prefixes = kept[len(surplus) :]
        names = [os.path.basename(each) for each in self._prefixes]
        lines = ['model_checkpoint_path: "%s"\n' % names[-1]]
        lines += ['all_model_checkpoint_paths: "%s"\n' % name for name in names]
        state = os.path.join(os.path.dirname(prefix), finding.STATE_FILE)
        files.write_text(state, "".join(lines))
        for each in surplus:
            tf.train.remove_checkpoint(each)


def _remove_halves(save_path):
    """Removes what a save that failed has left: files without an index, of no use."""
    directory, start = os.path.split(save_path)
    if files.is_remote(save_path) or not files.is_directory(directory):
        return
    names = files.list_directory(directory)
    for name in names:
        stem = finding.part_of(name)
        half = stem is not None and stem + ".index" not in names
        temporary = ".tempstate" in name or ".meta.tmp" in name
        if name.startswith(start + "-") and (half or temporary):
            files.remove_if_exists(os.path.join(directory, name))
