"""A directory of weights is enough to use them, wherever it is copied."""

import os
import shutil

from tests.support import corpus
from tests.support.running import refused, succeed, text, value

FILES = ("bert_config.json", "labels.json", "text_settings.json", "vocab.txt")


def predict(flags, directory, *arguments):
    """Predicts with nothing but the directory and the data; returns what was shown."""
    data = "--data_dir=" + value(flags, "data_dir")
    return succeed(["--do_predict", data, "--output_dir=" + directory, *arguments]).out


def test_a_trained_directory_needs_no_other_flags(finished_run, tmp_path):
    out = finished_run.copy(tmp_path)
    expected = text(out, "test_results.tsv")
    os.remove(os.path.join(out, "test_results.tsv"))
    shown = predict(finished_run.flags, out)
    assert text(out, "test_results.tsv") == expected
    taken = "Not given, so taken from %s: --vocab_file=%s/vocab.txt, " % (out, out)
    assert taken in shown
    assert "--task_name=mrpc" in shown
    assert "different settings" not in shown


def test_the_best_weights_work_alone(evaluated_run, tmp_path):
    best = shutil.copytree(
        os.path.join(evaluated_run.directory, "best"), str(tmp_path / "elsewhere")
    )
    assert set(FILES) <= set(os.listdir(best))
    data = value(evaluated_run.flags, "data_dir")
    for given in (["--output_dir=" + best], ["--init_checkpoint=" + best]):
        out = str(tmp_path / "results")
        run = succeed(
            ["--do_predict", "--data_dir=" + data, "--output_dir=" + out, *given]
        )
        assert "--regression=true" in run.out
        assert "not known" not in run.out  # All that matters is known from there.
        where = best if given[0].startswith("--output_dir") else out
        assert text(where, "test_results.tsv") == text(
            evaluated_run.directory, "test_results.tsv"
        )


def test_what_is_given_and_differs_is_a_warning(evaluated_run, tmp_path):
    best = shutil.copytree(
        os.path.join(evaluated_run.directory, "best"), str(tmp_path / "elsewhere")
    )
    vocab = text(value(evaluated_run.flags, "vocab_file"))
    other = str(tmp_path / "other.txt")
    corpus.write_lines(other, [*vocab.splitlines()[:-1], "zebra"])
    given = ["--max_seq_length=9", "--vocab_file=" + other]
    shown = predict(evaluated_run.flags, best, *given)
    assert "--max_seq_length: 16 -> 9" in shown
    assert "content of the --vocab_file: %s/vocab.txt -> %s" % (best, other) in shown


def test_prediction_completes_a_directory_of_the_original(finished_run, tmp_path):
    out = finished_run.copy(tmp_path)
    for name in (*FILES, "run_settings.json"):
        os.remove(os.path.join(out, name))
    command = ["--do_predict", *finished_run.flags, "--output_dir=" + out]
    shown = succeed(command).out
    assert "Saved next to the weights, for their use: labels.json, text_" in shown
    assert "it is not known whether its run used the same flags" in shown
    expected = text(out, "test_results.tsv")
    assert "Saved next to the weights" not in succeed(command).out
    predict(finished_run.flags, out)
    assert text(out, "test_results.tsv") == expected


def test_a_run_that_reads_text_differently_completes_nothing(finished_run, tmp_path):
    out = finished_run.copy(tmp_path)
    for name in FILES:
        os.remove(os.path.join(out, name))
    length = "--max_seq_length=9"
    succeed(["--do_predict", *finished_run.flags, "--output_dir=" + out, length])
    assert not set(FILES) & set(os.listdir(out))


def test_a_file_of_the_users_is_never_overwritten(finished_run, tmp_path):
    for name in ("vocab.txt", "bert_config.json"):
        out = tmp_path / name
        (out / "best").mkdir(parents=True)
        for directory in (out, out / "best"):
            mine = directory / name
            mine.write_text("mine")
            command = ["--do_train", *finished_run.flags, "--output_dir=%s" % out]
            message = refused(command)
            assert "%s is another file; move it" % mine in message
            assert mine.read_text() == "mine"
            mine.unlink()


def test_damaged_text_settings_are_refused(finished_run, tmp_path):
    out = finished_run.copy(tmp_path)
    path = os.path.join(out, "text_settings.json")
    data = "--data_dir=" + value(finished_run.flags, "data_dir")
    for content, problem in (
        ("[", "is not JSON"),
        ('{"max_seq_length": "128"}', "max_seq_length is '128', expected int"),
        ('{"max_seq_length": 1}', "--max_seq_length=1: expected a number"),
    ):
        with open(path, "w") as file:
            file.write(content)
        assert problem in refused(["--do_predict", data, "--output_dir=" + out])
