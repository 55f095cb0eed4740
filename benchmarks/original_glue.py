"""Fine-tunes and scores BERT on MRPC with google-research/bert itself.

  BERT_ORIGINAL=DIR .venv/tf1/bin/python benchmarks/original_glue.py --task_name=MRPC
      --do_train=true --do_eval=true ... --output_dir=DIR

The same flags as run_classifier.py, those that the original has, and eval_results.json
as it writes it, beside the original's own files. The original has no seed: a
--random_seed only tells runs apart. A training that --output_dir holds goes on, or is
scored if it has ended.

The original scores by accuracy alone. So the development set is also given to it as the
test set, and the other scores are computed from the probabilities that it writes.
"""

import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
sys.path.insert(0, ROOT)

import peer  # noqa: E402

from finetuning.data import data_files, reading, tasks  # noqa: E402
from finetuning.device import detect  # noqa: E402
from finetuning.evaluation import scoring  # noqa: E402
from finetuning.utils.errors import InputError  # noqa: E402

PROGRAM = "google-research/bert"
_TASK = "MRPC"
# The flags that the original has, but for the data.
_PASSED = sorted(
    peer.FLAGS - {"data_dir", "random_seed", "do_train", "do_eval", "task_name"}
)
_TOLERANCE = 1e-6


def main(argv):
    return peer.command(lambda: _main(argv))


def _main(argv):
    checkout = os.environ.get("BERT_ORIGINAL") or ""
    if not os.path.exists(os.path.join(checkout, "run_classifier.py")):
        raise InputError(
            "$BERT_ORIGINAL=%s is no checkout of google-research/bert" % checkout
        )
    chosen = peer.parse(argv, ())
    task = tasks.find_task(chosen.task_name)
    if task.name != _TASK:
        raise InputError(
            "--task_name=%s: this runs the original on %s alone"
            % (chosen.task_name, _TASK)
        )
    _, (training, dev), _ = data_files.find(chosen)
    with tempfile.TemporaryDirectory() as data_dir:
        for name, path in (("train", training.path), ("dev", dev.path)):
            shutil.copy(path, os.path.join(data_dir, name + ".tsv"))
        shutil.copy(dev.path, os.path.join(data_dir, "test.tsv"))
        run_original(checkout, chosen, data_dir)
    scored = score(chosen.output_dir, task, dev)
    device = detect.find_device()
    peer.write(
        PROGRAM,
        chosen,
        task,
        scored,
        random_seed=None,
        device=device.line(),
        versions={
            "python": platform.python_version(),
            "tensorflow": device.tensorflow,
            "numpy": np.__version__,
        },
        git_revision=_revision(checkout),
        # When its training ended: that tells runs apart, another scoring does not.
        time=_time_of(os.path.join(chosen.output_dir, "checkpoint")),
    )


def run_original(checkout, chosen, data_dir):
    """Trains, evaluates, predicts; what it says goes to the screen as it is."""
    flags = {name: getattr(chosen, name) for name in _PASSED}
    flags.update(
        task_name=_TASK, data_dir=data_dir, do_train=True, do_eval=True, do_predict=True
    )
    command = [sys.executable, os.path.join(checkout, "run_classifier.py")]
    command += ["--%s=%s" % (name, flags[name]) for name in sorted(flags)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, check=False)
    if done.returncode:
        raise OSError("the original ended with status %d" % done.returncode)


def score(output_dir, task, dev):
    """The scores of what the original wrote: `scoring.Evaluation`.

    Raises:
      OSError: its own accuracy is another than that of its probabilities.
    """
    with open(os.path.join(output_dir, "eval_results.txt"), encoding="utf-8") as file:
        own = dict(line.rstrip("\n").split(" = ") for line in file)
    probabilities = np.loadtxt(
        os.path.join(output_dir, "test_results.tsv"), np.float32, ndmin=2
    )
    gold = np.array(
        [
            task.labels.index(example.label)
            for example in reading.read_examples(task, dev)
        ]
    )
    losses = -np.log(probabilities[np.arange(len(gold)), gold])
    predictions = peer.Predictions(probabilities, losses, gold)
    scored = scoring.evaluate(task, [("", predictions)], int(own["global_step"]))
    found, wanted = scored.figures["eval_accuracy"], float(own["eval_accuracy"])
    if abs(found - wanted) > _TOLERANCE:
        raise OSError(
            "%s: accuracy %s by eval_results.txt, %s by test_results.tsv"
            % (output_dir, wanted, found)
        )
    return scored


def _time_of(path):
    return time.strftime(peer.TIME, time.localtime(os.path.getmtime(path)))


def _revision(checkout):
    """The original's commit, if the checkout tells."""
    shown = subprocess.run(
        ["git", "rev-parse", "HEAD"],
        cwd=checkout,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=False,
    )
    return shown.stdout.strip() or None


if __name__ == "__main__":
    sys.exit(main(sys.argv))
