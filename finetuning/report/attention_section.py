"""The section about attention: pictures of all heads, and what the script needs."""

import json

import numpy as np

from finetuning.report import html, pictures

_FORMULA = (
    "Attention(<i>Q</i>, <i>K</i>, <i>V</i>) = "
    "softmax(<i>Q</i> <i>K</i><sup>T</sup> / √<i>d<sub>k</sub></i>) <i>V</i>"
)
_SOURCE = (
    "Vaswani et al. 2017, Attention Is All You Need (arXiv 1706.03762), section 3.2"
)
_EXPLANATION = (
    "In every layer, each token is turned into three vectors: a query (what it looks "
    "for), a key (what it can be found by) and a value (what it hands on). The product "
    "of the query of one token with the key of another says how well they match. These "
    "products grow with the width d of the vectors, so they are divided by the square "
    "root of d: otherwise the softmax would put all weight on one token, and its "
    "gradient would be almost 0. The softmax makes them weights that sum to 1, the "
    "contribution of each token to the current one, and the result is the mean of the "
    "values with these weights. One such mean can only look for one thing at a time; "
    "%d heads of width %d, each with queries, keys and values of its own, look for "
    "several at once, for about the cost of a single head of full width. The "
    "paper has 8 heads, BERT-Base 12."
)
_WARNING = (
    "Attention is not an explanation of the decision. A word with much weight need not "
    "have changed the answer, and other weights can give the same answer (Jain and "
    "Wallace 2019, Attention is not Explanation, arXiv 1902.10186). Many heads rest on "
    "[SEP] or [CLS], which often means that the head has found nothing to do in this "
    "text (Clark et al. 2019, What Does BERT Look At?, arXiv 1906.04341)."
)
_READING = (
    "Each square is a head: the row is the token that looks, the column the token that "
    "is looked at, both in the order of the text, from the top left. The stronger the "
    "colour, the larger the weight (in steps of its square root, so that small weights "
    "can be seen). Layers go down, heads to the right; the last column is the mean."
)


def section(attended, why_not=""):
    """The section.

    Args:
      attended: list of `attention.Attended`.
      why_not: a sentence that says why there are none, if there are none.
    """
    if not attended:
        text = why_not or "No examples were chosen."
        return html.section("attention", "Attention", html.paragraph(text))
    _, heads, _, _ = attended[0].weights.shape
    width = attended[0].head_width
    parts = [
        html.paragraph(_EXPLANATION % (heads, width)),
        html.paragraph(html.Markup(_FORMULA), "formula"),
        html.paragraph("Source: %s. Here d is %d." % (_SOURCE, width), "source"),
        html.paragraph(_WARNING, "caution"),
        html.paragraph(_READING),
    ]
    parts += [_example(number, one) for number, one in enumerate(attended, 1)]
    return html.section("attention", "Attention", *parts)


def _example(number, attended):
    name = "pair%d" % number
    return (
        "<article class=attended id=%s aria-labelledby=%s-title>\n"
        "<h3 id=%s-title>%s</h3>\n%s%s%s%s</article>\n"
        % (
            *(name, name, name, html.escape(attended.title)),
            html.paragraph(attended.verdict),
            html.texts(attended.example),
            _maps(attended),
            _table(attended),
        )
    )


def _maps(attended):
    weights = attended.weights_with_mean
    layers, columns, size, _ = weights.shape
    gap = max(1, size // 24)
    # The square root makes small weights visible; the script undoes it.
    pixels = np.rint(255.0 - 255.0 * np.sqrt(weights)).astype(np.uint8)
    picture = pictures.mosaic(pixels, gap)
    heads = [str(n + 1) for n in range(columns - 1)] + ["mean"]
    about = {"layers": layers, "columns": columns, "size": size, "gap": gap}
    about["tokens"] = attended.tokens
    return (
        "<div class=scroll tabindex=0 role=region aria-label='Attention of all heads'>"
        "<div class=maps><div class=heads aria-hidden=true>%s</div>"
        "<div class=layers aria-hidden=true>%s</div><div class=picture>"
        "<img%s width=%d height=%d alt='%s' src='%s'></div></div></div>\n"
        "<script type=application/json>%s</script>\n"
        % (
            _spans(heads),
            _spans(str(n + 1) for n in range(layers)),
            " class=small" if size < 48 else "",
            *picture.shape[::-1],
            "Attention weights of %d layers and %d heads, and their mean, between %d "
            "tokens; the table below names what each head attends to most"
            % (layers, columns - 1, size),
            pictures.data_url(picture),
            _json(about),
        )
    )


def _spans(texts):
    return "".join("<span>%s</span>" % text for text in texts)


def _json(value):
    """JSON that cannot end the script element that it is in."""
    text = json.dumps(value, separators=(",", ":"), sort_keys=True)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _table(attended):
    rows = []
    answers = [attended.most_attended(), attended.most_attended(skip_special=True)]
    layers, columns = answers[0][0].shape
    for layer in range(layers):
        for column in range(columns):
            head = "mean" if column == columns - 1 else column + 1
            cells = ["%d, %s" % (layer + 1, head)]
            for places, shares in answers:
                place = places[layer, column]
                share = "%.1f %%" % (100 * shares[layer, column])
                word = "%s (token %d)" % (attended.tokens[place], place + 1)
                cells += [word, share] if place >= 0 else ["-", "-"]
            rows.append(cells)
    heading = ["layer, head", "attends most to", "mean weight"]
    heading += ["other than [CLS] and [SEP]", "mean weight"]
    return html.details(
        "Table: which word each head attends to most, on average over all words",
        html.table(heading, rows, numeric=False),
    )
