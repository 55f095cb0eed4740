"""The scores page: what is kept of a run, how runs are compared, the page itself."""

import json
import math
import os
import sys

import pytest

from tests.support.paths import ROOT

sys.path.append(os.path.join(ROOT, "scripts"))

import scores_data
import scores_page
import scores_picture
import scores_text
import sweep_picture

from finetuning.data import tasks
from finetuning.utils.errors import InputError


def content(program=None, seed=1, score=0.8, precision="float32", task="MRPC"):
    """An eval_results.json as a dictionary."""
    found = {
        "task": task,
        "random_seed": seed,
        "settings": {
            "init_checkpoint": "/home/someone/models/tiny/bert_model.ckpt",
            "data_dir": "/home/someone/glue/MRPC",
            "max_seq_length": 128,
            "train_batch_size": 32,
            "learning_rate": 5e-5,
            "num_train_epochs": 3.0,
            "warmup_proportion": 0.1,
            "max_train_examples": None,
            "do_lower_case": True,
            "class_weights": None,
            "keep_best": False,
            "early_stop": 0,
            "precision": precision,
            "adam_bias_correction": program == scores_data.HUGGING_FACE,
        },
        "versions": {"tensorflow": "2.21.0", "python": "3.11.7", "numpy": "2.2.6"},
        "device": "CPU, 2 threads (TensorFlow 2.21.0)",
        "git_revision": "0123456789abcdef-dirty",
        "command": ["/home/someone/run_classifier.py"],
        "time": "2026-11-25T08:00:00+0000",
        "results": {
            "eval_main_score": score,
            "eval_accuracy": score - 0.02,
            "eval_f1": score + 0.02,
            "eval_loss": 0.5,
        },
        "main_metrics": ["accuracy", "f1"],
        "majority_score": 0.748,
        "predicted_one_class": False,
        "num_examples": sum(split.rows for split in tasks.find_task(task).dev),
    }
    if program:
        found["program"] = program
        del found["num_examples"]
    if program == scores_data.HUGGING_FACE:
        found["learning_rates"] = "the original's"
    return found


def write(folder, name, **values):
    (folder / name).mkdir(parents=True)
    path = folder / name / "eval_results.json"
    path.write_text(json.dumps(content(**values)))
    return str(path)


@pytest.fixture
def runs(tmp_path):
    """Runs of three programs below a folder."""
    place = tmp_path / "runs"
    for seed, score in ((1, 0.80), (2, 0.82), (3, 0.81)):
        write(place, "ours%d" % seed, seed=seed, score=score)
        hf = {"program": scores_data.HUGGING_FACE, "seed": seed, "score": score + 0.01}
        write(place, "hf%d" % seed, **hf)
        write(place, "hf-mixed%d" % seed, precision="mixed", **hf)
    original = {"program": scores_data.ORIGINAL, "seed": None, "score": 0.7}
    write(place, "original", **original)
    return place


@pytest.fixture
def docs(tmp_path):
    folder = tmp_path / "docs"
    (folder / "scores").mkdir(parents=True)
    published = {"title": "Elsewhere", "setting": "Large.", "source": "[a](http://b)"}
    published.update(columns=["encoder", "MRPC"], rows=[["Large", "89.3"]])
    path = folder / "scores" / "published.json"
    path.write_text(json.dumps([published]))
    return folder


def make(docs, *arguments):
    return scores_page.main(["--docs=%s" % docs, *arguments])


def test_what_is_kept_names_no_place(tmp_path):
    kept = scores_data.entry(write(tmp_path, "run"))
    assert kept["encoder"] == "tiny" and kept["seed"] == 1
    assert kept["program"] == scores_data.OURS
    assert kept["recipe"]["learning_rate"] == 5e-5
    assert kept["versions"] == {"tensorflow": "2.21.0", "python": "3.11.7"}
    assert "someone" not in json.dumps(kept)


def changed(tmp_path, change):
    """The path of a result that a function has changed."""
    path = write(tmp_path, "changed")
    found = content()
    change(found)
    with open(path, "w") as file:
        json.dump(found, file)
    return path


def test_a_later_evaluation_does_not_change_the_recipe(tmp_path):
    def evaluate_later(found):
        names = ("settings", "random_seed", "time", "git_revision", "versions")
        training = {name: found[name] for name in (*names, "device")}
        settings = dict(training["settings"], adam_bias_correction=True)
        found["training"] = dict(training, settings=dict(settings, precision="mixed"))
        later = {"init_checkpoint": None, "learning_rate": 1.0, "do_train": False}
        found["settings"] = dict(found["settings"], **later)
        found.update(random_seed=None, time="2027-01-01", git_revision="ffff")
        found.update(versions={"python": "3.7.1"}, device="GPU")

    kept = scores_data.entry(changed(tmp_path, evaluate_later))
    assert kept["recipe"]["learning_rate"] == 5e-5 and kept["encoder"] == "tiny"
    assert kept["precision"] == "mixed" and kept["adam_bias_correction"] is True
    assert (kept["seed"], kept["time"][:4]) == (1, "2026")
    assert kept["revision"].startswith("0123") and kept["device"].startswith("CPU")
    assert kept["versions"]["python"] == "3.11.7"


@pytest.mark.parametrize(
    "change, message",
    [
        ({"task": "custom"}, "task custom is none of GLUE's"),
        (
            {"num_examples": 277},
            "277 examples, and the development set of MRPC has 408",
        ),
        ({"task": "MNLI", "num_examples": 9815}, "of MNLI has 19647"),
        ({"program": "mine"}, "program 'mine', expected one of"),
        ({"settings": {"init_checkpoint": None}}, "training is not known"),
        (
            {"settings": {"init_checkpoint": "a/b.ckpt", "do_train": False}},
            "training is not known",
        ),
    ],
)
def test_what_cannot_be_compared_is_refused(tmp_path, change, message):
    path = changed(tmp_path, lambda found: found.update(change))
    with pytest.raises(InputError, match=message):
        scores_data.entry(path)


@pytest.mark.parametrize(
    "checkpoint", ["a/tiny/bert_model.ckpt", "a/tiny", "a/tiny/", "tiny/model.ckpt-343"]
)
def test_the_encoder_is_named_by_its_folder(tmp_path, checkpoint):
    def change(found):
        found["settings"]["init_checkpoint"] = checkpoint

    assert scores_data.entry(changed(tmp_path, change))["encoder"] == "tiny"


def test_adding_twice_keeps_one(docs, runs, capsys):
    assert make(docs, "--add=%s" % runs) == 0
    assert "10 new runs" in capsys.readouterr().out
    first = (docs / "SCORES.md").read_text()
    assert make(docs, "--add=%s" % runs) == 0
    assert "0 new runs" in capsys.readouterr().out
    assert (docs / "SCORES.md").read_text() == first
    assert sorted(os.listdir(str(docs / "scores"))) == ["mrpc.json", "published.json"]


def test_the_page_shows_spread_and_distance(docs, runs):
    assert make(docs, "--add=%s" % runs) == 0
    text = (docs / "SCORES.md").read_text()
    # Means 81.0 and 82.0, both with a deviation of 1.0.
    line = "| not corrected | 3 | 81.0 ± 1.0 | 82.0 ± 1.0 (corrected) | -1.00 | 70.0 |"
    assert line + " +11.00 |" in text
    ours = (
        "| this program (TensorFlow 2.21.0, Python 3.11.7) | float32 | not corrected "
    )
    assert ours + "| 3 | 81.0 ± 1.0 | 81.0 | 80.0 | 82.0 | 0 | 79.0 ± 1.0 " in text
    assert "80.0 (seed 1), 82.0 (seed 2), 81.0 (seed 3)" in text
    assert "70.0 (no seed)" in text and "revision 0123456789-dirty" in text
    # The original's score is below that of the commonest label.
    assert "| 1 | 70.0 | 70.0 | 70.0 | 70.0 | 1 |" in text
    assert "Always giving the commonest label: 74.8." in text
    assert "### Elsewhere" in text and "Large. Source: [a](http://b)." in text
    assert (docs / "scores.png").read_bytes()[:4] == b"\x89PNG"


def test_a_peer_of_the_same_type_is_preferred(runs):
    paths = [str(path) for path in sorted(runs.glob("*/eval_results.json"))]
    (group,) = scores_data.groups([scores_data.entry(path) for path in paths])
    ours = group.rows[0]
    assert ours.program == scores_data.OURS
    assert group.peer(ours, scores_data.HUGGING_FACE).precision == "float32"
    original = group.peer(ours, scores_data.ORIGINAL)
    # Of two and no degrees of freedom, the two make the pool.
    assert scores_data.distance(ours, original) == pytest.approx(11.0)
    assert math.isclose(ours.scores("eval_f1")["mean"], 83.0)


def test_both_types_together(tmp_path):
    """Where both programs ran in both, with the same Adam."""
    kept = []
    for index, (score, precision) in enumerate(
        [(0.84, "float32"), (0.80, "mixed"), (0.85, "float32"), (0.81, "mixed")]
    ):
        for program in (None, scores_data.HUGGING_FACE):
            name = "%d%s" % (index, program)
            path = write(
                tmp_path,
                name,
                program=program,
                seed=index,
                score=score if program is None else 0.825 + index / 100,
                precision=precision,
            )
            run = scores_data.entry(path)
            kept.append(dict(run, adam_bias_correction=True))
    (group,) = scores_data.groups(kept)
    ((ours, theirs),) = group.over_types()
    assert ours.scores()["n"] == theirs.scores()["n"] == 4
    assert ours.scores()["mean"] == pytest.approx(82.5)
    page = scores_text.page([group], [], "scores.png")
    (line,) = [line for line in page.splitlines() if "| both types |" in line]
    assert "| 4 | 82.5 ± 2.4 | 84.0 ± 1.3 | -0.78 | - | - |" in line
    (group,) = scores_data.groups([run for run in kept if run["precision"] == "mixed"])
    assert group.over_types() == []


def test_a_peer_with_the_same_adam_is_preferred(tmp_path):
    def corrected(found):
        found["settings"].update(adam_bias_correction=True, precision="mixed")

    hf = write(tmp_path, "hf", program=scores_data.HUGGING_FACE)
    paths = [hf, write(tmp_path, "plain"), changed(tmp_path, corrected)]
    (group,) = scores_data.groups([scores_data.entry(path) for path in paths])
    theirs = group.rows[-1]
    assert theirs.program == scores_data.HUGGING_FACE
    assert group.peer(theirs, scores_data.OURS).bias_correction
    text = scores_text.page([group], [], "scores.png")
    assert "| mixed | corrected | 1 | 80.0 | 80.0 (float32) |" in text.replace(
        "bfloat16", "mixed"
    )
    assert "| float32 | not corrected | 1 | 80.0 | 80.0 (corrected) |" in text


def test_rates_of_its_own_are_said(tmp_path):
    def own(found):
        found.update(program=scores_data.HUGGING_FACE)

    paths = [write(tmp_path, "plain"), changed(tmp_path, own)]
    (group,) = scores_data.groups([scores_data.entry(path) for path in paths])
    assert [row.own_rates for row in group.rows] == [False, True]
    text = scores_text.page([group], [], "scores.png")
    assert "80.0 (own rates) |" in text
    assert "), own rates | float32 |" in text
    like = write(tmp_path, "like", program=scores_data.HUGGING_FACE)
    entries = [scores_data.entry(path) for path in [*paths, like]]
    (group,) = scores_data.groups(entries)
    assert not group.peer(group.rows[0], scores_data.HUGGING_FACE).own_rates


def test_one_epoch_is_no_epochs(tmp_path):
    def one(found):
        found["settings"]["num_train_epochs"] = 1.0

    groups = scores_data.groups([scores_data.entry(changed(tmp_path, one))])
    assert "1 epoch, " in scores_text.page(groups, [], "scores.png")


@pytest.mark.parametrize("scores", [[80.0, 80.1], [99.9, 100.0], [0.0], [60.0, 90.0]])
def test_a_small_range_is_not_made_a_great_one(scores):
    pyplot = sweep_picture.load_pyplot()
    figure, axes = pyplot.subplots()
    sweep_picture.column(axes, 0, scores, "#000000")
    sweep_picture.widen(axes)
    low, high = axes.get_ylim()
    pyplot.close(figure)
    assert high - low >= 5 - 1e-9
    assert low <= min(scores) and max(scores) <= high <= 102


def test_another_recipe_is_another_group(tmp_path):
    first, second = content(), content()
    second["settings"]["num_train_epochs"] = 4.0
    kept = []
    for index, each in enumerate((first, second)):
        path = tmp_path / ("%d.json" % index)
        path.write_text(json.dumps(each))
        kept.append(scores_data.entry(str(path)))
    assert len(scores_data.groups(kept)) == 2


def test_a_page_without_runs(docs):
    assert make(docs) == 0
    text = (docs / "SCORES.md").read_text()
    assert "Nothing yet." in text and "scores.png" not in text
    assert "those above" not in text
    assert not (docs / "scores.png").exists()


@pytest.mark.parametrize("text", ["{}", "no JSON", '{"settings": {}}', "[]"])
def test_other_results_are_refused_in_a_line(docs, tmp_path, capsys, text):
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "eval_results.json").write_text(text)
    assert make(docs, "--add=%s" % (tmp_path / "odd")) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "is no result that this version writes" in line


def test_a_place_without_runs_is_refused(docs, tmp_path, capsys):
    assert make(docs, "--add=%s" % (tmp_path / "nowhere")) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "no eval_results.json below it" in line
    assert not (docs / "SCORES.md").exists()


def test_a_run_done_again_replaces_the_first(docs, tmp_path):
    write(tmp_path / "first", "run", score=0.8)
    path = write(tmp_path / "second", "run", score=0.9)
    later = dict(content(score=0.9), time="2026-11-26T08:00:00+0000")
    with open(path, "w") as file:
        json.dump(later, file)
    places = [str(tmp_path / name) for name in ("first", "second")]
    assert make(docs, "--add=" + places[0], "--add=" + places[1]) == 0
    (kept,) = scores_data.load(str(docs / "scores"))
    assert kept["results"]["eval_main_score"] == 0.9


# ---- What is in the project ----


def test_the_page_is_what_make_scores_writes():
    text, _ = scores_page.page(scores_page.DOCS)
    path = os.path.join(scores_page.DOCS, scores_page.PAGE)
    with open(path, encoding="utf-8") as file:
        assert file.read() == text, "make scores writes it anew"


def test_published_figures_have_their_source_and_setting():
    path = os.path.join(scores_page.DOCS, "scores", scores_data.PUBLISHED)
    with open(path, encoding="utf-8") as file:
        published = json.load(file)
    for found in published:
        assert "](https://" in found["source"] and found["setting"].endswith(".")
        for row in found["rows"]:
            assert len(row) == len(found["columns"])


@pytest.mark.parametrize(
    "majority, shown",
    [(70.0, "commonest label"), (0.0, "commonest label: 0.0")],
)
def test_a_line_far_below_all_dots_is_said_instead(majority, shown):
    """It would press the dots into one."""
    pyplot = sweep_picture.load_pyplot()
    figure, axes = pyplot.subplots()
    sweep_picture.column(axes, 0, [80.0, 84.0], "#000000")
    scores_picture._majority(axes, majority, 80.0, 84.0)
    assert axes.get_legend_handles_labels()[1] == [shown]
    assert (axes.get_ylim()[0] <= majority) == (shown == "commonest label")
    pyplot.close(figure)


def test_many_tasks_in_a_picture(tmp_path):
    kept = []
    names = ["CoLA", "MNLI", "MRPC", "RTE"]
    for index, name in enumerate(names):
        path = write(tmp_path, "run%d" % index, task=name)
        kept.append(scores_data.entry(path))
    groups = scores_data.groups(kept)
    assert [group.task for group in groups] == names
    scores_picture.draw(str(tmp_path / "scores.png"), groups)
    assert (tmp_path / "scores.png").read_bytes()[:4] == b"\x89PNG"
    assert "### RTE" in scores_text.page(groups, [], "scores.png")
