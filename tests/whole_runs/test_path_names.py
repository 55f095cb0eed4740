"""Paths of any name: a run works, or is refused before it writes anything.

Whatever happens, what is beside its directories stays as it is. TensorFlow takes the
prefix of a checkpoint as a pattern, and shells change what is typed.
"""

import os
import shutil

import pytest

from tests.support.running import Run, contents, refused, succeed, value, without

# Each with the name that it would match as a pattern, or that a shell would make of it.
NAMES = {
    "exp[1]": "exp1",
    "a\\[b c": "a[b c",
    "w?": "w1",
    "w*": "w1",
    "[!a]": "b",
    "[": "x",
    "{a,b}": "a",
    "b\\s": "bs",
    "~": "x",
    "~nobody_of_this_name": "nobody",
    "$HOME": "HOME",
    "costs $ 5": "costs  5",
    "a b": "a",
    " a ": "a",
    "'q'": "q",
    "-d": "d",
    "a#b:c%41&": "a",
    "\u00e9\u4e2d\U0001f600": "e",
    "\u201cq\u201d": "q",
    "n" * 200: "n" * 199,
}
SLOW_NAMES = sorted(set(NAMES) - {"exp[1]", "a\\[b c"})


def with_inputs_below(flags, directory):
    """The flags with copies of all input files below a directory."""
    data, vocab, prefix = (
        value(flags, name) for name in ("data_dir", "vocab_file", "init_checkpoint")
    )
    os.makedirs(directory)
    shutil.copytree(data, os.path.join(directory, "data"))
    shutil.copy(vocab, directory)
    shutil.copytree(os.path.dirname(prefix), os.path.join(directory, "encoder"))
    names = ("data_dir", "vocab_file", "init_checkpoint", "num_train_epochs")
    return without(flags, *names) + [
        "--data_dir=" + os.path.join(directory, "data"),
        "--vocab_file=" + os.path.join(directory, "vocab.txt"),
        "--init_checkpoint=" + os.path.join(directory, "encoder", "bert_model.ckpt"),
    ]


@pytest.mark.parametrize(
    "name",
    [
        "exp[1]",
        "a\\[b c",
        *(pytest.param(n, marks=pytest.mark.slow) for n in SLOW_NAMES),
    ],
)
def test_a_run_in_a_directory_of_any_name(finished_run, tmp_path, name, monkeypatch):
    """Given relative to the current directory, so that a leading ~ is one."""
    runs = tmp_path / "runs"
    shutil.copytree(finished_run.directory, str(runs / NAMES[name]))
    # What TensorFlow would find for the pattern.
    shutil.copytree(finished_run.directory, str(runs / (NAMES[name] + "x")))
    inputs = str(tmp_path / name)
    flags = with_inputs_below(finished_run.flags, inputs)
    monkeypatch.chdir(str(runs))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    before = contents(tmp_path)
    out = os.path.join("." if name.startswith("-") else "", name)
    flags += ["--keep_checkpoint_max=1", "--output_dir=" + out]
    train = [*flags, "--do_train", "--save_checkpoints_steps=1"]
    run = Run([*train, "--num_train_epochs=0.4"])
    if run.status != 0:
        assert run.status == 2 and run.err.count("\n") == 1
        assert contents(tmp_path) == before
        os.mkdir(out)  # A directory of exactly this name is accepted.
        succeed([*train, "--num_train_epochs=0.4"])
    written = str(tmp_path / "home") if name == "~" else str(runs / name)
    succeed([*flags, "--do_eval"])
    succeed([*flags, "--do_predict"])
    run = succeed([*train, "--num_train_epochs=0.6", "--allow_changes"])
    assert "RESUMING at step 2 from" in run.out
    prefixes = [n for n in os.listdir(written) if n.endswith(".index")]
    assert prefixes == ["model.ckpt-3.index"]
    after = contents(tmp_path)
    changed = {path for path in after if after[path] != before.get(path)}
    own = os.path.relpath(written, str(tmp_path)) + os.sep
    changed |= set(before) - set(after)
    assert all((path + os.sep).startswith(own) for path in changed)
    assert {"test_results.tsv", "eval_results.txt"} <= set(os.listdir(written))


def test_inputs_that_do_not_exist(corpus_flags, tmp_path):
    """Nothing is created by a path that is wrong."""
    before = contents(tmp_path)
    for flag in ("data_dir", "vocab_file", "init_checkpoint"):
        for name in NAMES:
            path = os.path.join(str(tmp_path), name)
            flags = without(corpus_flags, flag) + ["--%s=%s" % (flag, path)]
            flags += ["--do_train", "--output_dir=" + str(tmp_path / "out")]
            assert "--%s=" % flag in refused(flags)
    assert contents(tmp_path) == before
