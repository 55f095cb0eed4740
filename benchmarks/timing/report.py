"""Measurements as lines of text, and as one picture."""

_NAME_WIDTH, _CELL_WIDTH = 38, 11
_BAR_INCHES, _PANEL_INCHES, _WIDTH_INCHES = 0.34, 1.3, 12.0
_COLORS = {
    "ours": "#1b7837",
    "original": "#b35806",
    "hf": "#542788",
    "products": "#bbbbbb",
}
# Of each measurement the columns: heading, key in a row, factor, format. The first of
# them is drawn.
_SECONDS = ("seconds", "median_seconds", 1, "%.2f")
_RATE = ("examples/s", "examples_per_second", 1, "%.1f")
_PEAK = ("peak MB", "peak_bytes", 1e-6, "%.0f")
_STEP_COLUMNS = (
    _RATE,
    ("ms a step", "median_seconds", 1e3, "%.1f"),
    ("x products", "times_products", 1, "%.2f"),
    ("TFLOP/s", "flops_per_second", 1e-12, "%.3g"),
    _PEAK,
    ("first loss", "first_loss", 1, "%.6f"),
)
_COLUMNS = {
    "training": _STEP_COLUMNS,
    "inference": _STEP_COLUMNS,
    "features": (_RATE, _SECONDS, _PEAK),
    "command": (_SECONDS, _PEAK),
}
LEGEND = (
    "ms a step: median of the rounds; for inference, the time for as many examples as",
    "a batch, however many are computed at a time. products alone: the time of the",
    "matrix products that a step needs, without the rest. x products: a step's time",
    "divided by theirs, on the same stack in the same type. TFLOP/s: their operations",
    "divided by a step's time. peak MB: peak host memory. first loss: without dropout.",
)


def lines(measurement):
    """Yields the lines of a measurement's table, and of its ratios."""
    columns = _COLUMNS[measurement["what"]]
    rows = measurement["rows"]
    yield measurement["title"]
    rounds = len(rows[0]["seconds"])
    if rounds == 1:
        yield "One round of %s each" % measurement["turn"]
    else:
        yield "Median of %d rounds of %s each" % (rounds, measurement["turn"])
    yield ""
    yield _line("", [heading for heading, _, _, _ in columns])
    for row in rows:
        name = " ".join(filter(None, (row["name"], row.get("variant"))))
        yield _line(name, [_cell(row, column) for column in columns])
    for ours, others in measurement["ratios"].items():
        if others:
            yield ""
            yield "Speed of %s compared with" % ours
        for other, ratio in others.items():
            numbers = "%(median).2f times (rounds: %(least).2f to %(most).2f)" % ratio
            yield "  " + _padded(other) + numbers


def _line(name, cells):
    return _padded(name) + "".join(cell.rjust(_CELL_WIDTH) for cell in cells)


def _padded(name):
    """The name in a column; names that do not fit are longer lines."""
    return name.ljust(_NAME_WIDTH - 1) + " "


def _cell(row, column):
    _, key, factor, template = column
    return "-" if row.get(key) is None else template % (row[key] * factor)


def draw(path, title, measurements):
    """Draws a panel of bars for each measurement.

    Args:
      path: of the PNG file.
      title: of the picture.
      measurements: list of dictionaries; see `measurements`.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    heights = [_PANEL_INCHES + _BAR_INCHES * len(of["rows"]) for of in measurements]
    figure, panels = pyplot.subplots(
        len(measurements),
        figsize=(_WIDTH_INCHES, sum(heights) + 0.8),
        gridspec_kw={"height_ratios": heights},
        squeeze=False,
    )
    for axes, measurement in zip(panels[:, 0], measurements):
        _draw_bars(axes, measurement)
    figure.suptitle(title, fontsize=10)
    figure.tight_layout(rect=(0, 0, 1, 1 - 0.6 / (sum(heights) + 0.8)))
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def _draw_bars(axes, measurement):
    rows, column = measurement["rows"], _COLUMNS[measurement["what"]][0]
    heading, key, factor, _ = column
    values = [row[key] * factor for row in rows]
    places = range(len(rows), 0, -1)
    axes.barh(places, values, color=[_COLORS[row["kind"]] for row in rows])
    axes.set_yticks(places)
    axes.set_yticklabels([row["name"] for row in rows], fontsize=8)
    for place, value, row in zip(places, values, rows):
        label = " %s%s" % (_cell(row, column), _remark(row, measurement))
        axes.text(value, place, label, va="center", fontsize=8)
    axes.set_xlim(0, 1.7 * max(values))
    axes.set_title("%s\n%s" % (measurement["title"], heading), fontsize=9, loc="left")
    axes.spines["top"].set_visible(False)
    axes.spines["right"].set_visible(False)


def _remark(row, measurement):
    """What the label of a bar adds to its number."""
    first = measurement["rows"][0]["name"]
    ratio = measurement["ratios"].get(first, {}).get(row["name"])
    if ratio:
        remark = "   the first is %(median).2fx as fast (%(least).2f to %(most).2f)"
        return remark % ratio
    if row["kind"] == "ours" and "times_products" in row:
        return "   takes %(times_products).2fx the time of its products alone" % row
    return ""
