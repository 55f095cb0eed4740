"""The scores page as Markdown, from groups of runs and published tables."""

from finetuning.evaluation.scoring import MAIN_SCORE
from scripts.scores import runs
from scripts.sweeping import summary

_HEAD = """# Scores

`make scores` wrote this page from the runs in [scores/](scores/) and the figures in
[scores/published.json](scores/published.json); it is not edited by hand. To add runs:
`python scripts/scores_page.py --add=DIR`.

All scores are in points (per cent) on the development set. The main score is GLUE's:
the mean of the metrics that a task has, for MNLI the mean of its two halves. sd is the
standard deviation of a sample (n - 1). A run *failed to train* if all its predictions
are the same, or its main score is at or below that of always giving the commonest
label. The distance is the difference of the means in pooled standard deviations: below
1 either way the two cannot be told apart by so few runs. Beyond 1 they need not differ:
with three runs each of one and the same program, three distances in ten are (Student's
t with 4 degrees of freedom). That this program and Hugging Face take the same steps is
held by `tests/test_peers.py` and measured in [LOG.md](../benchmarks/LOG.md). *Both
types* takes the runs in float32 and in 16 bits together, where both programs have both.

Runs under one heading share their recipe but for Adam: Hugging Face's correct the bias
of its moments, the original's do not, and this program's do with
`--adam_bias_correction=true`. Some of Hugging Face's were trained at its *own rates*,
whose decay begins where the warm-up ends; the original's begins at step 0, so that its
rates are up to a tenth lower. Like is compared with like where both were measured;
where not, the cell says in which the other differs.

## Measured here
"""
_NOT_MEASURED = "Nothing yet.\n"
_OTHERS = """## Reported by others

%s; each table says which.
"""
_BESIDE_OURS = "Other encoders than those above, and other settings"
_ALONE = "Of several encoders and settings"


def page(groups, published, picture):
    """Returns the whole page.

    Args:
      groups: list from `runs.group`.
      published: list of dictionaries: title, setting, source, columns, rows.
      picture: the picture's path, relative to the page.
    """
    parts = [_HEAD]
    if groups:
        parts.append("![Scores of each seed, by task and program](%s)\n" % picture)
        parts.append(_overview(groups))
    else:
        parts.append(_NOT_MEASURED)
    parts += [_group(rows) for rows in groups]
    parts.append(_OTHERS % (_BESIDE_OURS if groups else _ALONE))
    parts += [_published(table) for table in published]
    return "\n".join(filter(None, parts))


def _overview(groups):
    """Returns a table of our rows beside the other programs' on the same recipe."""
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
    return _table(heading, lines) if lines else ""


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
        return "%.1f" % scores["mean"]
    return "%.1f ± %.1f" % (scores["mean"], scores["sd"])


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
            + ["%.1f" % scores[name] for name in ("median", "min", "max")]
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
    return "%s. Main score: %s%s. Always giving the commonest label: %.1f." % (
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
