"""A training run on two machines, one of which is cut off, and rerun."""

import time

import pytest

from tests.support import machines, worker_runs
from tests.support.running import without
from tests.support.worker_processes import END_SECONDS, end_within

ADDRESSES = [host + ":7010" for host in machines.HOSTS]
LINE = "ERROR: worker %d (%s) was lost: no answer over the network ("


@pytest.mark.slow
def test_machine_that_is_cut_off(corpus_flags, tmp_path):
    outs = [str(tmp_path / "out"), str(tmp_path / "out_1")]
    flags = without(corpus_flags, "num_train_epochs")
    flags += ["--do_train", "--num_train_epochs=400", "--save_checkpoints_steps=200"]
    with machines.made() as two:
        commands = [[*two.command(k), *worker_runs.program()] for k in range(2)]
        options = {"addresses": ADDRESSES, "commands": commands}
        with worker_runs.started(flags, outs, **options) as workers:
            workers[0].has_logged("Saved %s/model.ckpt-200\n" % outs[0], 120)
            two.cut()
            begin = time.monotonic()
            assert end_within(workers, END_SECONDS) == [1, 1]
            assert time.monotonic() - begin < END_SECONDS
        for index, worker in enumerate(workers):
            other = 1 - index
            assert worker.err.startswith(LINE % (other, ADDRESSES[other])), worker.err
            assert worker.err.count("\n") == 1
        two.mend()
        workers = worker_runs.succeed(flags, outs, **options)
    assert "RESUMING at step " in workers[0].out
    assert "Saved %s/model.ckpt-2000\n" % outs[0] in workers[0].out
