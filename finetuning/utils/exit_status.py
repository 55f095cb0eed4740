"""What an exception means to the shell: one line in the log and an exit status."""

from finetuning.utils import signals
from finetuning.utils.console import log
from finetuning.utils.errors import InputError, WorkerError, in_one_line

SUCCESS = 0
FAILURE = 1  # A bug, or a failure of the machine.
BAD_INPUT = 2  # The user can fix it.
INTERRUPTED = 130  # Ctrl-C; other signals give 128 plus their number.


def report(error, debug=False, interrupted="interrupted"):
    """Logs in one line what ended a program.

    Example:
      try:
          run()
      except (Exception, KeyboardInterrupt) as error:
          sys.exit(exit_status.report(error))

    Args:
      error: the exception.
      debug: whether expected errors are logged with their traceback, too. A bug always
        is; `console` decides whether the screen shows it.
      interrupted: the line for a Ctrl-C that `signals` does not handle.

    Returns:
      The exit status.
    """
    if isinstance(error, InputError):
        log.error("%s", error, exc_info=debug)
        return BAD_INPUT
    if isinstance(error, WorkerError):
        log.error("%s", error, exc_info=debug)
        return FAILURE
    if isinstance(error, OSError):
        log.error("%s", in_one_line(_describe_os_error(error)), exc_info=debug)
        return FAILURE if error.filename is None else BAD_INPUT
    if isinstance(error, ModuleNotFoundError):
        log.error(
            "%s; this environment is older than the program, or another one is active: "
            "see Install in README.md",
            error,
            exc_info=debug,
        )
        return BAD_INPUT
    if isinstance(error, signals.Stopped):
        log.warning("%s", error)
        return error.status
    if isinstance(error, KeyboardInterrupt):
        log.error("%s", str(error) or interrupted)
        return getattr(error, "status", INTERRUPTED)
    log.error(
        "%s: %s; this is a bug; please report it with the traceback (in run.log, or "
        "rerun with --debug)",
        type(error).__name__,
        " ".join(str(error).split()),
        exc_info=True,
    )
    return FAILURE


def _describe_os_error(error):
    if error.filename is None:
        return error.strerror or str(error)
    if isinstance(error, PermissionError):
        return "%s: permission denied; fix its permissions or use another path" % (
            error.filename
        )
    return "%s: %s; check the path or use another one" % (
        error.filename,
        error.strerror,
    )
