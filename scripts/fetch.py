"""Downloads GLUE's data and Google's checkpoints, and verifies them.

  python -m scripts.fetch data MRPC CoLA
  python -m scripts.fetch data all --glue_dir=DIR
  python -m scripts.fetch checkpoint NAME --checkpoint_dir=DIR

`make data TASK=...` and `make checkpoint NAME=...` do the same. Without a name,
all of them are listed. Nothing that exists is downloaded again or overwritten.

Exit status: 0 all files are there; 1 the network or a server failed; 2 an error that
the user can fix. Each error is one line.
"""

import os
import signal
import sys

if not __package__:  # Started by its path.
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from finetuning.utils import early_interrupt, environment

if __name__ == "__main__":
    early_interrupt.report()
    environment.require("pooch", "tqdm")

from finetuning.utils import exit_status
from finetuning.utils.console import log
from finetuning.utils.errors import InputError
from scripts import entry
from scripts.fetching import checkpoints, download, glue, sources, workspace

# For each subcommand, what it fetches, and the flag and the default for the folder.
_COMMANDS = {
    "data": (glue, "--glue_dir", "data/glue"),
    "checkpoint": (checkpoints, "--checkpoint_dir", "data/checkpoints"),
}


def parse(argv):
    """The flags of a command line as a namespace."""
    parser = entry.Parser(description=__doc__)
    commands = parser.add_subparsers(dest="command", metavar="data|checkpoint")
    commands.required = True
    for name, (_, folder_flag, folder) in _COMMANDS.items():
        command = commands.add_parser(name)
        command.add_argument(
            "names",
            nargs="*",
            metavar="NAME",
            help="tasks or checkpoints; without any, lists all",
        )
        command.add_path(
            folder_flag,
            dest="folder",
            metavar="DIR",
            default=folder,
            help="where to create a folder for each name (default: %(default)s)",
        )
        command.add_path(
            "--from",
            dest="source",
            metavar="DIR",
            help="use the files in this folder, or in one there with the name, as they "
            "are downloaded or unpacked, instead of downloading them",
        )
        command.add_argument(
            "--base_url",
            metavar="URL",
            help="a mirror to use instead of the published hosts, with the same paths",
        )
    return parser.parse_args(argv)


def show_list(kind, folder):
    """Shows every name, whether it is in the folder, and what it is."""
    width = max(map(len, kind.ROWS))
    for name, row in kind.ROWS.items():
        target = os.path.join(folder, name)
        state = "-"
        if workspace.is_occupied(target):
            state = "incomplete" if kind.problem(row, target) else "complete"
        log.info("%s  %-10s  %s", name.ljust(width), state, row.about)
    log.info("Complete ones are in %s", folder)


def fetch(kind, row, folder, options):
    """Fetches a task or checkpoint into a folder with its name, unless it is there.

    Args:
      kind: the module `glue` or `checkpoints`.
      row: one of its `ROWS`.
      folder: where that folder goes.
      options: `download.Options`.

    Raises:
      InputError: something else is there, or the downloaded or given files are wrong.
        There is no new folder then.
      download.NetworkError: a file could not be downloaded.
      OSError: a file or folder cannot be written.
    """
    target = os.path.join(folder, row.name)
    if workspace.is_occupied(target):
        problem = kind.problem(row, target)
        if problem:
            raise InputError(
                "%s exists, but %s; it was not changed: move it, or choose another "
                "folder" % (target, problem)
            )
        log.info("%s already exists; nothing was downloaded", target)
    else:
        with workspace.temporary_folder_beside(target) as work:
            # Fails if the target was filled in the meantime.
            os.rename(kind.build(row, work, options), target)
        log.info("%s is in %s", row.name, target)
    log.info("%s", kind.summary(row, target))


def run(argv):
    """Does what the flags say; a failure with one name does not stop the others.

    Returns:
      The exit status.

    Raises:
      download.NetworkError: no server was reached, so the rest was not tried.
    """
    flags = parse(argv)
    kind = _COMMANDS[flags.command][0]
    if not flags.names:
        show_list(kind, flags.folder)
        return exit_status.SUCCESS
    if kind is glue and [name.lower() for name in flags.names] == ["all"]:
        flags.names = list(kind.ROWS)
    if flags.base_url and not flags.base_url.startswith(("http://", "https://")):
        raise InputError(
            "--base_url=%s must begin with http:// or https://" % flags.base_url
        )
    options = download.Options(flags.base_url, flags.source)
    status = exit_status.SUCCESS
    for row in [sources.find(name, kind.ROWS) for name in flags.names]:
        try:
            fetch(kind, row, flags.folder, options)
        except InputError as error:
            log.error("%s: %s", row.name, error)
            status = exit_status.BAD_INPUT
        except download.RefusedError as error:
            log.error("%s: %s", row.name, error)
            status = status or exit_status.FAILURE
    return status


def main(argv=None):
    """Runs one command line; returns the exit status."""
    return entry.status_of(
        lambda: run(argv),
        failures=(download.NetworkError,),
        interrupted="interrupted; no unfinished files were left",
    )


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main())
