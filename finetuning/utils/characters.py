"""Characters that look like those of a command line: dashes, quotes, blanks.

Word processors, chat programs, web pages and input methods for Chinese put them in
place of those that were typed.
"""

import unicodedata

# Each with what was probably meant.
_MEANT = {
    **dict.fromkeys(
        "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d", "-"
    ),
    **dict.fromkeys(
        "\u201c\u201d\u201e\u201f\u00ab\u00bb\u2033\u300c\u300d\uff02", '"'
    ),
    **dict.fromkeys("\u2018\u2019\u201a\u201b\u2039\u203a\u2032\u00b4\uff07", "'"),
    **dict.fromkeys("\u00a0\u1680\u2007\u202f\u3000\u200b\u2060\ufeff", " "),
    **dict.fromkeys(map(chr, range(0x2000, 0x200B)), " "),
    **{chr(code + 0xFEE0): chr(code) for code in b"!#$%&()*+,./:;<=>?@[\\]^_`{|}~"},
    "\u3001": ",",
    "\u3002": ".",
}
QUOTES = tuple(char for char, meant in _MEANT.items() if meant in "'\"")


def to_ascii(text):
    """Replaces each such character by what was probably meant."""
    return "".join(_MEANT.get(char, char) for char in text)


def first_lookalike(text):
    """Names the first such character, as `the character – (EN DASH)`; None: none."""
    for char in text:
        if char in _MEANT:
            return named(char)
    return None


def hint(text):
    """What to append to an error message about a text: the empty string for most."""
    found = first_lookalike(text)
    return "; it contains %s" % found if found else ""


def named(char):
    """A character with its name: `the character – (EN DASH)`."""
    return "the character %s (%s)" % (char, unicodedata.name(char, "%04X" % ord(char)))
