"""Collects the eleven files that GLUE's server expects into one zip archive.

  python -m scripts.make_submission OUTPUT_DIR... --output=submission.zip

Each OUTPUT_DIR is the --output_dir of a run with --do_predict=true on a task's test
set, or the directory of a sweep of such runs, whose run with the highest main score on
the dev set is used. The header, the number of lines and every value of each
file are checked before anything is written. No file may be missing; --fill=WNLI,AX
replaces these files with placeholders: every example gets the task's first label, or
the score 0.
"""

import os
import sys
import zipfile

if not __package__:  # Started by its path.
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from finetuning.utils import early_interrupt, environment

if __name__ == "__main__":
    early_interrupt.report()
    environment.require()

from finetuning.data import tasks
from finetuning.evaluation import submission
from finetuning.evaluation.scoring import MAIN_SCORE
from finetuning.utils import files, json_files
from finetuning.utils.console import log
from finetuning.utils.errors import InputError
from scripts import entry
from scripts.sweeping import summary

SWEEP_JSON = "sweep.json"
# Name of each file without ".tsv" -> its task and `FileLayout`.
FILES = {
    layout.submission: (task, layout)
    for task in tasks.TASKS.values()
    for layout in task.test
    if layout.submission
}


def find(directories):
    """Returns a dictionary: name of each file in one of the directories -> its path.

    Raises:
      InputError: a directory does not exist or has none of the files, or two have the
        same file.
    """
    paths = {}
    for directory in directories:
        if not os.path.isdir(directory):
            raise InputError(
                "%s: no such directory%s" % (directory, files.missing_hint(directory))
            )
        if os.path.isfile(os.path.join(directory, SWEEP_JSON)):
            directory = best_run(directory)
        candidates = {name: os.path.join(directory, name + ".tsv") for name in FILES}
        here = {n: path for n, path in candidates.items() if os.path.isfile(path)}
        if not here:
            names = ", ".join(name + ".tsv" for name in FILES)
            raise InputError(
                "%s contains none of %s; is it the --output_dir of a run with "
                "--do_predict=true?" % (directory, names)
            )
        for name, path in here.items():
            if name in paths and not os.path.samefile(paths[name], path):
                raise InputError(
                    "both %s and %s exist; omit the directory of one of them"
                    % (paths[name], path)
                )
        paths.update(here)
    return paths


def best_run(sweep_dir):
    """Returns the directory of the sweep's run with the highest main score; logs it.

    Raises:
      InputError: no run has a main score, or sweep.json is damaged.
    """
    path = os.path.join(sweep_dir, SWEEP_JSON)
    expected = "the runs of a sweep with their scores"
    advice = "run the sweep again"
    scores = json_files.read(path, expected, advice, _main_scores, allow_nan=True)
    if not scores:
        raise InputError("%s: no run of this sweep has finished" % sweep_dir)
    name = summary.best(scores)
    if name is None:
        raise InputError(
            "%s: the main score of all its runs is NaN; pass the directory of a run"
            % sweep_dir
        )
    others = sum(not summary.is_number(score) for score in scores.values())
    log.info(
        "%s: using %s, main score %.4f, the highest of %d on the dev set%s",
        sweep_dir,
        name,
        scores[name],
        len(scores) - others,
        " (%d more have none)" % others if others else "",
    )
    return os.path.join(sweep_dir, "runs", name)


def _main_scores(content):
    """The main score of each run by its name; None for a run without one."""
    runs = {run["name"]: run["results"].get(MAIN_SCORE) for run in content["runs"]}
    for name, score in runs.items():
        if not isinstance(name, str) or type(score) not in (int, float, type(None)):
            raise TypeError
    return runs


def contents(paths, filled):
    """Returns a dictionary: name of each file -> its text and a note on its source.

    Args:
      paths: dictionary from `find`.
      filled: names of the files to replace with placeholders.

    Raises:
      InputError: a file is missing or malformed, or one to fill exists.
    """
    missing = [name for name in FILES if name not in paths and name not in filled]
    if missing:
        raise InputError(
            "missing: %s; pass the directories of their runs too, or use --fill=%s for "
            "placeholders" % (", ".join(missing), ",".join(missing))
        )
    texts = {}
    for name, (task, layout) in FILES.items():
        if name not in filled:
            texts[name] = submission.read(task, layout, paths[name]), paths[name]
        elif name in paths:
            raise InputError("--fill=%s: the file exists: %s" % (name, paths[name]))
        else:
            text = submission.text(task, [0] * layout.rows)
            value = text.split()[-1]
            texts[name] = text, "PLACEHOLDER: %s for every example" % value
    return texts


def write_zip(path, texts):
    """Writes the zip archive, completely or not at all.

    Args:
      path: the file.
      texts: dictionary from `contents`.
    """
    with files.replacing(path) as temporary, zipfile.ZipFile(
        temporary, "w", zipfile.ZIP_DEFLATED
    ) as archive:
        for name, (text, _) in texts.items():
            archive.writestr(name + ".tsv", text)


def parse(argv):
    parser = entry.Parser(prog="make_submission.py", description=__doc__)
    parser.add_path("output_dirs", nargs="+", metavar="OUTPUT_DIR", help="see above")
    parser.add_path("--output", default="submission.zip", help="zip file to write")
    parser.add_argument(
        "--fill",
        default="",
        metavar="NAMES",
        help="files to replace with placeholders, such as WNLI,AX; MNLI has two: "
        "MNLI-m,MNLI-mm",
    )
    return parser.parse_args(argv)


def names_to_fill(text):
    """Returns the names in the value of --fill, in GLUE's spelling.

    Raises:
      InputError: one is not the name of a file; it may be a task's.
    """
    spellings = {name.lower(): name for name in FILES}
    filled = []
    for name in filter(None, map(str.strip, text.split(","))):
        of_task = [n for n, (task, _) in FILES.items() if task.name == name.upper()]
        if name.lower() in spellings:
            filled.append(spellings[name.lower()])
        elif len(of_task) > 1:
            raise InputError(
                "--fill=%s: %s has several files; use --fill=%s, or the one of them "
                "that is missing" % (text, name, ",".join(of_task))
            )
        else:
            raise InputError(
                "--fill=%s: %r is no file of a submission; expected names among %s, "
                "separated by commas" % (text, name, ", ".join(FILES))
            )
    return filled


def run(arguments):
    filled = names_to_fill(arguments.fill)
    output = arguments.output
    if os.path.exists(output):
        raise InputError("--output=%s exists; remove it or use another name" % output)
    if not os.path.isdir(os.path.dirname(os.path.abspath(output))):
        raise InputError("--output=%s: its directory does not exist" % output)
    texts = contents(find(arguments.output_dirs), filled)
    write_zip(output, texts)
    for name, (text, source) in texts.items():
        count = text.count("\n") - 1
        log.info("%-11s %7d predictions  %s", name + ".tsv", count, source)
    log.info("Written to %s", output)


def main(argv=None):
    """Runs one command line; returns the exit status."""
    return entry.status_of(lambda: run(parse(argv)))


if __name__ == "__main__":
    sys.exit(main())
