"""The first sections of the report: warnings, scores, what was run, training."""

import os

from finetuning.checkpoints import model_size
from finetuning.evaluation import history, training_history
from finetuning.evaluation.scoring import MAIN_SCORE
from finetuning.report import charts, figures, html, published

_MAX_POINTS = 200
_STEP_LOSS = "training loss of the step"


def warnings(found):
    """What the reader must know first."""
    results, parts = found.results, []
    if results["warnings"]:
        parts.append(html.items(results["warnings"], "warnings"))
    else:
        parts.append(html.paragraph("The evaluation gave no warnings."))
    if found.notes:
        parts.append(html.items(found.notes))
    return html.section("warnings", "Warnings", *parts)


def run(found):
    """What was run."""
    results, training = found.results, found.results.get("training") or {}
    settings = training.get("settings") or results["settings"]
    rows = [("task", results["task"]), ("encoder", _encoder(found))]
    rows.append(("weights", results["checkpoint"]))
    rows.append(("step", results.get("global_step")))
    rows.append(("evaluated on", " and ".join(results["data_files"])))
    rows.append(("examples", _example_counts(results)))
    rows.append(("random seed", results.get("random_seed")))
    rows += [
        (name.replace("_", " "), settings.get(name))
        for name in (
            *("train_batch_size", "learning_rate", "num_train_epochs"),
            *("max_train_examples", "max_seq_length", "precision"),
        )
    ]
    rows.append(("device", results["device"]))
    versions = results["versions"].items()
    rows.append(("versions", ", ".join("%s %s" % pair for pair in versions if pair[1])))
    rows.append(("revision", (results.get("git_revision") or "")[:12]))
    rows.append(("evaluated at", results["time"]))
    cells = "".join(
        "<div><dt>%s</dt><dd>%s</dd></div>\n" % (html.escape(name), html.escape(value))
        for name, value in rows
        if value not in (None, "")
    )
    return html.section("run", "What was run", "<dl>\n%s</dl>\n" % cells)


def _encoder(found):
    if found.model is None:
        return None
    config = found.model.config
    count = model_size.num_parameters(config, found.model.num_outputs)
    return (
        "%d layers of %d heads of width %d; hidden size %d, feed-forward %d; %s "
        "parameters with the classifier"
        % (
            config.num_hidden_layers,
            config.num_attention_heads,
            config.hidden_size // config.num_attention_heads,
            config.hidden_size,
            config.intermediate_size,
            format(count, ","),
        )
    )


def _example_counts(results):
    return "%s; %s truncated, %s words unknown" % tuple(
        results.get(name, "?")
        for name in ("num_examples", "num_truncated", "num_unknown_words")
    )


def scores(found):
    """Scores beside the baseline, and published ones."""
    results = found.results
    baselines = {MAIN_SCORE: results["majority_score"]}
    if results.get("majority_accuracy") is not None:
        baselines["eval_accuracy"] = results["majority_accuracy"]
    guess = "any constant" if found.is_regression else "always the most frequent label"
    rows = [
        (
            _score_name(name, results),
            _number(value),
            _number(baselines[name]) if name in baselines else "",
        )
        for name, value in sorted(results["results"].items(), key=_main_first)
        if name.startswith("eval_")
    ]
    heading = ["score", "this run", guess]
    parts = [html.scrolling(html.table(heading, rows), "Scores")]
    return html.section("scores", "Scores", *parts, _published(results["task"]))


def _main_first(pair):
    return pair[0] != MAIN_SCORE, pair[0]


def _score_name(name, results):
    if name == MAIN_SCORE:
        main = " and ".join(results["main_metrics"])
        mean = "mean of " if len(results["main_metrics"]) > 1 else ""
        return "main score (%s%s)" % (mean, main)
    return name[len("eval_") :].replace("_", " ")


def _number(value):
    return "%.4f" % value if isinstance(value, float) else str(value)


def _published(task):
    rows = published.scores(task)
    if not rows:
        return ""
    sources = list(dict.fromkeys((about, source) for _, _, about, source in rows))
    cells = [
        (
            name or "-",
            score,
            about.split(".")[0],
            str(1 + sources.index((about, source))),
        )
        for name, score, about, source in rows
    ]
    notes = "".join(
        "<li>%s Source: %s.</li>\n" % (html.escape(about), html.escape(source))
        for about, source in sources
    )
    heading = ["model", "score in points", "where", "note"]
    return html.details(
        "Published scores of this task",
        html.table(heading, cells, numeric=False) + "<ol>\n%s</ol>\n" % notes,
    )


def training(found):
    """Loss, learning rate and evaluations by step."""
    curve, past = found.curve, found.evaluations
    losses = []
    for name, points in (
        (_STEP_LOSS, [(row.step, row.loss) for row in curve]),
        (
            "mean training loss since the last evaluation",
            _column(past, "training_loss"),
        ),
        ("loss on the dev set", _column(past, "eval_loss")),
    ):
        if points:
            markers = len(points) <= 40 and name != _STEP_LOSS
            thin = figures.thinned(points, _MAX_POINTS)
            losses.append(charts.Series(name, thin, markers))
    parts = []
    if losses:
        parts.append(charts.lines("loss", "Loss", losses, "step", "loss", True))
    shown = figures.thinned(curve, _MAX_POINTS)
    if shown:
        rates = [(row.step, row.learning_rate) for row in shown]
        series = [charts.Series("learning rate", rates)]
        title = "Learning rate"
        chart = charts.lines("rate", title, series, "step", "learning rate", True)
        parts.append(chart)
    if past:
        points = figures.thinned(_column(past, MAIN_SCORE), _MAX_POINTS)
        best = found.best
        mark = (best, past[best][MAIN_SCORE], "best: %.4f" % past[best][MAIN_SCORE])
        series = [charts.Series("main score", points, len(points) <= 40, mark)]
        title = "Main score on the dev set, by step"
        parts.append(charts.lines("main", title, series, "step", "main score"))
    if not parts:
        text = "There is no %s and no evaluation during training here."
        text %= training_history.FILE
        return html.section("training", "Training", html.paragraph(text))
    tables = _curve_table(curve, shown) + _evaluations_table(found)
    return html.section("training", "Training", html.side_by_side(parts), tables)


def _column(past, name):
    return [(step, row[name]) for step, row in past.items() if name in row]


def _curve_table(curve, shown):
    if not shown:
        return ""
    rows = [
        (str(row.step), _number(row.loss), "%.3g" % row.learning_rate) for row in shown
    ]
    summary = "Table: loss and learning rate by step"
    if len(shown) < len(curve):
        summary += ", %d of %d steps (all: %s)" % (
            *(len(shown), len(curve), training_history.FILE),
        )
    return html.details(summary, html.table(["step", "loss", "learning rate"], rows))


def _evaluations_table(found):
    past = found.evaluations
    if not past:
        return ""
    names = ["training_loss", "eval_loss"]
    names += ["eval_" + name for name in found.results["main_metrics"]] + [MAIN_SCORE]
    names = [n for n in dict.fromkeys(names) if any(n in row for row in past.values())]
    steps = figures.thinned(list(past), _MAX_POINTS // 2)
    rows = [
        (
            "%d (best)" % step if step == found.best else str(step),
            *(_number(past[step].get(name, "")) for name in names),
        )
        for step in sorted({*steps, found.best})
    ]
    heading = ["step"] + [name.replace("_", " ") for name in names]
    summary = "Table: %d evaluations (%s)" % (len(rows), history.FILE)
    return html.details(summary, html.table(heading, rows))


def name_of(directory):
    """What the report calls a run."""
    return os.path.basename(os.path.abspath(directory))
