"""The table of a sweep: each run, and mean and spread of each setting."""

import spread

from finetuning.evaluation.scoring import MAIN_SCORE
from finetuning.utils.progress import duration

_NO_SCORES = ("eval_loss", "loss", "global_step")


def collect(description, points, results):
    """All that is known of a sweep, as a dictionary that goes into JSON.

    Args:
      description: of `sweep_runs.Sweep`.
      points: tuple of `sweep_grid.Point`, all that are planned.
      results: dictionary from the points that are done to their results.

    Returns:
      Dictionary: `task`, `main_metrics`, `majority_score`, `planned` (how many runs),
      `runs` (each with what it varies, `results`, `seconds`, `failed_to_train`),
      `settings` (each with its `setting`, `failed_to_train` (how many runs) and
      `scores`: name -> `spread.summary`), and what `description` holds.
    """
    done = [point for point in points if point in results]
    first = results[done[0]] if done else {}
    return dict(
        description,
        task=first.get("task"),
        main_metrics=first.get("main_metrics"),
        majority_score=first.get("majority_score"),
        planned=len(points),
        runs=[_run(point, results[point]) for point in done],
        settings=[
            _setting(setting, [results[p] for p in done if p.setting == setting])
            for setting in dict.fromkeys(point.setting for point in done)
        ],
    )


def _run(point, result):
    return {
        "name": point.name,
        "setting": point.setting,
        "seed": point.seed,
        "learning_rate": point.learning_rate,
        "batch_size": point.batch_size,
        "epochs": point.epochs,
        "results": result["results"],
        "seconds": result["seconds"],
        "failed_to_train": spread.failed_to_train(result),
    }


def _setting(setting, results):
    names = [name for name in results[0]["results"] if name not in _NO_SCORES]
    return {
        "setting": setting,
        "failed_to_train": sum(map(spread.failed_to_train, results)),
        "scores": {
            name: spread.summary([result["results"][name] for result in results])
            for name in names + ["eval_loss"]
        },
    }


# ---- As text ----


def lines(found):
    """The tables as lines.

    Args:
      found: dictionary of `collect`.
    """
    if not found["runs"]:
        return ["No run is done"]
    shown = _shown(found)
    title = "%s: %d of %d runs, main score: %s%s" % (
        found["task"],
        len(found["runs"]),
        found["planned"],
        "mean of " if len(found["main_metrics"]) > 1 else "",
        " and ".join(found["main_metrics"]),
    )
    majority = "Always giving the commonest label scores %.4f" % found["majority_score"]
    each = columns(_run_rows(found["runs"], shown), 0)
    spreads = columns(_setting_rows(found["settings"], shown), 2)
    return [title, majority, "", *each, "", *spreads]


def _shown(found):
    """Names of the scores in the table: the main one, and those that it is made of."""
    names = [MAIN_SCORE]
    if len(found["main_metrics"]) > 1:
        names += ["eval_" + name for name in found["main_metrics"]]
    return [name for name in names if name in found["runs"][0]["results"]]


def _heading(name):
    return "main" if name == MAIN_SCORE else name[len("eval_") :]


def _run_rows(runs, shown):
    heading = ["rate", "batch", "epochs", "seed", *map(_heading, shown)]
    rows = [[*heading, "loss", "time", ""]]
    for run in runs:
        cells = ["%g" % run["learning_rate"], "%d" % run["batch_size"]]
        cells += ["%g" % run["epochs"], "%d" % run["seed"]]
        cells += ["%.4f" % run["results"][name] for name in shown]
        cells += ["%.4f" % run["results"]["eval_loss"], duration(run["seconds"])]
        rows.append([*cells, "FAILED TO TRAIN" if run["failed_to_train"] else ""])
    return rows


def _setting_rows(settings, shown):
    heading = ["setting", "score", "runs", "mean", "sd", "median", "min", "max"]
    rows = [[*heading, "failed to train"]]
    for found in settings:
        for name in shown:
            of = found["scores"][name]
            cells = [found["setting"], _heading(name), "%d" % of["n"]]
            cells += [number(of[key]) for key in ("mean", "sd", "median", "min", "max")]
            rows.append([*cells, "%d" % found["failed_to_train"]])
    return rows


def number(value):
    return "-" if value is None else "%.4f" % value


def columns(rows, names):
    """Lines of a table whose first `names` columns are words; the rest are numbers."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    return [
        "  ".join(
            cell.ljust(width) if index < names else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths))
        ).rstrip()
        for row in rows
    ]
