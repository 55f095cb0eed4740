"""The task table against what is published of GLUE and XNLI."""

import pytest

from finetuning.data import tasks
from finetuning.data.tasks import InputExample
from finetuning.evaluation import metrics
from finetuning.utils.errors import InputError

NLI = ("contradiction", "entailment", "neutral")
ENTAILMENT = ("entailment", "not_entailment")
BINARY = ("0", "1")
BINARY_SCORES = ("accuracy", "f1_precision_recall", "confusion_counts")
ACCURACY = ("accuracy",)
GLUE = ["AX", "CoLA", "MNLI", "MRPC", "QNLI", "QQP", "RTE", "SST-2", "STS-B", "WNLI"]

# Task -> labels in the order of their ids, metrics, scores that GLUE averages.
TABLE = {
    "MRPC": (BINARY, BINARY_SCORES, ("accuracy", "f1")),
    "CoLA": (
        BINARY,
        ("matthews_correlation",) + BINARY_SCORES,
        ("matthews_correlation",),
    ),
    "SST-2": (BINARY, BINARY_SCORES, ACCURACY),
    "STS-B": ((), ("pearson_spearman",), ("pearson", "spearman")),
    "QQP": (BINARY, BINARY_SCORES, ("accuracy", "f1")),
    "MNLI": (NLI, ACCURACY, ACCURACY),
    "QNLI": (ENTAILMENT, ACCURACY, ACCURACY),
    "RTE": (ENTAILMENT, ACCURACY, ACCURACY),
    "WNLI": (BINARY, ACCURACY, ACCURACY),
    "AX": (NLI, (), ()),
    "XNLI": (NLI, ACCURACY, ACCURACY),
}
# (task, kind) -> for each file: name, columns of id, a, b and label, rows.
FILES = {
    ("MRPC", "train"): [("train.tsv", None, 3, 4, 0, 3668)],
    ("MRPC", "dev"): [("dev.tsv", None, 3, 4, 0, 408)],
    ("MRPC", "test"): [("test.tsv", 0, 3, 4, None, 1725)],
    ("CoLA", "train"): [("train.tsv", None, 3, None, 1, 8551)],
    ("CoLA", "dev"): [("dev.tsv", None, 3, None, 1, 1043)],
    ("CoLA", "test"): [("test.tsv", 0, 1, None, None, 1063)],
    ("SST-2", "train"): [("train.tsv", None, 0, None, 1, 67349)],
    ("SST-2", "dev"): [("dev.tsv", None, 0, None, 1, 872)],
    ("SST-2", "test"): [("test.tsv", 0, 1, None, None, 1821)],
    ("STS-B", "train"): [("train.tsv", 0, 7, 8, 9, 5749)],
    ("STS-B", "dev"): [("dev.tsv", 0, 7, 8, 9, 1500)],
    ("STS-B", "test"): [("test.tsv", 0, 7, 8, None, 1379)],
    ("QQP", "train"): [("train.tsv", 0, 3, 4, 5, 363849)],
    ("QQP", "dev"): [("dev.tsv", 0, 3, 4, 5, 40430)],
    ("QQP", "test"): [("test.tsv", 0, 1, 2, None, 390965)],
    ("MNLI", "train"): [("train.tsv", 0, 8, 9, -1, 392702)],
    ("MNLI", "dev"): [
        ("dev_matched.tsv", 0, 8, 9, -1, 9815),
        ("dev_mismatched.tsv", 0, 8, 9, -1, 9832),
    ],
    ("MNLI", "test"): [
        ("test_matched.tsv", 0, 8, 9, None, 9796),
        ("test_mismatched.tsv", 0, 8, 9, None, 9847),
    ],
    ("QNLI", "train"): [("train.tsv", 0, 1, 2, 3, 104743)],
    ("QNLI", "dev"): [("dev.tsv", 0, 1, 2, 3, 5463)],
    ("QNLI", "test"): [("test.tsv", 0, 1, 2, None, 5463)],
    ("RTE", "train"): [("train.tsv", 0, 1, 2, 3, 2490)],
    ("RTE", "dev"): [("dev.tsv", 0, 1, 2, 3, 277)],
    ("RTE", "test"): [("test.tsv", 0, 1, 2, None, 3000)],
    ("WNLI", "train"): [("train.tsv", 0, 1, 2, 3, 635)],
    ("WNLI", "dev"): [("dev.tsv", 0, 1, 2, 3, 71)],
    ("WNLI", "test"): [("test.tsv", 0, 1, 2, None, 146)],
    ("AX", "test"): [("AX.tsv", 0, 1, 2, None, 1104)],
    ("XNLI", "train"): [("multinli/multinli.train.zh.tsv", None, 0, 1, 2, None)],
    ("XNLI", "dev"): [("xnli.dev.tsv", None, 6, 7, 1, None)],
}
KINDS = ("train", "dev", "test")
# The eleven files of a submission, with their lines, the heading among them.
SUBMISSION = {
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


# The table


def test_there_are_no_other_tasks():
    assert sorted(task.name for task in tasks.TASKS.values()) == sorted(TABLE)
    assert sorted(GLUE + ["XNLI"]) == sorted(TABLE)


@pytest.mark.parametrize("name", sorted(TABLE))
def test_labels_metrics_and_main_score(name):
    task = tasks.find_task(name)
    assert task.name == name
    assert (task.labels, task.metrics, task.main) == TABLE[name]
    assert set(task.metrics) <= set(metrics.METRICS)


@pytest.mark.parametrize("name", sorted(TABLE))
def test_the_main_score_is_among_the_scores(name):
    task = tasks.find_task(name)
    found = metrics.compute(task.metrics, [0, 1, 1], [0, 1, 1])
    assert set(task.main) <= set(found)
    assert bool(task.main) == bool(task.dev)


@pytest.mark.parametrize("name", sorted(TABLE))
def test_only_sts_b_is_a_regression(name):
    task = tasks.find_task(name)
    assert task.is_regression == (name == "STS-B")
    assert task.num_outputs == (len(task.labels) if task.labels else 1)
    assert task.bounds == ((0.0, 5.0) if name == "STS-B" else None)


@pytest.mark.parametrize("name", sorted(TABLE))
def test_what_unlabelled_examples_are_given(name):
    """The first label, as in the original; of a regression, a number."""
    task = tasks.find_task(name)
    assert task.unlabelled == (task.labels[0] if task.labels else "0")


@pytest.mark.parametrize("name, kind", sorted(FILES))
def test_files_columns_and_counts(name, kind):
    found = [
        (s.file, s.guid, s.text_a, s.text_b, s.label, s.rows)
        for s in tasks.find_task(name).layouts(kind)
    ]
    assert found == FILES[name, kind]


@pytest.mark.parametrize("name", sorted(TABLE))
def test_sets_that_a_task_lacks(name):
    task = tasks.find_task(name)
    lacking = [kind for kind in KINDS if (name, kind) not in FILES]
    assert lacking == [kind for kind in KINDS if not getattr(task, kind)]
    for kind in lacking:
        with pytest.raises(InputError) as caught:
            task.layouts(kind)
        phase = {"train": "do_train", "dev": "do_eval", "test": "do_predict"}[kind]
        assert str(caught.value) == (
            "--task_name=%s has no %s file; leave out --%s" % (name, kind, phase)
        )


def all_splits():
    for task in tasks.TASKS.values():
        for kind in KINDS:
            for split in getattr(task, kind):
                yield task.name, kind, split


def test_colas_labelled_files_alone_have_no_header():
    found = {(name, kind) for name, kind, split in all_splits() if not split.header}
    assert found == {("CoLA", "train"), ("CoLA", "dev")}


def test_labels_are_named_where_there_is_a_header():
    """By it a file that a user names is told to be labelled."""
    for name, kind, split in all_splits():
        named = split.header and split.label is not None
        assert (split.label_name is not None) == named, (name, kind)
        assert (kind == "test") == (split.label is None), (name, kind)


def test_names_in_the_headers():
    named = [(name, s.label_name) for name, _, s in all_splits() if s.label_name]
    assert set(named) == {("XNLI", "label")} | set(dict(named).items())
    assert dict(named) == {
        "MRPC": "Quality",
        "SST-2": "label",
        "STS-B": "score",
        "QQP": "is_duplicate",
        "MNLI": "gold_label",
        "QNLI": "label",
        "RTE": "label",
        "WNLI": "label",
        "XNLI": "gold_label",
    }


def test_mnli_alone_has_two_halves():
    found = [(name, kind, s.part) for name, kind, s in all_splits() if s.part]
    assert found == [
        ("MNLI", "dev", "matched"),
        ("MNLI", "dev", "mismatched"),
        ("MNLI", "test", "matched"),
        ("MNLI", "test", "mismatched"),
    ]


def test_files_of_a_submission():
    named = {s.submission: s for _, _, s in all_splits() if s.submission}
    assert {name: split.rows + 1 for name, split in named.items()} == SUBMISSION
    assert named["MNLI-m"].file == "test_matched.tsv"
    assert named["MNLI-mm"].file == "test_mismatched.tsv"
    for name, split in named.items():
        task = tasks.find_task(name.split("-m")[0])
        assert split in task.test
        assert name.startswith(task.name)


def test_qqp_alone_has_malformed_rows_and_two_ways_to_count():
    """Hugging Face has 363,846: https://huggingface.co/datasets/glue."""
    found = {(n, kind) for n, kind, split in all_splits() if split.short_rows}
    assert found == {("QQP", "train"), ("QQP", "dev")}
    counts = [(n, kind, s.other_rows) for n, kind, s in all_splits() if s.other_rows]
    assert counts == [("QQP", "train", 363846)]


def test_what_stays_of_a_layout_for_another_file():
    official = tasks.find_task("MNLI").layouts("test")[1]
    other = tasks.unofficial(official)
    assert (other.text_a, other.text_b, other.guid) == (8, 9, 0)
    assert (other.part, other.rows, other.submission) == ("", None, None)
    assert official.rows == 9847
    halves = tasks.unofficial(tasks.find_task("QQP").layout("train"))
    assert (halves.rows, halves.other_rows, halves.short_rows) == (None, None, ())


# Finding a task


@pytest.mark.parametrize(
    "name",
    ["MRPC", "mrpc", "Mrpc", "CoLA", "cola", "COLA", "sst-2", "Sts-b", "ax", "qnli"],
)
def test_names_in_any_case(name):
    assert tasks.find_task(name).name.lower() == name.lower()


KNOWN = "MRPC, CoLA, SST-2, STS-B, QQP, MNLI, QNLI, RTE, WNLI, AX, XNLI, custom"


@pytest.mark.parametrize(
    "name, near",
    [
        ("mrcp", "MRPC"),
        ("SST2", "SST-2"),
        ("stsb", "STS-B"),
        ("mnli-m", "MNLI"),
        ("Costum", "custom"),
    ],
)
def test_unknown_name_lists_the_known_and_the_nearest(name, near):
    with pytest.raises(InputError) as caught:
        tasks.find_task(name)
    assert str(caught.value) == (
        "--task_name=%s is unknown; known: %s; did you mean %s?" % (name, KNOWN, near)
    )


def test_unknown_name_near_to_none():
    with pytest.raises(InputError) as caught:
        tasks.find_task("squad")
    assert str(caught.value) == "--task_name=squad is unknown; known: " + KNOWN


# Examples


def test_example_needs_a_guid_and_a_text_alone():
    example = InputExample(guid="x", text_a="A .")
    assert (example.text_b, example.label) == (None, None)
