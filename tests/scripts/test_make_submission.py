"""The zip for GLUE's server: names, line counts and values, and what is refused."""

import json
import math
import zipfile

import pytest

from finetuning.evaluation import submission
from scripts import make_submission
from tests.support.glue_rows import SUBMISSION_LINES

NLI = ("contradiction", "entailment", "neutral")
VALUES = {
    "AX": NLI,
    "MNLI-m": NLI,
    "MNLI-mm": NLI,
    "QNLI": ("entailment", "not_entailment"),
    "RTE": ("entailment", "not_entailment"),
    "STS-B": ("0.000", "2.500", "5.000"),
}
ZERO_AND_ONE = ("0", "1")
HEADER = "index\tprediction"


def write(directory, name, rows=None):
    """Writes a file of predictions, as many as GLUE expects; returns its path."""
    values = VALUES.get(name, ZERO_AND_ONE)
    if rows is None:
        count = SUBMISSION_LINES[name] - 1
        rows = ["%d\t%s" % (i, values[i % len(values)]) for i in range(count)]
        rows.insert(0, HEADER)
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / (name + ".tsv")
    path.write_text("\n".join(rows) + "\n")
    return str(path)


@pytest.fixture
def directories(tmp_path):
    """Directories of all eleven files; MNLI's two are in one."""
    directories = {}
    for name in SUBMISSION_LINES:
        task = "MNLI" if name.startswith("MNLI") else name
        directories[task] = str(tmp_path / task)
        write(tmp_path / task, name)
    return directories


@pytest.fixture
def target(tmp_path):
    return tmp_path / "glue.zip"


def run(*arguments):
    return make_submission.main(list(arguments))


@pytest.fixture
def refused(capsys, target):
    """A function that runs a command and returns the one line that refuses it."""

    def run_refused(*arguments):
        assert run("--output=%s" % target, *arguments) == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        (line,) = captured.err.splitlines()
        assert not target.exists()
        return line

    return run_refused


def test_the_zip(directories, target, capsys):
    assert run(*directories.values(), "--output=%s" % target) == 0
    with zipfile.ZipFile(str(target)) as archive:
        assert sorted(archive.namelist()) == sorted(
            name + ".tsv" for name in SUBMISSION_LINES
        )
        for name in SUBMISSION_LINES:
            lines = archive.read(name + ".tsv").decode("utf-8").split("\n")
            assert lines.pop() == ""
            assert len(lines) == SUBMISSION_LINES[name]
            assert lines[0] == HEADER
            rows = [line.split("\t") for line in lines[1:]]
            assert [row[0] for row in rows] == [str(i) for i in range(len(rows))]
            assert {row[1] for row in rows} == set(VALUES.get(name, ZERO_AND_ONE))
    shown = capsys.readouterr().out
    assert "PLACEHOLDER" not in shown
    assert all(name + ".tsv" in shown for name in SUBMISSION_LINES)


def test_missing_files_are_named(directories, refused):
    del directories["QQP"]
    assert "missing: QQP; pass" in refused(*directories.values())


def test_placeholders(directories, target, capsys):
    del directories["WNLI"], directories["STS-B"]
    fill = "--fill=wnli, STS-B,"
    assert run(*directories.values(), fill, "--output=%s" % target) == 0
    shown = capsys.readouterr().out
    assert "PLACEHOLDER: 0 for" in shown and "PLACEHOLDER: 0.000 for" in shown
    with zipfile.ZipFile(str(target)) as archive:
        lines = archive.read("STS-B.tsv").decode("utf-8").splitlines()
        assert lines[1] == "0\t0.000" and len(lines) == SUBMISSION_LINES["STS-B"]
        assert archive.read("WNLI.tsv").decode("utf-8").splitlines()[-1] == "145\t0"


@pytest.mark.parametrize(
    "name, rows, message",
    [
        ("WNLI", ["0\t1", "1\t0"], "line 1: expected 'index\\tprediction', found"),
        ("WNLI", [HEADER, "1\t1"], "line 2: '1\\t1', expected the index 0"),
        ("WNLI", [HEADER, "0\t2"], "a tab and one of 0, 1"),
        ("WNLI", [HEADER, "0 1"], "line 2: '0 1'"),
        ("WNLI", [HEADER, "0\t1"], "has 1 predictions, "),
        ("STS-B", [HEADER, "0\t5.001"], "line 2"),
        ("STS-B", [HEADER, "0\t-0.1"], "line 2"),
        ("STS-B", [HEADER, "0\tnan"], "line 2"),
        ("STS-B", [HEADER, "0\t"], "line 2"),
    ],
)
def test_a_malformed_file(directories, tmp_path, refused, name, rows, message):
    path = write(tmp_path / name, name, rows)
    line = refused(*directories.values())
    assert line.startswith("ERROR: " + path) and message in line


def test_a_file_that_is_replaced_after_it_was_checked(directories, target, monkeypatch):
    read, checked = submission.read, {}

    def read_and_replace(task, layout, path):
        checked[layout.submission] = read(task, layout, path)
        with open(path, "w") as file:
            file.write("another")
        return checked[layout.submission]

    monkeypatch.setattr(submission, "read", read_and_replace)
    assert run(*directories.values(), "--output=%s" % target) == 0
    with zipfile.ZipFile(str(target)) as archive:
        for name, text in checked.items():
            assert archive.read(name + ".tsv").decode() == text


def test_the_same_file_twice(directories, tmp_path, refused):
    write(tmp_path / "again", "RTE")
    line = refused(*directories.values(), str(tmp_path / "again"))
    assert directories["RTE"] in line and "omit" in line


@pytest.mark.parametrize(
    "arguments, message",
    [
        ((".",), "contains none of MRPC.tsv"),
        (("none",), "none: no such directory"),
        ((".", "--output=nowhere/q.zip"), "--output=nowhere/q.zip: its directory"),
        (
            (".", "--fill=SQuAD"),
            "'SQuAD' is no file of a submission; expected",
        ),
        ((".", "--fill=WNLI;AX"), "among MRPC, CoLA"),
        ((".", "--fill=MNLI"), "use --fill=MNLI-m,MNLI-mm, or the one of them"),
        ((".", "--fill=AX,mnli"), "--fill=AX,mnli: mnli has several files"),
        ((".", "--fil=AX"), "unrecognized arguments: --fil=AX"),
        ((), "OUTPUT_DIR"),
    ],
)
def test_wrong_arguments(tmp_path, monkeypatch, refused, arguments, message):
    monkeypatch.chdir(str(tmp_path))
    assert message in refused(*arguments)


def test_fill_must_not_replace_a_file(directories, refused):
    assert directories["RTE"] in refused(*directories.values(), "--fill=RTE")


def test_an_existing_zip_is_not_overwritten(directories, target, capsys):
    target.write_text("mine")
    assert run(*directories.values(), "--output=%s" % target) == 2
    assert "glue.zip exists" in capsys.readouterr().err
    assert target.read_text() == "mine"


def test_the_best_run_of_a_sweep_is_used(directories, tmp_path, target, capsys):
    del directories["RTE"]
    scores = {"seed0": math.nan, "seed1": 0.6, "seed2": 0.7, "seed3": 0.65}
    runs = [{"name": n, "results": {"eval_main_score": s}} for n, s in scores.items()]
    runs.append({"name": "seed4", "results": {}})
    best = write(tmp_path / "sweep" / "runs" / "seed2", "RTE")
    (tmp_path / "sweep" / "sweep.json").write_text(json.dumps({"runs": runs}))
    sweep = str(tmp_path / "sweep")
    assert run(*directories.values(), sweep, "--output=%s" % target) == 0
    shown = capsys.readouterr().out
    assert "using seed2, main score 0.7000, the highest of 3" in shown
    assert "on the dev set (2 more have none)" in shown
    assert best in shown


@pytest.mark.parametrize(
    "text, message",
    [
        ('{"runs": []}', "no run of this sweep has finished"),
        ("[]", "is not valid: it is not an object"),
        ("[" * 100000, "is not JSON: its brackets are nested too deeply"),
        ('{"runs": [{"name": "a"}]}', "is not valid: 'results' is missing"),
        (
            '{"runs": [{"name": "a", "results": {"eval_main_score": "0.7"}}]}',
            "is not valid: a value has the wrong type",
        ),
        (
            '{"runs": [{"name": "a", "results": {"eval_main_score": NaN}}]}',
            "the main score of all its runs is NaN",
        ),
    ],
)
def test_a_sweep_without_a_run(tmp_path, refused, text, message):
    (tmp_path / "sweep.json").write_text(text)
    assert message in refused(str(tmp_path))
