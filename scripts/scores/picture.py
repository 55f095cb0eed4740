"""The picture of the scores page: a panel per task and recipe, a column per program."""

import math

from finetuning.evaluation.scoring import MAIN_SCORE
from scripts.scores import runs
from scripts.sweeping import picture, summary

_COLUMNS = 3
_COLORS = {
    runs.OURS: "#1b7837",
    runs.HUGGING_FACE: "#542788",
    runs.ORIGINAL: "#b35806",
}
_SHORT_NAMES = {runs.ORIGINAL: "original"}


def draw(path, groups):
    """Writes a PNG file.

    Args:
      path: the file.
      groups: non-empty list from `runs.group`.
    """
    pyplot = picture.load_pyplot()
    down, across = math.ceil(len(groups) / _COLUMNS), min(_COLUMNS, len(groups))
    figure, panels = pyplot.subplots(
        down,
        across,
        figsize=(4.0 * across, 3.6 * down + 0.5),
        squeeze=False,
        constrained_layout=True,
    )
    for axes, group in zip(panels.ravel(), groups):
        first = group[0][0]
        columns = [_column(row) for row in group]
        picture.draw_panel(axes, columns, 100 * first["majority_score"])
        axes.set_title("%s, %s" % (first["task"], first["encoder"]), fontsize=10)
    for axes in panels.ravel()[len(groups) :]:
        axes.remove()
    figure.suptitle(
        "Main score on the dev set, points. Dot: a seed; x: failed to train; "
        "bar: mean ± sd\n",
        fontsize=10,
    )
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def _column(row):
    program = row[0]["program"]
    label = [_SHORT_NAMES.get(program, program), runs.stack(row[0]).split(",")[0]]
    label.append(runs.dtype(row))
    if row[0]["adam_bias_correction"]:
        label.append("Adam corrected")
    if row[0]["own_rates"]:
        label.append("own rates")
    scores = [100 * run["results"][MAIN_SCORE] for run in row]
    failed = [summary.failed_to_train(run) for run in row]
    return "\n".join(label), scores, failed, _COLORS[program]
