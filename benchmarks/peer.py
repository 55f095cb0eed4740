"""What hf_glue.py and original_glue.py share: run_classifier.py's flags and result."""

import collections
import dataclasses
import os
import sys
import time

from finetuning.evaluation import result_files
from finetuning.flags import command_line
from finetuning.run_info import provenance
from finetuning.utils import console, exit_status
from finetuning.utils.errors import InputError

# As `provenance.describe` writes it.
TIME = "%Y-%m-%dT%H:%M:%S%z"

# As `inference.Predictions`, which needs TensorFlow.
Predictions = collections.namedtuple(
    "Predictions", "probabilities per_example_loss label_ids"
)
FLAGS = {
    "task_name",
    "do_train",
    "do_eval",
    "data_dir",
    "vocab_file",
    "bert_config_file",
    "init_checkpoint",
    "output_dir",
    "do_lower_case",
    "max_seq_length",
    "train_batch_size",
    "learning_rate",
    "num_train_epochs",
    "warmup_proportion",
    "random_seed",
    "eval_batch_size",
}


def parse(argv, honoured):
    """The command line as `settings.Settings`.

    Args:
      argv: program name and flags of run_classifier.py.
      honoured: names of those that the program has, beside `FLAGS`.

    Raises:
      InputError: a flag is none of run_classifier.py's, or not honoured, or lacks.
    """
    chosen, _ = command_line.parse(argv)
    for field in dataclasses.fields(chosen):
        value = getattr(chosen, field.name)
        if field.name not in FLAGS | set(honoured) and value != field.default:
            raise InputError(
                "--%s=%s: this program has no such choice; leave it out"
                % (field.name, value)
            )
    for name in ("do_train", "do_eval", "init_checkpoint"):
        if not getattr(chosen, name):
            raise InputError("--%s must be given: this trains, then scores" % name)
    return chosen


def command(run):
    """Runs `run`, a function without arguments; returns the exit status."""
    with console.screen():
        try:
            run()
        except (InputError, OSError, KeyboardInterrupt) as error:
            return exit_status.report(error)
    return exit_status.SUCCESS


def write(program, chosen, task, scored, **facts):
    """Writes eval_results.json under run_classifier.py's names, and shows the scores.

    Args:
      program: what made them.
      chosen: `settings.Settings`, as the program honoured them.
      task: `tasks.Task`.
      scored: `scoring.Evaluation`.
      **facts: `random_seed`, `device`, `versions`, `git_revision` and others that go
        into the file.
    """
    content = {
        "program": program,
        "task": task.name,
        "labels": list(task.labels),
        "results": scored.figures,
        "main_metrics": list(task.main),
        "majority_accuracy": scored.majority_accuracy,
        "majority_score": scored.majority_score,
        "predicted_one_class": scored.one_class,
        "settings": chosen.as_dict(),
        "command": sys.argv,
        "time": time.strftime(TIME),
    }
    content.update(facts)
    path = os.path.join(chosen.output_dir, result_files.EVAL_JSON)
    os.makedirs(chosen.output_dir, exist_ok=True)
    provenance.write_json(path, content)
    for line in result_files.table("Scores", sorted(scored.figures.items())):
        console.log.info(line)
    console.log.info("Written to %s", path)
