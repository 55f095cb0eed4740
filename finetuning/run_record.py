"""What all phases of a run need to know: one record, which they are given."""

from dataclasses import dataclass
from typing import Any, Tuple

from finetuning import classifier
from finetuning.checkpoints.output_dir import OutputDir
from finetuning.checks.inputs import Inputs
from finetuning.data import input_pipeline, preparation
from finetuning.device import backend, detect, failures
from finetuning.flags import batch_parts
from finetuning.flags.settings import Settings
from finetuning.workers import cluster as workers
from finetuning.workers import collectives


@dataclass(frozen=True)
class Run:
    """What all phases of a run need to know.

    Attributes:
      settings: `Settings`.
      inputs: `checks.inputs.Inputs`.
      output_dir: `OutputDir`.
      device: `detect.Device`.
      compute: `classifier.ComputeOptions`.
      seed: the seed of fresh weights, shuffling and dropout.
      first_step: the global step at which training starts.
      cluster: `workers.cluster.Cluster`, this and the other workers of the run.
      collectives: `collectives.Collectives` of the workers.
      datasets: `preparation.Dataset` of each data file, once they are prepared.
    """

    settings: Settings
    inputs: Inputs
    output_dir: OutputDir
    device: detect.Device
    compute: classifier.ComputeOptions
    seed: int
    first_step: int = 0
    cluster: Any = workers.Alone()
    collectives: Any = collectives.ALONE
    datasets: Tuple[preparation.Dataset, ...] = ()

    @property
    def task(self):
        return self.inputs.task

    @property
    def share(self):
        """`input_pipeline.Share` of this worker."""
        return input_pipeline.Share(
            self.cluster.index,
            self.cluster.count,
            self.settings.accumulate_steps,
        )

    def datasets_for(self, split):
        """The datasets of a split: "train", "dev" or "test"."""
        return [
            dataset for dataset in self.datasets if dataset.data_file.split == split
        ]

    @property
    def session_config(self):
        config = backend.session_config(self.settings.num_threads)
        self.collectives.configure(config)
        return config

    def memory_errors(self, phase, flag):
        """A context in which running out of memory becomes one line of advice.

        Args:
          phase: what is under way, such as "training".
          flag: name of the flag that gives the batch size of the phase.
        """
        settings = self.settings
        size = getattr(settings, flag)
        where = "%s with --%s=%d and --max_seq_length=%d"
        remedies, parts = [], 1
        if flag == "train_batch_size":
            parts = settings.accumulate_steps
            more_parts = batch_parts.next_larger(size, parts, self.cluster.count)
            if more_parts is not None:
                remedies.append("--accumulate_steps=%d" % more_parts)
        if size > 1 and size // 2 % (parts * self.cluster.count) == 0:
            remedies.append("--%s=%d" % (flag, size // 2))
        remedies.append("a shorter --max_seq_length")
        if settings.precision == "float32":
            remedies.append("--precision=mixed")
        return failures.out_of_memory_errors(
            where % (phase, flag, size, settings.max_seq_length),
            "try %s, or a smaller model" % ", ".join(remedies),
        )
