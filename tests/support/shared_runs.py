"""Training runs on the small corpus that all test modules share.

Each is trained once per test run, by the first pytest-xdist worker that needs it, in
pytest's base temporary directory. The fixtures in `tests/conftest.py` hand them out:

  corpus_flags     flags that name the small corpus and how to train on it
  finished_run     trained, evaluated and predicted with: 15 steps, checkpoints of
                   steps 8, 12 and 15
  evaluated_run    a regression on the same texts, evaluated every 3 steps, with the
                   best weights (not the last ones) in best/, and every checkpoint
  interrupted_run  a training run that SIGTERM ended at step 4 of 15, with checkpoints
                   of steps 0 and 4

The last three are `TrainedRun`s. Never write into their directories; copy them:

  def test_resuming(finished_run, tmp_path):
      out = finished_run.copy(tmp_path)
      succeed(finished_run.flags + ["--do_train", "--output_dir=" + out])
"""

import contextlib
import fcntl
import json
import os
import shutil
import signal
from typing import List, NamedTuple

from tests.support import corpus
from tests.support.running import PHASES, Run, rows, succeed, value, without


class TrainedRun(NamedTuple):
    """A training run to be looked at.

    Attributes:
      flags: those of the data and the training, without phases and --output_dir.
      command: all flags but --output_dir.
      directory: its output directory; read-only.
      screen: what it wrote to standard output.
    """

    flags: List[str]
    command: List[str]
    directory: str
    screen: str

    def copy(self, parent):
        """Copies the output directory to PARENT/out; returns its path."""
        return shutil.copytree(self.directory, os.path.join(str(parent), "out"))


def once(parent, name, make):
    """Returns what `make(directory)` returned, called by one process only.

    Args:
      parent: a directory that all processes of the test run share.
      name: of the directory to make in it.
      make: a function from that directory to a value that JSON can hold.
    """
    directory = os.path.join(parent, name)
    result = directory + ".json"
    with _locked(directory + ".lock"):
        if not os.path.exists(result):
            shutil.rmtree(directory, ignore_errors=True)
            os.makedirs(directory)
            made = make(directory)
            with open(result, "w", encoding="utf-8") as file:
                json.dump(made, file)
    return corpus.read_json(result)


@contextlib.contextmanager
def _locked(path):
    with open(path, "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def finished(flags, directory):
    command = [*flags, *PHASES, "--save_checkpoints_steps=4", "--keep_checkpoint_max=3"]
    out = os.path.join(directory, "out")
    run = succeed([*command, "--output_dir=" + out])
    return TrainedRun(flags, command, out, run.out)


def evaluated(flags, directory):
    """A regression: its score takes any value, so that no two evaluations tie.

    The labels to score against are swapped: the last weights are not the best.
    """
    heading, *examples = rows(value(flags, "data_dir"), "dev.tsv")
    lines = ["\t".join([str(1 - int(row[0]))] + row[1:]) for row in examples]
    swapped = os.path.join(directory, "dev.tsv")
    corpus.write_lines(swapped, ["\t".join(heading)] + lines)
    flags = without(flags, "task_name") + [
        "--task_name=custom",
        "--regression",
        "--text_a_column=#1 String",
        "--text_b_column=#2 String",
        "--label_column=Quality",
        "--eval_file=" + swapped,
    ]
    command = [*flags, *PHASES, "--eval_steps=3", "--keep_best"]
    command += ["--save_checkpoints_steps=3", "--keep_checkpoint_max=0"]
    out = os.path.join(directory, "out")
    run = succeed([*command, "--output_dir=" + out])
    return TrainedRun(flags, command, out, run.out)


def interrupted(flags, directory):
    command = [*flags, "--do_train", "--save_checkpoints_steps=4"]
    out = os.path.join(directory, "out")
    run = Run(
        [*command, "--output_dir=" + out],
        when="model.ckpt-4",
        do=lambda: os.kill(os.getpid(), signal.SIGTERM),
    )
    assert run.status == 128 + signal.SIGTERM, run.out + run.err
    return TrainedRun(flags, command, out, run.out)
