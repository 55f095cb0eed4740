"""scripts/predict.py: texts, files and pipes in, lines out."""

import json
import os
import subprocess
import sys

import pytest

from scripts import predict, serve
from tests.support.paths import ROOT

SCRIPT = os.path.join(ROOT, "scripts", "predict.py")
LINES = ["anna paid ben .\tben was paid", "finn\temma", "anna " * 20 + "\tben"]


def run(*arguments, given=None):
    return subprocess.run(
        [sys.executable, SCRIPT, *arguments],
        input=given,
        capture_output=True,
        timeout=300,
    )


def test_a_pair_on_the_command_line(finished_run):
    done = run(finished_run.directory, "anna paid ben .", "ben was paid", "--stats")
    assert done.returncode == 0, done.stderr
    heading, line = done.stdout.decode().splitlines()
    assert heading.split("\t") == ["label", "0", "1", "truncated"]
    label, *probabilities, truncated = line.split("\t")
    assert label in ("0", "1") and truncated == "false"
    assert sum(map(float, probabilities)) == pytest.approx(1, abs=1e-6)
    assert done.stderr.startswith(b"1 examples; time until the answer: p50 ")


def test_both_formats_say_the_same(finished_run, tmp_path):
    tsv, jsonl = tmp_path / "texts.tsv", tmp_path / "texts.jsonl"
    tsv.write_text("\n".join(LINES) + "\n")
    pairs = [dict(zip(["text_a", "text_b"], line.split("\t"))) for line in LINES]
    jsonl.write_text("".join(json.dumps(pair) + "\n" for pair in pairs))
    as_tsv = run(finished_run.directory, "--input=%s" % tsv, "--batch_size=2")
    as_json = run(finished_run.directory, "--input=%s" % jsonl)
    assert (as_tsv.returncode, as_json.returncode) == (0, 0), as_json.stderr
    rows = [line.split("\t") for line in as_tsv.stdout.decode().splitlines()]
    for row, line in zip(rows[1:], as_json.stdout.decode().splitlines()):
        answer = json.loads(line)
        assert [row[0], row[3] == "true"] == [answer["label"], answer["truncated"]]
        expected = list(answer["probabilities"].values())
        assert list(map(float, row[1:3])) == pytest.approx(expected, abs=1e-6)
    assert len(rows) == 4


def test_a_line_is_answered_at_once(finished_run):
    """And a reader that stops early is no error."""
    process = subprocess.Popen(
        [sys.executable, SCRIPT, finished_run.directory],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    process.stdout.readline()
    for line in LINES[:2]:
        process.stdin.write(line.encode() + b"\n")
        process.stdin.flush()
        assert process.stdout.readline().count(b"\t") == 3
    process.stdout.close()
    process.stdin.write(LINES[0].encode() + b"\n")
    process.stdin.flush()
    err = process.stderr.read()
    process.stdin.close()
    assert (process.wait(60), err) == (0, b"")


def test_a_bad_line_is_named_after_those_before_it(finished_run):
    given = "\n".join([*LINES, "one text"]).encode()
    done = run(finished_run.directory, given=given)
    assert done.returncode == 2
    assert done.stdout.count(b"\n") == 4
    assert done.stderr.decode() == (
        "ERROR: standard input, line 4: the model was trained on pairs of texts, found "
        "1: ['one text']\n"
    )


BAD_LINES = [
    (predict._from_json, "{", "f, line 3: not JSON"),
    (predict._from_json, "[1]", "expected an object such as"),
    (predict._from_json, '{"text": "a"}', "expected an object such as"),
    (predict._from_json, "{}", "there is no text_a"),
    (predict._from_json, "[" * 100000, "nested too deeply"),
]


@pytest.mark.parametrize("read, line, problem", BAD_LINES)
def test_bad_json_lines(read, line, problem):
    with pytest.raises(ValueError, match=problem):
        read("f, line 3", line)


@pytest.mark.parametrize(
    "parse, arguments, problem",
    [
        (predict.parse, ["run", "text", "--input=a.tsv"], "texts or a file, not both"),
        (predict.parse, ["run", "--batch_size=0"], "--batch_size=0: expected 1 to"),
        (predict.parse, ["run", "--num_threads=-1"], "--num_threads=-1: expected 0 to"),
        (serve.parse, ["run", "--num_threads=-1"], "--num_threads=-1: expected 0 to"),
        (predict.parse, [], "required: PATH "),
        (serve.parse, ["run", "--port=70000"], "--port=70000: expected 0 to 65535"),
        (serve.parse, ["run", "--max_instances=0"], "--max_instances=0: expected 1"),
        (serve.parse, ["run", "--name=a/b"], "--name=a/b: expected a name without /"),
        (serve.parse, ["run", "--bogus"], "unrecognized arguments: --bogus"),
    ],
)
def test_wrong_flags(parse, arguments, problem):
    with pytest.raises(ValueError, match=problem):
        parse(arguments)


def test_flags_may_stand_between_the_texts():
    given = ["run", "--format=jsonl", "a", "--stats", "b"]
    flags = predict.parse(given)
    assert (os.path.basename(flags.path), flags.texts) == ("run", ["a", "b"])
    assert (flags.format, flags.stats) == ("jsonl", True)


def test_the_name_of_an_export_is_that_of_its_versions(tmp_path):
    (tmp_path / "mrpc" / "3").mkdir(parents=True)
    (tmp_path / "mrpc" / "3" / "saved_model.pb").write_bytes(b"")
    for path in ("mrpc", "mrpc/3", "mrpc/3/"):
        assert serve.parse([str(tmp_path / path)]).name == "mrpc"
