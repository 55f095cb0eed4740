"""The sections about the predictions: what is right, how sure it is, and the errors."""

import numpy as np

from finetuning.evaluation import label_report
from finetuning.report import charts, figures, html

_MAX_LABELS = 20  # Rows of a confusion matrix that fit a page.
_MAX_ROWS = 100
_MAX_DOTS = 1500
_SAMPLED_DOTS = 1000  # Where there are more.
_SHADES = 10
_GUO = "Guo et al. 2017, On Calibration of Modern Neural Networks (arXiv 1706.04599)"


def labels(found):
    """The confusion matrix, and precision, recall and F1 of each label."""
    examples, names = found.examples, found.labels
    scored = label_report.compute(names, "", examples.gold, examples.predicted)
    matrix = np.array(scored["confusion_matrix"])
    parts = [
        _matrix(matrix, names) if len(names) <= _MAX_LABELS else _pairs(matrix, names)
    ]
    shown = scored["labels"]
    if len(names) > _MAX_ROWS:
        shown = sorted(shown, key=lambda row: -row["examples"])[:_MAX_ROWS]
    rows = [
        (
            row["label"],
            *("%.4f" % row[name] for name in label_report.SCORES),
            str(row["examples"]),
        )
        for row in shown
    ]
    heading = ["label", "precision", "recall", "F1", "examples"]
    caption = "Precision, recall and F1 of each label"
    if len(names) > _MAX_ROWS:
        caption += ", the %d most frequent of %d" % (_MAX_ROWS, len(names))
    parts.append(html.scrolling(html.table(heading, rows, caption), caption))
    return html.section("labels", "Labels", html.side_by_side(parts))


def _matrix(matrix, names):
    totals = np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    shares = matrix / totals
    about = "Confusion matrix: counts, and percentages of the row"
    lines = ["<p>%s. The framed diagonal is right.</p>" % about]
    lines.append("<table class=matrix aria-label='%s'>" % about)
    heading = "".join("<th scope=col>%s" % html.escape(name) for name in names)
    lines.append(
        "<thead><tr><td><th scope=colgroup colspan=%d>predicted"
        "<tr><th scope=col>true%s</thead><tbody>" % (len(names), heading)
    )
    for row, name in enumerate(names):
        cells = "".join(
            "<td class='shade%d%s'><b>%d</b> <span>%.1f %%</span>"
            % (
                round(_SHADES * shares[row, column]),
                " right" if row == column else "",
                matrix[row, column],
                100 * shares[row, column],
            )
            for column in range(len(names))
        )
        lines.append("<tr><th scope=row>%s%s" % (html.escape(name), cells))
    return html.scrolling("\n".join(lines) + "</tbody></table>\n", "Confusion matrix")


def _pairs(matrix, names):
    """The most frequent confusions, where there are too many labels for a matrix."""
    wrong = matrix - np.diag(np.diag(matrix))
    order = np.argsort(-wrong, axis=None, kind="mergesort")[:_MAX_ROWS]
    rows = []
    for gold, predicted in zip(*np.unravel_index(order, wrong.shape)):
        count = wrong[gold, predicted]
        if count:
            share = "%.1f %%" % (100 * count / matrix[gold].sum())
            rows.append((names[gold], names[predicted], str(count), share))
    caption = "The most frequent confusions of %d labels" % len(names)
    heading = ["true", "predicted", "count", "of the true label"]
    return html.scrolling(html.table(heading, rows, caption), caption)


def calibration(found):
    """The reliability diagram with the expected calibration error."""
    examples = found.examples
    result = figures.calibration(
        examples.probabilities.max(axis=1), examples.gold == examples.predicted
    )
    title = "Reliability: is the model right as often as it is sure?"
    text = (
        "Expected calibration error: %.4f, with %d bins of equal width (%s). It is the "
        "mean distance between confidence and accuracy, weighted by the number of "
        "examples: 0 is perfect." % (result.error, len(result.counts), _GUO)
    )
    rows = [
        (
            "%.3f to %.3f" % (low, high),
            str(count),
            "%.4f" % confidence if count else "",
            "%.4f" % accuracy if count else "",
        )
        for low, high, count, confidence, accuracy in zip(
            result.edges[:-1], result.edges[1:], *result[1:4]
        )
    ]
    heading = ["confidence", "examples", "mean confidence", "fraction right"]
    panels = [("all examples (%d)" % len(examples.ids), result.counts)]
    counts = charts.histograms(
        *("confidence", "Examples by confidence", panels, result.edges, "confidence")
    )
    return html.section(
        "calibration",
        "Calibration",
        html.paragraph(text),
        html.side_by_side([charts.reliability("reliability", title, result), counts]),
        html.details("Table: calibration", html.table(heading, rows)),
    )


def distribution(found):
    """How the scores of the model are distributed for each label."""
    examples, names = found.examples, found.labels
    edges = np.linspace(0.0, 1.0, 21)
    values, what = examples.gold_probabilities, "probability of the true label"
    if len(names) == 2:
        values, what = examples.probabilities[:, 1], "probability of label " + names[1]
    support = np.bincount(examples.gold, minlength=len(names))
    shown = np.sort(np.argsort(-support, kind="mergesort")[: _MAX_LABELS // 2])
    panels = [
        (
            "true label %s (%d)" % (names[n], support[n]),
            np.histogram(values[examples.gold == n], edges)[0],
        )
        for n in shown
    ]
    return _histograms(panels, edges, what)


def _histograms(panels, edges, what):
    title = "Examples by " + what
    rows = [
        ("%.3g to %.3g" % (low, high), *(str(counts[n]) for _, counts in panels))
        for n, (low, high) in enumerate(zip(edges[:-1], edges[1:]))
    ]
    heading = [what] + [name for name, _ in panels]
    return html.section(
        "distribution",
        "Distribution of the scores",
        html.side_by_side([charts.histograms("histogram", title, panels, edges, what)]),
        html.details("Table: " + title.lower(), html.table(heading, rows)),
    )


def regression(found):
    """Predicted and true numbers: a scatter plot, and how both are distributed."""
    examples = found.examples
    places = range(len(examples.ids))
    if len(places) > _MAX_DOTS:
        places = figures.thinned(places, _SAMPLED_DOTS)
    points = [(float(examples.gold[n]), float(examples.predicted[n])) for n in places]
    rows = [
        (examples.ids[n], "%.4g" % examples.gold[n], "%.4g" % examples.predicted[n])
        for n in places
    ]
    some = "%d of " % len(places) if len(places) < len(examples.ids) else ""
    title = "Predicted by true value, %s%d examples" % (some, len(examples.ids))
    chart = charts.scatter("scatter", title, points, ("true value", "predicted"))
    both = np.concatenate([examples.gold, examples.predicted])
    edges = np.linspace(both.min(), max(both.max(), both.min() + 1e-6), 21)
    panels = [
        (name, np.histogram(values, edges)[0])
        for name, values in (("true", examples.gold), ("predicted", examples.predicted))
    ]
    return html.section(
        "scatter",
        "Predicted and true values",
        html.side_by_side([chart]),
        html.details(
            "Table: true and predicted values",
            html.table(["id", "true", "predicted"], rows),
        ),
    ) + _histograms(panels, edges, "value")


def lengths(found):
    """The score of short, long and truncated examples."""
    examples, title = found.examples, "Length of the text"
    if examples.lengths is None:
        text = "Lengths are not known, because the texts or the model are missing."
        return html.section("lengths", title, html.paragraph(text))
    what = "mean absolute error" if found.is_regression else "accuracy"
    groups = [
        ("%d to %d" % group[:2] if group.low < group.high else str(group.low), group[2])
        for group in figures.length_groups(examples.lengths)
    ]
    values = [_score(found, indices) for _, indices in groups]
    chart = charts.bars(
        *("lengths-chart", "%s by length" % what.capitalize(), values),
        [name.replace(" to ", "–") for name, _ in groups],
        ("tokens before truncation, groups of similar size", what),
        None if found.is_regression else 1.0,
    )
    limit = found.model.settings.max_seq_length
    groups += [
        ("truncated at %d tokens" % limit, np.flatnonzero(examples.truncated)),
        ("not truncated", np.flatnonzero(~examples.truncated)),
    ]
    rows = [
        (name, str(len(chosen)), "%.4f" % _score(found, chosen) if len(chosen) else "-")
        for name, chosen in groups
    ]
    heading = ["tokens before truncation", "examples", what]
    table = html.scrolling(html.table(heading, rows), "Score by length")
    return html.section("lengths", title, html.side_by_side([chart, table]))


def _score(found, indices):
    return figures.score(found.examples.errors[indices], found.is_regression)


def errors(found):
    """The worst errors with their texts."""
    worst, texts = figures.worst_errors(found.examples), found.examples.texts
    title = "The worst errors"
    if not worst:
        text = "There are none: every prediction is right."
        return html.section("errors", title, html.paragraph(text))
    about = "The %d %s, the worst first." % (
        len(worst),
        "largest differences"
        if found.is_regression
        else "wrong answers whose true label seemed least probable",
    )
    cells = [
        "<li>%s%s\n"
        % (html.paragraph(_error(found, n)), html.texts(texts[n]) if texts else "")
        for n in worst
    ]
    listed = "<ol class=errors>\n%s</ol>\n" % "".join(cells)
    return html.section("errors", title, html.paragraph(about), listed)


def _error(found, place):
    examples, labels = found.examples, found.labels
    gold, predicted = examples.gold[place], examples.predicted[place]
    name = "<b>Example %s</b>: " % html.escape(examples.ids[place])
    if found.is_regression:
        text = "true value %.4g, predicted %.4g, difference %+.4g" % (
            *(gold, predicted, examples.errors[place]),
        )
    else:
        text = "true %s (probability %.4f), predicted %s (%.4f)" % (
            *(labels[gold], examples.gold_probabilities[place]),
            *(labels[predicted], examples.probabilities[place, predicted]),
        )
    return html.Markup(name + html.escape(text))
