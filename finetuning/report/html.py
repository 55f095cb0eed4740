"""HTML from text: everything that a user's files contain goes through `escape`."""

import html
import re

_MAX_TEXT = 400
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def escape(text):
    """Text that HTML shows as it is, also in an attribute."""
    return html.escape(_CONTROLS.sub("\ufffd", str(text)))


class Markup(str):
    """A text that is HTML already."""


def table(heading, rows, caption=None, numeric=True):
    """A table; its first column names the rows.

    Args:
      heading: list of texts.
      rows: lists of cells: texts, or `Markup`.
      caption: text, or None.
      numeric: whether all columns but the first hold numbers.
    """
    parts = ["<table%s>" % (" class=numbers" if numeric else "")]
    if caption:
        parts.append("<caption>%s</caption>" % escape(caption))
    cells = "".join("<th scope=col>%s" % escape(name) for name in heading)
    parts.append("<thead><tr>%s</thead>\n<tbody>" % cells)
    for first, *rest in rows:
        cells = "".join("<td>" + _cell(cell) for cell in rest)
        parts.append("<tr><th scope=row>%s%s" % (_cell(first), cells))
    return "\n".join(parts) + "</tbody></table>\n"


def scrolling(markup, label):
    """Lets something wide scroll by itself, also with the keyboard."""
    return "<div class=scroll tabindex=0 role=region aria-label='%s'>%s</div>\n" % (
        escape(label),
        markup,
    )


def _cell(cell):
    return cell if isinstance(cell, Markup) else escape(cell)


def details(summary, markup):
    """Something that opens on demand."""
    return "<details><summary>%s</summary>\n%s</details>\n" % (
        escape(summary),
        scrolling(markup, summary),
    )


def section(name, title, *parts):
    """A section that `#name` refers to."""
    return (
        "<section id={0} aria-labelledby={0}-title>\n<h2 id={0}-title>{1}</h2>\n{2}"
        "</section>\n"
    ).format(name, escape(title), "".join(parts))


def paragraph(text, kind=None):
    return "<p%s>%s</p>\n" % (" class=" + kind if kind else "", _cell(text))


def items(lines, kind="notes"):
    """A list of lines."""
    cells = "".join("<li>%s</li>\n" % escape(line) for line in lines)
    return "<ul class=%s>\n%s</ul>\n" % (kind, cells)


def side_by_side(parts):
    """Charts and tables beside each other, where there is room."""
    return "<div class=charts>\n%s</div>\n" % "".join(parts)


def texts(example):
    """The text or texts of an `InputExample`, shortened."""
    shown = [text for text in (example.text_a, example.text_b) if text is not None]
    return Markup(
        "".join(
            "<p class=text dir=auto>%s</p>\n"
            % escape(text if len(text) <= _MAX_TEXT else text[:_MAX_TEXT] + " …")
            for text in shown
        )
    )
