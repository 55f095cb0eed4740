"""Values of flags that are text, above all paths: what cannot be meant is refused.

The programs in scripts/ use this for their own options, too.
"""

import os
import re

from finetuning.utils import characters, files
from finetuning.utils.errors import InputError

# What is seldom meant in a path, and what to say of it.
_NOT_MEANT = [
    (
        r"\$(\w+|\{[^}/]*\}?|\([^)]*\)?)|`[^`]+`",
        (
            "{text} was not replaced, which a shell does outside single quotes only, "
            "and never in a flag file; write the whole path"
        ),
    ),
    (
        r"^~([-+]|[-+]?\d+)(?=/|$)",
        (
            "{text} was not replaced by the directory that it means to a shell; write "
            "the whole path"
        ),
    ),
    (
        r"\s--\w",
        (
            "it contains another flag ({text}...); put a blank between the two, and no "
            "quotes around both"
        ),
    ),
    (
        "^['\"`%s]" % "".join(characters.QUOTES),
        "it starts with {name}; write it without quotes",
    ),
    (r"^\s|\s$", "it starts or ends with {name}; remove that"),
]
if os.sep == "/":
    _NOT_MEANT.append(
        (r"\\", "it contains a backslash (\\); write / between directories")
    )


def check_text(name, value):
    """Rejects text that cannot be part of a path, the log or a flag file.

    Args:
      name: of the flag.
      value: str.

    Raises:
      InputError: it is blank, is not UTF-8, or contains NUL or a line break.
    """
    if not value.strip():
        raise InputError(empty_flag(name))
    try:
        contains_nul = b"\0" in value.encode("utf-8")
    except UnicodeEncodeError:
        raise InputError(
            "--%s=%s is not UTF-8; rename the file or column, or use a UTF-8 locale"
            % (name, value)
        ) from None
    if contains_nul:
        raise InputError("--%s=%s contains a NUL character; remove it" % (name, value))
    if "\n" in value or "\r" in value:
        raise InputError(
            "--%s=%r contains a line break, which cannot be logged or written to a "
            "flag file; remove it, or rename the file or column" % (name, value)
        )


def empty_flag(name):
    return (
        "--%s= is empty (an unset shell variable?); give it a value or omit the flag"
        % name
    )


def resolve_path(name, path, shown=None):
    """Replaces ~ in a path, and refuses what the shell should have replaced.

    Otherwise a directory named ~ or $OUT would be created. Such names are accepted if
    the file or directory exists.

    Args:
      name: of the flag.
      path: its value.
      shown: how the message begins if not with --name=path.

    Returns:
      The path without ~ for a home directory.

    Raises:
      InputError: see `check_text`; or the path contains a shell variable, a backslash
        or another flag, or has a blank or a quote at its start or a blank at its end.
    """
    check_text(name, path)
    if path.startswith("~/") or path == "~" or not os.path.lexists(path):
        path = os.path.expanduser(path)
    found = [
        (match, text)
        for pattern, text in _NOT_MEANT
        for match in re.finditer(pattern, path)
    ]
    # Up to the end of that part of the path in which the last of them is.
    end = max([match.end() for match, _ in found], default=0)
    if not found or _exists(path[:end] + path[end:].split("/")[0]):
        return path
    match, problem = found[0]
    reason = problem.format(
        text=match.group().strip(), name=characters.named(match.group()[0])
    )
    raise InputError(
        "%s: %s (there is no file or directory of exactly this name)"
        % (shown or "--%s=%s" % (name, path), reason)
    )


def _exists(path):
    """Whether a local file, directory or checkpoint has this name."""
    if files.is_remote(path):
        return False
    return os.path.lexists(path) or os.path.lexists(path + ".index")
