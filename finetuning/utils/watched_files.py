"""Notices when a file changes between the first and the last time a run reads it."""

from finetuning.utils import files
from finetuning.utils.errors import InputError


class WatchedFiles:
    """The state of files that a run reads more than once.

    Their columns, their labels and their rows are read one after the other, and some
    are hashed. None of these results is used before `require_unchanged` has passed, so
    that all are of the same content.
    """

    def __init__(self):
        self._states = {}

    def add(self, path):
        """Adds a file, before it is read; one that is missing is reported by others."""
        if files.exists(path):
            self._states.setdefault(path, files.state(path))

    def require_unchanged(self):
        """Checks that nobody has written to the files since they were added.

        Raises:
          InputError: somebody has.
        """
        for path, state in self._states.items():
            if files.exists(path) and files.state(path) == state:
                continue
            raise InputError(
                "%s was changed or removed while it was read; wait until the program "
                "that does so has ended, and rerun the same command" % path
            )
