"""Gets GLUE's data and Google's checkpoints, checked, into their places.

  python scripts/fetch.py data MRPC CoLA
  python scripts/fetch.py data all --glue_dir=DIR
  python scripts/fetch.py checkpoint uncased_L-12_H-768_A-12 --checkpoint_dir=DIR
  python scripts/fetch.py checkpoint --list

`make data TASK=...` and `make checkpoint NAME=...` do the same. Exit status: 0 all is
there; 1 the network, the server or the disk failed; 2 something to mend, which one line
names.
"""

import argparse
import math
import os
import signal
import sys
from dataclasses import dataclass
from typing import Any, Callable, Mapping

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:0] = [ROOT, os.path.join(ROOT, "scripts")]

import entry  # noqa: E402
from fetching import download, glue, pretrained, sources  # noqa: E402

from finetuning.utils import exit_status  # noqa: E402
from finetuning.utils.console import log  # noqa: E402
from finetuning.utils.errors import InputError  # noqa: E402


def parser():
    """The command line's parser."""
    top = entry.Parser(description=__doc__)
    kinds = top.add_subparsers(dest="kind", metavar="data|checkpoint")
    kinds.required = True
    data = kinds.add_parser("data", help="tasks of GLUE")
    data.add_argument(
        "names", nargs="*", metavar="TASK", help="%s or all" % " ".join(_DATA.rows)
    )
    data.add_argument(
        "--glue_dir",
        dest="folder",
        metavar="DIR",
        default=os.path.join("data", "glue"),
        help="each task gets a folder in it (default: %(default)s)",
    )
    weights = kinds.add_parser("checkpoint", help="weights that Google published")
    weights.add_argument(
        "names", nargs="*", metavar="NAME", help="as --list shows them"
    )
    weights.add_argument(
        "--checkpoint_dir",
        dest="folder",
        metavar="DIR",
        default=os.path.join("data", "checkpoints"),
        help="each checkpoint gets a folder in it (default: %(default)s)",
    )
    for kind in (data, weights):
        _add_common(kind)
    return top


def _add_common(kind):
    kind.add_argument(
        "--list", action="store_true", help="show what is known and what is there"
    )
    kind.add_argument(
        "--from",
        dest="source",
        metavar="DIR",
        help="take the files from this folder and download nothing",
    )
    kind.add_argument(
        "--base_url",
        metavar="URL",
        type=_address,
        help="a mirror that stands in for the published hosts; the paths stay",
    )
    kind.add_argument(
        "--retries",
        metavar="N",
        type=_count,
        default=3,
        help="how often a failed download is tried again (default: %(default)s)",
    )
    kind.add_argument(
        "--timeout",
        metavar="SECONDS",
        type=_seconds,
        default=30.0,
        help="give a server up that sends nothing for so long (default: %(default)s)",
    )


def _address(text):
    if not text.startswith(("http://", "https://")):
        raise argparse.ArgumentTypeError(
            "%r begins with neither http:// nor https://" % text
        )
    return text


def _count(text):
    if not text.isdigit():
        raise argparse.ArgumentTypeError("%r is no number of tries" % text)
    return int(text)


def _seconds(text):
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise argparse.ArgumentTypeError("%r is no number of seconds above 0" % text)
    return seconds


@dataclass(frozen=True)
class _Kind:
    """What the two subcommands differ in.

    Attributes:
      word: what one of its rows is called.
      rows: its part of the table, name -> row.
      fetch: a function of a row, the folder and the options.
      state: a function from a row and the folder to a word.
    """

    word: str
    rows: Mapping[str, Any]
    fetch: Callable
    state: Callable


_DATA = _Kind("task", sources.GLUE_TASKS, glue.fetch_task, glue.state)
_WEIGHTS = _Kind(
    "checkpoint", sources.CHECKPOINTS, pretrained.fetch_checkpoint, pretrained.state
)
_KINDS = {"data": _DATA, "checkpoint": _WEIGHTS}


def show_list(kind, folder):
    """Prints every name, what it is, and whether it is in the folder."""
    width = max(map(len, kind.rows))
    for name, row in kind.rows.items():
        print("%s  %-10s  %s" % (name.ljust(width), kind.state(row, folder), row.about))
    print('"there": in %s already' % folder)


def chosen(kind, names):
    """The rows of those names; "all" is every task's.

    Raises:
      InputError: a name is unknown.
    """
    if kind is _DATA and [name.lower() for name in names] == ["all"]:
        return list(kind.rows.values())
    return [sources.find(name, kind.rows, kind.word) for name in names]


def fetch_all(kind, rows, folder, options):
    """Fetches one after the other; what is wrong with one stops no other.

    Returns:
      The exit status.

    Raises:
      NetworkError: no server was reached, so the rest was not tried.
    """
    statuses = set()
    for row in rows:
        try:
            kind.fetch(row, folder, options)
        except (InputError, download.RefusedError) as error:
            log.error("%s: %s", row.name, error)
            wrong = isinstance(error, InputError)
            statuses.add(exit_status.BAD_INPUT if wrong else exit_status.FAILURE)
    return max(statuses, default=0)


def run(arguments):
    """Does what the flags ask for and returns the exit status."""
    flags = parser().parse_args(arguments)
    kind = _KINDS[flags.kind]
    if flags.list or not flags.names:
        show_list(kind, flags.folder)
        return 0
    options = download.Options(
        base_url=flags.base_url,
        source=flags.source,
        retries=flags.retries,
        timeout=flags.timeout,
    )
    return fetch_all(kind, chosen(kind, flags.names), flags.folder, options)


def main(arguments):
    """Runs one command line; returns the exit status."""
    return entry.status_of(
        lambda: run(arguments),
        failures=(download.NetworkError,),
        interrupted="stopped; nothing half-written was left",
    )


def _stop(*_):
    raise KeyboardInterrupt


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _stop)
    sys.exit(main(sys.argv[1:]))
