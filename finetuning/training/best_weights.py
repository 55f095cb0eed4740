"""The weights of the best evaluation, which are kept in `best/`."""

import tensorflow.compat.v1 as tf

from finetuning.checkpoints import compatibility, finding, saving
from finetuning.utils.console import log


class BestWeights:
    """The best weights of a training run, without optimiser state, in `best/`."""

    def __init__(self, output_dir, is_resumed):
        """Adds the saver to the graph.

        Args:
          output_dir: `OutputDir`.
          is_resumed: whether the directory contains the run's best weights so far.
        """
        directory = output_dir.join(finding.BEST)
        self._prefix = output_dir.join(finding.BEST, "model.ckpt")
        variables = tf.trainable_variables() + [tf.train.get_global_step()]
        self._saver = saving.Saver(variables, keep=1)
        self._step = None
        if is_resumed:
            self._saver.recover_last_checkpoints(finding.all_in(directory))
            for line in output_dir.best.warnings():
                log.warning(line)
            if output_dir.best.prefix:
                self._step = compatibility.read_step(output_dir.best.prefix)

    def warn_if_lost(self, history, step):
        """Warns if the weights of the best evaluation up to a step were not kept."""
        best, kept_score = history.best(step), self._score(history)
        if best in (None, step):
            return
        # They may be of a later step, if the run fell back to an older checkpoint.
        if kept_score is not None and kept_score >= history.score(best):
            return
        log.warning(
            "The weights of the best evaluation so far, at step %d, were not kept: "
            "best/ will contain the best of the evaluations from now on",
            best,
        )

    def _score(self, history):
        return None if self._step is None else history.score(self._step)

    def offer(self, session, step, history):
        """Saves the current weights if they are better than those that are kept.

        Weights of the same step are replaced as well: an earlier run wrote them, and
        the history now contains the score of this one.
        """
        kept_score = self._score(history)
        is_new_step = step != self._step and kept_score is not None
        if is_new_step and history.score(step) <= kept_score:
            return
        prefix = self._saver.save(
            session, self._prefix, global_step=step, write_meta_graph=False
        )
        self._step = step
        log.info("Saved the best weights so far: %s", prefix)
