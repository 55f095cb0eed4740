"""One run of the program: what all of its phases know."""

from dataclasses import dataclass
from typing import Tuple

from encoder import mixed_precision
from finetuning import classifier
from finetuning.checks.inputs import Inputs
from finetuning.data import preparation
from finetuning.device import backend, detect, failures
from finetuning.flags.settings import Settings
from finetuning.utils.errors import InputError

# XLA compiles anew for each shape: 128 tokens make four.
_XLA_LENGTHS = 32


@dataclass(frozen=True)
class Run:
    """One run of the program, ready to start.

    Attributes:
      settings: `Settings`.
      inputs: `checks.inputs.Inputs`.
      device: `detect.Device`.
      seed: of all that is random.
      compute: `classifier.ComputeOptions`.
      sets: `preparation.Dataset` of each source; none before they are prepared.
    """

    settings: Settings
    inputs: Inputs
    device: detect.Device
    seed: int
    compute: classifier.ComputeOptions
    sets: Tuple[preparation.Dataset, ...] = ()

    @property
    def task(self):
        return self.inputs.task

    def datasets_for(self, split):
        """The sets of a kind: "train", "dev" or "test"."""
        return [each for each in self.sets if each.data_file.split == split]

    @property
    def session_config(self):
        return backend.session_config(self.settings.num_threads, self.settings.xla)

    def memory_errors(self, phase, flag):
        """A context in which want of memory ends the run in a line that can be used.

        Args:
          phase: what is under way, such as "training".
          flag: name of the flag that gives its batch size.
        """
        settings = self.settings
        size = getattr(settings, flag)
        where = "%s with --%s=%d and --max_seq_length=%d"
        remedies = ["--%s=%d" % (flag, size // 2)] if size > 1 else []
        remedies.append("a shorter --max_seq_length")
        if settings.precision == "float32":
            remedies.append("--precision=mixed")
        return failures.out_of_memory_errors(
            where % (phase, flag, size, settings.max_seq_length),
            "try %s, or a smaller model" % ", ".join(remedies),
        )


def choose_compute_options(settings, device):
    """How the settings ask this device to compute: `classifier.ComputeOptions`.

    Raises:
      InputError: the device cannot.
    """
    chosen = mixed_precision.FLOAT32
    if settings.precision == "mixed":
        chosen = mixed_precision.precision_named(detect.short_type(device))
    if settings.xla and device.kind != "GPU":
        raise InputError(
            "--xla=true compiles for a GPU, and there is none here; leave the flag out"
        )
    return classifier.ComputeOptions(chosen, _XLA_LENGTHS if settings.xla else None)
