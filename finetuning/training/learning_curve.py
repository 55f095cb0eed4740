"""The picture of a training run: losses, main score and learning rate by step."""

import logging
import os

from finetuning.evaluation import history, training_history
from finetuning.evaluation.result_files import LEARNING_CURVE
from finetuning.evaluation.scoring import MAIN_SCORE
from finetuning.utils import files

_TRAIN, _DEV, _SCORE, _RATE, _BEST = (
    *("#4477aa", "#cc6677", "#1b7837", "#666666"),
    "#b8860b",
)
_MEAN_OF = 25  # A point of the smooth line is the mean of a window of the steps / this.


def draw(directory):
    """Writes `learning_curve.png` from the tables in an output directory.

    Raises:
      InputError: `eval_history.tsv` is corrupt.
      OSError: the picture cannot be written.
    """
    rows = training_history.read(directory)
    past = history.History(directory, resumed=True)
    # Imported here, because it takes a second, and few runs need it.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.5, 7.5), constrained_layout=True)
    FigureCanvasAgg(figure)
    panels = figure.subplots(
        3, 1, sharex=True, gridspec_kw={"height_ratios": [3, 3, 1]}
    )
    _draw_losses(panels[0], rows, past.rows)
    _draw_score(panels[1], past)
    panels[2].plot([r.step for r in rows], [r.learning_rate for r in rows], color=_RATE)
    panels[2].set_ylabel("learning rate")
    panels[2].ticklabel_format(axis="y", style="sci", scilimits=(0, 0))
    panels[2].set_xlabel("step")
    for axes in panels:
        axes.grid(alpha=0.3)
    path = os.path.join(directory, LEARNING_CURVE)
    with files.replacing(path) as temporary, files.open_write(temporary, "wb") as file:
        figure.savefig(file, format="png", dpi=100)


def _draw_losses(axes, rows, evaluations):
    steps, losses = [row.step for row in rows], [row.loss for row in rows]
    axes.plot(steps, losses, color=_TRAIN, alpha=0.25, linewidth=0.8)
    window = max(1, len(rows) // _MEAN_OF)
    axes.plot(steps, _smooth(losses, window), color=_TRAIN, label=_mean_label(window))
    names = [name for name in _names(evaluations) if name.endswith("_loss")]
    for name, style in zip(names[1:] if len(names) > 2 else names, ("o-", "s--")):
        points = [(s, row[name]) for s, row in evaluations.items() if name in row]
        label = name.replace("eval_", "dev set: ").replace("_", " ")
        axes.plot(*zip(*points), style, color=_DEV, label=label)
    axes.set_ylabel("loss")
    axes.legend(fontsize=8)


def _names(evaluations):
    found = dict.fromkeys(name for row in evaluations.values() for name in row)
    return [name for name in found if name != "training_loss"]


def _mean_label(window):
    return "training, mean of %d steps" % window if window > 1 else "training"


def _smooth(losses, window):
    """The mean of each loss and those before it, `window` in all."""
    sums, means = 0.0, []
    for index, loss in enumerate(losses):
        sums += loss - (losses[index - window] if index >= window else 0.0)
        means.append(sums / min(index + 1, window))
    return means


def _draw_score(axes, past):
    steps = sorted(past.rows)
    scores = [past.rows[step][MAIN_SCORE] for step in steps]
    axes.plot(steps, scores, "o-", color=_SCORE, label="dev set")
    best = past.best(float("inf"))
    if best is not None:
        score = past.rows[best][MAIN_SCORE]
        label = "best: %.4f at step %d" % (score, best)
        axes.plot([best], [score], "*", color=_BEST, markersize=15, label=label)
    axes.set_ylabel("main score")
    axes.legend(fontsize=8, loc="lower right")
