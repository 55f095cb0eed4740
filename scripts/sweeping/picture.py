"""Pictures of scores: a column per group of runs, a dot per run, mean and deviation."""

from finetuning.evaluation.scoring import MAIN_SCORE
from scripts.sweeping import summary

_TRAINED, _FAILED, _MEAN, _BASELINE = "#1b7837", "#b2182b", "#222222", "#888888"
# The axis shows at least this many points, so that small differences look small.
_MIN_SPAN = 5.0
_DOTS_WIDTH = 0.22  # Width of a column's dots, as a fraction of the column's width.
# The baseline is drawn if it is at most this many times the dots' range below them.
_MAX_GAP = 4.0


def draw(path, collected):
    """Writes the picture of a sweep.

    Args:
      path: the PNG file to write.
      collected: dictionary from `report.collect` with at least one run.
    """
    pyplot = load_pyplot()
    columns = []
    for setting in [setting["setting"] for setting in collected["settings"]]:
        runs = [run for run in collected["runs"] if run["setting"] == setting]
        scores = [100 * run["results"][MAIN_SCORE] for run in runs]
        failed = [run["failed_to_train"] for run in runs]
        columns.append((setting.replace(", ", "\n"), scores, failed, _TRAINED))
    width = max(5.0, 1.5 + 0.55 * len(columns))
    figure, axes = pyplot.subplots(figsize=(width, 5.0), constrained_layout=True)
    draw_panel(axes, columns, 100 * collected["majority_score"])
    axes.set_ylabel("main score, points")
    axes.set_title(
        "%s, %d runs\ndot: a seed; x: failed to train; bar: mean ± sd"
        % (collected["task"], len(collected["runs"])),
        fontsize=10,
    )
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def draw_panel(axes, columns, baseline):
    """Draws columns of scores next to each other.

    Args:
      axes: matplotlib's.
      columns: list of tuples: label, scores in points (list of floats), whether each
        run failed to train (list of bools), color of the others.
      baseline: score of always giving the most frequent label, in points.
    """
    labels = []
    for place, (label, scores, failed, color) in enumerate(columns):
        labels.append(label if len(columns) <= 4 else label.replace(" ", "\n"))
        _draw_column(axes, place, scores, failed, color)
    _draw_baseline(axes, baseline, summary.summarize(sum((c[1] for c in columns), [])))
    low, high = axes.get_ylim()
    missing = _MIN_SPAN - (high - low)
    if missing > 0:
        high = min(high + missing / 2, max(high, 100.0))
        axes.set_ylim(high - _MIN_SPAN, high)
    axes.set_xticks(range(len(columns)))
    axes.set_xticklabels(labels, fontsize=8 if len(columns) <= 3 else 6)
    axes.set_xlim(-0.6, len(columns) - 0.4)
    axes.legend(fontsize=7, loc="best")


def _draw_column(axes, place, scores, failed, color):
    count = len(scores)
    for index, (score, has_failed) in enumerate(zip(scores, failed)):
        offset = _DOTS_WIDTH * ((index + 0.5) / count - 0.5) * (count > 1)
        marker, shade = ("x", _FAILED) if has_failed else ("o", color)
        axes.plot(place + offset, score, marker, color=shade, markersize=5, alpha=0.8)
    mean, sd = [summary.summarize(scores)[name] for name in ("mean", "sd")]
    if mean is not None:
        axes.errorbar(place, mean, sd, color=_MEAN, fmt="_", markersize=18, capsize=5)


def _draw_baseline(axes, baseline, scores):
    """Draws a line, or only names the number if the line is far below all dots."""
    low, high = scores["min"], scores["max"]
    if low is not None and low - baseline <= _MAX_GAP * (high - low):
        style = {"color": _BASELINE, "linestyle": "--", "linewidth": 1}
        axes.axhline(baseline, label="majority class", **style)
    else:
        axes.plot([], [], " ", label="majority class: %.1f" % baseline)


def load_pyplot():
    """Imports matplotlib without a display."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    return pyplot
