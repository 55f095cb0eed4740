"""Want of memory, which TensorFlow itself runs into, in a process of its own."""

import json
import os

import corpus
import pytest
from running import Finished, Run, without

from finetuning import inference, loop

# The program, with little more memory than it has when the first checkpoint is saved.
DRIVER = """\
import logging
import resource
import sys

sys.path.insert(0, %r)
import run_classifier


class Limit(logging.Handler):
    def emit(self, record):
        if record.getMessage().startswith("Saved "):
            with open("/proc/self/statm") as file:
                size = int(file.read().split()[0]) * resource.getpagesize()
            limits = (size + 500 * 2**20, resource.RLIM_INFINITY)
            resource.setrlimit(resource.RLIMIT_AS, limits)


logging.getLogger("finetuning").addHandler(Limit())
sys.exit(run_classifier.main(["run_classifier.py"] + sys.argv[1:]))
"""
WIDE = 400000  # A batch of 40 has some 500 tokens: 800 MB.


@pytest.fixture(scope="module")
def flags(tmp_path_factory):
    return corpus.write(str(tmp_path_factory.mktemp("memory")))


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="needs Linux")
def test_a_batch_that_does_not_fit(root, flags, tmp_path):
    """What TensorFlow raises is real."""
    config_file = next(f for f in flags if "bert_config" in f).split("=")[1]
    config = dict(corpus.read_json(config_file), intermediate_size=WIDE)
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "driver.py").write_text(DRIVER % root)
    changed = without(flags, "init_checkpoint", "bert_config_file", "train_batch_size")
    changed += ["--bert_config_file=%s" % (tmp_path / "config.json"), "--do_train"]
    run = Finished(
        root,
        [*changed, "--train_batch_size=40", "--output_dir=%s" % (tmp_path / "out")],
        driver=str(tmp_path / "driver.py"),
        env={"CUDA_VISIBLE_DEVICES": ""},
    )
    assert run.status == 2, run.out + run.err
    assert run.err.startswith(
        "ERROR: out of memory in training with --train_batch_size=40 and "
        "--max_seq_length=16: OOM when allocating tensor with shape["
    )
    assert "; try --train_batch_size=20, a shorter --max_seq_length, " in run.err
    assert run.err.count("\n") == 1


@pytest.mark.parametrize(
    "module, name, flag, phase, tried",
    [
        (loop, "train", "train_batch_size", "training", "--train_batch_size=4, "),
        (inference, "infer", "eval_batch_size", "evaluation", "--eval_batch_size=3, "),
        (inference, "infer", "predict_batch_size", "prediction", "a shorter "),
    ],
)
def test_the_batch_of_the_phase_is_named(
    flags, tmp_path, monkeypatch, module, name, flag, phase, tried
):
    def fail(*_):
        raise MemoryError("no room")

    monkeypatch.setattr(module, name, fail)
    do = {"training": "train", "evaluation": "eval", "prediction": "predict"}[phase]
    arguments = ["--do_%s" % do, "--output_dir=%s" % tmp_path]
    arguments += ["--eval_batch_size=6", "--predict_batch_size=1"]
    run = Run(flags + arguments)
    sizes = {"train_batch_size": 8, "eval_batch_size": 6, "predict_batch_size": 1}
    assert run.status == 2
    assert run.err == (
        "ERROR: out of memory in %s with --%s=%d and --max_seq_length=16: no room; try "
        "%s--precision=mixed, or a smaller model\n"
        % (
            phase,
            flag,
            sizes[flag],
            tried
            + (
                "--max_seq_length, "
                if tried == "a shorter "
                else "a shorter --max_seq_length, "
            ),
        )
    )
    assert os.path.isdir(str(tmp_path))
