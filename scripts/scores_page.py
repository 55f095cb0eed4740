"""Writes docs/SCORES.md and docs/scores.png from the runs under docs/scores.

  python -m scripts.scores_page
  python -m scripts.scores_page --add=DIR ...

--add first copies the results of all runs below a directory to docs/scores: those of a
sweep, or any eval_results.json that run_classifier.py or a program in benchmarks/peers/
wrote. The page is made only from these runs and from published.json and
introduction.md in docs/scores.
"""

import os
import sys

if not __package__:  # Started by its path.
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from finetuning.utils import environment

if __name__ == "__main__":
    environment.require()

from finetuning.utils import files, json_files
from finetuning.utils.console import log
from finetuning.utils.errors import InputError
from scripts import entry
from scripts.scores import page, picture, runs

DOCS = os.path.join(entry.ROOT, "docs")
DATA, PAGE, PICTURE = "scores", "SCORES.md", "scores.png"
INTRODUCTION = "introduction.md"


def make(docs):
    """Returns the page's text and the groups of runs that it shows.

    Args:
      docs: directory that contains `DATA`.

    Raises:
      InputError: `DATA` contains no runs.
    """
    directory = os.path.join(docs, DATA)
    groups = runs.group(runs.load(directory))
    if not groups:
        raise InputError("%s contains no runs; add some with --add=DIR" % directory)
    introduction = files.read_text(os.path.join(directory, INTRODUCTION)) + "\n"
    published = json_files.read(
        os.path.join(directory, runs.PUBLISHED),
        "a list of tables with title, setting, source, columns and rows",
        "restore it",
        kind=list,
    )
    return page.page(introduction, groups, published, PICTURE), groups


def run(arguments):
    if arguments.add:
        directory = os.path.join(arguments.docs, DATA)
        log.info("%d new runs", runs.add(directory, arguments.add))
    text, groups = make(arguments.docs)
    files.write_text(os.path.join(arguments.docs, PAGE), text)
    picture.draw(os.path.join(arguments.docs, PICTURE), groups)
    log.info("Written to %s: %s and %s", arguments.docs, PAGE, PICTURE)


def parse(argv):
    parser = entry.Parser(prog="scores_page.py", description=__doc__)
    parser.add_path(
        "--add", action="append", metavar="DIR", help="see above; may be repeated"
    )
    parser.add_path(
        "--docs", default=DOCS, help="directory of %s and %s/" % (PAGE, DATA)
    )
    return parser.parse_args(argv)


def main(argv=None):
    """Runs one command line; returns the exit status."""
    return entry.status_of(lambda: run(parse(argv)))


if __name__ == "__main__":
    sys.exit(main())
