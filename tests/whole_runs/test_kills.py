"""Runs that are killed: at random, and in the middle of what must not be cut short."""

import os
import random
import signal
import subprocess
import sys
import time

import pytest

from tests.support import corpus, disturbed_runs
from tests.support.disturbed_runs import assert_same_results
from tests.support.running import ONE_THREAD, Finished

pytestmark = pytest.mark.slow

# Runs the program and kills its own process at one moment.
DRIVER = """
import os, resource, signal, sys
root, moment = sys.argv[1:3]
sys.path.insert(0, root)
import run_classifier
from finetuning.checkpoints import saving
from finetuning.evaluation import inference
from finetuning.utils import files

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def before(owner, name, when):
    original = getattr(owner, name)
    def deadly(*given, **named):
        if when(*given, **named):
            die()
        return original(*given, **named)
    setattr(owner, name, deadly)

def after(owner, name, when):
    original = getattr(owner, name)
    def deadly(*given, **named):
        found = original(*given, **named)
        if when(*given, **named):
            die()
        return found
    setattr(owner, name, deadly)

def too_large(*given, **named):
    # The system ends the process, while it writes the file of the tensors.
    if given[3] == 4:  # Of the saver, the session, the path and the step.
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))
    return False

def in_an_evaluation(bar, done, *_):
    return bar._label == "evaluation at step 9" and 4 <= done

def to(name):
    return lambda source, target: os.path.basename(target) == name

kind, _, argument = moment.partition(" ")
if kind == "unnamed":
    before(saving.Saver, "_record", lambda _, p: p.endswith("ckpt-" + argument))
elif kind == "writing":
    import tensorflow.compat.v1 as tf
    before(tf.train.Saver, "save", too_large)
elif kind == "surplus":
    before(files, "remove_if_exists", lambda p: "/model.ckpt-%s." % argument in p)
elif kind == "evaluation":
    after(inference.Progress, "update", in_an_evaluation)
elif kind == "before":
    before(files, "rename", to(argument))
elif kind == "after":
    after(files, "rename", to(argument))
sys.exit(run_classifier.main(["run_classifier.py"] + sys.argv[3:]))
"""
# In the order of a run; each run starts from what the one before it left.
MOMENTS = [
    "unnamed 0",
    "writing",
    "unnamed 6",
    "after eval_history.tsv",
    "surplus 4",
    "surplus 3",  # Of best/.
    "evaluation",
    "before eval_results.txt",
    "after eval_results.json",
    "before test_results.tsv",
    "after predict_results.json",
]


# The first words of lines, from which on a run is killed after a random time.
MARKS = [b"Building the training graph", b"Saved", b"eval |", b"Stopping early"]
SHORT_MOMENTS = ["writing", "after eval_history.tsv", "before test_results.tsv"]


class Command:
    """The flags of one whole run, and where it may be run."""

    def __init__(self, root, flags, place):
        self.root, self.place = root, place
        self.flags = [*flags, "--num_threads=1"]

    def finish(self, out, *driver):
        driver = driver or (None,)
        return Finished(
            self.root,
            list(driver[1:]) + self.flags + ["--output_dir=" + out],
            env=ONE_THREAD,
            driver=driver[0],
        )

    def start(self, out):
        return subprocess.Popen(
            [sys.executable, "-u", os.path.join(self.root, "run_classifier.py")]
            + self.flags
            + ["--output_dir=" + out],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=dict(os.environ, **ONE_THREAD),
        )


@pytest.fixture(scope="module")
def command(root, evaluated_run, tmp_path_factory):
    flags = disturbed_runs.flags_of(evaluated_run)
    return Command(root, flags, str(tmp_path_factory.mktemp("kills")))


@pytest.fixture(scope="module")
def undisturbed(command):
    """The output directory of a run that nothing disturbed, and its seconds of work."""
    out = os.path.join(command.place, "undisturbed")
    process = command.start(out)
    wait_for(process, MARKS[0])
    started = time.monotonic()
    output = process.communicate()[0]
    assert process.returncode == 0, output.decode()
    return out, time.monotonic() - started


def wait_for(process, mark):
    """Waits until the process prints a line that begins so, or ends."""
    for line in process.stdout:
        if line.startswith(mark):
            break


def test_killed_at_random_moments(command, undisturbed, iterations):
    """A run that ends before it is killed is compared, and another one is begun."""
    expected, seconds = undisturbed
    draw = random.Random(5)
    ends = [signal.SIGTERM, signal.SIGINT] + [signal.SIGKILL] * iterations(20, 1)
    draw.shuffle(ends)
    out, done = os.path.join(command.place, "random_0"), 0
    while ends:
        process = command.start(out)
        wait_for(process, draw.choice(MARKS))
        time.sleep(draw.uniform(0, seconds / 8))
        process.send_signal(ends[-1])
        output = process.communicate(timeout=300)[0].decode()
        if process.returncode == 0:
            assert_same_results(out, expected)
            done += 1
            out = os.path.join(command.place, "random_%d" % done)
            continue
        number = ends.pop()
        status = {signal.SIGTERM: 143, signal.SIGINT: 130}.get(number, -number)
        if process.returncode != status:
            # The run was complete, and Python itself was about to end.
            assert process.returncode == -number, output
            assert "predict_results.json" in os.listdir(out), output
        assert "Traceback" not in output
    last = command.finish(out)
    assert last.status == 0, last.out + last.err
    assert_same_results(out, expected)


def test_killed_where_it_must_not_be_cut_short(command, undisturbed, iterations):
    out = os.path.join(command.place, "proven")
    driver = os.path.join(command.place, "driver.py")
    corpus.write_lines(driver, [DRIVER])
    for moment in iterations(MOMENTS, SHORT_MOMENTS):
        ended = command.finish(out, driver, command.root, moment)
        killed_by = -signal.SIGXFSZ if moment == "writing" else -signal.SIGKILL
        assert ended.status == killed_by, moment + "\n" + ended.out + ended.err
        assert "CORRUPT" not in ended.out or moment == "writing", ended.out
    last = command.finish(out)
    assert last.status == 0, last.out + last.err
    assert_same_results(out, undisturbed[0])
    assert not [name for name in os.listdir(out) if "tempstate" in name]
