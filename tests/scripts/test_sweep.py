"""The sweep: what it runs, skips, resumes, keeps and refuses, and what it reports."""

import fcntl
import json
import math
import os
import signal
import subprocess
import sys
import time

import pytest

from scripts import sweep
from scripts.sweeping import picture, process, summary
from tests.support import corpus
from tests.support.paths import ROOT

PROGRAM = os.path.join(ROOT, "scripts", "sweep.py")
RUN1 = "rate0.001_batch8_epochs3_seed1"


class Place:
    """A folder with a task's files, and runs that are played by a function."""

    def __init__(self, path):
        self.path = path
        self.sweep_dir = path / "sweep"
        self.calls = []  # Seed and rate of each run.
        self.failing = set()  # Seeds.
        self.writes_checkpoint = self.writes_result = True
        self.while_running = lambda: None
        self.extra = {}  # Further entries of each eval_results.json.
        self.scores = {}  # Seed -> main score, if not the usual one.
        for name in ("data/train.tsv", "data/dev.tsv", "data/test.tsv", "vocab.txt"):
            (path / name).parent.mkdir(exist_ok=True)
            (path / name).write_text("index\t#1 ID\t#2 ID\t#1 String\t#2 String\n")
        for name in ("bert_config.json", "bert_model.ckpt.index", "stand_in.py"):
            (path / name).touch()

    def command(self, *arguments):
        return [
            "--sweep_dir=%s" % self.sweep_dir,
            "--script=%s" % (self.path / "stand_in.py"),
            "--task_name=mrpc",
            "--data_dir=%s" % (self.path / "data"),
            "--vocab_file=%s" % (self.path / "vocab.txt"),
            "--bert_config_file=%s" % (self.path / "bert_config.json"),
            "--init_checkpoint=%s" % (self.path / "bert_model.ckpt"),
            "--max_seq_length=16",
            "--train_batch_size=8",
            "--learning_rate=1e-3",
            *arguments,
        ]

    def sweep(self, *arguments):
        return sweep.main(self.command(*arguments))

    def execute(self, command, output, lock):
        """Takes the place of `process.execute`: the score depends on seed and rate."""
        flags = dict(argument[2:].split("=", 1) for argument in command[2:])
        assert flags["do_train"] == flags["do_eval"] == "true" and lock
        seed, rate = int(flags["random_seed"]), float(flags["learning_rate"])
        self.calls.append((seed, rate))
        self.while_running()
        names = ["train.tf_record", os.path.basename(output)]
        if self.writes_checkpoint:
            names += ["model.ckpt-3.index", "checkpoint"]
        for name in names:
            open(os.path.join(flags["output_dir"], name), "w").close()
        if seed in self.failing:
            return "no luck with seed %d" % seed
        if self.writes_result:
            score = self.scores.get(seed, 0.7 + seed / 100.0 + 100 * rate)
            path = os.path.join(flags["output_dir"], "eval_results.json")
            with open(path, "w") as file:
                json.dump(dict(result(score), **self.extra), file)
        return None

    def found(self):
        return json.loads((self.sweep_dir / "sweep.json").read_text())

    def kept(self):
        """The seeds of the runs that still have a checkpoint."""
        runs = (self.sweep_dir / "runs").glob("*/model.ckpt-3.index")
        return sorted(int(path.parent.name[-1]) for path in runs)


def result(score, one_class=False):
    """An eval_results.json as a dictionary."""
    scores = {"main_score": score, "accuracy": score - 0.01, "f1": score + 0.01}
    scores = {"eval_" + name: value for name, value in scores.items()}
    return {
        "task": "MRPC",
        "main_metrics": ["accuracy", "f1"],
        "results": dict(scores, eval_loss=0.5, loss=0.5, global_step=3),
        "majority_score": 0.748,
        "predicted_one_class": one_class,
    }


@pytest.fixture
def place(tmp_path, monkeypatch):
    place = Place(tmp_path)
    monkeypatch.setattr(process, "execute", place.execute)
    return place


@pytest.fixture
def refused(place, capsys):
    """A function that runs a sweep and returns the one line that refuses it."""

    def run(*arguments):
        capsys.readouterr()
        assert place.sweep(*arguments) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("ERROR: ")
        return line

    return run


# ---- Statistics ----


def test_summary_by_hand():
    scores = summary.summarize([0.5, 0.7, 0.9, 0.5])
    # Deviations from the mean: -0.15, 0.05, 0.25, -0.15; their squares add up to 0.11.
    expected = {"n": 4, "mean": 0.65, "sd": math.sqrt(0.11 / 3), "median": 0.6}
    assert scores == pytest.approx(dict(expected, min=0.5, max=0.9))


def test_distance_by_hand():
    first, second = summary.summarize([1.0, 3.0]), summary.summarize([4.0, 5.0, 6.0])
    # Squared deviations 1 + 1 and 1 + 0 + 1, divided by 2 + 3 - 2.
    expected = pytest.approx(-3 / math.sqrt(4 / 3))
    assert summary.distance(first, second) == expected


@pytest.mark.parametrize(
    "first, second, expected",
    [([2.0], [1.0, 3.0], 0.0), ([1.0], [1.0], None), ([2.0, 2.0], [3.0, 3.0], None)],
)
def test_distance_of_samples_without_spread(first, second, expected):
    assert summary.summarize([1.0])["sd"] is None
    first, second = summary.summarize(first), summary.summarize(second)
    assert summary.distance(first, second) == expected


@pytest.mark.parametrize(
    "score, one_class, failed",
    [(0.8, False, False), (0.8, True, True), (0.748, False, True), (0.7, False, True)],
)
def test_failed_to_train(score, one_class, failed):
    assert summary.failed_to_train(result(score, one_class)) is failed


# ---- Which runs, and their report ----


def test_every_setting_runs_with_every_seed(place, capsys):
    assert place.sweep("--seeds=2", "--learning_rates=1e-3,1e-4") == 0
    assert place.calls == [(1, 0.001), (2, 0.001), (1, 0.0001), (2, 0.0001)]
    found = place.found()
    assert [run["seed"] for run in found["runs"]] == [1, 2, 1, 2]
    high, low = found["settings"]
    assert high["scores"]["eval_main_score"]["mean"] == pytest.approx(0.815)
    assert high["scores"]["eval_main_score"]["sd"] == pytest.approx(math.sqrt(5e-5))
    assert low["scores"]["eval_f1"]["max"] == pytest.approx(0.74)
    # The runs at the low rate are no better than the majority class.
    assert (high["failed_to_train"], low["failed_to_train"]) == (0, 2)
    text = (place.sweep_dir / "sweep.txt").read_text()
    shown = capsys.readouterr().out
    assert all(line in shown for line in text.splitlines())
    assert "run 4 of 4" in shown and " left" in shown
    assert "Majority-class baseline: 0.7480" in text
    assert text.count("FAILED TO TRAIN") == 2
    words = " ".join(text.split())
    assert "batch 8, epochs 3 main 2 0.8150 0.0071 0.8150 0.8100 0.8200 0 rate" in words
    assert (place.sweep_dir / "sweep.png").read_bytes()[:4] == b"\x89PNG"


def plan(place, *arguments):
    return sweep.plan(*sweep.parse(place.command(*arguments))).points


def test_the_grid_of_the_paper(place):
    points = plan(place, "--seeds=1", "--grid=paper")
    settings = {(p.batch_size, p.learning_rate, p.epochs) for p in points}
    assert len(points) == len(settings) == 18
    assert {size for size, _, _ in settings} == {16, 32}
    assert {rate for _, rate, _ in settings} == {5e-5, 3e-5, 2e-5}
    assert {epochs for _, _, epochs in settings} == {2, 3, 4}


@pytest.mark.parametrize(
    "given, seeds", [("3", [1, 2, 3]), ("7,3", [7, 3]), ("5,", [5])]
)
def test_seeds(place, given, seeds):
    assert [point.seed for point in plan(place, "--seeds=" + given)] == seeds


def test_finished_runs_are_skipped_and_seeds_may_be_added(place, capsys):
    assert place.sweep("--seeds=1") == 0
    assert place.sweep("--seeds=2", "--do_predict=true") == 0
    assert "Skipping 1 runs" in capsys.readouterr().out
    assert place.sweep("--seeds=2") == 0
    assert place.calls == [(1, 0.001), (2, 0.001)]
    assert len(place.found()["runs"]) == 2


def test_a_failed_run_does_not_stop_the_others_and_is_tried_again(place, capsys):
    place.failing = {2}
    assert place.sweep("--seeds=3") == 1
    errors = capsys.readouterr().err.splitlines()
    assert errors[0] == "ERROR: run 2 of 3 failed: no luck with seed 2"
    assert "1 of 3 runs failed" in errors[-1]
    assert [run["seed"] for run in place.found()["runs"]] == [1, 3]
    assert place.found()["planned"] == 3
    place.failing = set()
    assert place.sweep("--seeds=3") == 0
    assert [seed for seed, _ in place.calls] == [1, 2, 3, 2]


@pytest.mark.parametrize(
    "content, message",
    [(None, "no eval_results.json was written"), ("{}", "'results' is missing")],
)
def test_a_run_without_a_result_has_failed(place, capsys, content, message):
    place.writes_result = False
    if content is not None:
        run = place.sweep_dir / "runs" / RUN1
        run.mkdir(parents=True)
        (run / "eval_results.json").write_text(content)
        (run / "sweep_run.json").write_text('{"seconds": 1.0}')
        (place.sweep_dir / "sweep_settings.json").write_text('{"fixed": {}}')
    assert place.sweep("--seeds=1") == 1
    assert message in capsys.readouterr().err
    assert (place.sweep_dir / "sweep.txt").read_text() == "No run has finished\n"


def test_a_picture_of_a_large_grid(tmp_path):
    settings = ["rate 5e-05, batch 16, epochs %d" % index for index in range(18)]
    runs = [
        {"setting": name, "results": {"eval_main_score": 0.8}, "failed_to_train": True}
        for name in settings
    ]
    collected = {"task": "MRPC", "runs": runs, "majority_score": 0.748}
    collected["settings"] = [{"setting": name} for name in settings]
    runs[0]["results"]["eval_main_score"] = math.nan
    path = tmp_path / "many.png"
    picture.draw(str(path), collected)
    assert path.read_bytes()[:4] == b"\x89PNG"


# ---- What is kept ----


@pytest.mark.parametrize(
    "keep, seeds, later",
    [("best", [3], [4]), ("all", [1, 2, 3], [1, 2, 3, 4]), ("none", [], [])],
)
def test_checkpoints_that_are_kept(place, keep, seeds, later):
    assert place.sweep("--seeds=3", "--keep_checkpoints=" + keep) == 0
    assert place.kept() == seeds
    run = place.sweep_dir / "runs" / RUN1
    assert (run / "eval_results.json").exists() and (run / "output.txt").exists()
    assert (run / "train.tf_record").exists() is (1 in seeds)
    # A resumed sweep remembers the choice.
    assert place.sweep("--seeds=4") == 0
    assert place.kept() == later


def test_files_that_are_not_the_sweeps_are_left_alone(place, refused):
    assert place.sweep("--seeds=1") == 0
    run = place.sweep_dir / "runs" / RUN1.replace("seed1", "seed2")
    run.mkdir()
    (run / "model.ckpt-3.index").touch()
    assert "seed2 was not made by this sweep" in refused("--seeds=2")
    assert (run / "model.ckpt-3.index").exists()


# ---- What is refused ----


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--learning_rat=1"], "did you mean --learning_rate"),
        (["--learning_rate=x"], "--learning_rate=x: expected a number"),
        (["--batch_sizes=0"], "--train_batch_size=0"),
        (["--batch_sizes=8,8"], "repeats a number"),
        (["--seeds=1,1"], "repeats a number"),
        (["--seeds=x"], "--seeds=x: expected comma-separated integers"),
        (["--seeds=0"], "--seeds=0: a single number"),
        (["--epochs=,"], "--epochs=,: expected comma-separated numbers"),
        (["--grid=paper", "--epochs=3"], "--grid=paper already sets --epochs"),
        (["--grid=papers"], "--grid: invalid choice"),
        (["--random_seed=1"], "--random_seed: use --seeds"),
        (["--output_dir=x"], "--output_dir: use --sweep_dir"),
        (["--check"], "--check=true"),
        (["--do_train=false"], "a sweep trains and evaluates"),
        (["--vocab_file=nowhere"], "--vocab_file=nowhere: no such file"),
        (["--init_checkpoint=a/b.ckpt"], "a/b.ckpt: no checkpoint found"),
        (["--data_dir=nowhere"], "--data_dir=nowhere: no such directory"),
        (["--script=nowhere.py"], "--script=nowhere.py: no such file"),
        (["--sweep_dir=" + PROGRAM], "is a file, expected a directory"),
        (["--sweep_dir=$OUT/sweep"], "--sweep_dir=$OUT/sweep: $OUT was not"),
    ],
)
def test_invalid_arguments(place, refused, arguments, message):
    assert message in refused("--seeds=2", *arguments)
    assert not place.sweep_dir.exists() and not place.calls


def test_seeds_are_required(refused):
    assert "--seeds" in refused()


@pytest.mark.parametrize(
    "change, message",
    [
        ("--max_seq_length=12", "--max_seq_length=16 instead of --max_seq_length=12"),
        ("--adam_bias_correction=true", "with --adam_bias_correction=false instead of"),
        ("--class_weights=balanced", "no --class_weights instead of --class_weights="),
        ("--eval_each_epoch=true", "--eval_each_epoch=false instead of --eval_each_ep"),
    ],
)
def test_a_trained_sweep_with_other_settings(place, refused, change, message):
    assert place.sweep("--seeds=1") == 0
    assert message in refused("--seeds=2", change)
    assert len(place.calls) == 1


def test_flags_that_affect_no_score_may_change(place):
    assert place.sweep("--seeds=1") == 0
    assert place.sweep("--seeds=1", "--num_threads=1", "--learning_rates=1e-4") == 0


INPUTS = [
    ("data/dev.tsv", "content of the dev set: "),
    ("data/train.tsv", "content of the training set: "),
    ("vocab.txt", "content of the --vocab_file: "),
    ("bert_config.json", "content of the --bert_config_file: "),
    ("bert_model.ckpt.index", "content of the --init_checkpoint: "),
]


@pytest.mark.parametrize("name, message", INPUTS)
def test_a_trained_sweep_with_a_changed_file(place, refused, name, message):
    assert place.sweep("--seeds=1") == 0
    saved = (place.sweep_dir / "sweep_settings.json").read_bytes()
    path = place.path / name
    path.write_text(path.read_text() + "more\n")
    line = refused("--seeds=2")
    assert message + str(path) in line and "restore them, or use another" in line
    assert (place.sweep_dir / "sweep_settings.json").read_bytes() == saved
    assert len(place.calls) == 1
    assert place.sweep("--seeds=2", "--sweep_dir=%s" % (place.path / "other")) == 0


def test_a_trained_sweep_with_moved_files(place):
    assert place.sweep("--seeds=1") == 0
    (place.path / "data").rename(place.path / "moved")
    assert place.sweep("--seeds=2", "--data_dir=%s" % (place.path / "moved")) == 0
    assert len(place.found()["runs"]) == 2


def test_a_trained_sweep_that_gets_an_initial_checkpoint(place, refused):
    command = place.command("--seeds=1")
    assert sweep.main([a for a in command if "init_checkpoint" not in a]) == 0
    assert "--init_checkpoint: not given -> " in refused("--seeds=2")


def test_a_file_that_changes_while_a_run_reads_it(place, capsys):
    dev = place.path / "data" / "dev.tsv"
    before = dev.read_text()
    place.while_running = lambda: dev.write_text(before + "more\n")
    assert place.sweep("--seeds=2") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert RUN1 + " was made from other files (content of the dev set" in line
    state = place.sweep_dir / "runs" / RUN1 / "sweep_run.json"
    assert not json.loads(state.read_text())["finished"]
    place.while_running = lambda: None
    dev.write_text(before)
    assert place.sweep("--seeds=2") == 0
    assert [seed for seed, _ in place.calls] == [1, 1, 2]


def test_a_finished_run_that_was_evaluated_again_on_other_data(place, refused):
    assert place.sweep("--seeds=1") == 0
    path = place.sweep_dir / "runs" / RUN1 / "eval_results.json"
    again = dict(result(0.9), data_files=["mine.tsv"], data_sha256="0" * 64)
    path.write_text(json.dumps(again))
    line = refused("--seeds=2")
    assert RUN1 + " was made from other files" in line and "mine.tsv" in line
    trained = {"training set": {"path": "mine.tsv", "sha256": "0" * 64}}
    again = dict(result(0.9), training={"fingerprints": trained})
    path.write_text(json.dumps(again))
    assert "content of the training set: mine.tsv" in refused("--seeds=2")


def test_runs_of_different_versions_are_reported(place):
    place.extra = {"git_revision": "a" * 40, "versions": {"tensorflow": "1.14.0"}}
    assert place.sweep("--seeds=2") == 0
    assert "WARNING" not in (place.sweep_dir / "sweep.txt").read_text()
    place.extra = {"git_revision": "b" * 40, "versions": {"tensorflow": "2.21.0"}}
    assert place.sweep("--seeds=3") == 0
    text = (place.sweep_dir / "sweep.txt").read_text()
    assert "tensorflow 1.14.0 and 2.21.0" in text
    assert "git revision aaa" in text and "WARNING: these runs were not made" in text


def test_a_score_that_is_nan_counts_for_nothing(place):
    place.scores = {1: math.nan, 2: 0.8, 3: math.nan}
    assert place.sweep("--seeds=3") == 0
    assert place.kept() == [2]
    (setting,) = place.found()["settings"]
    assert setting["scores"]["eval_main_score"]["n"] == 1
    assert setting["scores"]["eval_main_score"]["mean"] == 0.8
    assert setting["failed_to_train"] == 2
    text = (place.sweep_dir / "sweep.txt").read_text()
    assert "WARNING: 2 of 3 runs have NaN as their main score" in text


def test_a_sweep_whose_scores_are_all_nan(place):
    place.scores = {1: math.nan, 2: math.nan}
    assert place.sweep("--seeds=2") == 0
    assert place.kept() == [1, 2]  # None is the best.


DAMAGED = ["[" * 100000, "", "[]", "{}", '{"seconds": NaN}', '{"results": 3}']


@pytest.mark.parametrize("content", DAMAGED)
@pytest.mark.parametrize(
    "name",
    ["sweep_settings.json", RUN1 + "/sweep_run.json", RUN1 + "/eval_results.json"],
)
def test_files_of_a_sweep_that_are_damaged(place, refused, name, content):
    assert place.sweep("--seeds=1") == 0
    folder = place.sweep_dir / ("runs" if "/" in name else "")
    (folder / name).write_text(content)
    line = refused("--seeds=2")
    assert str(folder / name) + " is not " in line
    assert "; remove %s to" % (folder / RUN1) in line or "another --sweep_dir" in line
    assert len(place.calls) == 1


@pytest.mark.parametrize("writes_checkpoint", [True, False])
def test_settings_may_change_until_a_run_has_trained(place, refused, writes_checkpoint):
    place.failing, place.writes_checkpoint = {1}, writes_checkpoint
    assert place.sweep("--seeds=1", "--max_seq_length=12") == 1
    place.failing = set()
    if writes_checkpoint:
        assert "--max_seq_length=12 instead of --max_seq" in refused("--seeds=1")
    else:
        assert place.sweep("--seeds=1") == 0
        assert place.found()["fixed"]["max_seq_length"] == 16


@pytest.mark.parametrize(
    "name, message",
    [
        ("thesis.txt", "contains files that are not from a sweep"),
        ("sweep_settings.json", "sweep_settings.json is not JSON"),
    ],
)
def test_directories_that_are_refused(place, refused, name, message):
    place.sweep_dir.mkdir()
    (place.sweep_dir / name).touch()
    assert message in refused("--seeds=1")
    assert os.listdir(str(place.sweep_dir)) == [name]


def test_only_one_sweep_at_a_time_runs_in_a_directory(place, refused):
    assert place.sweep("--seeds=1") == 0
    with open(str(place.sweep_dir / ".lock"), "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert "is still running there" in refused("--seeds=2")


# ---- Processes ----


@pytest.mark.parametrize(
    "program, error",
    [
        ("print('fine')", None),
        ("print('ERROR: bad seed'); print('bye'); exit(1)", "bad seed"),
        ("print('Traceback'); print('oops'); exit(1)", "oops"),
        ("exit(3)", "no output"),
        ("import os; os.kill(os.getpid(), 9)", "killed by signal 9 (out of memory?)"),
    ],
)
def test_a_process_and_its_error(tmp_path, program, error):
    output = tmp_path / "output.txt"
    output.write_text("before\n")
    found = process.execute([sys.executable, "-c", program], str(output), None)
    assert found is None if error is None else found.startswith(error)
    assert output.read_text().startswith("before\n")
    assert "fine" in output.read_text() or error


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_an_interrupted_sweep_stops_its_run(place, number):
    stand_in = place.path / "stand_in.py"
    stand_in.write_text(
        "import time\nprint('step 1', flush=True)\n"
        "try: time.sleep(60)\nexcept KeyboardInterrupt: print('saved')\n"
    )
    sweeping = subprocess.Popen(
        [sys.executable, PROGRAM, *place.command("--seeds=2")],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    output = place.sweep_dir / "runs" / RUN1 / "output.txt"
    deadline = time.time() + 60
    while not (output.exists() and "step 1" in output.read_text()):
        assert time.time() < deadline and sweeping.poll() is None
        time.sleep(0.05)
    sweeping.send_signal(number)
    _, errors = sweeping.communicate(timeout=60)
    assert sweeping.returncode == 130
    assert errors == "ERROR: interrupted; rerun the same command to resume\n"
    state = json.loads((output.parent / "sweep_run.json").read_text())
    assert state["error"] == "interrupted" and not state["finished"]
    assert place.sweep("--seeds=2") == 0
    assert [seed for seed, _ in place.calls] == [1, 2]


@pytest.mark.slow
def test_a_sweep_of_the_real_command(tmp_path):
    flags = corpus.write(str(tmp_path))
    flags = [flag for flag in flags if "random_seed" not in flag]
    sweep_dir = tmp_path / "sweep"
    own = ["--sweep_dir=%s" % sweep_dir, "--seeds=1,", "--epochs=1"]
    assert sweep.main(own + flags) == 0
    found = json.loads((sweep_dir / "sweep.json").read_text())
    (run,) = found["runs"]
    assert run["results"]["global_step"] == 5
    assert found["main_metrics"] == ["accuracy", "f1"]
    directory = sweep_dir / "runs" / run["name"]
    content = json.loads((directory / "eval_results.json").read_text())
    assert content["random_seed"] == 1
    assert content["settings"]["num_train_epochs"] == 1
    assert (directory / "checkpoint").exists()
