"""The flags of a run as a file that repeats it."""

import dataclasses
import os

import pytest

from finetuning.flags import command_line, flag_file
from finetuning.flags.settings import NO_EFFECT, WORKERS, Settings
from tests.support import corpus
from tests.support.running import ONE_THREAD, Finished, refused, succeed, text, without

DESCRIPTION = {
    "random_seed": 17,
    "versions": {"python": "3.7.9", "tensorflow": "1.14.0"},
    "device": "CPU, 2 threads (TensorFlow 1.14.0)",
    "git_revision": None,
}
PHASES = ["--do_train=true", "--do_eval=true", "--do_predict=true"]


def settings_of(directory, **values):
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
    """Values of every type, and the seed that was drawn."""
    settings = settings_of(
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
    restored = read_back(tmp_path, settings)
    assert restored == dataclasses.replace(settings, output_dir="new", random_seed=17)


@pytest.mark.parametrize(
    "value",
    ["a b", "a,b", "#a", "a#b", "  a", "a=b", "--do_train", "'a' \"b\"", "//a", "\\n"]
    + ["\u00e9\u4e2d\U0001f600", "a\u2028b\x85c", "$HOME", "a\tb"],
)
def test_odd_values_come_back(tmp_path, value):
    settings = settings_of(tmp_path, task_name="custom", text_a_column=value)
    assert read_back(tmp_path, settings).text_a_column == value


@pytest.mark.parametrize("value", ["a\nb", "a\r--do_eval", "a ", "a\u00a0"])
def test_values_that_absl_would_change_are_left_to_the_user(tmp_path, value):
    """A comment asks for them, and nothing else is read from it."""
    settings = settings_of(tmp_path, task_name="custom", text_a_column=value)
    restored = read_back(tmp_path, settings)
    assert restored.text_a_column is None and restored.do_eval is False
    content = text(str(tmp_path), flag_file.FILE)
    wanted = "--text_a_column=" + value
    (line,) = [line for line in content.split("\n") if repr(wanted) in line]
    assert line.startswith("# cannot be written")


def test_local_paths_are_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = settings_of(
        tmp_path, data_dir="d", vocab_file="gs://b/v", train_file="t"
    )
    restored = read_back(tmp_path, settings)
    assert restored.data_dir == str(tmp_path / "d")
    assert restored.train_file == str(tmp_path / "t")
    assert restored.vocab_file == "gs://b/v"


def test_flags_that_are_left_out(tmp_path):
    """With --output_dir, a repetition could write into the finished run."""
    settings = settings_of(tmp_path, allow_changes=True, debug=True)
    lines = flag_file.text(settings, DESCRIPTION).splitlines()
    flags = {line.split("=")[0][2:] for line in lines if line.startswith("--")}
    for field in dataclasses.fields(Settings):
        left_out = field.name in ("output_dir", "allow_changes", "check", "debug")
        left_out = left_out or field.metadata["group"] in (NO_EFFECT, WORKERS)
        if left_out or getattr(settings, field.name) is None:
            assert field.name not in flags - {"random_seed"}
        else:
            assert field.name in flags
    flag_file.write(settings, DESCRIPTION)
    given = "--flagfile=" + os.path.join(str(tmp_path), flag_file.FILE)
    settings = command_line.parse(["run_classifier.py", "--output_dir=new", given])[0]
    assert settings.output_dir == "new"
    assert "--output_dir must be given" in refused([given])


def test_the_heading(tmp_path):
    described = dict(DESCRIPTION, git_revision="abc-dirty")
    head = flag_file.text(settings_of(tmp_path), described).split("\n--")[0]
    assert "run_classifier.py --flagfile=run.flags --output_dir=NEW" in head
    for word in ("Python 3.7.9", "CPU, 2 threads (TensorFlow 1.14.0)", "abc-dirty"):
        assert word in head
    assert "NOT A REPETITION" not in head
    changed = flag_file.text(
        settings_of(tmp_path), described, ["step 3: --x was 1\n2, is 3"]
    )
    assert "# NOT A REPETITION: " in changed
    assert "#   step 3: --x was 1 2, is 3\n" in changed


@pytest.mark.slow
def test_the_file_of_a_finished_run_repeats_it(root, tmp_path):
    """Byte for byte, from another directory, with the seed that was drawn."""
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


def test_changes_of_a_resumed_run_are_kept(interrupted_run, tmp_path):
    """Also those that were allowed earlier, which are not asked for again."""
    out = interrupted_run.copy(tmp_path)
    assert "NOT A REPETITION" not in text(out, "run.flags")
    flags = without(interrupted_run.flags, "num_train_epochs") + ["--do_train"]
    steps = []
    for step, epochs in ((4, "1.0"), (5, "1.2")):
        arguments = ["--num_train_epochs=" + epochs, "--allow_changes"]
        succeed([*flags, *arguments, "--output_dir=" + out])
        steps.append("step %d: --num_train_epochs" % step)
        saved = corpus.read_json(os.path.join(out, "run_settings.json"))
        assert [change[: len(steps[0])] for change in saved["changes"]] == steps
        assert all(change in text(out, "run.flags") for change in saved["changes"])
        assert "NOT A REPETITION" in text(out, "run.flags")
    assert saved["planned_steps"] == 6
