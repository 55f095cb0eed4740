"""Writes docs/SCORES.md and docs/scores.png from the runs that are kept.

  python scripts/scores_page.py
  python scripts/scores_page.py --add=DIR ...

--add takes the runs below a directory into docs/scores first: that of a sweep, or any
with eval_results.json in it, of run_classifier.py, benchmarks/hf_glue.py or
benchmarks/original_glue.py. The page is made of these, of docs/scores/published.json,
and of nothing else.
"""

import json
import os
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

import entry  # noqa: E402
import scores_data  # noqa: E402
import scores_picture  # noqa: E402
import scores_text  # noqa: E402

from finetuning.utils import files  # noqa: E402

DOCS = os.path.join(ROOT, "docs")
DATA, PAGE, PICTURE = "scores", "SCORES.md", "scores.png"


def page(docs):
    """The page's text, and the groups of runs that it shows.

    Args:
      docs: directory that holds `DATA`.
    """
    directory = os.path.join(docs, DATA)
    groups = scores_data.groups(scores_data.load(directory))
    path = os.path.join(directory, scores_data.PUBLISHED)
    with open(path, encoding="utf-8") as file:
        published = json.load(file)
    return scores_text.page(groups, published, PICTURE), groups


def run(arguments):
    directory = os.path.join(arguments.docs, DATA)
    if arguments.add:
        print("%d new runs" % scores_data.add(directory, arguments.add))
    text, groups = page(arguments.docs)
    files.write_text(os.path.join(arguments.docs, PAGE), text)
    names = [PAGE]
    if groups:
        scores_picture.draw(os.path.join(arguments.docs, PICTURE), groups)
        names.append(PICTURE)
    print("Written to %s: %s" % (arguments.docs, ", ".join(names)))


def parse(argv):
    parser = entry.Parser(prog="scores_page.py", description=__doc__)
    parser.add_argument("--add", action="append", metavar="DIR", help="may come often")
    parser.add_argument(
        "--docs", default=DOCS, help="where %s and %s/ lie" % (PAGE, DATA)
    )
    return parser.parse_args(argv)


def main(argv=None):
    """Runs one command line; returns the exit status."""
    return entry.status_of(lambda: run(parse(argv)))


if __name__ == "__main__":
    sys.exit(main())
