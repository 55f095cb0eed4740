"""Runs one task over many seeds, and over a grid of settings; shows mean and spread.

  python scripts/sweep.py --sweep_dir=DIR --seeds=5 --task_name=MRPC ...
  python scripts/sweep.py --sweep_dir=DIR --seeds=1,2,3 --grid=paper ...

Every other flag is run_classifier.py's and is passed on to it; --do_train=true and
--do_eval=true go without saying. Each run has a directory of its own, runs/<settings>
below DIR, with the command's files and output.txt, what it said.

The same command again goes on where it was stopped: runs that are done are skipped, one
that was begun goes on from its last checkpoint, those that failed are tried again. More
seeds or values may be given then; anything else that decides a score must be as it was
once a run is done or has a checkpoint. At the end, and after each run, DIR holds the
table as sweep.txt, sweep.json and sweep.png.

A checkpoint with the optimiser's state takes 1.3 GB for BERT-Base. When a run is done,
--keep_checkpoints decides: best (the default) keeps those of the run with the highest
main score so far, all keeps all, none none. Record files go with the checkpoints.
Nothing is deleted that the sweep's own runs did not write.
"""

import os
import signal
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

import entry  # noqa: E402
import sweep_grid  # noqa: E402
import sweep_picture  # noqa: E402
import sweep_report  # noqa: E402
import sweep_runs  # noqa: E402

from finetuning.data import data_files  # noqa: E402
from finetuning.flags import command_line  # noqa: E402
from finetuning.run_info import provenance  # noqa: E402
from finetuning.utils import exit_status, files  # noqa: E402
from finetuning.utils.console import log  # noqa: E402
from finetuning.utils.errors import InputError  # noqa: E402

TEXT, JSON, PICTURE = "sweep.txt", "sweep.json", "sweep.png"


def parse(argv):
    """The sweep's own arguments, and the flags for the command."""
    parser = entry.Parser(prog="sweep.py", description=__doc__, allow_abbrev=False)
    add = parser.add_argument
    add("--sweep_dir", required=True, help="directory for all that the sweep writes")
    add("--seeds", required=True, help="such as 1,2,3; a single 5 means 1 to 5")
    add("--learning_rates", help="such as 5e-5,3e-5")
    add("--batch_sizes", help="such as 16,32")
    add("--epochs", help="such as 2,3")
    add(
        "--grid",
        choices=sorted(sweep_grid.GRIDS),
        help="paper: batch sizes 16, 32, rates 5e-5, 3e-5, 2e-5, epochs 2, 3, 4",
    )
    add("--keep_checkpoints", choices=sweep_runs.KEEP, help="see above")
    add("--python", default=sys.executable, help="interpreter of the runs")
    add(
        "--script",
        default=os.path.join(ROOT, "run_classifier.py"),
        help="another program with the same flags and eval_results.json, such as "
        "benchmarks/hf_glue.py",
    )
    return parser.parse_known_args(argv)


def plan(own, passed):
    """What is to be run.

    Args:
      own: the sweep's arguments.
      passed: list of flags for the command.

    Returns:
      `sweep_runs.Command` and the tuple of `sweep_grid.Point`.

    Raises:
      InputError: a flag is unknown or wrong, or a file of the task is missing.
    """
    place = os.path.join(own.sweep_dir, "runs")
    always = ["--output_dir=" + place, "--do_train=true", "--do_eval=true"]
    chosen, _ = command_line.parse([own.script] + always + passed)
    if chosen.random_seed is not None:
        raise InputError("--random_seed: give --seeds to a sweep")
    if chosen.output_dir != place:
        raise InputError("--output_dir: give --sweep_dir to a sweep")
    if not (chosen.do_train and chosen.do_eval):
        raise InputError(
            "a sweep trains and evaluates: leave --do_train, --do_eval out"
        )
    if chosen.check:
        raise InputError(
            "--check=true: a sweep has no run that only checks; give it to "
            "run_classifier.py"
        )
    points = sweep_grid.points(own, chosen)
    for point in points:
        command_line.parse([own.script] + always + passed + point.flags())
    data_files.find(chosen)
    for name in ("vocab_file", "bert_config_file"):
        value = getattr(chosen, name)
        files.require_file("--%s=%s" % (name, value), value)
    _require_checkpoint(chosen.init_checkpoint)
    if not os.path.isfile(own.script):
        raise InputError("--script=%s: no such file" % own.script)
    command = sweep_runs.Command(
        own.python, own.script, tuple(passed), chosen, own.keep_checkpoints
    )
    return command, points


def _require_checkpoint(path):
    """Refuses a path at which no run would find a checkpoint."""
    if path and not (files.exists(path) or files.exists(path + ".index")):
        raise InputError(
            "--init_checkpoint=%s: no checkpoint there (%s.index is missing); give the "
            "prefix of one, such as .../bert_model.ckpt" % (path, path)
        )


def report(directory, description, points, results):
    """Writes table, figures and picture of what is done; returns the table's lines."""
    found = sweep_report.collect(description, points, results)
    lines = sweep_report.lines(found)
    files.write_text(os.path.join(directory, TEXT), "\n".join(lines) + "\n")
    provenance.write_json(os.path.join(directory, JSON), found)
    if found["runs"]:
        sweep_picture.draw(os.path.join(directory, PICTURE), found)
    return lines


def run(argv):
    own, passed = parse(argv)
    command, points = plan(own, passed)
    with sweep_runs.Sweep(own.sweep_dir, command, points) as sweep:
        log.info("%d runs in %s", len(points), own.sweep_dir)
        for results in sweep.run():
            lines = report(own.sweep_dir, sweep.description(), points, results)
    for line in lines:
        log.info(line)
    log.info("Written to %s, with %s and %s", own.sweep_dir, JSON, PICTURE)
    for name, error in sweep.failed.items():
        log.error("%s failed: %s", name, error)
    if sweep.failed:
        log.error(
            "%d of %d runs failed; the same command tries them again",
            len(sweep.failed),
            len(points),
        )
    return exit_status.FAILURE if sweep.failed else exit_status.SUCCESS


def main(argv=None):
    """Runs one command line; returns the exit status."""
    return entry.status_of(
        lambda: run(sys.argv[1:] if argv is None else argv),
        interrupted="interrupted; rerun the same command to resume",
    )


def end_runs_when_ended():
    """Has what ends this process otherwise act as Ctrl-C does: its run ends with it."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        # Under nohup, SIGHUP is ignored and stays so.
        if signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, signal.default_int_handler)


if __name__ == "__main__":
    end_runs_when_ended()
    sys.exit(main())
