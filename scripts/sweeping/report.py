"""The tables of a sweep: each run, and the mean and spread of each setting."""

import dataclasses

from finetuning.evaluation.scoring import MAIN_SCORE
from finetuning.utils.console import align_columns
from finetuning.utils.progress import duration
from scripts.sweeping import summary

_NOT_SCORES = ("eval_loss", "loss", "global_step")
_STATISTICS = ("mean", "sd", "median", "min", "max")


def collect(description, points, results):
    """Returns everything that is known about a sweep, ready for JSON.

    Args:
      description: from `Sweep.description`.
      points: sequence of all planned `grid.Point`s.
      results: dictionary of the finished points to their results.

    Returns:
      Dictionary: `task`, `main_metrics`, `majority_score`, `planned` (number of runs),
      `warnings`, `runs` (each with its settings, `results`, `seconds`,
      `failed_to_train`),
      `settings` (each with its `setting`, `failed_to_train` (number of runs) and
      `scores`: name -> `summary.summarize`), and the items of `description`.
    """
    done = [point for point in points if point in results]
    first = results[done[0]] if done else {}
    return dict(
        description,
        task=first.get("task"),
        main_metrics=first.get("main_metrics"),
        majority_score=first.get("majority_score"),
        planned=len(points),
        warnings=_warnings([results[point] for point in done]),
        runs=[_run(point, results[point]) for point in done],
        settings=[
            _setting(setting, [results[p] for p in done if p.setting == setting])
            for setting in dict.fromkeys(point.setting for point in done)
        ],
    )


def _run(point, result):
    return dict(
        dataclasses.asdict(point),
        name=point.name,
        setting=point.setting,
        results=result["results"],
        seconds=result["seconds"],
        failed_to_train=summary.failed_to_train(result),
    )


def _setting(setting, results):
    names = [name for name in results[0]["results"] if name not in _NOT_SCORES]
    return {
        "setting": setting,
        "failed_to_train": sum(map(summary.failed_to_train, results)),
        "scores": {
            name: summary.summarize([r["results"].get(name) for r in results])
            for name in [*names, "eval_loss"]
        },
    }


def _warnings(results):
    """Returns what makes the numbers of runs less comparable, as a list of lines."""
    warnings = []
    scores = [result["results"][MAIN_SCORE] for result in results]
    missing = len(scores) - summary.summarize(scores)["n"]
    if missing:
        warnings.append(
            "%d of %d runs have NaN as their main score; mean, sd and the other "
            "statistics are those of the others" % (missing, len(scores))
        )
    made_with = {}
    for result in results:
        for name, value in _versions(result).items():
            values = made_with.setdefault(name, [])
            values += [] if value in values else [value]
    mixed = [
        "%s %s" % (name, " and ".join(map(str, values)))
        for name, values in sorted(made_with.items())
        if len(values) > 1
    ]
    if mixed:
        warnings.append(
            "these runs were not made with the same versions (%s); repeat some for a "
            "fair comparison" % "; ".join(mixed)
        )
    return warnings


def _versions(result):
    """Returns the versions that trained and scored a run, by name."""
    training = result.get("training") or result
    return {
        "git revision": training.get("git_revision"),
        "git revision of the evaluation": result.get("git_revision"),
        **(training.get("versions") or {}),
    }


def lines(collected):
    """Returns the tables as a list of lines.

    Args:
      collected: dictionary from `collect`.
    """
    runs, settings = collected["runs"], collected["settings"]
    if not runs:
        return ["No run has finished"]
    metrics = collected["main_metrics"]
    shown = [MAIN_SCORE]
    if len(metrics) > 1:
        names = ["eval_" + metric for metric in metrics]
        shown += [name for name in names if name in runs[0]["results"]]
    title = "%s: %d of %d runs, main score: %s%s" % (
        collected["task"],
        len(runs),
        collected["planned"],
        "mean of " if len(metrics) > 1 else "",
        " and ".join(metrics),
    )
    baseline = "Majority-class baseline: %.4f" % collected["majority_score"]
    run_table = align_columns(_run_rows(runs, shown))
    setting_table = align_columns(_setting_rows(settings, shown))
    table = [title, baseline, "", *run_table, "", *setting_table]
    table += ["WARNING: " + warning for warning in collected["warnings"]]
    return [line.rstrip() for line in table]


def _heading(name):
    return "main" if name == MAIN_SCORE else name[len("eval_") :]


def _run_rows(runs, shown):
    rows = [
        ["rate", "batch", "epochs", "seed", *map(_heading, shown), "loss", "time", ""]
    ]
    for run in runs:
        varied = [run[name] for name in ("learning_rate", "batch_size", "epochs")]
        scores = [run["results"].get(name) for name in [*shown, "eval_loss"]]
        rows.append(
            ["%g" % value for value in varied]
            + ["%d" % run["seed"]]
            + [_four_decimals(score) for score in scores]
            + [duration(run["seconds"])]
            + ["FAILED TO TRAIN" if run["failed_to_train"] else ""]
        )
    return rows


def _setting_rows(settings, shown):
    rows = [["setting", "score", "runs", *_STATISTICS, "failed to train"]]
    for setting in settings:
        for name in shown:
            scores = setting["scores"][name]
            values = [scores[key] for key in _STATISTICS]
            rows.append(
                [setting["setting"], _heading(name), "%d" % scores["n"]]
                + [_four_decimals(value) for value in values]
                + ["%d" % setting["failed_to_train"]]
            )
    return rows


def _four_decimals(value):
    return "-" if value is None else "%.4f" % value
