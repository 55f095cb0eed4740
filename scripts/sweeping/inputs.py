"""The files that the runs of a sweep read, compared by content."""

from finetuning.data import data_files
from finetuning.device import backend
from finetuning.run_info import fingerprints, saved_run
from finetuning.utils import files
from finetuning.utils.errors import InputError


def take(settings):
    """Computes the fingerprints of all files that determine a sweep's scores.

    Args:
      settings: `settings.Settings` of one of its runs.

    Returns:
      Dictionary; see `fingerprints.take`.

    Raises:
      InputError: one of them does not exist.
    """
    _, found, _ = data_files.find(settings)
    for name in fingerprints.READERS:
        path = getattr(settings, name)
        files.require_file("--%s=%s" % (name, path), path)
    prefix = settings.init_checkpoint or None
    if prefix and not files.exists(prefix + ".index"):
        # A directory, or one of the files of a checkpoint.
        backend.start()
        from finetuning.checkpoints import finding

        prefix = finding.resolve(prefix, "init_checkpoint")
    return fingerprints.take(settings, found, prefix, with_dev_set=True)


def require_same(where, before, now):
    """Checks that two sets of fingerprints do not differ.

    Args:
      where: what was made from the earlier files, for the message.
      before: dictionary from `take`, or from `of_result`.
      now: dictionary from `take`.

    Raises:
      InputError: a file has another content.
    """
    names = fingerprints.NAMES if set(before).intersection(fingerprints.NAMES) else ()
    names += (fingerprints.DEV_SET,) if fingerprints.DEV_SET in before else ()
    changes = saved_run.changed_files(before, now, names)
    if changes:
        raise InputError(
            "%s was made from other files (%s); restore them, or use another "
            "--sweep_dir: one mean must not be over two data sets"
            % (where, "; ".join(changes))
        )


def of_result(result):
    """The fingerprints that an eval_results.json has; those it lacks are left out."""
    training = result.get("training") or {}
    known = dict(training.get("fingerprints") or {})
    known.pop(fingerprints.DEV_SET, None)  # Perhaps not the one it was scored on.
    if "data_sha256" in result:
        path = " and ".join(result.get("data_files", []))
        known[fingerprints.DEV_SET] = {"path": path, "sha256": result["data_sha256"]}
    return known
