"""The files next to the weights that make a directory of weights self-contained.

These are copies of the vocabulary and the config, the labels, and the flags that decide
how text is read. With them, the weights can be used without any other flag or file.
"""

import os

from finetuning.data import label_map
from finetuning.flags import text_settings
from finetuning.run_info import fingerprints
from finetuning.utils import files
from finetuning.utils.errors import InputError

NAMES = (label_map.FILE, text_settings.FILE, *text_settings.COPIES.values())


def require_not_overwritten(settings, directory, digests):
    """Checks that a training run would not replace a file of the user's.

    Args:
      settings: `settings.Settings`.
      directory: the output directory, or its `best/`; it need not exist.
      digests: what `fingerprints.take` returned for the files of the run.

    Raises:
      InputError: a file that is called like one of the copies has another content.
    """
    for flag, path in _different(directory, digests):
        raise InputError(
            "--output_dir=%s: a copy of --%s=%s is saved next to the weights, but %s "
            "is another file; move it, or use another --output_dir"
            % (settings.output_dir, flag, getattr(settings, flag), path)
        )


def save(directory, run):
    """Writes the files into a directory of weights, which must exist.

    Args:
      directory: the output directory of a training run, or its `best/`.
      run: `run_record.Run`.

    Raises:
      InputError: the vocabulary or the config has changed since it was checked.
    """
    text_settings.save(directory, run.settings)
    label_map.save(directory, run.task)
    _copy_missing(directory, run)


def complete(directory, run):
    """Writes those files that a directory of weights lacks.

    Args:
      directory: where the weights are that the run has used.
      run: `run_record.Run`, which reads text as these weights need it.

    Returns:
      The names of the files that were written.

    Raises:
      InputError: the vocabulary or the config has changed since it was checked.
    """
    before = files.list_directory(directory)
    if text_settings.FILE not in before:
        text_settings.save(directory, run.settings)
    if label_map.FILE not in before:
        label_map.save(directory, run.task)
    _copy_missing(directory, run)
    return [name for name in NAMES if name not in before]


def differences(directory, digests):
    """How the vocabulary and the config of a run differ from those next to the weights.

    Args:
      directory: where the weights are that the run uses.
      digests: what `fingerprints.take` returned for the files of the run.

    Returns:
      List of phrases such as "content of the --vocab_file: best/vocab.txt -> b.txt".
    """
    return [
        "content of the --%s: %s -> %s" % (flag, path, digests[flag]["path"])
        for flag, path in _different(directory, digests)
    ]


def _different(directory, digests):
    for flag, path in copies(directory):
        if files.exists(path) and not _has_digest(path, digests[flag]):
            yield flag, path


def copies(directory):
    """Yields the flag and the path of each copy, whether it exists or not."""
    for flag, name in text_settings.COPIES.items():
        yield flag, os.path.join(directory, name)


def _copy_missing(directory, run):
    for flag, path in copies(directory):
        if files.exists(path):
            continue
        if fingerprints.of_reader(flag, run.settings) != run.inputs.fingerprints[flag]:
            raise InputError(
                "%s was changed after it was checked; rerun the same command"
                % getattr(run.settings, flag)
            )
        text = fingerprints.saved_text(flag, run.settings)
        if text is None:
            files.copy(getattr(run.settings, flag), path)
        else:
            files.write_text(path, text)


def _has_digest(path, digest):
    return fingerprints.sha256(path) == digest["sha256"]
