"""Writes the numbers and the pictures of docs/BERT.md from its own code.

  python scripts/bert_page.py

Runs the Python blocks of the page, puts what each prints into the block after it,
and draws docs/bert/*.svg from the variables.
"""

import contextlib
import io
import os
import re
import sys

if not __package__:  # Started by its path.
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from finetuning.utils import environment

if __name__ == "__main__":
    environment.require()

from finetuning.utils import files
from finetuning.utils.console import log
from scripts import entry
from scripts.bert import pictures

PAGE = os.path.join(entry.ROOT, "docs", "BERT.md")
PICTURES = os.path.join(entry.ROOT, "docs", "bert")
# A block of code and, if it prints, the block of what it printed.
_BLOCKS = re.compile(r"```python\n(.*?)```\n(?:\n```text\n(.*?)```\n)?", re.DOTALL)


def execute(text):
    """Runs the code of a page, in the project's directory.

    Args:
      text: of the page.

    Returns:
      The text with what the code prints, and a dictionary of the code's variables.
    """
    variables = {}

    def replace(block):
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(block.group(1), variables)
        if block.group(2) is None:
            return block.group()
        return "```python\n%s```\n\n```text\n%s```\n" % (
            block.group(1),
            printed.getvalue(),
        )

    return _BLOCKS.sub(replace, text), variables


def run(argv):
    entry.Parser(prog="bert_page.py", description=__doc__).parse_args(argv)
    os.chdir(entry.ROOT)
    text, variables = execute(files.read_text(PAGE))
    files.write_text(PAGE, text)
    drawn = pictures.draw_all(variables)
    for name, picture in drawn.items():
        files.write_text(os.path.join(PICTURES, name), picture)
    log.info("Written: %s and %s/{%s}", PAGE, PICTURES, ",".join(sorted(drawn)))


def main(argv=None):
    """Writes the page; returns the exit status."""
    return entry.status_of(lambda: run(argv))


if __name__ == "__main__":
    sys.exit(main())
