"""Files that the user has already, as they are downloaded or unpacked."""

import dataclasses
import os
import shutil

from finetuning.utils.errors import InputError
from scripts.fetching import workspace


def locate(row, needed, options):
    """Looks for a task's or a checkpoint's files in the user's folder.

    They are there, or in a folder there with its name.

    Args:
      row: a `sources.GlueTask` or `sources.Checkpoint`.
      needed: names of the files that it consists of once unpacked.
      options: `download.Options` with a source.

    Returns:
      The folder that contains all needed files, or None if the files to download are
      there; and the options with the folder of those.

    Raises:
      InputError: neither are there.
    """
    if not os.path.isdir(options.source):
        raise InputError("--from=%s: no such directory" % options.source)
    inside = sorted(os.listdir(options.source))
    folders = [options.source] + [
        os.path.join(options.source, name)
        for name in inside
        if name.lower() == row.name.lower()
    ]
    for folder in folders:
        if _has(folder, [remote.name for remote in row.remotes[: row.num_given]]):
            return None, dataclasses.replace(options, source=folder)
    for folder in folders:
        if _has(folder, needed):
            return folder, options
    remote = row.remotes[0]
    raise InputError(
        "%s is missing, and neither this folder nor a folder %s in it has %s; download "
        "it from %s"
        % (
            os.path.join(options.source, remote.name),
            row.name,
            ", ".join(needed),
            remote.url(options.base_url),
        )
    )


def _has(folder, names):
    return all(os.path.isfile(os.path.join(folder, name)) for name in names)


def copy(folder, names, target):
    """Copies files of the user's to a temporary folder; returns that folder.

    Raises:
      InputError: the disk has no space for them.
    """
    paths = [os.path.join(folder, name) for name in names]
    workspace.check_free_space(
        os.path.dirname(target), sum(map(os.path.getsize, paths))
    )
    os.mkdir(target)
    for name, path in zip(names, paths):
        shutil.copyfile(path, os.path.join(target, name))
    return target
