"""Standard streams that are closed, replaced, full or broken; Ctrl-C at any moment."""

import io
import os
import subprocess
import sys
import threading

import pytest

import run_classifier
from finetuning.utils import console, progress
from finetuning.utils.console import log
from tests.support import corpus
from tests.support.paths import ROOT
from tests.support.running import PHASES, Finished, refused, scores, without

PROGRAMS = ["run_classifier.py", "scripts/sweep.py"]


class WriteAndFlush:
    """What some notebooks put in the place of a stream."""

    def __init__(self):
        self.text = ""

    def write(self, text):
        self.text += text

    def flush(self):
        pass


class Ascii(WriteAndFlush):
    """Does not say which characters it supports."""

    def write(self, text):
        text.encode("ascii")
        super().write(text)


class Broken(io.StringIO):
    """A terminal whose window was closed."""

    def write(self, *_):
        raise OSError(5, "Input/output error")

    flush = write

    def isatty(self):
        return True


def closed():
    stream = io.StringIO()
    stream.close()
    return stream


def shell(command, cwd=ROOT):
    """Runs a command of the shell; returns its status, standard output and error."""
    process = subprocess.run(
        ["bash", "-c", "set -o pipefail; " + command],
        capture_output=True,
        check=False,
        cwd=cwd,
        timeout=300,
    )
    return process.returncode, process.stdout.decode(), process.stderr.decode()


def program(name, *arguments):
    """The words of a command, quoted for the shell."""
    words = [sys.executable, os.path.join(ROOT, name), *arguments]
    return " ".join("'%s'" % word for word in words)


@pytest.mark.parametrize(
    "stream, shown",
    [
        (WriteAndFlush(), "one \u535a\n"),
        (Ascii(), "one \\u535a\n"),
        (Broken(), ""),
        (closed(), ""),
        (object(), ""),
    ],
)
def test_lines_and_bars_on_any_stream(monkeypatch, tmp_path, stream, shown):
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setattr(sys, "stderr", stream)
    with console.screen(), console.log_file(str(tmp_path)):
        bar = progress.Progress("training", 2)
        log.info("one \u535a")
        bar.update(1)
        bar.update(2)
        bar.close()
    assert getattr(stream, "text", "").startswith(shown)
    assert "one \u535a" in (tmp_path / "run.log").read_text("utf-8")


def test_errors_are_shown_although_standard_output_is_broken(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdout", Broken())
    with console.screen():
        log.info("one")
        log.error("two")
    assert capsys.readouterr().err == "ERROR: two\n"


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("to", [">&-", "2>&-", "| head -n 1", ">&- 2>&- <&-"])
def test_help_on_any_stream(name, to):
    status, out, err = shell("%s %s" % (program(name, "--help"), to))
    assert (status, err) == (0, "")
    assert (out == "") == (">&-" in to.split())


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="not Linux")
def test_help_on_a_full_disk():
    status, _, err = shell(program("run_classifier.py", "--help") + " > /dev/full")
    assert (status, err) == (1, "ERROR: No space left on device\n")
    status, _, err = shell(program("run_classifier.py", "--bad") + " > /dev/full")
    assert status == 2 and err.startswith("ERROR: --bad is not a flag")


@pytest.mark.parametrize(
    "to", [">&- 2>&- <&-", "> /dev/full 2> /dev/full", "2>&- | head -n 1"]
)
def test_a_run_on_any_stream(corpus_flags, tmp_path, to):
    """No file of the run may get the number of a stream, which TensorFlow writes to."""
    if "/dev/full" in to and not os.path.exists("/dev/full"):
        pytest.skip("not Linux")
    out = str(tmp_path / "out")
    flags = without(corpus_flags, "num_train_epochs") + ["--num_train_epochs=0.4"]
    flags += [*PHASES, "--eval_steps=1", "--keep_best", "--output_dir=" + out]
    status, shown, err = shell("%s %s" % (program("run_classifier.py", *flags), to))
    assert status == 0, shown + err
    assert err == ""
    assert scores(out)["global_step"] in (1, 2)
    lines = (tmp_path / "out" / "run.log").read_text("utf-8").splitlines()
    assert "MRPC.tsv" in lines[-1]
    assert all(line.startswith("20") for line in lines)


def test_a_run_in_a_notebook(corpus_flags, tmp_path, monkeypatch):
    """In a thread, and with streams that can only write."""
    stream, statuses = WriteAndFlush(), []
    flags = without(corpus_flags, "num_train_epochs") + ["--num_train_epochs=0.4"]
    flags += ["--do_train", "--do_eval", "--output_dir=" + str(tmp_path / "out")]
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(sys, "argv", ["run_classifier.py", *flags])
    # As notebooks for the original call it, whose flags are those of the process.
    thread = threading.Thread(target=lambda: statuses.append(run_classifier.main(0)))
    thread.start()
    thread.join()
    assert statuses == [0], stream.text
    assert "Scores on" in stream.text


@pytest.mark.parametrize("argv", [0, "", None, [], ()])
def test_without_arguments_those_of_the_process_are_used(monkeypatch, capsys, argv):
    monkeypatch.setattr(sys, "argv", ["run_classifier.py", "--do_tran"])
    assert run_classifier.main(argv) == 2
    assert "did you mean --do_train?" in capsys.readouterr().err
    assert "must be given" in refused([])


@pytest.mark.parametrize("name", PROGRAMS)
def test_interrupted_while_it_is_imported(tmp_path, name):
    package = tmp_path / "absl"
    package.mkdir()
    corpus.write_lines(str(package / "__init__.py"), ["raise KeyboardInterrupt"])
    driver = os.path.join(ROOT, name)
    run = Finished(ROOT, [], env={"PYTHONPATH": str(tmp_path)}, driver=driver)
    assert (run.status, run.out) == (130, "")
    assert run.err == "ERROR: interrupted by SIGINT\n"
