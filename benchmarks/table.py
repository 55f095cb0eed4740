"""The measurements as lines of text."""

_NAME, _CELL = 38, 11
_MEGABYTE = 1e6


def steps(found):
    """Lines of a measurement of `measure.steps_per_second`."""
    what = "Training" if found["what"] == "training" else "Evaluation and prediction"
    lines = [
        "%s, batch %d: %.0f real tokens and %.3g GFLOP of matrix products a step"
        % (what, found["batch"], found["tokens"], found["flops"] / 1e9),
        _rounds(found["rows"], _turn(found)),
        "",
        _line("", "ms a step", "examples/s", "x limit", "TFLOP/s", "of rate")
        + _cells("peak MB", "first loss"),
    ]
    for row in found["rows"]:
        lines.append(
            _line(
                _name(row),
                "%.1f" % (1e3 * row["median_seconds"]),
                "%.1f" % row["examples_per_second"],
                _show("%.2f", row.get("limits")),
                "%.3g" % (row["flops_per_second"] / 1e12),
                _show("%.0f%%", row.get("share_of_matrix_rate"), 100),
                "-" if row["kind"] == "limit" else _peak(row),
                _show("%.6f", row["facts"].get("first_loss")),
            )
        )
    return lines + _ratios(found["ratios"])


def growth(found):
    """Lines of `growth.growth`."""
    base = found["base"]
    lines = [
        "How this program's training step grows: one size changes; the others stay at",
        "batch %(batch)d, length %(length)d (no padding), layers %(layers)d" % base,
        "",
        _line("", "size", "ms a step", "time x", "size x"),
    ]
    for axis, points in found["axes"].items():
        first = points[0]
        for point in points:
            lines.append(
                _line(
                    axis,
                    "%d" % point["size"],
                    "%.1f" % (1e3 * point["median_seconds"]),
                    "%.2f" % (point["median_seconds"] / first["median_seconds"]),
                    "%.2f" % (point["size"] / first["size"]),
                )
            )
    return lines


def command(found):
    """Lines of `command.whole_command`."""
    title = "The whole command (train for %g epochs, evaluate, predict)"
    return _per_program(
        title % found["epochs"],
        "one run",
        found,
        ("seconds", "%.1f", "median_seconds"),
        ("first step", "%.1f", "first_step_seconds"),
    )


def text(found):
    """Lines of `text.text_to_features`."""
    return _per_program(
        "Text to a TFRecord file of features, %d examples" % found["examples"],
        "one conversion",
        found,
        ("seconds", "%.2f", "median_seconds"),
        ("examples/s", "%.0f", "examples_per_second"),
    )


def _per_program(title, turn, found, *columns):
    """A table of columns (heading, template, key of a row), peak memory, and ratios."""
    lines = [
        title,
        _rounds(found["rows"], turn),
        "",
        _line("", *[heading for heading, _, _ in columns], "peak MB"),
    ]
    for row in found["rows"]:
        cells = [_show(template, row[key]) for _, template, key in columns]
        lines.append(_line(row["name"], *cells, _peak(row)))
    return lines + _ratios(found["ratios"])


LEGEND = (
    "ms a step: median of the rounds; of inference, the time for as many examples as",
    "a batch, however many go at a time. products alone: the matrix products that the",
    "step cannot do without, timed without the rest; x limit: a step's time by theirs,",
    "on the same stack in the same type. TFLOP/s: the operations of these products by",
    "the step's time; of rate: by the rate of one large square product. peak MB: most",
    "host memory of the process. first loss: of the first batch, dropout off, float32.",
)


def _turn(found):
    if found["what"] == "training":
        return "%d steps" % found["steps"]
    return "%d examples" % found["examples"]


def _rounds(rows, turn):
    count = len(rows[0]["seconds"])
    if count == 1:
        return "One round of %s each" % turn
    return "Median of %d rounds of %s each, taking turns" % (count, turn)


def _name(row):
    variant = row["facts"].get("variant")
    return row["name"] + (" " + variant if variant else "")


def _ratios(found):
    lines = []
    for ours in dict.fromkeys(name for of_ours in found.values() for name in of_ours):
        lines += ["", "Speed of %s against" % ours]
        for other, of_ours in found.items():
            if ours in of_ours:
                numbers = "%(median).2f times (rounds: %(least).2f to %(most).2f)"
                lines.append("  " + other.ljust(_NAME) + numbers % of_ours[ours])
    return lines


def _peak(row):
    return "%.0f" % (row["peak_bytes"] / _MEGABYTE)


def _show(template, value, factor=1):
    return "-" if value is None else template % (value * factor)


def _line(name, *cells):
    return name.ljust(_NAME) + _cells(*cells)


def _cells(*cells):
    return "".join(cell.rjust(_CELL) for cell in cells)
