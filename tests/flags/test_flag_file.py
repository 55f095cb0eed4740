"""The flags of a run as a file that repeats it."""

import dataclasses
import os

import pytest

from finetuning.flags import command_line, flag_file
from finetuning.flags.settings import NO_EFFECT, Settings
from tests.support import corpus
from tests.support.running import ONE_THREAD, Finished, refused, succeed, text, without

DESCRIPTION = {
    "random_seed": 17,
    "versions": {"python": "3.7.9", "tensorflow": "1.14.0"},
    "device": "CPU, 2 threads",
    "git_revision": None,
}
PHASES = ["--do_train=true", "--do_eval=true", "--do_predict=true"]


def chosen(directory, **values):
    given = {
        "task_name": "MRPC",
        "do_train": True,
        "data_dir": "/data",
        "vocab_file": "/vocab.txt",
        "bert_config_file": "/config.json",
        "output_dir": str(directory),
    }
    given.update(values)
    return Settings(**given)


def read_back(directory, settings, *arguments):
    """What the command line makes of the flag file of these settings."""
    flag_file.write(settings, DESCRIPTION)
    path = os.path.join(str(directory), flag_file.FILE)
    argv = ["run_classifier.py", "--flagfile=" + path, "--output_dir=new"]
    return command_line.parse(argv + list(arguments))[0]


def test_all_flags_come_back(tmp_path):
    """Any value that a flag can have, with the seed that was drawn."""
    settings = chosen(
        tmp_path,
        task_name="custom",
        do_eval=True,
        do_predict=True,
        eval_file="/e.tsv",
        predict_file="gs://bucket/p.tsv",
        init_checkpoint="/model.ckpt",
        text_a_column="a",
        labels="yes,no",
        do_lower_case=False,
        learning_rate=1 / 3 * 1e-5,
        num_train_epochs=0.1,
        max_train_examples=12,
        class_weights="yes=2,no=0.5",
        eval_steps=7,
        keep_best=True,
        early_stop=2,
        num_threads=1,
    )
    found = read_back(tmp_path, settings)
    assert found == dataclasses.replace(settings, output_dir="new", random_seed=17)


@pytest.mark.parametrize(
    "value",
    ["a b", "a,b", "#a", "a#b", "  a", "a=b", "--do_train", "'a' \"b\"", "//a", "\\n"]
    + ["\u00e9\u4e2d\U0001f600", "a\u2028b\x85c", "$HOME", "a\tb"],
)
def test_odd_values_come_back(tmp_path, value):
    settings = chosen(tmp_path, task_name="custom", text_a_column=value)
    assert read_back(tmp_path, settings).text_a_column == value


@pytest.mark.parametrize("value", ["a\nb", "a\r--do_eval", "a ", "a\u00a0"])
def test_what_the_reader_would_change_is_left_to_the_user(tmp_path, value):
    """Said in a comment; nothing else comes of it."""
    settings = chosen(tmp_path, task_name="custom", text_a_column=value)
    found = read_back(tmp_path, settings)
    assert found.text_a_column is None and found.do_eval is False
    content = text(str(tmp_path), flag_file.FILE)
    wanted = "--text_a_column=" + value
    assert "# cannot be written here, give it by hand: %r\n" % wanted in content


def test_local_paths_are_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = chosen(tmp_path, data_dir="d", vocab_file="gs://b/v", train_file="t")
    found = read_back(tmp_path, settings)
    assert found.data_dir == str(tmp_path / "d")
    assert found.train_file == str(tmp_path / "t")
    assert found.vocab_file == "gs://b/v"


def test_what_is_left_out(tmp_path):
    """The directory, which would send a repetition into the finished run."""
    settings = chosen(tmp_path, allow_changes=True, debug=True)
    lines = flag_file.text(settings, DESCRIPTION).splitlines()
    flags = {line.split("=")[0][2:] for line in lines if line.startswith("--")}
    for field in dataclasses.fields(Settings):
        left_out = field.name in ("output_dir", "allow_changes", "check", "debug")
        left_out = left_out or field.metadata["group"] == NO_EFFECT
        if left_out or getattr(settings, field.name) is None:
            assert field.name not in flags - {"random_seed"}
        else:
            assert field.name in flags
    flag_file.write(settings, DESCRIPTION)
    given = "--flagfile=" + os.path.join(str(tmp_path), flag_file.FILE)
    behind = command_line.parse(["run_classifier.py", "--output_dir=new", given])[0]
    assert behind.output_dir == "new"
    assert "--output_dir must be given" in refused([given])


def test_its_head_says_how_to_use_it_and_what_made_it(tmp_path):
    described = dict(DESCRIPTION, git_revision="abc-dirty")
    head = flag_file.text(chosen(tmp_path), described).split("\n--")[0]
    assert "run_classifier.py --flagfile=run.flags --output_dir=NEW" in head
    for word in ("Python 3.7.9", "TensorFlow 1.14.0", "CPU, 2 threads", "abc-dirty"):
        assert word in head
    assert "NOT A REPETITION" not in head
    changed = flag_file.text(
        chosen(tmp_path), described, ["step 3: --x was 1\n2, is 3"]
    )
    assert "# NOT A REPETITION: " in changed
    assert "#   step 3: --x was 1 2, is 3\n" in changed


def test_the_file_of_a_finished_run_repeats_it(root, tmp_path):
    """To the byte: the seed that was drawn, every phase; from another folder."""
    flags = without(corpus.write(str(tmp_path)), "random_seed", "num_train_epochs")
    data = next(flag.split("=")[1] for flag in flags if flag.startswith("--data_dir"))
    os.rename(data, str(tmp_path / "d\u00e4ta, #2"))
    flags = without(flags, "data_dir") + ["--data_dir=d\u00e4ta, #2"]
    flags += ["--num_train_epochs=0.6", "--num_threads=1", *PHASES]
    first = Finished(
        root, flags + ["--output_dir=first"], cwd=str(tmp_path), env=ONE_THREAD
    )
    assert first.status == 0, first.out + first.err
    again = ["--flagfile=%s" % (tmp_path / "first" / "run.flags")]
    second = str(tmp_path / "second")
    run = Finished(root, again + ["--output_dir=" + second], cwd=root, env=ONE_THREAD)
    assert run.status == 0, run.out + run.err
    for name in ("model.ckpt-3.data-00000-of-00001", "model.ckpt-3.index"):
        assert (tmp_path / "first" / name).read_bytes() == (
            tmp_path / "second" / name
        ).read_bytes(), name
    for name in ("eval_results.txt", "test_results.tsv"):
        assert text(str(tmp_path / "first"), name) == text(second, name)


def test_a_training_that_was_changed_says_so_in_its_file(tmp_path):
    flags = corpus.write(str(tmp_path / "corpus"))
    out = str(tmp_path / "out")
    always = ["--do_train", "--output_dir=" + out]
    succeed(without(flags, "num_train_epochs") + always + ["--num_train_epochs=0.2"])
    assert "NOT A REPETITION" not in text(out, "run.flags")
    longer = without(flags, "num_train_epochs") + always
    succeed([*longer, "--num_train_epochs=0.4", "--allow_changes"])
    change = "step 1: --num_train_epochs was 0.2, is 0.4"
    assert change in text(out, "run.flags")
    assert corpus.read_json(os.path.join(out, "run_settings.json"))["changes"] == [
        change
    ]
    # What was once allowed is not asked about again, and not forgotten.
    succeed([*longer, "--num_train_epochs=0.6", "--allow_changes"])
    found = corpus.read_json(os.path.join(out, "run_settings.json"))["changes"]
    assert found == [change, "step 2: --num_train_epochs was 0.4, is 0.6"]
    content = corpus.read_json(os.path.join(out, "run_settings.json"))
    assert content["planned_steps"] == 3
