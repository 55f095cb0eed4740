"""A folder to work in beside the target, so that nothing half-written is ever there."""

import contextlib
import os
import shutil
import tempfile

from fetching import sources

from finetuning.utils.errors import InputError, is_disk_full

_PREFIX = ".fetching-"


@contextlib.contextmanager
def beside(target):
    """Gives a new folder on the disk of `target`, gone again at the end.

    The folders above `target` are made; those that are still empty at the end go too.

    Raises:
      InputError: the disk is full, or a file or folder cannot be read or written.
    """
    parent = os.path.dirname(os.path.abspath(target))
    made = _missing_folders(parent)
    try:
        os.makedirs(parent, exist_ok=True)
        folder = tempfile.mkdtemp(prefix=_PREFIX, dir=parent)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    except OSError as error:
        raise InputError(_explain(error, parent)) from None
    finally:
        for path in made:
            with contextlib.suppress(OSError):
                os.rmdir(path)


def _missing_folders(path):
    """Those of the folders on the way to `path` that do not exist, deepest first."""
    missing = []
    while not os.path.exists(path):
        missing.append(path)
        path = os.path.dirname(path)
    return missing


def _explain(error, parent):
    if is_disk_full(error):
        return (
            "No space to write in %s (%s); make room, or choose another folder. "
            "Nothing was left there" % (parent, error.strerror)
        )
    path = error.filename or parent
    if os.path.basename(os.path.dirname(path)).startswith(_PREFIX):
        path = parent
    return "%s cannot be used (%s); mend its permissions or choose another folder" % (
        path,
        error.strerror or error,
    )


def check_space(folder, needed):
    """Raises InputError where the disk of `folder` has fewer free bytes than needed."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise InputError(
            "%s are needed in %s and %s are free; make room, or choose another folder"
            % (
                sources.size_in_words(needed),
                os.path.dirname(folder),
                sources.size_in_words(free),
            )
        )


def in_the_way(target):
    """Whether something stands at `target` that a new folder would have to replace."""
    if os.path.isdir(target) and not os.path.islink(target):
        return bool(os.listdir(target))
    return os.path.lexists(target)


def place(folder, target):
    """Moves a finished folder to where it belongs; nothing is ever replaced.

    Raises:
      InputError: something has come to stand there.
    """
    if in_the_way(target):
        raise InputError(
            "%s has come to stand there meanwhile; it was left as it is" % target
        )
    os.rename(folder, target)


def folder_with(root, names):
    """The folder that holds all those files: `root`, or the one such folder in it.

    Raises:
      InputError: there is none, or more than one; the message is a clause about the
        archive.
    """
    inside = [os.path.join(root, name) for name in sorted(os.listdir(root))]
    found = [
        folder
        for folder in [root] + [path for path in inside if os.path.isdir(path)]
        if all(os.path.isfile(os.path.join(folder, name)) for name in names)
    ]
    if len(found) == 1:
        return found[0]
    raise InputError(
        "it holds %s folder with %s"
        % ("more than one" if found else "no", ", ".join(names))
    )
