"""What the workers of one run must have in common."""

import dataclasses

from finetuning.data import label_map
from finetuning.flags import settings as flags
from finetuning.run_info import provenance

# The workers may differ in where their files are, but not in what these contain.
_OPTIONAL = ("--random_seed", "the program's revision")
_PHASES = ("do_train", "do_eval", "do_predict", "check")


def require_same(cluster, settings, inputs, device, compute):
    """Checks that all workers are about to compute the same.

    Args:
      cluster: `cluster.Cluster`.
      settings: `settings.Settings`.
      inputs: `inputs.Inputs`.
      device: `detect.Device`.
      compute: `classifier.ComputeOptions`.

    Raises:
      InputError: this worker differs from worker 0.
      WorkerError: another worker does.
    """
    facts = {
        "TensorFlow's version": device.tensorflow,
        "the program's revision": provenance.git_revision(),
        "the kind of device": device.kind,
        "the type of matrix products": compute.precision.dtype.name,
        "--random_seed": settings.random_seed,
    }
    for name in _compared_flags():
        facts["--" + name] = getattr(settings, name)
    facts["the list of labels"] = label_map.as_text(inputs.task.labels)
    contents = {
        name.replace("_", " "): digest["sha256"]
        for name, digest in inputs.fingerprints.items()
    }
    for split in ("dev", "test"):
        paths = tuple(f.path for f in inputs.data_files if f.split == split)
        if paths:
            contents[split + " set"] = inputs.data_digests[paths]
    for name, digest in contents.items():
        # 64 bits tell apart what differs by accident, and fit into the line.
        facts["the content of the %s" % name] = "SHA-256 %s..." % digest[:16]
    cluster.agree(facts, _OPTIONAL)


def _compared_flags():
    """The flags that decide the numbers of a run, without those that name files."""
    decisive = flags.flags_with(affects="weights") + flags.flags_with(affects="scores")
    files = flags.flags_with(is_path=True)
    by_position = [field.name for field in dataclasses.fields(flags.Settings)]
    names = {*_PHASES, *decisive} - {*files, "random_seed"}
    return sorted(names, key=by_position.index)
