"""Charts as SVG, which scale with the page and take their colours from its style.

Series differ in dashes and markers as well as in colour. Coordinates in data are turned
into the 360 units of width that every chart has, so that text stays readable on a
telephone.
"""

import math
from typing import NamedTuple, Optional, Tuple

from finetuning.report.html import escape

_WIDTH, _LEFT, _RIGHT, _TOP, _BOTTOM = 360, 48, 10, 26, 40
_LEGEND_LINE = 15


class Series(NamedTuple):
    """Points to join by a line.

    Attributes:
      name: for the legend.
      points: list of (x, y).
      markers: whether each point is marked.
      marked: (x, y) of one point to point out, with its text; None: none.
    """

    name: str
    points: list
    markers: bool = False
    marked: Optional[Tuple[float, float, str]] = None


class _Axes:
    """Maps data to a rectangle, and collects the parts of a chart."""

    def __init__(self, x_range, y_range, height=220, top=_TOP, bottom=_BOTTOM):
        self.x_range, self.y_range = x_range, y_range
        self.height, self.top, self.bottom = height, top, height - bottom
        self.parts = []

    def x(self, value):
        low, high = self.x_range
        return _LEFT + (value - low) / (high - low) * (_WIDTH - _LEFT - _RIGHT)

    def y(self, value):
        low, high = self.y_range
        return self.bottom - (value - low) / (high - low) * (self.bottom - self.top)

    def add(self, template, *values):
        self.parts.append(template % tuple(map(_shown, values)))

    def text(self, x, y, text, kind="middle"):
        self.add("<text x=%s y=%s class='%s'>%s</text>", x, y, kind, escape(text))

    def note(self, text):
        """A text above the chart, on the right."""
        self.text(_WIDTH - _RIGHT, self.top - 12, text, "end")

    def y_axis(self, label):
        for tick in nice_ticks(*self.y_range):
            at = self.y(tick)
            self.add("<path class=grid d='M%s %sH%s'/>", _LEFT, at, _WIDTH - _RIGHT)
            self.text(_LEFT - 5, at + 4, "%g" % tick, "end")
        self.text(2, self.top - 12, label, "start")

    def x_axis(self, label, ticks=None):
        self.add(
            "<path class=axis d='M%s %sH%s'/>", _LEFT, self.bottom, _WIDTH - _RIGHT
        )
        for tick in nice_ticks(*self.x_range) if ticks is None else ticks:
            self.text(self.x(tick), self.bottom + 14, "%g" % tick)
        self.text((_LEFT + _WIDTH - _RIGHT) / 2, self.bottom + 30, label)

    def svg(self, name, title, description):
        """The chart with its title; `name` must be unique on the page."""
        title = escape(title)
        return (
            "<figure>\n<figcaption>%s</figcaption>\n"
            "<svg viewBox='0 0 %d %d' role=img aria-labelledby='%s-t %s-d'>"
            "<title id=%s-t>%s</title><desc id=%s-d>%s</desc>\n%s</svg>\n</figure>\n"
            % (
                *(title, _WIDTH, self.height, name, name, name, title, name),
                *(escape(description), "\n".join(self.parts)),
            )
        )


def _shown(value):
    if isinstance(value, float):
        return ("%.1f" % value).rstrip("0").rstrip(".")
    return value


def nice_ticks(low, high, count=5):
    """Round numbers between two others, about `count` of them."""
    raw = (high - low) / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * m for m in (1, 2, 2.5, 5, 10) if power * m >= raw * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(step * n, 12) for n in range(first, last + 1)]


def _range(values, include=()):
    """A range around finite numbers, a little wider than they are."""
    values = [value for value in (*values, *include) if math.isfinite(value)] or [0.0]
    low, high = min(values), max(values)
    pad = 0.06 * (high - low) or max(abs(high), 1.0) * 0.1
    low = low if low in include else low - pad
    return low, high if high in include else high + pad


def lines(name, title, series, x_label, y_label, from_zero=False):
    """A line chart.

    Args:
      name: unique on the page.
      title: what it shows.
      series: non-empty list of `Series`, each with points.
      x_label: of the axis.
      y_label: of the axis.
      from_zero: whether the y axis starts at 0.
    """
    xs = [x for one in series for x, _ in one.points]
    ys = [y for one in series for _, y in one.points]
    legend = _LEGEND_LINE * len(series) if len(series) > 1 else 0
    low, high = _range(ys, (0.0,) if from_zero else ())
    if any(one.marked for one in series):
        high += 0.15 * (high - low)  # For the text above the point.
    axes = _Axes(
        (min(xs + [0]), max(xs + [1])),
        (low, high),
        height=220 + legend,
        top=_TOP + legend,
    )
    axes.y_axis(y_label)
    axes.x_axis(x_label)
    for number, one in enumerate(series):
        _line(axes, number, one)
        if legend:
            _legend(axes, number, one)
    described = "; ".join(
        "%s from %.4g at %g to %.4g at %g"
        % (one.name, one.points[0][1], one.points[0][0], *one.points[-1][::-1])
        for one in series
    )
    return axes.svg(name, title, described)


def _line(axes, number, series):
    points = [(axes.x(x), axes.y(y)) for x, y in series.points if math.isfinite(y)]
    path = "L".join("%s %s" % (_shown(x), _shown(y)) for x, y in points)
    axes.add("<path class='line s%d' d='M%s'/>", number, path)
    if series.markers or len(points) == 1:
        for x, y in points:
            _marker(axes, number, x, y)
    if series.marked:
        x, y = axes.x(series.marked[0]), axes.y(series.marked[1])
        axes.add("<circle class='ring' cx=%s cy=%s r=7 />", x, y)
        side = "start" if x < _WIDTH / 2 else "end"
        axes.text(x, y - 12, series.marked[2], side + " strong")


def _marker(axes, number, x, y):
    if number % 2:
        axes.add("<path class='mark s%d' d='M%s %sl4 7h-8z'/>", number, x, y - 4)
    else:
        axes.add("<circle class='mark s%d' cx=%s cy=%s r=3 />", number, x, y)


def _legend(axes, number, series):
    y = 8 + _LEGEND_LINE * number
    axes.add("<path class='line s%d' d='M2 %sh28'/>", number, y)
    if series.markers:
        _marker(axes, number, 16.0, float(y))
    axes.text(36, y + 4, series.name, "start")


def bars(name, title, values, labels, axis_labels, upper=None):
    """A bar for each value, with the value above it.

    Args:
      name: unique on the page.
      title: what it shows.
      values: list of floats from 0 on.
      labels: text below each bar.
      axis_labels: those of the x and the y axis.
      upper: the end of the y axis; None: by the values.
    """
    top = upper or 1.15 * max(values) or 1.0
    axes = _Axes((0, len(values)), (0.0, top))
    axes.y_axis(axis_labels[1])
    axes.x_axis(axis_labels[0], ticks=())
    for place, (value, label) in enumerate(zip(values, labels)):
        left, right = axes.x(place + 0.15), axes.x(place + 0.85)
        _bar(axes, left, right, value, "bar")
        inside = axes.y(value) < axes.top + 14
        kind = "middle inside" if inside else "middle"
        at = axes.y(value) + (14 if inside else -4)
        axes.text((left + right) / 2, at, "%.3g" % value, kind)
        axes.text((left + right) / 2, axes.bottom + 14, label)
    said = ", ".join("%s: %.3g" % pair for pair in zip(labels, values))
    return axes.svg(name, title, said)


def _bar(axes, left, right, value, kind):
    y = axes.y(value)
    axes.add(
        "<rect class=%s x=%s y=%s width=%s height=%s />",
        *(kind, left, y, right - left, axes.bottom - y),
    )


def reliability(name, title, found):
    """The reliability diagram of a `figures.Calibration`."""
    axes = _Axes((0.0, 1.0), (0.0, 1.0), height=320)
    axes.y_axis("fraction right")
    axes.x_axis("confidence: probability of the predicted label")
    for low, high, count, accuracy in zip(
        found.edges[:-1], found.edges[1:], found.counts, found.accuracy
    ):
        if count:
            _bar(axes, axes.x(low) + 0.5, axes.x(high) - 0.5, accuracy, "bar")
    axes.add(
        "<path class='line s1' d='M%s %sL%s %s'/>",
        *(axes.x(0.0), axes.y(0.0), axes.x(1.0), axes.y(1.0)),
    )
    axes.note("dashed: perfectly calibrated")
    return axes.svg(
        name,
        title,
        "Bars show how often the model is right in each of %d bins of confidence; the "
        "dashed diagonal is perfect calibration. Expected calibration error %.4f."
        % (len(found.counts), found.error),
    )


def histograms(name, title, panels, edges, label):
    """Histograms above each other, on one x axis.

    Args:
      name: unique on the page.
      title: what they show.
      panels: list of the name and the counts of each.
      edges: those of the bins.
      label: of the x axis.
    """
    step, head = 88, 20
    axes = _Axes((float(edges[0]), float(edges[-1])), (0.0, 1.0))
    axes.height = step * len(panels) + _BOTTOM
    for place, (panel, counts) in enumerate(panels):
        axes.top, axes.bottom = step * place + head, step * (place + 1) - 4
        highest = int(max(counts)) or 1
        axes.y_range = (0.0, float(highest))
        axes.text(_LEFT, axes.top - 6, _cut(panel, 44), "start strong")
        axes.text(_LEFT - 5, axes.top + 6, str(highest), "end")
        axes.text(_LEFT - 5, axes.bottom, "0", "end")
        axes.add(
            "<path class=axis d='M%s %sH%s'/>", _LEFT, axes.bottom, _WIDTH - _RIGHT
        )
        for low, high, count in zip(edges[:-1], edges[1:], counts):
            if count:
                _bar(axes, axes.x(low) + 0.5, axes.x(high) - 0.5, int(count), "bar")
    axes.x_axis(label)
    said = "; ".join(
        "%s: most often from %.3g to %.3g" % (panel, *_mode(counts, edges))
        for panel, counts in panels
    )
    return axes.svg(name, title, said)


def _mode(counts, edges):
    place = max(range(len(counts)), key=lambda n: counts[n])
    return edges[place], edges[place + 1]


def _cut(text, length):
    return text if len(text) <= length else text[: length - 1] + "…"


def scatter(name, title, points, labels):
    """A dot for each (x, y), and the diagonal on which both are equal.

    Args:
      name: unique on the page.
      title: what it shows.
      points: non-empty list of pairs of floats.
      labels: those of the x and the y axis.
    """
    both = _range([value for point in points for value in point])
    axes = _Axes(both, both, height=340)
    axes.y_axis(labels[1])
    axes.x_axis(labels[0])
    axes.add(
        "<path class='line s1' d='M%s %sL%s %s'/>",
        *(axes.x(both[0]), axes.y(both[0]), axes.x(both[1]), axes.y(both[1])),
    )
    path = "".join(
        "M%s %sh0" % (_shown(axes.x(x)), _shown(axes.y(y))) for x, y in points
    )
    axes.add("<path class=dots d='%s'/>", path)
    axes.note("dashed: predicted is true")
    return axes.svg(name, title, "%d examples; the diagonal is equality." % len(points))
