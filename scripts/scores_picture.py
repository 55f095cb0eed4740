"""The picture of the scores page: a panel a task, a column a program, a dot a seed."""

import math

import scores_data
import spread
import sweep_picture

from finetuning.evaluation.scoring import MAIN_SCORE

_ACROSS = 3
_COLORS = {
    scores_data.OURS: "#1b7837",
    scores_data.HUGGING_FACE: "#542788",
    scores_data.ORIGINAL: "#b35806",
}
_MOST_WIDE = 4  # Columns whose labels need not be broken at every blank.
_SIGHT = 4.0  # How far below the lowest dot the line may be, in spreads of the dots.
_NAMES = {scores_data.ORIGINAL: "original"}


def draw(path, groups):
    """Writes a PNG file.

    Args:
      path: the file.
      groups: list of `scores_data.Group`, one or more.
    """
    pyplot = sweep_picture.load_pyplot()
    down = math.ceil(len(groups) / _ACROSS)
    across = min(_ACROSS, len(groups))
    figure, panels = pyplot.subplots(
        down,
        across,
        figsize=(4.0 * across, 3.6 * down + 0.5),
        squeeze=False,
        constrained_layout=True,
    )
    for index, axes in enumerate(panels.ravel()):
        if index < len(groups):
            _panel(axes, groups[index])
        else:
            axes.remove()
    figure.suptitle(
        "Main score on the development set, points. Dot: a seed; x: failed to train; "
        "bar: mean ± sd\n",
        fontsize=10,
    )
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def _panel(axes, group):
    shown = []
    for place, row in enumerate(group.rows):
        scores = [100 * run["results"][MAIN_SCORE] for run in row.runs]
        failed = [spread.failed_to_train(run) for run in row.runs]
        sweep_picture.column(axes, place, scores, _COLORS[row.program], failed)
        shown += scores
    _majority(axes, 100 * group.majority_score, min(shown), max(shown))
    sweep_picture.widen(axes)
    axes.set_xticks(range(len(group.rows)))
    labels = [_label(row) for row in group.rows]
    # Four columns leave each label three quarters of the room that three do.
    size = 8 if len(labels) <= 3 else 6
    if len(labels) > _MOST_WIDE:
        labels = [label.replace(" ", "\n") for label in labels]
    axes.set_xticklabels(labels, fontsize=size)
    axes.set_xlim(-0.6, len(group.rows) - 0.4)
    axes.set_title("%s, %s" % (group.task, group.encoder), fontsize=10)
    axes.legend(fontsize=7, loc="best")


def _majority(axes, score, lowest, highest):
    """The line of the commonest label, or its number where it is out of sight.

    A line far from all the dots would leave their spread no room.
    """
    if lowest - score <= _SIGHT * (highest - lowest):
        sweep_picture.majority(axes, score)
    else:
        axes.plot([], [], " ", label="commonest label: %.1f" % score)


def _label(row):
    return "%s\n%s\n%s%s%s" % (
        _NAMES.get(row.program, row.program),
        row.stack.split(",")[0],
        row.dtype,
        "\nAdam corrected" if row.bias_correction else "",
        "\nown rates" if row.own_rates else "",
    )
