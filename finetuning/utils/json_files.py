"""Reads and writes JSON files, which may be damaged or edited by hand."""

import json

from finetuning.utils import files
from finetuning.utils.errors import InputError

_MAX_DIGITS = 20  # Of a whole number in a JSON file; a seed has at most 19.
_KINDS = {dict: "an object", list: "a list"}


def read(path, expected, advice, parse=None, kind=dict, name=None, allow_nan=False):
    """Reads a JSON file, which may be damaged or edited by hand.

    Example:
      json_files.read("labels.json", "a list of labels", "restore it", _parse_labels)

    Args:
      path: the file; it must exist.
      expected: what it should contain, for the message.
      advice: what the user can do if it does not, for the message.
      parse: function from the content to the value to return, which may raise
        LookupError, TypeError, AttributeError or ValueError; None: the content itself.
      kind: type of the content, dict or list.
      name: how the message names the file, if not by its path.
      allow_nan: whether NaN and Infinity, which are no JSON, are numbers: where scores
        are saved.

    Raises:
      InputError: `parse` raised it; or the file cannot be read, is not UTF-8 or not
        JSON, nests its brackets too deeply, has a key twice or a number of very many
        digits, or its content is of another kind or refused by `parse`.
    """
    text = files.read_text(path)
    try:
        content = parse_text(text, allow_nan)
    except ValueError as error:
        problem = "is not JSON: %s" % error
    else:
        try:
            if not isinstance(content, kind):
                raise ValueError("it is not %s" % _KINDS[kind])
            return content if parse is None else parse(content)
        except InputError:
            raise
        except (LookupError, TypeError, AttributeError, ValueError) as error:
            problem = "is not valid: %s" % _describe_parse_error(error)
    raise InputError(
        "%s %s; expected %s; %s" % (name or path, problem, expected, advice)
    )


def parse_text(text, allow_nan=False):
    """Parses JSON that anybody may have written.

    Args:
      text: str.
      allow_nan: see `read`.

    Raises:
      ValueError: it is not JSON, nests its brackets too deeply, has a key twice or a
        number of very many digits.
    """
    try:
        return json.loads(
            text,
            parse_int=_whole_number,
            parse_constant=float if allow_nan else _refuse_constant,
            object_pairs_hook=_unique,
        )
    except RecursionError:
        raise ValueError("its brackets are nested too deeply") from None


def _describe_parse_error(error):
    if isinstance(error, KeyError):
        return "%s is missing" % error
    if isinstance(error, ValueError) and str(error):
        return str(error)
    return "a value has the wrong type"


def _whole_number(digits):
    if len(digits) > _MAX_DIGITS:
        raise ValueError("a number has %d digits" % len(digits))
    return int(digits)


def _refuse_constant(name):
    raise ValueError("%s is not a number" % name)


def _unique(pairs):
    values = dict(pairs)
    if len(values) < len(pairs):
        keys = [key for key, _ in pairs]
        repeated = next(key for key in keys if keys.count(key) > 1)
        raise ValueError("the key %r appears twice; remove one" % repeated[:40])
    return values


def write(path, value):
    """Writes a JSON file with sorted keys, completely or not at all."""
    files.write_text(path, as_text(value))


def as_text(value):
    """Formats a JSON value with sorted keys."""
    return json.dumps(value, indent=2, sort_keys=True) + "\n"
