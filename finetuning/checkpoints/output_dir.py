"""One output directory: its checkpoints, saved settings, labels and lock."""

import os

from finetuning.checkpoints import finding
from finetuning.data import label_map
from finetuning.run_info import saved_run
from finetuning.utils import locking
from finetuning.utils.errors import InputError

# Locked while a training run writes to the directory.
LOCK_FILE = ".lock"


class OutputDir:
    """What an output directory contains; each part is read once, when first needed.

    Example:
      output_dir = OutputDir("/tmp/mrpc_output")
      output_dir.latest.prefix  # "/tmp/mrpc_output/model.ckpt-343"
      output_dir.saved_run.random_seed  # 42

    Attributes:
      path: the directory; it need not exist.
    """

    def __init__(self, path):
        self.path = path
        self._known = {}

    @classmethod
    def of_checkpoint(cls, prefix):
        """The output directory of the run that wrote a checkpoint, latest or best."""
        return cls(finding.run_directory(prefix))

    def join(self, *names):
        """The path of something in the directory."""
        return os.path.join(self.path, *names)

    def refresh(self):
        """Discards what was read: this or another process has written here since."""
        self._known = {}

    @property
    def latest(self):
        """The latest intact checkpoint: `finding.LatestCheckpoint`."""
        return self._read("latest", finding.find_latest, self.path)

    @property
    def best(self):
        """The checkpoint of the best weights: `finding.LatestCheckpoint`."""
        if self.has_run_in_best:
            return finding.LatestCheckpoint(self.join(finding.BEST), None)
        return self._read("best", finding.find_latest, self.join(finding.BEST))

    @property
    def has_run_in_best(self):
        """Whether `best/` is not this run's: it is an output directory itself."""
        return finding.is_run(self.join(finding.BEST))

    def require_best_usable(self):
        """Checks that --keep_best would not mix this run's weights with another's.

        Raises:
          InputError: it would.
        """
        if self.has_run_in_best:
            raise InputError(
                "--keep_best=true: the best weights are kept in %s, but this is the "
                "output directory of another run; omit the flag, or use another "
                "--output_dir" % self.join(finding.BEST)
            )

    def require_best(self):
        """Checks that the weights that --keep_best refers to exist.

        Raises:
          InputError: they do not.
        """
        self.require_best_usable()
        if self.best.intact_prefix() is None:
            raise InputError(
                "--keep_best=true: %s contains no checkpoint; omit the flag to use the "
                "latest one, or train with it" % self.join(finding.BEST)
            )

    @property
    def saved_run(self):
        """What its training run saved about itself: `saved_run.SavedRun`.

        Raises:
          InputError: the file is corrupt.
        """
        return self._read("saved_run", saved_run.load, self.path)

    @property
    def labels(self):
        """The labels that its weights were trained with, or None: see `label_map`.

        Raises:
          InputError: the file is corrupt.
        """
        return self._read("labels", label_map.load, self.path)

    def _read(self, name, read, path):
        if name not in self._known:
            self._known[name] = read(path)
        return self._known[name]

    def lock(self):
        """Keeps other training runs out of the directory; see `locking.acquire`.

        Raises:
          InputError: one is running there.
        """
        try:
            return locking.acquire(self.join(LOCK_FILE))
        except locking.HeldError as error:
            raise InputError(self._busy_message(error)) from None

    def require_unlocked(self):
        """Checks that no training run is writing to the directory.

        Raises:
          InputError: one is running there.
        """
        holder = self.lock_holder()
        if holder is not None:
            raise InputError(self._busy_message(holder))

    def lock_holder(self):
        """Describes the process that trains in the directory; None: there is none."""
        return locking.holder(self.join(LOCK_FILE))

    def _busy_message(self, holder):
        return (
            "--output_dir=%s: a training run is writing there (%s); wait until it "
            "ends, or use another --output_dir" % (self.path, holder)
        )
