"""The sweep over seeds and settings: what it runs, skips, goes on with, and reports."""

import fcntl
import json
import math
import os
import signal
import statistics
import subprocess
import sys
import time

import numpy as np
import pytest

from tests.support import corpus
from tests.support.paths import ROOT

SCRIPTS = os.path.join(ROOT, "scripts")
sys.path.append(SCRIPTS)

import spread  # noqa: E402
import sweep  # noqa: E402
import sweep_picture  # noqa: E402

# Stands in for run_classifier.py: its score is a function of seed and rate, and files
# in the folder above the sweep change what it does.
STAND_IN = """
import json, os, sys, time
flags = dict(a[2:].split("=", 1) for a in sys.argv[1:])
out = flags["output_dir"]
here = os.path.dirname(os.path.abspath(__file__))
seed, rate = int(flags["random_seed"]), float(flags["learning_rate"])
with open(os.path.join(here, "calls.txt"), "a") as file:
    file.write("%s %s\\n" % (seed, rate))
def has(name):
    return os.path.exists(os.path.join(here, name))
if not has("no-checkpoint"):
    open(os.path.join(out, "model.ckpt-3.index"), "w").close()
    open(os.path.join(out, "checkpoint"), "w").close()
open(os.path.join(out, "train.tf_record"), "w").close()
print("training: step 1 of 3", flush=True)
if has("wait"):
    try:
        time.sleep(60)
    except KeyboardInterrupt:
        print("ERROR: interrupted"); sys.exit(130)
if has("fail-%d" % seed):
    print("Traceback"); print("ERROR: no luck with seed %d" % seed); print("bye")
    sys.exit(1)
score = 0.7 + seed / 100.0 + 100 * rate
one = has("one-class-%d" % seed)
content = {
    "task": "MRPC", "main_metrics": ["accuracy", "f1"],
    "results": {"eval_main_score": score, "eval_accuracy": score - 0.01,
                "eval_f1": score + 0.01, "eval_loss": 0.5, "loss": 0.5,
                "global_step": 3},
    "majority_score": 0.748, "predicted_one_class": one, "random_seed": seed,
}
if not has("no-result"):
    with open(os.path.join(out, "eval_results.json"), "w") as file:
        json.dump(content, file)
"""


@pytest.fixture
def place(tmp_path):
    """A folder with a corpus and the stand-in."""
    (tmp_path / "stand_in.py").write_text(STAND_IN)
    (tmp_path / "corpus").mkdir()
    flags = corpus.write(str(tmp_path / "corpus"))
    return Place(tmp_path, [flag for flag in flags if "random_seed" not in flag])


class Place:
    def __init__(self, path, flags):
        self.path = path
        self.flags = flags
        self.sweep_dir = path / "sweep"

    def command(self, *arguments, script=True):
        own = ["--sweep_dir=%s" % self.sweep_dir]
        if script:
            own.append("--script=%s" % (self.path / "stand_in.py"))
        return own + self.flags + list(arguments)

    def sweep(self, *arguments):
        return sweep.main(self.command(*arguments))

    def calls(self):
        file = self.path / "calls.txt"
        return file.read_text().splitlines() if file.exists() else []

    def found(self):
        return json.loads((self.sweep_dir / "sweep.json").read_text())


def one_line(capsys):
    captured = capsys.readouterr()
    lines = captured.err.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("ERROR: "), captured
    return lines[0]


# ---- Statistics ----


def test_summary_by_hand():
    of = spread.summary([0.5, 0.7, 0.9, 0.5])
    assert of["n"] == 4 and of["mean"] == pytest.approx(0.65)
    # Deviations -0.15, 0.05, 0.25, -0.15: squares add up to 0.11, by 3.
    assert of["sd"] == pytest.approx(math.sqrt(0.11 / 3))
    assert (of["median"], of["min"], of["max"]) == (pytest.approx(0.6), 0.5, 0.9)


def test_summary_of_one_has_no_deviation():
    of = spread.summary([0.5])
    assert of == {
        "n": 1,
        "mean": 0.5,
        "sd": None,
        "median": 0.5,
        "min": 0.5,
        "max": 0.5,
    }


@pytest.mark.parametrize("count", [2, 3, 10])
def test_summary_is_that_of_numpy_and_statistics(count):
    values = np.random.RandomState(count).rand(count)
    of = spread.summary(values)
    assert of["mean"] == pytest.approx(np.mean(values), rel=1e-12)
    assert of["sd"] == pytest.approx(np.std(values, ddof=1), rel=1e-12)
    assert of["sd"] == pytest.approx(statistics.stdev(values.tolist()), rel=1e-12)
    assert of["median"] == pytest.approx(np.median(values), rel=1e-12)
    assert (of["min"], of["max"]) == (values.min(), values.max())


def test_pooled_deviation_by_hand():
    first, second = spread.summary([1.0, 3.0]), spread.summary([4.0, 5.0, 6.0])
    # Squared deviations 1 + 1 and 1 + 0 + 1, by 2 + 3 - 2.
    assert spread.pooled_sd(first, second) == pytest.approx(math.sqrt(4 / 3))
    assert spread.distance(first, second) == pytest.approx(-3 / math.sqrt(4 / 3))


def test_a_single_run_counts_in_the_pool_without_a_spread():
    one, two = spread.summary([2.0]), spread.summary([1.0, 3.0])
    assert spread.pooled_sd(one, two) == pytest.approx(math.sqrt(2.0))
    assert spread.pooled_sd(one, one) is None and spread.distance(one, one) is None
    same = spread.summary([2.0, 2.0])
    assert spread.distance(same, same) is None


@pytest.mark.parametrize(
    "score, one_class, failed",
    [(0.8, False, False), (0.8, True, True), (0.75, False, True), (0.7, False, True)],
)
def test_a_run_that_learned_nothing(score, one_class, failed):
    result = {
        "results": {"eval_main_score": score},
        "majority_score": 0.75,
        "predicted_one_class": one_class,
    }
    assert spread.failed_to_train(result) is failed


# ---- What is run ----


def test_every_setting_runs_with_every_seed(place, capsys):
    assert place.sweep("--seeds=2", "--learning_rates=1e-3,1e-4") == 0
    assert place.calls() == ["1 0.001", "2 0.001", "1 0.0001", "2 0.0001"]
    found = place.found()
    assert [run["seed"] for run in found["runs"]] == [1, 2, 1, 2]
    high = found["settings"][0]["scores"]["eval_main_score"]
    assert high["n"] == 2 and high["mean"] == pytest.approx(0.815)
    assert high["sd"] == pytest.approx(0.01 / math.sqrt(2))
    assert found["settings"][1]["scores"]["eval_f1"]["max"] == pytest.approx(0.74)
    # Those at the low rate are no better than the commonest answer.
    assert [of["failed_to_train"] for of in found["settings"]] == [0, 2]
    text = (place.sweep_dir / "sweep.txt").read_text()
    shown = capsys.readouterr().out
    for line in text.splitlines():
        assert line in shown
    assert "Always giving the commonest label scores 0.7480" in text
    assert "run 4 of 4" in shown and " left" in shown
    assert "rate 0.001, batch 8, epochs 3   main" in text
    assert text.count("FAILED TO TRAIN") == 2
    assert "0.8150  0.0071  0.8150  0.8100  0.8200" in text
    assert (place.sweep_dir / "sweep.png").read_bytes()[:4] == b"\x89PNG"


def test_the_grid_of_the_paper(place):
    own, passed = sweep.parse(place.command("--seeds=1", "--grid=paper"))
    _, points = sweep.plan(own, passed)
    found = {(p.batch_size, p.learning_rate, p.epochs) for p in points}
    assert len(points) == 18 and len(found) == 18
    assert {size for size, _, _ in found} == {16, 32}
    assert {rate for _, rate, _ in found} == {5e-5, 3e-5, 2e-5}
    assert {epochs for _, _, epochs in found} == {2, 3, 4}


@pytest.mark.parametrize(
    "given, seeds", [("3", [1, 2, 3]), ("7,3", [7, 3]), ("5,", [5])]
)
def test_seeds(place, given, seeds):
    own, passed = sweep.parse(place.command("--seeds=" + given))
    assert [point.seed for point in sweep.plan(own, passed)[1]] == seeds


def test_what_is_done_is_skipped_and_more_seeds_go_on(place, capsys):
    assert place.sweep("--seeds=1") == 0
    assert place.sweep("--seeds=2") == 0
    assert "1 of them are done already and are skipped" in capsys.readouterr().out
    assert place.calls() == ["1 0.001", "2 0.001"]
    assert place.sweep("--seeds=2") == 0
    assert len(place.calls()) == 2 and len(place.found()["runs"]) == 2


def test_a_run_that_fails_is_told_the_others_go_on(place, capsys):
    (place.path / "fail-2").touch()
    assert place.sweep("--seeds=3") == 1
    errors = capsys.readouterr().err.splitlines()
    assert errors[0] == "ERROR: run 2 of 3 failed: no luck with seed 2"
    assert "1 of 3 runs failed" in errors[-1]
    assert [run["seed"] for run in place.found()["runs"]] == [1, 3]
    assert place.found()["planned"] == 3
    (place.path / "fail-2").unlink()
    assert place.sweep("--seeds=3") == 0
    assert place.calls() == ["1 0.001", "2 0.001", "3 0.001", "2 0.001"]


def test_a_run_without_a_result_failed(place, capsys):
    (place.path / "no-result").touch()
    assert place.sweep("--seeds=1") == 1
    assert "no eval_results.json was written" in capsys.readouterr().err
    assert (place.sweep_dir / "sweep.txt").read_text() == "No run is done\n"


def test_one_class_is_counted(place):
    (place.path / "one-class-2").touch()
    assert place.sweep("--seeds=3") == 0
    assert place.found()["settings"][0]["failed_to_train"] == 1
    failed = [run["failed_to_train"] for run in place.found()["runs"]]
    assert failed == [False, True, False]


@pytest.mark.parametrize("ended_by", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_sweep_ends_its_run_and_goes_on(place, ended_by):
    (place.path / "wait").touch()
    command = [sys.executable, os.path.join(SCRIPTS, "sweep.py")]
    process = subprocess.Popen(
        command + place.command("--seeds=2"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # As in a terminal, wherever the tests are run.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    output = place.sweep_dir / "runs" / "rate0.001_batch8_epochs3_seed1" / "output.txt"
    deadline = time.time() + 60
    while not (output.exists() and "step 1" in output.read_text()):
        assert time.time() < deadline and process.poll() is None
        time.sleep(0.05)
    process.send_signal(ended_by)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    message = "ERROR: interrupted; rerun the same command to resume"
    assert errors.splitlines() == [message]
    assert len(place.calls()) == 1
    (place.path / "wait").unlink()
    assert place.sweep("--seeds=2") == 0
    assert place.calls() == ["1 0.001", "1 0.001", "2 0.001"]


# ---- What is kept ----


def kept(place):
    names = sorted(os.listdir(str(place.sweep_dir / "runs")))
    return [
        int(name[-1])
        for name in names
        if (place.sweep_dir / "runs" / name / "model.ckpt-3.index").exists()
    ]


@pytest.mark.parametrize(
    "keep, seeds", [("best", [3]), ("all", [1, 2, 3]), ("none", [])]
)
def test_checkpoints_that_are_kept(place, keep, seeds):
    assert place.sweep("--seeds=3", "--keep_checkpoints=" + keep) == 0
    assert kept(place) == seeds
    run = place.sweep_dir / "runs" / "rate0.001_batch8_epochs3_seed1"
    assert (run / "eval_results.json").exists() and (run / "output.txt").exists()
    assert (run / "train.tf_record").exists() is (1 in seeds)
    # What is kept stays the sweep's own choice when it goes on.
    assert place.sweep("--seeds=4") == 0
    assert kept(place) == {"best": [4], "all": [1, 2, 3, 4], "none": []}[keep]


def test_a_run_directory_of_someone_else_is_left_alone(place, capsys):
    run = place.sweep_dir / "runs" / "rate0.001_batch8_epochs3_seed2"
    assert place.sweep("--seeds=1") == 0
    run.mkdir()
    (run / "model.ckpt-3.index").touch()
    capsys.readouterr()
    assert place.sweep("--seeds=2") == 2
    assert "is no run of this sweep" in one_line(capsys)
    assert (run / "model.ckpt-3.index").exists()


# ---- What is refused ----


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--seeds=2", "--learning_rat=1"], "nearest is --learning_rate"),
        (["--seeds=2", "--learning_rate=x"], "--learning_rate=x: expected a number"),
        (["--seeds=2", "--batch_sizes=0"], "--train_batch_size=0"),
        (["--seeds=2", "--batch_sizes=8,8"], "a number twice"),
        (["--seeds=1,1"], "a number twice"),
        (["--seeds=x"], "--seeds=x: expected whole numbers"),
        (["--seeds=0"], "--seeds=0: a single number"),
        (["--seeds=2", "--epochs=,"], "--epochs=,: expected numbers"),
        (["--seeds=2", "--grid=paper", "--epochs=3"], "--grid=paper says --epochs"),
        (["--seeds=2", "--grid=papers"], "--grid: invalid choice"),
        (["--seeds=2", "--random_seed=1"], "--random_seed: give --seeds"),
        (["--seeds=2", "--output_dir=x"], "--output_dir: give --sweep_dir"),
        (["--seeds=2", "--check"], "--check=true: a sweep has no run that only checks"),
        (["--seeds=2", "--do_train=false"], "a sweep trains and evaluates"),
        (["--seeds=2", "--vocab_file=nowhere"], "--vocab_file=nowhere: no such file"),
        (
            ["--seeds=2", "--init_checkpoint=nowhere/bert_model.ckpt"],
            "nowhere/bert_model.ckpt: no checkpoint there",
        ),
        (["--seeds=2", "--data_dir=nowhere"], "--data_dir=nowhere is not a directory"),
        (["--seeds=2", "--script=nowhere.py"], "--script=nowhere.py: no such file"),
        ([], "--seeds"),
    ],
)
def test_wrong_arguments_are_refused_in_a_line(place, capsys, arguments, message):
    assert place.sweep(*arguments) == 2
    assert message in one_line(capsys)
    assert not place.sweep_dir.exists() and not place.calls()


def test_another_sweep_in_the_directory_is_refused(place, capsys):
    assert place.sweep("--seeds=1") == 0
    capsys.readouterr()
    assert place.sweep("--seeds=2", "--max_seq_length=12") == 2
    assert "with --max_seq_length=16, not --max_seq_length=12;" in one_line(capsys)
    assert len(place.calls()) == 1
    # The number of threads decides no score; rates and the like have their own names.
    assert place.sweep("--seeds=1", "--num_threads=1", "--learning_rates=1e-4") == 0


def test_settings_are_shown_as_flags(place, capsys):
    assert place.sweep("--seeds=1") == 0
    capsys.readouterr()
    assert place.sweep("--seeds=1", "--adam_bias_correction=true") == 2
    assert "sweep with --adam_bias_correction=false, not --adam" in one_line(capsys)
    assert place.sweep("--seeds=1", "--class_weights=balanced") == 2
    assert "no --class_weights, not --class_weights=balanced;" in one_line(capsys)


def test_a_command_whose_runs_all_failed_may_be_mended(place):
    (place.path / "fail-1").touch()
    (place.path / "no-checkpoint").touch()
    assert place.sweep("--seeds=1", "--max_seq_length=12") == 1
    (place.path / "fail-1").unlink()
    assert place.sweep("--seeds=1") == 0
    assert place.found()["fixed"]["max_seq_length"] == 16


def test_a_run_is_not_gone_on_with_under_other_settings(place, capsys):
    (place.path / "fail-1").touch()
    assert place.sweep("--seeds=1", "--max_seq_length=12") == 1
    capsys.readouterr()
    assert place.sweep("--seeds=1") == 2
    assert "--max_seq_length=12, not --max_seq_length=16;" in one_line(capsys)


def test_prediction_may_be_added_and_left_out(place):
    assert place.sweep("--seeds=1") == 0
    assert place.sweep("--seeds=2", "--do_predict=true") == 0
    assert place.sweep("--seeds=3") == 0
    assert len(place.calls()) == 3


def test_a_directory_with_other_things_is_refused(place, capsys):
    place.sweep_dir.mkdir()
    (place.sweep_dir / "thesis.txt").touch()
    assert place.sweep("--seeds=1") == 2
    assert "holds other things than a sweep" in one_line(capsys)
    assert os.listdir(str(place.sweep_dir)) == ["thesis.txt"]


def test_a_sweep_that_runs_has_its_directory_for_itself(place, capsys):
    assert place.sweep("--seeds=1") == 0
    capsys.readouterr()
    with open(str(place.sweep_dir / ".lock"), "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert place.sweep("--seeds=2") == 2
    assert "is still running there" in one_line(capsys)


# ---- The real command ----


def test_a_sweep_of_the_real_command(place):
    command = [sys.executable, os.path.join(SCRIPTS, "sweep.py")]
    command += place.command("--seeds=1,", "--epochs=1", script=False)
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == 0, done.stdout.decode()
    found = place.found()
    assert [run["results"]["global_step"] for run in found["runs"]] == [5]
    assert found["main_metrics"] == ["accuracy", "f1"]
    for run in found["runs"]:
        assert 0 <= run["results"]["eval_main_score"] <= 1
        result = corpus.read_json(
            str(place.sweep_dir / "runs" / run["name"] / "eval_results.json")
        )
        assert result["random_seed"] == 1
        assert result["settings"]["num_train_epochs"] == run["epochs"]
    assert len([d for d in _run_dirs(place) if "checkpoint" in os.listdir(d)]) == 1


def _run_dirs(place):
    runs = str(place.sweep_dir / "runs")
    return [os.path.join(runs, name) for name in os.listdir(runs)]


def test_a_picture_of_a_large_grid(place, tmp_path):
    runs, settings = [], []
    for index in range(18):
        name = "rate 5e-05, batch 16, epochs %d" % index
        settings.append({"setting": name})
        for seed in range(3):
            score = 0.8 + 0.01 * seed + 0.001 * index
            run = {"setting": name, "results": {"eval_main_score": score}}
            runs.append(dict(run, failed_to_train=seed == 0))
    found = {"task": "MRPC", "runs": runs, "settings": settings}
    path = tmp_path / "many.png"
    sweep_picture.draw(str(path), dict(found, majority_score=0.748))
    assert path.read_bytes()[:4] == b"\x89PNG"
