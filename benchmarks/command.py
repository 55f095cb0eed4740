"""The whole command, this program's and the original's: seconds and memory."""

import os
import subprocess
import sys
import tempfile
import time

import numpy as np
from measure import ROOT, Program, compare, dtypes, row_of

_FIRST_STEP = "training: step 1 of "
_ENVIRONMENT = {"TF_CPP_MIN_LOG_LEVEL": "2", "PYTHONUNBUFFERED": "1"}


class CommandError(Exception):
    """The command's exit status is not 0; the message holds the end of its output."""


def flags(arguments, output_dir):
    """The flags that both programs get."""
    return [
        "--task_name=MRPC",
        "--do_train=true",
        "--do_eval=true",
        "--do_predict=true",
        "--data_dir=" + arguments.data_dir,
        "--vocab_file=" + arguments.vocab_file,
        "--bert_config_file=" + arguments.bert_config_file,
        "--init_checkpoint=" + arguments.init_checkpoint,
        "--max_seq_length=%d" % arguments.max_seq_length,
        "--train_batch_size=%d" % arguments.batch_size[0],
        "--learning_rate=2e-5",
        "--num_train_epochs=%g" % arguments.epochs,
        "--output_dir=" + output_dir,
    ]


def time_command(python, directory, arguments, more=()):
    """Runs run_classifier.py of a directory once, in an output directory of its own.

    Returns:
      Dictionary: seconds, peak_bytes, first_step_seconds (until the end of the first
      training step; None where the program does not show it).
    """
    script = os.path.join(directory, "run_classifier.py")
    with tempfile.TemporaryDirectory() as output_dir:
        command = [python, script] + flags(arguments, output_dir) + list(more)
        started = time.perf_counter()
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            universal_newlines=True,
            errors="replace",
            env=dict(os.environ, **_ENVIRONMENT),
        )
        lines, first_step = [], None
        for line in process.stdout:
            lines.append(line)
            if first_step is None and _FIRST_STEP in line:
                first_step = time.perf_counter() - started
        # Not process.wait(): this tells the memory of this one child.
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = status
        process.stdout.close()
    if status:
        raise CommandError("".join(lines)[-2000:])
    unit = 1 if sys.platform == "darwin" else 1024
    return {
        "seconds": seconds,
        "peak_bytes": usage.ru_maxrss * unit,
        "first_step_seconds": first_step,
    }


def whole_command(bench):
    """Times run_classifier.py from start to end: train, evaluate, predict.

    Returns:
      Rows as of `steps_per_second`, with "first_step_seconds" instead of rates.
    """
    arguments = bench.arguments
    runs = {}
    for stack in bench.stacks:
        for dtype in dtypes(stack):
            more = () if dtype == "float32" else ("--precision=mixed",)
            program = Program("ours", "TF " + stack["tensorflow"], dtype, ())
            runs[program] = (stack["python"], ROOT, arguments, more)
    if bench.original_stack:
        stack = bench.original_stack
        program = Program("original", "TF " + stack["tensorflow"], "float32", ())
        directory = os.path.abspath(arguments.original)
        runs[program] = (stack["python"], directory, arguments)
    found = {program: [] for program in runs}
    for _ in range(arguments.command_rounds):
        for program, run in runs.items():
            bench.say("the whole command: %s" % program.name)
            found[program].append(time_command(*run))
    rows = [_row_of_runs(program, times) for program, times in found.items()]
    return {"epochs": arguments.epochs, "rows": rows, "ratios": compare(rows)}


def _row_of_runs(program, times):
    first = [of["first_step_seconds"] for of in times]
    return row_of(
        program,
        [of["seconds"] for of in times],
        first_step_seconds=None if None in first else float(np.median(first)),
        peak_bytes=max(of["peak_bytes"] for of in times),
    )
