"""Drawings as SVG text: the same bytes on every machine, and words that stay words."""

from xml.sax.saxutils import escape

# On a white ground of its own, so that dark pages do not change the contrast.
INK, MUTED, RULE, GROUND = "#1f2933", "#52606d", "#cbd2d9", "#ffffff"
_POSITIVE, _NEGATIVE = (0, 90, 160), (180, 80, 0)
_FONT = "Helvetica, Arial, 'DejaVu Sans', sans-serif"


class Drawing:
    """A picture of a given size, in pixels; y points downwards."""

    def __init__(self, width, height, title):
        self.width = width
        self._parts = [
            '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" '
            'height="%d" role="img" font-family="%s">'
            % (width, height, width, height, _FONT),
            "<title>%s</title>" % escape(title),
            "<defs><marker id='tip' viewBox='0 0 8 8' refX='7' refY='4' "
            "markerWidth='7' markerHeight='7' orient='auto'>"
            "<path d='M0 0L8 4L0 8z' fill='%s'/></marker></defs>" % MUTED,
        ]
        self.box(0, 0, width, height, GROUND, corner=8)

    def box(self, x, y, width, height, fill, stroke=None, corner=0):
        self._parts.append(
            '<rect x="%s" y="%s" width="%s" height="%s" rx="%s" fill="%s"%s/>'
            % (
                *map(_number, (x, y, width, height, corner)),
                fill,
                ' stroke="%s"' % stroke if stroke else "",
            )
        )

    def text(self, x, y, text, size=13, color=INK, anchor="start", **attributes):
        """Writes a line whose middle is at a height of y.

        Args:
          x: of its start, middle or end, as `anchor` says.
          y: of its middle.
          text: str.
          size: of the font.
          color: of the letters.
          anchor: "start", "middle" or "end".
          **attributes: of SVG, such as transform.
        """
        more = "".join(
            ' %s="%s"' % (name.replace("_", "-"), value)
            for name, value in sorted(attributes.items())
        )
        self._parts.append(
            '<text x="%s" y="%s" font-size="%s" fill="%s" text-anchor="%s"%s>%s</text>'
            % (
                *map(_number, (x, y + 0.35 * size, size)),
                color,
                anchor,
                more,
                escape(text),
            )
        )

    def arrow(self, *points):
        """Draws a line through these points (x, y) with a tip at its end."""
        path = "L".join("%s %s" % (_number(x), _number(y)) for x, y in points)
        self._parts.append(
            '<path d="M%s" fill="none" stroke="%s" stroke-width="1.5" '
            'marker-end="url(#tip)"/>' % (path, MUTED)
        )

    def cells(self, x, y, numbers, size, vertical=False, shown=False):
        """Draws a vector as a row or column of coloured squares.

        Args:
          x: of the left edge.
          y: of the upper edge.
          numbers: floats.
          size: pair, the width and height of a square.
          vertical: whether the squares are below each other.
          shown: whether to write the numbers into them.
        """
        width, height = size
        for index, number in enumerate(numbers):
            left = x if vertical else x + index * width
            top = y + index * height if vertical else y
            self.box(left, top, width, height, signed_color(number), RULE)
            if shown:
                self.text(
                    left + width / 2,
                    top + height / 2,
                    fixed(number, 1),
                    size=10,
                    color=contrasting(min(abs(number) / 2, 1.0)),
                    anchor="middle",
                )

    def render(self):
        return "\n".join([*self._parts, "</svg>"]) + "\n"


def signed_color(number):
    """Blue for positive numbers and orange for negative ones; full at 2 and -2."""
    return mix(_POSITIVE if number > 0 else _NEGATIVE, min(abs(number) / 2, 1.0))


def mix(color, share):
    """The color #rrggbb of a share (0-1) of a color (three ints) in white."""
    return "#%02x%02x%02x" % tuple(
        int(round(255 + share * (channel - 255))) for channel in color
    )


def contrasting(share):
    """The color of letters on `mix` with this share."""
    return GROUND if share > 0.8 else INK


def fixed(number, digits):
    """A number with this many digits after the point, and a real minus sign."""
    text = "%.*f" % (digits, number)
    return text.replace("-", "\u2212") if float(text) else text.lstrip("-")


def _number(value):
    return "%g" % round(value, 2)
