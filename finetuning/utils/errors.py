"""The one exception that means: the user can mend this."""


class InputError(ValueError):
    """Something the user gave cannot be used.

    The message is one line that says what was given, where (flag, file and line,
    variable name), what was expected and what to do. The command line prints it
    without a traceback and exits with status 2. What it quotes of the user's files may
    hold anything: see `in_one_line`.
    """

    def __init__(self, message):
        super().__init__(in_one_line(message))


def in_one_line(text):
    """The text with line ends, control characters and lone surrogates spelt out."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii")
        for char in text
    )
