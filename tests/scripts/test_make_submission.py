"""The zip for GLUE's server: names, line counts and values, and what is refused."""

import json
import os
import sys
import zipfile

import pytest

from tests.support.paths import ROOT

sys.path.insert(0, os.path.join(ROOT, "scripts"))

import make_submission

# Lines of each file with its heading, as published with a set that GLUE accepted:
# https://github.com/dodgejesse/bert_on_stilts
LINES = {
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


def write(directory, name, lines=None):
    """Writes a file of predictions, GLUE's number of them; returns its path."""
    values = VALUES.get(name, ZERO_AND_ONE)
    if lines is None:
        lines = ["index\tprediction"]
        lines += [
            "%d\t%s" % (index, values[index % len(values)])
            for index in range(LINES[name] - 1)
        ]
    path = os.path.join(str(directory), name + ".tsv")
    os.makedirs(str(directory), exist_ok=True)
    with open(path, "w") as file:
        file.write("\n".join(lines) + "\n")
    return path


@pytest.fixture
def directories(tmp_path):
    """All eleven files, each in a directory of its own; MNLI's two in one."""
    found = []
    for name in sorted(LINES):
        directory = tmp_path / ("mnli" if name.startswith("MNLI") else name)
        write(directory, name)
        if str(directory) not in found:
            found.append(str(directory))
    return found


def run(*arguments):
    return make_submission.main(list(arguments))


def refused(capsys, *arguments):
    """The one line that ends a command with status 2."""
    assert run(*arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("ERROR: ") and captured.err.count("\n") == 1
    return captured.err[len("ERROR: ") :].rstrip("\n")


def test_the_zip(directories, tmp_path, capsys):
    target = str(tmp_path / "glue.zip")
    assert run(*directories, "--output=" + target) == 0
    with zipfile.ZipFile(target) as archive:
        names = archive.namelist()
        assert sorted(names) == sorted(name + ".tsv" for name in LINES)
        for name in LINES:
            lines = archive.read(name + ".tsv").decode("utf-8").split("\n")
            assert lines.pop() == ""
            assert len(lines) == LINES[name]
            assert lines[0] == "index\tprediction"
            rows = [line.split("\t") for line in lines[1:]]
            assert [row[0] for row in rows] == [str(i) for i in range(len(rows))]
            values = {row[1] for row in rows}
            assert values == set(VALUES.get(name, ZERO_AND_ONE))
    shown = capsys.readouterr().out
    assert "MADE UP" not in shown
    for name in LINES:
        assert name + ".tsv" in shown


def test_what_is_missing_is_named_and_nothing_written(directories, tmp_path, capsys):
    target = str(tmp_path / "glue.zip")
    message = refused(
        capsys, *[d for d in directories if "QQP" not in d], "--output=" + target
    )
    assert message == (
        "missing: QQP; give the directories of their runs too, or --fill=QQP to have "
        "them made up"
    )
    assert not os.path.exists(target)


def test_what_is_made_up_is_asked_for_and_said(directories, tmp_path, capsys):
    target = str(tmp_path / "glue.zip")
    kept = [d for d in directories if os.path.basename(d) not in ("WNLI", "STS-B")]
    assert run(*kept, "--fill=WNLI,STS-B", "--output=" + target) == 0
    assert capsys.readouterr().out.count("MADE UP: 0") == 2
    with zipfile.ZipFile(target) as archive:
        text = archive.read("STS-B.tsv").decode("utf-8")
        assert text.splitlines()[1] == "0\t0.000"
        assert len(text.splitlines()) == LINES["STS-B"]
        assert archive.read("WNLI.tsv").decode("utf-8").splitlines()[-1] == "145\t0"


@pytest.mark.parametrize(
    "lines, message",
    [
        (["0\t1", "1\t0"], "line 1: expected 'index\\tprediction', found '0\\t1'"),
        (["index\tprediction", "1\t1"], "line 2: '1\\t1', expected the index 0"),
        (["index\tprediction", "0\t2"], "a tab and one of 0, 1"),
        (["index\tprediction", "0 1"], "line 2: '0 1'"),
        (["index\tprediction", "0\t1"], "has 1 predictions, and GLUE's test set 146"),
    ],
)
def test_a_wrong_file_is_refused(directories, tmp_path, capsys, lines, message):
    path = write(tmp_path / "WNLI", "WNLI", lines)
    target = str(tmp_path / "glue.zip")
    found = refused(capsys, *directories, "--output=" + target)
    assert found.startswith(path) and message in found
    assert not os.path.exists(target)


@pytest.mark.parametrize("value", ["5.001", "-0.1", "nan", "high", ""])
def test_a_score_out_of_bounds_is_refused(directories, tmp_path, capsys, value):
    write(tmp_path / "STS-B", "STS-B", ["index\tprediction", "0\t" + value])
    assert "expected the index 0, a tab and a number of 0 to 5" in refused(
        capsys, *directories, "--output=" + str(tmp_path / "glue.zip")
    )


def test_the_same_file_twice(directories, tmp_path, capsys):
    write(tmp_path / "again", "RTE")
    message = refused(capsys, *directories, str(tmp_path / "again"))
    assert "which of them is it to be?" in message


def test_a_directory_without_predictions(tmp_path, capsys):
    assert "holds none of MRPC.tsv" in refused(capsys, str(tmp_path))
    assert "no such directory" in refused(capsys, str(tmp_path / "none"))


def test_an_older_zip_is_not_overwritten(directories, tmp_path, capsys):
    target = tmp_path / "glue.zip"
    target.write_text("mine")
    message = refused(capsys, *directories, "--output=" + str(target))
    assert message.endswith("exists; remove it or give another name")
    assert target.read_text() == "mine"


def test_fill_names_files_and_none_that_is_there(directories, tmp_path, capsys):
    message = refused(capsys, *directories, "--fill=SQuAD")
    assert message.startswith("--fill=SQuAD: expected names among MRPC, CoLA")
    assert "it is there" in refused(capsys, *directories, "--fill=RTE")


def sweep(directory, scores):
    """Makes a directory what a sweep leaves: {run: main score}."""
    runs = [
        {"name": name, "results": {"eval_main_score": score}}
        for name, score in scores.items()
    ]
    os.makedirs(str(directory), exist_ok=True)
    with open(os.path.join(str(directory), "sweep.json"), "w") as file:
        json.dump({"runs": runs}, file)


def test_the_best_run_of_a_sweep_is_taken(directories, tmp_path, capsys):
    kept = [d for d in directories if os.path.basename(d) != "RTE"]
    sweep(tmp_path / "sweep", {"seed1": 0.6, "seed2": 0.7, "seed3": 0.65})
    best = write(tmp_path / "sweep" / "runs" / "seed2", "RTE")
    target = str(tmp_path / "glue.zip")
    assert run(*kept, str(tmp_path / "sweep"), "--output=" + target) == 0
    shown = capsys.readouterr().out
    assert "taking seed2, main score 0.7000, the highest of 3" in shown
    assert best in shown


@pytest.mark.parametrize(
    "text, message",
    [('{"runs": []}', "no run of this sweep is done"), ("[]", "is damaged")],
)
def test_a_sweep_without_a_run_is_refused(tmp_path, capsys, text, message):
    (tmp_path / "sweep.json").write_text(text)
    assert message in refused(capsys, str(tmp_path))


def test_a_folder_that_is_not_there_is_refused(directories, tmp_path, capsys):
    target = str(tmp_path / "nope" / "q.zip")
    message = refused(capsys, *directories, "--output=" + target)
    assert message == "--output=%s: no such directory" % target


def test_a_wrong_command_line_is_a_line(capsys):
    assert "OUTPUT_DIR" in refused(capsys)
