"""Fine-tunes and scores BERT on MRPC with google-research/bert itself.

  BERT_ORIGINAL=DIR .venv/tf1/bin/python benchmarks/peers/original_glue.py
      --task_name=MRPC --do_train=true --do_eval=true ... --output_dir=DIR

Takes the flags of run_classifier.py that the original has, and writes eval_results.json
in the same format next to the original's own files. The original has no seed:
--random_seed only tells runs apart. A run in --output_dir is resumed, or scored if it
is finished.

The original computes only the accuracy. So it gets the dev set as its test set too, and
the other scores are computed from the probabilities that it writes.
"""

import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time

import numpy as np

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, ROOT)

from benchmarks.peers import interface  # noqa: E402
from finetuning.data import data_files, reading  # noqa: E402
from finetuning.device import detect  # noqa: E402
from finetuning.evaluation import scoring  # noqa: E402
from finetuning.utils.errors import InputError  # noqa: E402
from scripts import entry  # noqa: E402

PROGRAM = "google-research/bert"
_TASK = "MRPC"
_TOLERANCE = 1e-6


def main(argv):
    return entry.status_of(lambda: run(argv))


def run(argv):
    checkout = os.environ.get("BERT_ORIGINAL") or ""
    if not os.path.exists(os.path.join(checkout, "run_classifier.py")):
        raise InputError(
            "$BERT_ORIGINAL=%s is not a checkout of google-research/bert" % checkout
        )
    settings = interface.parse(argv)
    task, (training, dev), _ = data_files.find(settings)
    if task.name != _TASK:
        raise InputError(
            "--task_name=%s: this program runs the original on %s only"
            % (settings.task_name, _TASK)
        )
    with tempfile.TemporaryDirectory() as data_dir:
        for name, path in (
            ("train.tsv", training.path),
            ("dev.tsv", dev.path),
            ("test.tsv", dev.path),
        ):
            shutil.copy(path, os.path.join(data_dir, name))
        run_original(checkout, settings, data_dir)
    device = detect.find_device()
    # The time at which training ended tells runs apart; that of the scoring does not.
    checkpoint = os.path.join(settings.output_dir, "checkpoint")
    trained = time.localtime(os.path.getmtime(checkpoint))
    interface.write(
        PROGRAM,
        settings,
        task,
        score(settings.output_dir, task, dev),
        random_seed=None,
        device=device.line(),
        versions={
            "python": platform.python_version(),
            "tensorflow": device.tensorflow,
            "numpy": np.__version__,
        },
        git_revision=_revision(checkout),
        time=time.strftime(interface.TIME_FORMAT, trained),
    )


def run_original(checkout, settings, data_dir):
    """Trains, evaluates and predicts; the output goes to the screen as it is."""
    names = sorted(interface.RECIPE | {"output_dir"})
    flags = ["--%s=%s" % (name, getattr(settings, name)) for name in names]
    flags += ["--task_name=" + _TASK, "--data_dir=" + data_dir]
    flags += ["--do_train=true", "--do_eval=true", "--do_predict=true"]
    command = [sys.executable, os.path.join(checkout, "run_classifier.py"), *flags]
    done = subprocess.run(command, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise OSError("the original's exit status is %d" % done.returncode)


def score(output_dir, task, dev):
    """Computes the scores of what the original wrote: `scoring.Evaluation`.

    Args:
      output_dir: the original's.
      task: `tasks.Task`.
      dev: `tasks.DataFile` of the dev set.

    Raises:
      OSError: the original's accuracy is not that of its probabilities.
    """
    with open(os.path.join(output_dir, "eval_results.txt"), encoding="utf-8") as file:
        own = dict(line.rstrip("\n").split(" = ") for line in file)
    path = os.path.join(output_dir, "test_results.tsv")
    probabilities = np.loadtxt(path, np.float32, ndmin=2)
    labels = [example.label for example in reading.read_examples(task, dev)]
    gold = np.array([task.labels.index(label) for label in labels])
    losses = -np.log(probabilities[np.arange(len(gold)), gold])
    predictions = interface.Predictions(probabilities, losses, gold)
    scored = scoring.evaluate(task, [("", predictions)], int(own["global_step"]))
    accuracy, expected = scored.figures["eval_accuracy"], float(own["eval_accuracy"])
    if abs(accuracy - expected) > _TOLERANCE:
        raise OSError(
            "%s: the accuracy is %s in eval_results.txt, but %s by test_results.tsv"
            % (output_dir, expected, accuracy)
        )
    return scored


def _revision(checkout):
    """The original's commit, or None."""
    command = ["git", "-C", checkout, "rev-parse", "HEAD"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return done.stdout.decode("utf-8").strip() or None


if __name__ == "__main__":
    sys.exit(main(sys.argv))
