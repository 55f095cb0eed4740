"""The distribution of scores as pictures: a dot a seed, mean and standard deviation."""

import spread

from finetuning.evaluation.scoring import MAIN_SCORE

_OURS, _FAILED, _MEAN = "#1b7837", "#b2182b", "#222222"
# Points below which differences would look greater than they are.
_LEAST_SPAN = 5.0
_SIDEWAYS = 0.22  # How far the dots of a column are spread, of the columns' distance.


def draw(path, found):
    """Writes a PNG file of a sweep.

    Args:
      path: the file.
      found: dictionary of `sweep_report.collect`, with one run or more.
    """
    pyplot = load_pyplot()
    settings = found["settings"]
    figure, axes = pyplot.subplots(
        figsize=(max(5.0, 1.5 + 0.55 * len(settings)), 5.0), constrained_layout=True
    )
    for place, setting in enumerate(settings):
        runs = [run for run in found["runs"] if run["setting"] == setting["setting"]]
        scores = [100 * run["results"][MAIN_SCORE] for run in runs]
        failed = [run["failed_to_train"] for run in runs]
        column(axes, place, scores, _OURS, failed)
    majority(axes, 100 * found["majority_score"])
    widen(axes)
    axes.set_xticks(range(len(settings)))
    crowded = len(settings) > 3
    axes.set_xticklabels(
        [
            setting["setting"] if crowded else setting["setting"].replace(", ", "\n")
            for setting in settings
        ],
        rotation=60 if crowded else 0,
        ha="right" if crowded else "center",
        fontsize=8,
    )
    axes.set_xlim(-0.7, len(settings) - 0.3)
    axes.set_ylabel("main score, points")
    axes.set_title(
        "%s, %d runs\ndot: a seed; x: failed to train; bar: mean ± sd"
        % (found["task"], len(found["runs"])),
        fontsize=10,
    )
    axes.legend(fontsize=8, loc="best")
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def column(axes, place, scores, color, failed=()):
    """Draws the scores of one group at x = `place`: dots, mean, standard deviation."""
    failed = list(failed) or [False] * len(scores)
    count = len(scores)
    for index, (score, bad) in enumerate(zip(scores, failed)):
        offset = _SIDEWAYS * ((index + 0.5) / count - 0.5) * (count > 1)
        marker, shade = ("x", _FAILED) if bad else ("o", color)
        axes.plot(place + offset, score, marker, color=shade, markersize=5, alpha=0.8)
    of = spread.summary(scores)
    axes.errorbar(
        place, of["mean"], of["sd"], color=_MEAN, fmt="_", markersize=18, capsize=5
    )


def majority(axes, score):
    axes.axhline(
        score, color="#888888", linestyle="--", linewidth=1, label="commonest label"
    )


def widen(axes):
    """Has the scores' axis show `_LEAST_SPAN` points or more, up to 100."""
    low, high = axes.get_ylim()
    lacking = _LEAST_SPAN - (high - low)
    if lacking > 0:
        high = min(high + lacking / 2, max(high, 100.0))
        axes.set_ylim(high - _LEAST_SPAN, high)


def load_pyplot():
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    return pyplot
