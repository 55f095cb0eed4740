"""Trains one task with several seeds and a grid of settings; shows mean and spread.

  python -m scripts.sweep --sweep_dir=DIR --seeds=5 --task_name=MRPC ...
  python -m scripts.sweep --sweep_dir=DIR --seeds=1,2,3 --grid=paper ...

All other flags are passed on to run_classifier.py, with --do_train=true and
--do_eval=true. Each run has its own directory, DIR/runs/<settings>, which also contains
its output as output.txt. After each run, DIR contains the results so far as sweep.txt,
sweep.json and sweep.png.

Rerun the same command to resume: finished runs are skipped, an interrupted run resumes
from its latest checkpoint, and failed runs are tried again. Seeds and values may be
added. Once a run is finished or has a checkpoint, all other flags that affect a score
must stay the same.

A checkpoint with the optimiser's state takes 1.3 GB for BERT-Base. After each run,
--keep_checkpoints decides which checkpoints and record files to keep: those of the run
with the highest main score so far (best, the default), all, or none. Only files that
the sweep's own runs wrote are removed.
"""

import os
import signal
import sys

if not __package__:  # Started by its path.
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from finetuning.utils import early_interrupt, environment

if __name__ == "__main__":
    early_interrupt.report()
    environment.require()

from finetuning.flags import batch_parts, command_line
from finetuning.utils import exit_status, files, json_files
from finetuning.utils.console import log
from finetuning.utils.errors import InputError
from scripts import entry
from scripts.sweeping import grid, picture, report
from scripts.sweeping.runs import KEEP, RUNS_DIR, Sweep

TEXT, JSON, PICTURE = "sweep.txt", "sweep.json", "sweep.png"
_PROGRAM = os.path.join(entry.ROOT, "run_classifier.py")


def parse(argv):
    """Returns the sweep's own arguments, and the list of flags to pass on."""
    parser = entry.Parser(prog="sweep.py", description=__doc__)
    add = parser.add_argument
    parser.add_path(
        "--sweep_dir", required=True, help="directory for everything the sweep writes"
    )
    add(
        "--seeds",
        required=True,
        help="such as 1,2,3; a single number such as 5 means 1 to 5",
    )
    add("--learning_rates", help="such as 5e-5,3e-5")
    add("--batch_sizes", help="such as 16,32")
    add("--epochs", help="such as 2,3")
    add(
        "--grid",
        choices=sorted(grid.GRIDS),
        help="paper: batch sizes 16, 32, rates 5e-5, 3e-5, 2e-5, epochs 2, 3, 4",
    )
    add("--keep_checkpoints", choices=KEEP, help="see above")
    parser.add_path(
        "--python", default=sys.executable, help="Python interpreter of the runs"
    )
    parser.add_path(
        "--script",
        default=_PROGRAM,
        help="another program with the same flags and eval_results.json, such as "
        "benchmarks/peers/hf_glue.py",
    )
    return parser.parse_known_args(argv)


def plan(arguments, flags):
    """Validates a sweep before anything is written, and returns it as a `Sweep`.

    Args:
      arguments: the sweep's own arguments.
      flags: list of flags to pass on.

    Raises:
      InputError: a flag is unknown or invalid.
    """
    output_dir = os.path.join(arguments.sweep_dir, RUNS_DIR)
    required = ["--output_dir=" + output_dir, "--do_train=true", "--do_eval=true"]
    command = [arguments.script] + required + flags
    settings, _ = command_line.parse(command)
    if settings.random_seed is not None:
        raise InputError("--random_seed: use --seeds for a sweep")
    if settings.output_dir != output_dir:
        raise InputError("--output_dir: use --sweep_dir for a sweep")
    if not (settings.do_train and settings.do_eval):
        raise InputError("a sweep trains and evaluates: omit --do_train and --do_eval")
    if settings.check:
        raise InputError("--check=true: only run_classifier.py has a dry run")
    points = grid.points(arguments, settings)
    for point in points:
        given, _ = command_line.parse(command + point.flags())
        batch_parts.check(given.train_batch_size, given.accumulate_steps)
    files.require_file("--script=" + arguments.script, arguments.script)
    return Sweep(
        arguments.sweep_dir,
        arguments.python,
        arguments.script,
        flags,
        points,
        arguments.keep_checkpoints,
    )


def write_report(directory, sweep, results):
    """Writes the tables, their data and the picture; returns the tables' lines."""
    collected = report.collect(sweep.description(), sweep.points, results)
    lines = report.lines(collected)
    files.write_text(os.path.join(directory, TEXT), "\n".join(lines) + "\n")
    json_files.write(os.path.join(directory, JSON), collected)
    if collected["runs"]:
        picture.draw(os.path.join(directory, PICTURE), collected)
    return lines


def run(argv):
    arguments, flags = parse(argv)
    directory = arguments.sweep_dir
    with plan(arguments, flags) as sweep:
        log.info("%d runs in %s", len(sweep.points), directory)
        for results in sweep.run():
            lines = write_report(directory, sweep, results)
    for line in lines:
        log.info(line)
    log.info("Written to %s, with %s and %s", directory, JSON, PICTURE)
    if not sweep.failed:
        return exit_status.SUCCESS
    for name, error in sweep.failed.items():
        log.error("%s failed: %s", name, error)
    counts = len(sweep.failed), len(sweep.points)
    log.error("%d of %d runs failed; rerun the same command to try them again", *counts)
    return exit_status.FAILURE


def main(argv=None):
    """Runs one command line; returns the exit status."""
    return entry.status_of(
        lambda: run(sys.argv[1:] if argv is None else argv),
        interrupted="interrupted; rerun the same command to resume",
    )


def treat_signals_as_interrupts():
    """Makes SIGTERM and SIGHUP act like Ctrl-C, so that they also stop the run."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        # Under nohup, SIGHUP is ignored, and must stay so.
        if signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, signal.default_int_handler)


if __name__ == "__main__":
    treat_signals_as_interrupts()
    sys.exit(main())
