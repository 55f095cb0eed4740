"""Temporary folders, so that an unfinished download is never where a user looks."""

import contextlib
import os
import shutil
import tempfile

from finetuning.utils.errors import InputError
from scripts.fetching import sources

_PREFIX = ".fetching-"


@contextlib.contextmanager
def temporary_folder_beside(target):
    """Provides a folder on the same disk as `target` and removes it at the end.

    Raises:
      OSError: a folder or a file could not be written; `filename` is set.
    """
    parent = os.path.dirname(os.path.abspath(target))
    try:
        os.makedirs(parent, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=_PREFIX, dir=parent) as folder:
            yield folder
    except OSError as error:
        # A full disk is reported without a file; temporary ones mean nothing to users.
        if error.filename is None or _PREFIX in str(error.filename):
            error.filename = parent
        raise


def check_free_space(folder, needed):
    """Raises InputError if the disk of `folder` has fewer than `needed` bytes free."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise InputError(
            "%s are needed, but only %s are free on the disk; free some space, or "
            "choose a folder on another disk"
            % (sources.format_size(needed), sources.format_size(free))
        )


def is_occupied(target):
    """Whether there is anything at `target` but an empty folder."""
    if os.path.isdir(target) and not os.path.islink(target):
        return bool(os.listdir(target))
    return os.path.lexists(target)
