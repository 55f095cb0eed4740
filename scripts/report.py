"""Writes a page about a run's last evaluation, with the attention inside the model.

  python -m scripts.report RUN
  python -m scripts.report RUN --pairs=17,42
  python -m scripts.report RUN --text_a="A text." --text_b="Its pair."

RUN is the --output_dir of a run that has evaluated (--do_eval=true). The page is one
HTML file that needs neither network nor server. Attention is shown for a few examples
that the model gets right and wrong, for those of --pairs (column id of
eval_predictions.tsv), or for a text of your own.

Exit status: 0 the page is written; 2 an error that the user can fix, in one line.
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

from finetuning.device import backend
from finetuning.utils.errors import InputError
from scripts import entry

# More pictures make a page that browsers are slow to show.
_MAX_PAIRS = 100


def parse(argv):
    """The flags of a command line as a namespace.

    Raises:
      InputError: they are wrong, or contradict each other.
    """
    parser = entry.Parser(prog="report.py", description=__doc__)
    parser.add_path("run", metavar="RUN", help="see above")
    parser.add_argument(
        "--pairs", metavar="ID,ID", help="ids of the examples to show attention for"
    )
    parser.add_argument("--text_a", metavar="TEXT", help="a text to show attention for")
    parser.add_argument("--text_b", metavar="TEXT", help="the second text of a pair")
    parser.add_argument(
        "--num_pairs",
        metavar="N",
        type=int,
        help="how many examples are chosen without the flags above (default: 4)",
    )
    parser.add_path(
        "--output", metavar="FILE", help="page to write (default: report.html in RUN)"
    )
    flags = parser.parse_args(argv)
    _check(flags)
    return flags


def _check(flags):
    for name in ("text_a", "text_b"):
        text = getattr(flags, name) or ""
        if text.encode("utf-8", "ignore").decode("utf-8") != text:
            raise InputError("--%s=%s is not UTF-8; use a UTF-8 locale" % (name, text))
    if flags.text_b is not None and flags.text_a is None:
        raise InputError("--text_b is the second text of a pair: pass --text_a, too")
    given = [
        name
        for name in ("pairs", "text_a", "num_pairs")
        if getattr(flags, name) is not None
    ]
    if len(given) > 1:
        raise InputError("--%s and --%s: pass one of them" % tuple(given[:2]))
    if flags.num_pairs is not None and not 0 <= flags.num_pairs <= _MAX_PAIRS:
        raise InputError(
            "--num_pairs=%d: expected 0 to %d" % (flags.num_pairs, _MAX_PAIRS)
        )
    if flags.pairs is not None and not all(flags.pairs.split(",")):
        raise InputError(
            "--pairs=%s: expected ids separated by commas, such as 17,42" % flags.pairs
        )


def run(argv):
    """Writes the page."""
    flags = parse(argv)
    backend.start()
    # Imported here, so that --help and a misspelt flag do not wait for TensorFlow.
    from finetuning.device import detect
    from finetuning.report import attention, page

    detect.find_device()  # Swallows what TensorFlow prints when it looks for GPUs.
    texts = [text for text in (flags.text_a, flags.text_b) if text is not None]
    request = attention.Request(
        tuple(flags.pairs.split(",")) if flags.pairs else (),
        tuple(texts),
        4 if flags.num_pairs is None else flags.num_pairs,
    )
    page.write(flags.run, flags.output, request)


def main(argv=None):
    """Runs one command line; returns the exit status."""
    return entry.status_of(lambda: run(argv))


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main())
