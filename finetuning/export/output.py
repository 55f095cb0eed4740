"""The directory of an export, which appears completely or not at all."""

import contextlib
import os
import shutil

from finetuning.device import failures
from finetuning.utils import files
from finetuning.utils.errors import InputError


def require_new(path):
    """Checks that an export would overwrite nothing.

    Args:
      path: --output.

    Raises:
      InputError: it exists and is no empty directory, or it is not a local path.
    """
    require_local(path)
    if os.path.isdir(path) and not os.listdir(path):
        return
    if os.path.lexists(path):
        raise InputError(
            "--output=%s exists and is not an empty directory; it was not changed: "
            "move it, or choose another one" % path
        )


def require_local(path):
    """Raises `InputError` if --output is not a local path."""
    if files.is_remote(path):
        raise InputError(
            "--output=%s: expected a local directory; export to one, and copy it" % path
        )


@contextlib.contextmanager
def new_directory(path):
    """Yields a temporary directory that becomes `path` if nothing is raised.

    It is beside `path`, and called `<path>.<process>.finetuning.tmp`. A kill may leave
    it there; any other failure removes it.

    Example:
      with output.new_directory("/tmp/export") as temporary:
          json_files.write(os.path.join(temporary, "config.json"), config)

    Raises:
      InputError: there is something at `path` other than an empty directory, or the
        disk is full.
      OSError: nothing can be written there; `filename` is set.
    """
    require_new(path)
    target = os.path.realpath(path)
    temporary = "%s.%d.finetuning.tmp" % (target, os.getpid())
    try:
        with failures.disk_full_errors(), _named(path, temporary):
            os.makedirs(temporary)
            yield temporary
            files.sync_directory(temporary)
            require_new(path)
            os.rename(temporary, target)
            files.sync_directory(os.path.dirname(target))
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextlib.contextmanager
def _named(path, temporary):
    """Makes an `OSError` about a temporary file one about the directory."""
    try:
        yield
    except OSError as error:
        if error.filename is None or str(error.filename).startswith(temporary):
            error.filename = path
        raise
