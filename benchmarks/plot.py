"""The measurements as one picture."""

import numpy as np

_COLORS = {
    "ours": "#1b7837",
    "original": "#b35806",
    "hf": "#542788",
    "limit": "#bbbbbb",
}
_BAR_INCHES, _PANEL_INCHES, _WIDTH_INCHES = 0.34, 1.3, 12.0


def draw(path, results):
    """Writes a PNG file.

    Args:
      path: the file.
      results: dictionary as bench.py writes it to JSON.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    panels = _bar_panels(results)
    axes_of_growth = results["growth"]["axes"] if results.get("growth") else {}
    heights = [
        _PANEL_INCHES + _BAR_INCHES * len(panel["values"]) for panel in panels
    ] + ([3.4] if axes_of_growth else [])
    figure = pyplot.figure(figsize=(_WIDTH_INCHES, sum(heights) + 0.8))
    grid = figure.add_gridspec(len(heights), 3, height_ratios=heights)
    for index, panel in enumerate(panels):
        _draw_bars(figure.add_subplot(grid[index, :]), panel)
    for index, (axis, points) in enumerate(axes_of_growth.items()):
        place = figure.add_subplot(grid[len(panels), index])
        _draw_growth(place, axis, points, results["growth"]["base"])
    figure.suptitle(
        "BERT fine-tuning: %s\n%s" % (results["model"], results["machine_line"]),
        fontsize=10,
    )
    figure.tight_layout(rect=(0, 0, 1, 1 - 0.6 / (sum(heights) + 0.8)))
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def _bar_panels(results):
    panels = []
    for found in results["steps"]:
        what = "training" if found["what"] == "training" else "evaluation, prediction"
        title = "%s, batch %d: examples/s (longer is faster)" % (what, found["batch"])
        panels.append(_panel(found, title, "examples_per_second", "%.1f"))
    if results.get("features"):
        title = "text to features: examples/s (longer is faster)"
        panels.append(_panel(results["features"], title, "examples_per_second", "%.0f"))
    if results.get("command"):
        found = results["command"]
        title = "the whole command, %g epochs: s (shorter is faster)" % found["epochs"]
        panels.append(_panel(found, title, "median_seconds", "%.0f"))
    return panels


def _panel(found, title, value, template):
    """What one panel of bars shows; labels compare with the first row."""
    rows, ours = found["rows"], found["rows"][0]["name"]
    labels = []
    for row in rows:
        label = template % row[value]
        ratio = found["ratios"].get(row["name"], {}).get(ours)
        if ratio:
            numbers = (ratio["median"], ratio["least"], ratio["most"])
            label += "   the first bar is %.2fx as fast (%.2f to %.2f)" % numbers
        elif row["kind"] == "ours" and row.get("limits"):
            label += "   takes %.2fx the time of its products alone" % row["limits"]
        labels.append(label)
    return {
        "title": title,
        "names": [row["name"] for row in rows],
        "values": [row[value] for row in rows],
        "labels": labels,
        "colors": [_COLORS[row["kind"]] for row in rows],
    }


def _draw_bars(axes, panel):
    places = np.arange(len(panel["values"]))[::-1]
    axes.barh(places, panel["values"], color=panel["colors"])
    axes.set_yticks(places)
    axes.set_yticklabels(panel["names"], fontsize=8)
    widest = max(panel["values"])
    for place, value, label in zip(places, panel["values"], panel["labels"]):
        axes.text(value + 0.01 * widest, place, label, va="center", fontsize=8)
    axes.set_xlim(0, 1.7 * widest)
    axes.set_title(panel["title"], fontsize=10, loc="left")
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _draw_growth(axes, name, points, base):
    sizes = [point["size"] for point in points]
    times = [1e3 * point["median_seconds"] for point in points]
    axes.plot(sizes, times, "o-", color=_COLORS["ours"], label="measured")
    axes.plot(
        [0, sizes[-1]], [0, times[-1]], "--", color="#888888", label="in proportion"
    )
    axes.set_xticks(sizes)
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    fixed = ["%s %d" % (key, value) for key, value in base.items() if key != name]
    axes.set_title("training step by %s\n(%s)" % (name, ", ".join(fixed)), fontsize=9)
    axes.set_xlabel(name)
    axes.set_ylabel("ms a step")
    axes.legend(fontsize=8)
