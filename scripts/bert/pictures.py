"""The pictures of docs/BERT.md, drawn from the variables that its code leaves."""

from scripts.bert import svg
from scripts.bert.svg import INK, MUTED, RULE, Drawing

_TEXT, _EMBEDDINGS, _BLOCK, _HEAD = "#f5f7fa", "#e3f0fb", "#fdf0e1", "#e6f5ec"
_BLUE = (0, 90, 160)
# The query that query.svg explains: the first "ben", in the first head.
_QUERY, _HEAD_INDEX = 1, 0


def draw_all(page):
    """All pictures of the page.

    Args:
      page: dictionary of the variables of the page's code.

    Returns:
      Dictionary from file names to the text of the files.
    """
    pictures = {
        "model.svg": _model(page),
        "input.svg": _input(page),
        "query.svg": _query(page),
        "attention.svg": _attention(page),
    }
    return {name: picture.render() for name, picture in pictures.items()}


def _model(page):
    """The whole model on the left, and the inside of a block on the right."""
    drawing = Drawing(820, 640, "From text to loss, and the inside of a block")
    tokens, ids = page["tokens"], page["ids"]
    steps = [
        (_TEXT, "Ben helped Emma.  /  Emma helped Ben.", "two texts"),
        (_TEXT, " ".join(tokens[:6]) + " \u2026", "1. tokens"),
        (_TEXT, " ".join(map(str, ids[:6])) + " \u2026", "ids [S]"),
        (_EMBEDDINGS, "word + segment + position, norm", "2. embeddings [S, H]"),
        (_BLOCK, "block 0", "3. and 4. [S, H]"),
        (_BLOCK, "block 1", "[S, H]"),
        (_HEAD, "pooler: dense, tanh, of [CLS] only", "5. [H]"),
        (_HEAD, "head: dense", "logits [labels]"),
        (_HEAD, "softmax", "probabilities"),
        (_HEAD, "\u2212log of the true label's", "loss: %.4f" % page["loss"]),
    ]
    top, height, gap = 24, 38, 22
    for index, (fill, inside, beside) in enumerate(steps):
        y = top + index * (height + gap)
        drawing.box(20, y, 270, height, fill, RULE, corner=6)
        drawing.text(155, y + height / 2, inside, anchor="middle")
        drawing.text(300, y + height / 2, beside, size=12, color=MUTED)
        if index:
            drawing.arrow((155, y - gap), (155, y - 1))
    _inside_of_a_block(drawing)
    return drawing


def _inside_of_a_block(drawing):
    left, middle = 480, 640
    drawing.box(left, 24, 320, 592, _BLOCK, RULE, corner=8)
    drawing.text(left + 16, 44, "A block", font_weight="bold")
    drawing.text(left + 304, 44, "12 in BERT-Base", 12, MUTED, "end")
    for index, name in enumerate(("query", "key", "value")):
        x = 525 + index * 80
        drawing.box(x, 124, 70, 30, svg.GROUND, RULE, corner=5)
        drawing.text(x + 35, 139, name, anchor="middle")
        drawing.arrow((middle, 84), (x + 35, 123))
        drawing.arrow((x + 35, 154), (x + 35, 177))
    rows = [
        (178, 60, "softmax(query \u00b7 key / \u221aD) \u00b7 value", "in each head"),
        (262, 30, "dense", None),
        (316, 30, "+", None),
        (360, 30, "layer norm", None),
        (420, 30, "dense, H to I, then GELU", None),
        (464, 30, "dense, I to H", None),
        (518, 30, "+", None),
        (562, 30, "layer norm", None),
    ]
    drawing.text(middle, 72, "[S, H]", 12, MUTED, "middle")
    bottom = 178
    for y, height, inside, below in rows:
        if y > bottom:
            drawing.arrow((middle, bottom), (middle, y - 1))
        width = 30 if inside == "+" else 230
        corner = 15 if inside == "+" else 5
        drawing.box(middle - width / 2, y, width, height, svg.GROUND, RULE, corner)
        shift = 10 if below else 0
        drawing.text(middle, y + height / 2 - shift, inside, anchor="middle")
        if below:
            drawing.text(middle, y + height / 2 + 12, below, 12, MUTED, "middle")
        bottom = y + height
    # What each part is added to.
    for start, end in ((84, 331), (405, 533)):
        drawing.arrow((middle, start), (782, start), (782, end), (middle + 16, end))


def _input(page):
    """The four rows of vectors of the embeddings, one column for each token."""
    count, step, left = page["S"], 46, 106
    drawing = Drawing(left + count * step + 14, 470, "The embeddings of each token")
    tokens = page["tokens"] + ["[PAD]"] * (count - len(page["tokens"]))
    lines = [
        (26, "token", tokens),
        (48, "id", page["ids"]),
        (70, "segment", page["segments"]),
        (92, "position", range(count)),
    ]
    for y, name, values in lines:
        drawing.text(14, y, name, 12, MUTED)
        for index, value in enumerate(values):
            color = INK if page["mask"][index] else MUTED
            x = left + (index + 0.5) * step
            drawing.text(x, y, str(value), 12, color, "middle")
    vectors = [
        ("word", page["words"]),
        ("+ segment", page["types"]),
        ("+ position", page["positions"]),
        ("normalised", page["embedded"]),
    ]
    for row, (name, rows) in enumerate(vectors):
        top = 114 + row * 82
        drawing.text(14, top + 34, name, 12, INK)
        for index, numbers in enumerate(rows):
            x = left + index * step + 11
            drawing.cells(x, top, numbers, (24, 8.5), vertical=True)
    _legend(drawing, 462)
    return drawing


def _legend(drawing, y):
    x = drawing.width - 250
    drawing.text(x - 8, y - 6, "\u22122", 11, MUTED, "end")
    drawing.cells(x, y - 12, [-2, -1.5, -1, -0.5, 0, 0.5, 1, 1.5, 2], (20, 12))
    drawing.text(x + 188, y - 6, "2", 11, MUTED)


def _query(page):
    """One query against all keys: scores, probabilities, and the mean of the values."""
    name = page["first"]
    query, key, value = (
        page["split_heads"](page["dense"](page["embedded"], name + part, page["H"]))[
            _HEAD_INDEX
        ]
        for part in ("/query", "/key", "/value")
    )
    tokens, depth = page["tokens"], page["D"]
    probabilities = page["maps"][_HEAD_INDEX, _QUERY]
    size, top = (32, 22), 96
    drawing = Drawing(760, top + len(tokens) * 24 + 86, "One query of one head")
    drawing.text(14, 31, "query of \u201c%s\u201d (1)" % tokens[_QUERY])
    drawing.cells(150, 20, query[_QUERY], size, shown=True)
    heads = [
        (150, "start", "keys"),
        (350, "end", "query \u00b7 key / \u221aD"),
        (376, "start", "softmax"),
        (610, "start", "values"),
    ]
    for x, anchor, text in heads:
        drawing.text(x, top - 16, text, 12, MUTED, anchor)
    scores = key @ query[_QUERY] / depth**0.5
    for index, token in enumerate(tokens):
        y = top + index * 24
        middle = y + 11
        drawing.text(14, middle, "%s (%d)" % (token, index))
        drawing.cells(150, y, key[index], size, shown=True)
        drawing.text(350, middle, svg.fixed(scores[index], 2), anchor="end")
        share = probabilities[index]
        drawing.box(376, y + 4, 150 * share + 0.5, 14, svg.mix(_BLUE, 0.75))
        drawing.text(384 + 150 * share, middle, svg.fixed(share, 3), 12)
        drawing.cells(610, y, value[index], size, shown=True)
    y = top + len(tokens) * 24 + 34
    drawing.arrow((674, y - 32), (674, y - 3))
    drawing.text(
        592,
        y + 11,
        "sum of softmax \u00b7 value, the context of \u201cben\u201d (1)",
        anchor="end",
    )
    drawing.cells(
        610, y, probabilities[: len(tokens)] @ value[: len(tokens)], size, shown=True
    )
    return drawing


def _attention(page):
    """The probabilities of each head as a square, a row for each query."""
    tokens, cell, top = page["tokens"], 24, 86
    side = cell * len(tokens)
    step = side + 84
    drawing = Drawing(page["N"] * step + 14, top + side + 22, "Attention probabilities")
    for head in range(page["N"]):
        left = head * step + 76
        drawing.text(left, 22, "head %d" % head, font_weight="bold")
        drawing.text(left + side, 22, "key", 12, MUTED, "end")
        drawing.text(left - 8, top - 10, "query", 12, MUTED, "end")
        for index, token in enumerate(tokens):
            drawing.text(left - 8, top + (index + 0.5) * cell, token, 12, anchor="end")
            x = left + (index + 0.5) * cell
            turned = "rotate(-90 %g %d)" % (x, top - 8)
            drawing.text(x, top - 8, token, 12, transform=turned)
        count = len(tokens)
        _square(drawing, left, top, page["maps"][head, :count, :count], cell)
    return drawing


def _square(drawing, left, top, rows, cell):
    """Draws [S, S] probabilities; writes those of at least a quarter as numbers."""
    for at, row in enumerate(rows):
        for column, share in enumerate(row):
            x, y = left + column * cell, top + at * cell
            drawing.box(x, y, cell, cell, svg.mix(_BLUE, share), RULE)
            if share >= 0.25:
                digits = svg.fixed(share, 2).lstrip("0")
                x, y = x + cell / 2, y + cell / 2
                drawing.text(x, y, digits, 10, svg.contrasting(share), "middle")
