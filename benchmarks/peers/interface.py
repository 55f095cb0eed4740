"""What both peers take over from run_classifier.py: its flags and its result file."""

import collections
import dataclasses
import os
import sys
import time

from finetuning.evaluation import result_files
from finetuning.flags import command_line
from finetuning.flags.settings import as_flag
from finetuning.utils import json_files
from finetuning.utils.console import log
from finetuning.utils.errors import InputError

# As `provenance.describe` writes it.
TIME_FORMAT = "%Y-%m-%dT%H:%M:%S%z"
# The fields of `inference.Predictions`, which needs TensorFlow.
Predictions = collections.namedtuple(
    "Predictions", "probabilities per_example_loss label_ids"
)
# The flags of the original that determine a run's result.
RECIPE = {
    "vocab_file",
    "bert_config_file",
    "init_checkpoint",
    "do_lower_case",
    "max_seq_length",
    "train_batch_size",
    "learning_rate",
    "num_train_epochs",
    "warmup_proportion",
    "eval_batch_size",
}
_REQUIRED = ("do_train", "do_eval", "init_checkpoint")
_SUPPORTED = RECIPE | {"task_name", "data_dir", "output_dir", "random_seed", *_REQUIRED}


def parse(argv, also_supported=()):
    """Reads the command line of a peer.

    Args:
      argv: program name and flags of run_classifier.py.
      also_supported: names of flags that this peer supports and the other does not.

    Returns:
      `settings.Settings`.

    Raises:
      InputError: a flag is wrong, missing, or not supported.
      SystemExit: the program's help was asked for, and is shown.
    """
    if {"-h", "--help"} & set(argv[1:]):
        print(sys.modules["__main__"].__doc__)
        raise SystemExit(0)
    settings, _ = command_line.parse(argv)
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        is_supported = field.name in _SUPPORTED or field.name in also_supported
        if value != field.default and not is_supported:
            flag = as_flag(field.name, value)
            raise InputError("%s: this program does not support it; omit it" % flag)
    for name in _REQUIRED:
        if not getattr(settings, name):
            raise InputError("--%s is required: the program trains and scores" % name)
    return settings


def write(program, settings, task, scored, **facts):
    """Writes eval_results.json in run_classifier.py's format, and logs the scores.

    Args:
      program: its name.
      settings: `settings.Settings`, as the program applied them.
      task: `tasks.Task`.
      scored: `scoring.Evaluation`.
      **facts: `random_seed`, `device`, `versions`, `git_revision` and whatever else
        goes into the file.
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
        "settings": settings.as_dict(),
        "command": sys.argv,
        "time": time.strftime(TIME_FORMAT),
    }
    os.makedirs(settings.output_dir, exist_ok=True)
    path = os.path.join(settings.output_dir, result_files.EVAL_JSON)
    json_files.write(path, dict(content, **facts))
    for line in result_files.table("Scores", sorted(scored.figures.items())):
        log.info(line)
    log.info("Written to %s", path)
