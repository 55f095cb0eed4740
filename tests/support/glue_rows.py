"""Small files with our own text in the layouts of GLUE's and XNLI's files.

The layouts are copied from the published files, not from `finetuning.data.tasks`, so
that they test it.
"""

import os
from typing import NamedTuple

from tests.support import corpus

COUNTS = {"train": 8, "dev": 6, "test": 5}

_PAIR = "index\tsentence1\tsentence2"
_PAIR_ROW = "{index}\t{a}\t{b}"
_STS = "index\tgenre\tfilename\tyear\told_index\tsource1\tsource2\tsentence1\tsentence2"
_STS_ROW = "{index}\tmain-news\theadlines\t2015\t00{index}\tnone\tnone\t{a}\t{b}"
_QQP = "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate"
_QQP_ROW = "{index}\t1{index}\t2{index}\t{a}\t{b}\t{label}"
_MNLI = (
    "index\tpromptID\tpairID\tgenre\tsentence1_binary_parse\tsentence2_binary_parse\t"
    "sentence1_parse\tsentence2_parse\tsentence1\tsentence2"
)
_MNLI_ROW = (
    "{index}\t31{index}\t31{index}n\tfiction\t( x )\t( y )\t(ROOT)\t(ROOT)\t{a}\t{b}"
)
_MNLI_DEV = _MNLI + "\tlabel1\tlabel2\tlabel3\tlabel4\tlabel5\tgold_label"
_MNLI_DEV_ROW = _MNLI_ROW + "\tneutral\tneutral\tneutral\tneutral\tneutral\t{label}"
_XNLI_DEV = (
    "language\tgold_label\tsentence1_binary_parse\tsentence2_binary_parse\t"
    "sentence1_parse\tsentence2_parse\tsentence1\tsentence2\tpromptID"
)
_XNLI_ROW = "\t{label}\tx\tx\tx\tx\t{a}\t{b}\t{index}"

# Lines of each file of a submission, with its header, as published with a set that
# GLUE accepted: https://github.com/dodgejesse/bert_on_stilts
SUBMISSION_LINES = {
    "AX": 1105,
    "CoLA": 1064,
    "MNLI-m": 9797,
    "MNLI-mm": 9848,
    "MRPC": 1726,
    "QNLI": 5464,
    "QQP": 390966,
    "RTE": 3001,
    "SST-2": 1822,
    "STS-B": 1380,
    "WNLI": 147,
}
# task -> file -> header (None if there is none), and the template of a row.
FILES = {
    "CoLA": {
        "train.tsv": (None, "bc01\t{label}\t*\t{a}"),
        "dev.tsv": (None, "gj04\t{label}\t\t{a}"),
        "test.tsv": ("index\tsentence", "{index}\t{a}"),
    },
    "SST-2": {
        "train.tsv": ("sentence\tlabel", "{a} \t{label}"),
        "dev.tsv": ("sentence\tlabel", "{a} \t{label}"),
        "test.tsv": ("index\tsentence", "{index}\t{a}"),
    },
    "MRPC": {
        # The official files start with a byte-order mark.
        "train.tsv": (
            "\ufeff" + corpus.HEADER,
            "{label}\t70{index}\t80{index}\t{a}\t{b}",
        ),
        "dev.tsv": (
            "\ufeff" + corpus.HEADER,
            "{label}\t70{index}\t80{index}\t{a}\t{b}",
        ),
        "test.tsv": (
            corpus.HEADER.replace("Quality", "index"),
            "{index}\t70{index}\t80{index}\t{a}\t{b}",
        ),
    },
    "STS-B": {
        "train.tsv": (_STS + "\tscore", _STS_ROW + "\t{label}"),
        "dev.tsv": (_STS + "\tscore", _STS_ROW + "\t{label}"),
        "test.tsv": (_STS, _STS_ROW),
    },
    "QQP": {
        "train.tsv": (_QQP, _QQP_ROW),
        "dev.tsv": (_QQP, _QQP_ROW),
        "test.tsv": ("id\tquestion1\tquestion2", _PAIR_ROW),
    },
    "MNLI": {
        "train.tsv": (_MNLI + "\tlabel1\tgold_label", _MNLI_ROW + "\tneutral\t{label}"),
        "dev_matched.tsv": (_MNLI_DEV, _MNLI_DEV_ROW),
        "dev_mismatched.tsv": (_MNLI_DEV, _MNLI_DEV_ROW),
        "test_matched.tsv": (_MNLI, _MNLI_ROW),
        "test_mismatched.tsv": (_MNLI, _MNLI_ROW),
    },
    "QNLI": {
        "train.tsv": ("index\tquestion\tsentence\tlabel", _PAIR_ROW + "\t{label}"),
        "dev.tsv": ("index\tquestion\tsentence\tlabel", _PAIR_ROW + "\t{label}"),
        "test.tsv": ("index\tquestion\tsentence", _PAIR_ROW),
    },
    "RTE": {
        "train.tsv": (_PAIR + "\tlabel", _PAIR_ROW + "\t{label}"),
        "dev.tsv": (_PAIR + "\tlabel", _PAIR_ROW + "\t{label}"),
        "test.tsv": (_PAIR, _PAIR_ROW),
    },
    "WNLI": {
        "train.tsv": (_PAIR + "\tlabel", _PAIR_ROW + "\t{label}"),
        "dev.tsv": (_PAIR + "\tlabel", _PAIR_ROW + "\t{label}"),
        "test.tsv": (_PAIR, _PAIR_ROW),
    },
    "AX": {"AX.tsv": (_PAIR, _PAIR_ROW)},
    "XNLI": {
        "multinli/multinli.train.zh.tsv": (
            "premise\thypo\tlabel",
            "{a}\t{b}\t{label}",
        ),
        "xnli.dev.tsv": (_XNLI_DEV, "zh" + _XNLI_ROW),
    },
}

_BINARY = ["0", "1"]
_NLI = ["contradiction", "entailment", "neutral"]
_ENTAILMENT = ["entailment", "not_entailment"]


class Wanted(NamedTuple):
    """Known facts about a task.

    Attributes:
      labels: in the order of their ids; empty for numeric labels.
      main: the scores whose mean is the main score.
      counts: number of rows of the official train, dev and test files.
      submission: names of the files for GLUE's server.
    """

    labels: list
    main: list
    counts: tuple
    submission: list


WANTED = {
    "CoLA": Wanted(_BINARY, ["matthews_correlation"], (8551, 1043, 1063), ["CoLA"]),
    "SST-2": Wanted(_BINARY, ["accuracy"], (67349, 872, 1821), ["SST-2"]),
    "MRPC": Wanted(_BINARY, ["accuracy", "f1"], (3668, 408, 1725), ["MRPC"]),
    "STS-B": Wanted([], ["pearson", "spearman"], (5749, 1500, 1379), ["STS-B"]),
    "QQP": Wanted(_BINARY, ["accuracy", "f1"], (363849, 40430, 390965), ["QQP"]),
    "MNLI": Wanted(_NLI, ["accuracy"], (392702, 9815, 9796), ["MNLI-m", "MNLI-mm"]),
    "QNLI": Wanted(_ENTAILMENT, ["accuracy"], (104743, 5463, 5463), ["QNLI"]),
    "RTE": Wanted(_ENTAILMENT, ["accuracy"], (2490, 277, 3000), ["RTE"]),
    "WNLI": Wanted(_BINARY, ["accuracy"], (635, 71, 146), ["WNLI"]),
}


def split_of(file):
    """The split that a file belongs to, by its name."""
    return next((name for name in COUNTS if name in file), "test")


def gold(task, file):
    """The labels in a file that `write` writes."""
    labels = WANTED[task].labels if task in WANTED else _NLI
    if not labels:  # Scores, as STS-B writes them.
        labels = ["0.000", "2.400", "5.000", "3.75"]
    written = [labels[n % len(labels)] for n in range(COUNTS[split_of(file)])]
    # The two halves must have different scores.
    return written[::-1] if "mismatched" in file else written


def write(directory, task):
    """Writes the files of a task into a directory."""
    for file, (header, template) in FILES[task].items():
        lines = [] if header is None else [header]
        for index, label in enumerate(gold(task, file)):
            if "multinli" in file:
                label = label.replace("contradiction", "contradictory")
            a, b = _sentences(index)
            lines.append(template.format(index=index, a=a, b=b, label=label))
        if task == "XNLI" and "dev" in file:  # Another language, which is not read.
            lines.insert(2, "ar" + _XNLI_ROW.format(index=9, label="bad", a="x", b="x"))
        corpus.write_lines(os.path.join(directory, file), lines)


def _sentences(index):
    """Two texts. A single quote must not matter, as GLUE's files have no quoting."""
    first, second = corpus.NAMES[index % 6], corpus.NAMES[(index + 2) % 6]
    quote = '"' if index % 3 == 1 else ""
    return "%s%s paid %s ." % (quote, first, second), "%s was called ." % second
