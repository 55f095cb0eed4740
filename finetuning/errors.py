"""The one exception that means: the user can mend this."""


class InputError(ValueError):
    """Something the user gave cannot be used.

    The message is one line that says what was given, where (flag, file and line,
    variable name), what was expected and what to do. The command line prints it
    without a traceback and exits with status 2.
    """
