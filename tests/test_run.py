"""What a run writes, locks and cleans up in its output directory, and when."""

import os
import subprocess

from finetuning.checkpoints.output_dir import LOCK_FILE
from tests.support import corpus
from tests.support.running import refused, succeed


def test_a_refused_run_writes_nothing_into_a_directory_that_is_there(
    corpus_flags, tmp_path
):
    command = [*corpus_flags, "--do_train", "--output_dir=%s" % tmp_path]
    refused([*command, "--max_seq_length=21"])
    assert os.listdir(str(tmp_path)) == []


def test_corrupt_settings_without_a_checkpoint(corpus_flags, tmp_path):
    corpus.write_lines(str(tmp_path / "run_settings.json"), ["{"])
    command = [*corpus_flags, "--do_train", "--output_dir=%s" % tmp_path]
    assert "run_settings.json" in refused(command)
    assert os.listdir(str(tmp_path)) == ["run_settings.json"]


def test_a_finished_run_whose_lock_file_was_removed(finished_run, tmp_path):
    """It is found finished, not trained again; and it is locked again."""
    out = finished_run.copy(tmp_path)
    os.remove(os.path.join(out, LOCK_FILE))
    run = succeed([*finished_run.flags, "--do_train", "--output_dir=" + out])
    assert "NOTHING LEFT TO TRAIN" in run.out
    assert os.path.exists(os.path.join(out, LOCK_FILE))


def test_leftovers_are_removed_when_nothing_is_left_to_train(finished_run, tmp_path):
    """Those of an evaluation or prediction that was killed after the training."""
    out = finished_run.copy(tmp_path)
    dead = subprocess.Popen(["true"])
    dead.wait()
    leftover = os.path.join(out, "predict.tf_record.%d.finetuning.tmp" % dead.pid)
    corpus.write_lines(leftover, ["half"])
    os.utime(leftover, (1, 1))
    run = succeed([*finished_run.flags, "--do_train", "--output_dir=" + out])
    assert "NOTHING LEFT TO TRAIN" in run.out
    assert not os.path.exists(leftover)
