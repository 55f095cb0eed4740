"""Collects the eleven files that GLUE's server wants into one zip.

  python scripts/make_submission.py OUTPUT_DIR... --output=submission.zip

Each OUTPUT_DIR is that of a run with --do_predict=true on a task's test set, or that of
a sweep of such runs, of which the one with the highest main score on the development
set is taken. Every file is checked for its heading, number of lines and values before
anything is written, and a file that is missing ends it; --fill=WNLI,AX makes up the
named ones, saying so: each example then has the task's first label, or 0.
"""

import json
import os
import sys
import zipfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

import entry  # noqa: E402

from finetuning.data import tasks  # noqa: E402
from finetuning.evaluation import submission  # noqa: E402
from finetuning.evaluation.scoring import MAIN_SCORE  # noqa: E402
from finetuning.utils import files  # noqa: E402
from finetuning.utils.errors import InputError  # noqa: E402

SWEEP_JSON = "sweep.json"


def wanted():
    """Name of each file, without its ending -> its task and `FileLayout`."""
    return {
        split.submission: (task, split)
        for task in tasks.TASKS.values()
        for split in task.test
        if split.submission
    }


def find(directories):
    """Name of each file that is in one of the directories -> its path.

    Raises:
      InputError: a directory is none or holds none of them, or a file is there twice.
    """
    found = {}
    for directory in directories:
        if not os.path.isdir(directory):
            raise InputError("%s: no such directory" % directory)
        if os.path.isfile(os.path.join(directory, SWEEP_JSON)):
            directory = best_run(directory)
        here = [n for n in wanted() if os.path.isfile(_path(directory, n))]
        if not here:
            raise InputError(
                "%s holds none of %s; is it the --output_dir of a run with "
                "--do_predict=true?"
                % (directory, ", ".join(name + ".tsv" for name in wanted()))
            )
        for name in here:
            path = _path(directory, name)
            if name in found and not os.path.samefile(found[name], path):
                raise InputError(
                    "%s and %s: which of them is it to be? Leave one directory out"
                    % (found[name], path)
                )
            found[name] = path
    return found


def best_run(sweep_dir):
    """The directory of the sweep's run with the highest main score; says which.

    Raises:
      InputError: no run is done, or sweep.json is damaged.
    """
    path = os.path.join(sweep_dir, SWEEP_JSON)
    try:
        found = json.loads(files.read_text(path))["runs"]
        scores = {run["name"]: run["results"][MAIN_SCORE] for run in found}
    except (ValueError, KeyError, TypeError):
        raise InputError("%s is damaged; run the sweep again" % path) from None
    if not scores:
        raise InputError("%s: no run of this sweep is done" % sweep_dir)
    name = max(scores, key=scores.get)
    print(
        "%s: taking %s, main score %.4f, the highest of %d on the development set"
        % (sweep_dir, name, scores[name], len(scores))
    )
    return os.path.join(sweep_dir, "runs", name)


def _path(directory, name):
    return os.path.join(directory, name + ".tsv")


def contents(found, filled):
    """Name of each of the eleven files -> its text, and a line that says its source.

    Args:
      found: dictionary of `find`.
      filled: names to make up where they are missing.

    Raises:
      InputError: one is missing or wrong, or one that is there is to be made up.
    """
    missing = [name for name in wanted() if name not in found and name not in filled]
    if missing:
        raise InputError(
            "missing: %s; give the directories of their runs too, or --fill=%s to have "
            "them made up" % (", ".join(missing), ",".join(missing))
        )
    texts = {}
    for name, (task, split) in wanted().items():
        if name in filled:
            if name in found:
                raise InputError("--fill=%s: it is there: %s" % (name, found[name]))
            made_up = submission.text(task, [0] * split.rows)
            texts[name] = made_up, "MADE UP: %s for each" % _first_value(task)
        else:
            submission.check(task, split, found[name])
            texts[name] = files.read_text(found[name]).rstrip("\n") + "\n", found[name]
    return texts


def _first_value(task):
    return submission.values(task, [0])[0]


def write_zip(path, texts):
    """Writes the files into a flat zip, whole or not at all."""
    temporary = files.temporary_path(path)
    try:
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, (text, _) in texts.items():
                archive.writestr(name + ".tsv", text)
        files.rename(temporary, path)
    except BaseException:
        files.remove_if_there(temporary)
        raise


def parse(argv):
    parser = entry.Parser(prog="make_submission.py", description=__doc__)
    parser.add_argument("output_dirs", nargs="+", metavar="OUTPUT_DIR")
    parser.add_argument("--output", default="submission.zip", help="the zip to write")
    parser.add_argument(
        "--fill", default="", help="files to make up, such as WNLI,AX; none else is"
    )
    return parser.parse_args(argv)


def run(arguments):
    filled = [name for name in arguments.fill.split(",") if name]
    unknown = [name for name in filled if name not in wanted()]
    if unknown:
        raise InputError(
            "--fill=%s: expected names among %s"
            % (",".join(unknown), ", ".join(wanted()))
        )
    if os.path.exists(arguments.output):
        raise InputError(
            "--output=%s exists; remove it or give another name" % arguments.output
        )
    folder = os.path.dirname(os.path.abspath(arguments.output))
    if not os.path.isdir(folder):
        raise InputError("--output=%s: no such directory" % arguments.output)
    texts = contents(find(arguments.output_dirs), filled)
    write_zip(arguments.output, texts)
    for name, (text, source) in texts.items():
        print(
            "%-11s %7d predictions  %s" % (name + ".tsv", text.count("\n") - 1, source)
        )
    print("Written to %s" % arguments.output)


def main(argv=None):
    """Runs one command line; returns the exit status."""
    return entry.status_of(lambda: run(parse(argv)))


if __name__ == "__main__":
    sys.exit(main())
