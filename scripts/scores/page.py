"""The scores page as Markdown, from groups of runs and published tables."""

from finetuning.evaluation.scoring import MAIN_SCORE
from scripts.scores import runs
from scripts.sweeping import summary

_PICTURE = "![Scores of each seed, by task and program](%s)\n"
_OTHERS = """## Reported by others

Other encoders than those above, and other settings; each table says which.
"""


def page(introduction, groups, published, picture):
    """Returns the whole page.

    Args:
      introduction: text in Markdown.
      groups: list from `runs.group`.
      published: list of dictionaries: title, setting, source, columns, rows.
      picture: the picture's path, relative to the page.
    """
    parts = [introduction, _PICTURE % picture, _overview(groups)]
    parts += [_group(rows) for rows in groups]
    parts.append(_OTHERS)
    parts += [_published(table) for table in published]
    return "\n".join(parts)


def _overview(groups):
    """Returns a table of our rows and other programs' rows with the same recipe."""
    heading = ["task", "encoder", "batch, rate, epochs", "type", "Adam", "runs"]
    heading += ["this program", "Hugging Face", "distance", "the original", "distance"]
    lines = []
    for rows in groups:
        for row in rows:
            if row[0]["program"] == runs.OURS:
                others = (runs.HUGGING_FACE, runs.ORIGINAL)
                lines.append(_compare(row, [runs.peer(row, rows, o) for o in others]))
        lines += [
            _compare(o, [theirs, None]) for o, theirs in runs.pairs_over_types(rows)
        ]
    return _table(heading, lines)


def _compare(row, peers):
    first = row[0]
    recipe = ("train_batch_size", "learning_rate", "num_train_epochs")
    cells = [first["task"], first["encoder"]]
    cells.append(", ".join("%g" % first["recipe"][name] for name in recipe))
    cells += [runs.dtype(row), _adam(row), "%d" % len(row), _mean(row)]
    for other in peers:
        cells += [_peer(row, other), _distance(row, other)]
    return cells


def _peer(row, other):
    """Returns the mean of another row, and in what its runs differ from `row`."""
    if other is None:
        return "-"
    traits = [(trait(row), trait(other)) for trait in (_adam, runs.dtype, _rates)]
    differs = [theirs for ours, theirs in traits if ours != theirs]
    return _mean(other) + (" (%s)" % ", ".join(differs) if differs else "")


def _distance(row, other):
    if other is None:
        return "-"
    value = summary.distance(runs.summarize(row), runs.summarize(other))
    return "-" if value is None else "%+.2f" % value


def _mean(row, name=MAIN_SCORE):
    scores = runs.summarize(row, name)
    if scores["sd"] is None:
        return _points(scores["mean"])
    return "%.1f ± %.1f" % (scores["mean"], scores["sd"])


def _points(value):
    return "-" if value is None else "%.1f" % value


def _adam(row):
    return "corrected" if row[0]["adam_bias_correction"] else "not corrected"


def _rates(row):
    return "own rates" if row[0]["own_rates"] else "the original's rates"


def _own_rates(row):
    return ", own rates" if row[0]["own_rates"] else ""


def _group(rows):
    first = rows[0][0]
    metrics = first["main_metrics"] if len(first["main_metrics"]) > 1 else []
    heading = ["program", "type", "Adam", "runs", "mean ± sd", "median", "min", "max"]
    heading += ["failed to train", *(name.replace("_", " ") for name in metrics)]
    lines = []
    for row in rows:
        scores = runs.summarize(row)
        program = "%s (%s)" % (row[0]["program"], runs.stack(row[0]))
        lines.append(
            [program + _own_rates(row), runs.dtype(row), _adam(row), "%d" % len(row)]
            + [_mean(row)]
            + [_points(scores[name]) for name in ("median", "min", "max")]
            + ["%d" % sum(map(summary.failed_to_train, row))]
            + [_mean(row, "eval_" + name) for name in metrics]
        )
    title = "### %s, %s\n" % (first["task"], first["encoder"])
    parts = [title, _recipe(first) + "\n", _table(heading, lines), "Each run:\n"]
    return "\n".join(parts + ["- " + _runs(row) for row in rows]) + "\n"


def _recipe(run):
    recipe = run["recipe"]
    epochs = recipe["num_train_epochs"]
    parts = [
        "Batch %d" % recipe["train_batch_size"],
        "rate %g" % recipe["learning_rate"],
        "%g epoch%s" % (epochs, "" if epochs == 1 else "s"),
        "%d tokens" % recipe["max_seq_length"],
        "warm-up %g" % recipe["warmup_proportion"],
    ]
    if recipe["max_train_examples"]:
        parts.append("%d training examples" % recipe["max_train_examples"])
    if not recipe["do_lower_case"]:
        parts.append("cased")
    for name in ("class_weights", "keep_best", "early_stop"):
        if recipe[name]:
            parts.append("--%s=%s" % (name, str(recipe[name]).lower()))
    return "%s. Main score: %s%s. Majority-class baseline: %.1f." % (
        ", ".join(parts),
        "mean of " if len(run["main_metrics"]) > 1 else "",
        " and ".join(name.replace("_", " ") for name in run["main_metrics"]),
        100 * run["majority_score"],
    )


def _runs(row):
    """Returns the score of each run with its seed, and where the runs come from."""
    scores = []
    for run in row:
        seed = "no seed" if run["seed"] is None else "seed %d" % run["seed"]
        scores.append("%.1f (%s)" % (100 * run["results"][MAIN_SCORE], seed))
    sources = [
        {run["device"].split(" (")[0] for run in row},
        {run["time"][:10] for run in row},
        {_revision(run) for run in row},
    ]
    return "%s%s, %s: %s; %s, %s, revision %s" % (
        row[0]["program"],
        _own_rates(row),
        runs.dtype(row),
        ", ".join(scores),
        *(" and ".join(sorted(names)) for names in sources),
    )


def _revision(run):
    revision, _, mark = (run["revision"] or "unknown").partition("-")
    return revision[:10] + ("-" + mark if mark else "")


def _published(table):
    return "### %s\n\n%s Source: %s.\n\n%s" % (
        table["title"],
        table["setting"],
        table["source"],
        _table(table["columns"], table["rows"]),
    )


def _table(heading, rows):
    lines = [heading, ["---"] * len(heading), *rows]
    return "\n".join("| %s |" % " | ".join(line) for line in lines) + "\n"
