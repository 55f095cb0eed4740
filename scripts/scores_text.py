"""The scores page as Markdown: from groups of runs and published tables to text."""

import scores_data

from finetuning.evaluation.scoring import MAIN_SCORE

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
_COLUMNS = ("mean ± sd", "median", "min", "max")


def page(groups, published, picture):
    """The whole page.

    Args:
      groups: list of `scores_data.Group`.
      published: list of dictionaries: title, setting, source, columns, rows.
      picture: the picture's path, seen from the page.
    """
    parts = [_HEAD]
    if groups:
        parts.append("![Scores of each seed, by task and program](%s)\n" % picture)
        parts.append(_overview(groups))
    else:
        parts.append(_NOT_MEASURED)
    parts += [_group(group) for group in groups]
    parts.append(_OTHERS % (_BESIDE_OURS if groups else _ALONE))
    parts += [_published(found) for found in published]
    return "\n".join(filter(None, parts))


def _overview(groups):
    """A line a task: our runs beside the others' on the same weights and recipe."""
    rows = []
    for group in groups:
        for row in group.rows:
            if row.program == scores_data.OURS:
                cells = [group.task, group.encoder, _short_recipe(group)]
                cells += [row.dtype, _adam(row), "%d" % len(row.runs), _mean(row)]
                for program in (scores_data.HUGGING_FACE, scores_data.ORIGINAL):
                    other = group.peer(row, program)
                    cells += [_peer(row, other), _distance(row, other)]
                rows.append(cells)
        rows += [_both_types(group, *pair) for pair in group.over_types()]
    if not rows:
        return ""
    heading = ["task", "encoder", "batch, rate, epochs", "type", "Adam", "runs"]
    heading += ["this program", "Hugging Face", "distance", "the original", "distance"]
    return table(heading, rows)


def _both_types(group, row, other):
    """The line over float32 and 16 bits: more runs tell programs apart better."""
    cells = [group.task, group.encoder, _short_recipe(group), row.dtype, _adam(row)]
    cells += ["%d" % len(row.runs), _mean(row)]
    return [*cells, _peer(row, other), _distance(row, other), "-", "-"]


def _group(group):
    title = "### %s, %s\n" % (group.task, group.encoder)
    lines = [title, _recipe(group), ""]
    metrics = ["eval_" + name for name in group.main_metrics]
    if len(metrics) == 1:
        metrics = []
    heading = ["program", "type", "Adam", "runs", *_COLUMNS, "failed to train"]
    heading += [name[len("eval_") :].replace("_", " ") for name in metrics]
    rows = []
    for row in group.rows:
        of = row.scores()
        cells = [
            "%s (%s)%s"
            % (row.program, row.stack, ", own rates" if row.own_rates else ""),
            row.dtype,
            _adam(row),
            "%d" % of["n"],
            _mean(row),
        ]
        cells += ["%.1f" % of[name] for name in ("median", "min", "max")]
        cells.append("%d" % row.failed)
        cells += [_mean(row, name) for name in metrics]
        rows.append(cells)
    lines.append(table(heading, rows))
    lines.append("Each run:\n")
    lines += ["- %s" % _runs(row) for row in group.rows]
    return "\n".join(lines) + "\n"


def _adam(row):
    return "corrected" if row.bias_correction else "not corrected"


def _rates(row):
    return "own rates" if row.own_rates else "the original's rates"


def _peer(row, other):
    """The mean of a row to compare with, and how its runs differ from `row`."""
    if other is None:
        return "-"
    differs = [
        found(other) for found in (_adam, _dtype, _rates) if found(other) != found(row)
    ]
    return _mean(other) + (" (%s)" % ", ".join(differs) if differs else "")


def _dtype(row):
    return row.dtype


def _short_recipe(group):
    names = ("train_batch_size", "learning_rate", "num_train_epochs")
    return ", ".join("%g" % group.recipe[name] for name in names)


def _recipe(group):
    recipe = group.recipe
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
        "mean of " if len(group.main_metrics) > 1 else "",
        " and ".join(name.replace("_", " ") for name in group.main_metrics),
        100 * group.majority_score,
    )


def _runs(row):
    """The scores of the runs, with their seeds, and what made them."""
    scores = []
    for run in row.runs:
        score = "%.1f" % (100 * run["results"][MAIN_SCORE])
        seed = "no seed" if run["seed"] is None else "seed %d" % run["seed"]
        scores.append("%s (%s)" % (score, seed))
    revisions = sorted({_revision(run) for run in row.runs})
    days = sorted({run["time"][:10] for run in row.runs})
    devices = sorted({run["device"].split(" (")[0] for run in row.runs})
    return "%s%s, %s: %s; %s, %s, revision %s" % (
        row.program,
        ", own rates" if row.own_rates else "",
        row.dtype,
        ", ".join(scores),
        " and ".join(devices),
        " and ".join(days),
        " and ".join(revisions),
    )


def _revision(run):
    revision, _, mark = (run["revision"] or "unknown").partition("-")
    return revision[:10] + ("-" + mark if mark else "")


def _mean(row, name=MAIN_SCORE):
    of = row.scores(name)
    if of["sd"] is None:
        return "%.1f" % of["mean"]
    return "%.1f ± %.1f" % (of["mean"], of["sd"])


def _distance(row, other):
    value = scores_data.distance(row, other)
    return "-" if value is None else "%+.2f" % value


def _published(found):
    lines = ["### %s\n" % found["title"]]
    lines.append("%s Source: %s.\n" % (found["setting"], found["source"]))
    lines.append(table(found["columns"], found["rows"]))
    return "\n".join(lines)


def table(heading, rows):
    lines = [heading, ["---"] * len(heading), *rows]
    return "\n".join("| %s |" % " | ".join(line) for line in lines) + "\n"
