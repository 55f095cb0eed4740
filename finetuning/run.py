"""One run of the program: what all of its phases know."""

from dataclasses import dataclass
from typing import Tuple

from finetuning import backend, classifier, precision, preflight, preparation
from finetuning.errors import InputError
from finetuning.settings import Settings

# XLA compiles anew for each shape: 128 tokens make four.
_XLA_LENGTHS = 32


@dataclass(frozen=True)
class Run:
    """One run of the program, ready to start.

    Attributes:
      settings: `Settings`.
      inputs: `preflight.Inputs`.
      device: `backend.Device`.
      seed: of all that is random.
      execution: `classifier.Execution`.
      sets: `preparation.Prepared` of each source; none before they are prepared.
    """

    settings: Settings
    inputs: preflight.Inputs
    device: backend.Device
    seed: int
    execution: classifier.Execution
    sets: Tuple[preparation.Prepared, ...] = ()

    @property
    def task(self):
        return self.inputs.task

    def of_kind(self, kind):
        """The sets of a kind: "train", "dev" or "test"."""
        return [each for each in self.sets if each.source.kind == kind]

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
        return backend.memory_errors(
            where % (phase, flag, size, settings.max_seq_length),
            "try %s, or a smaller model" % ", ".join(remedies),
        )


def choose_execution(settings, device):
    """How the settings ask this device to compute: `classifier.Execution`.

    Raises:
      InputError: the device cannot.
    """
    chosen = precision.FLOAT32
    if settings.precision == "mixed":
        chosen = precision.named(backend.short_type(device))
    if settings.xla and device.kind != "GPU":
        raise InputError(
            "--xla=true compiles for a GPU, and there is none here; leave the flag out"
        )
    return classifier.Execution(chosen, _XLA_LENGTHS if settings.xla else None)
