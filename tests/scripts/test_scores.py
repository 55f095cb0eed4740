"""The scores page: what is kept of a run, how runs are compared, the page itself."""

import json
import math
import os
import pathlib
import tempfile

import pytest

from finetuning.data import tasks
from finetuning.utils import files
from finetuning.utils.errors import InputError
from scripts import scores_page
from scripts.scores import page, picture, runs
from scripts.sweeping import picture as sweep_picture


def content(program=None, seed=1, score=0.8, task="MRPC", **settings):
    """An eval_results.json as a dictionary."""
    result = {
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
            "precision": "float32",
            "adam_bias_correction": program == runs.HUGGING_FACE,
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
        "num_examples": sum(layout.rows for layout in tasks.find_task(task).dev),
    }
    result["settings"].update(settings)
    if program:
        result["program"] = program
        del result["num_examples"]
    if program == runs.HUGGING_FACE:
        result["learning_rates"] = "the original's"
    return result


def write(folder, name, result):
    (folder / name).mkdir(parents=True)
    path = folder / name / "eval_results.json"
    path.write_text(json.dumps(result))
    return str(path)


@pytest.fixture
def group(tmp_path):
    """A function from eval_results.json dictionaries to groups of runs."""

    def make(*results):
        folder = pathlib.Path(tempfile.mkdtemp(dir=str(tmp_path)))
        paths = [write(folder, str(i), result) for i, result in enumerate(results)]
        return runs.group([runs.read(path) for path in paths])

    return make


@pytest.fixture
def places(tmp_path):
    """A folder with runs of three programs."""
    folder = tmp_path / "runs"
    for seed, score in ((1, 0.80), (2, 0.82), (3, 0.81)):
        theirs = {"program": runs.HUGGING_FACE, "seed": seed, "score": score + 0.01}
        write(folder, "ours%d" % seed, content(seed=seed, score=score))
        write(folder, "hf%d" % seed, content(**theirs))
        write(folder, "hf-mixed%d" % seed, content(precision="mixed", **theirs))
    write(folder, "original", content(runs.ORIGINAL, seed=None, score=0.7))
    return folder


@pytest.fixture
def docs(tmp_path):
    folder = tmp_path / "docs"
    (folder / "scores").mkdir(parents=True)
    published = {"title": "Elsewhere", "setting": "Large.", "source": "[a](http://b)"}
    published.update(columns=["encoder", "MRPC"], rows=[["Large", "89.3"]])
    (folder / "scores" / "published.json").write_text(json.dumps([published]))
    (folder / "scores" / "introduction.md").write_text("# Scores\n")
    return folder


def make(docs, *arguments):
    return scores_page.main(["--docs=%s" % docs, *arguments])


# ---- What is kept of a run ----


def test_what_is_kept_names_no_path(tmp_path):
    kept = runs.read(write(tmp_path, "run", content()))
    assert kept["encoder"] == "tiny" and kept["seed"] == 1
    assert kept["program"] == runs.OURS
    assert kept["recipe"]["learning_rate"] == 5e-5
    assert kept["versions"] == {"tensorflow": "2.21.0", "python": "3.11.7"}
    assert "someone" not in json.dumps(kept)


def test_a_later_evaluation_does_not_change_the_recipe(tmp_path):
    training = content(precision="mixed", adam_bias_correction=True)
    later = content(seed=None, init_checkpoint=None, learning_rate=1.0, do_train=False)
    later.update(time="2027-01-01", git_revision="ffff", device="GPU")
    later.update(versions={"python": "3.7.1"}, training=training)
    expected = runs.read(write(tmp_path, "first", training))
    assert runs.read(write(tmp_path, "later", later)) == expected


@pytest.mark.parametrize(
    "change, message",
    [
        ({"task": "custom"}, "task custom is not part of GLUE"),
        ({"num_examples": 277}, "scored on 277 examples, .* MRPC has 408"),
        ({"task": "MNLI", "num_examples": 9815}, "of MNLI has 19647"),
        ({"program": "mine"}, "program 'mine' is unknown"),
        ({"settings": {"init_checkpoint": None}}, "training run is unknown"),
        (
            {"settings": {"init_checkpoint": "a/b.ckpt", "do_train": False}},
            "training run is unknown",
        ),
    ],
)
def test_scores_that_cannot_be_compared(tmp_path, change, message):
    path = write(tmp_path, "run", dict(content(), **change))
    with pytest.raises(InputError, match=message):
        runs.read(path)


@pytest.mark.parametrize(
    "checkpoint", ["a/tiny/bert_model.ckpt", "a/tiny", "a/tiny/", "tiny/model.ckpt-343"]
)
def test_the_encoder_is_named_by_its_folder(tmp_path, checkpoint):
    path = write(tmp_path, "run", content(init_checkpoint=checkpoint))
    assert runs.read(path)["encoder"] == "tiny"


@pytest.mark.parametrize("text", ["{}", "[]", "[" * 100000])
def test_a_file_that_is_no_result(docs, tmp_path, capsys, text):
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "eval_results.json").write_text(text)
    assert make(docs, "--add=%s" % (tmp_path / "odd")) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "eval_results.json is not " in line and line.endswith("; evaluate again")


@pytest.mark.parametrize(
    "change",
    [
        {"results": {"eval_main_score": "0.8"}},
        {"main_metrics": "accuracy"},
        {"versions": {"tensorflow": 2}},
        {"device": None},
        {"settings": {"init_checkpoint": "a", "learning_rate": "fast"}},
    ],
)
def test_a_result_edited_by_hand(docs, tmp_path, capsys, change):
    write(tmp_path, "odd", dict(content(), **change))
    assert make(docs, "--add=%s" % (tmp_path / "odd")) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "eval_results.json is not valid: " in line


@pytest.mark.parametrize(
    "name, text",
    [
        ("published.json", "{}"),
        ("mrpc.json", "[3]"),
        ("mrpc.json", "[{}]"),
        ("mrpc.json", "[" * 100000),
    ],
)
def test_damaged_files_of_the_page(docs, places, capsys, name, text):
    assert make(docs, "--add=%s" % places) == 0
    (docs / "scores" / name).write_text(text)
    capsys.readouterr()
    assert make(docs) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert name + " is not " in line and "restore it" in line


@pytest.mark.parametrize(
    "change", [{"data_sha256": "b" * 64, "data_files": ["b"]}, {"majority_score": 0.7}]
)
def test_runs_on_another_dev_set(docs, tmp_path, capsys, change):
    usual = dict(content(), data_sha256="a" * 64, data_files=["a"])
    write(tmp_path / "runs", "1", usual)
    write(tmp_path / "runs", "2", dict(content(seed=2), **change))
    assert make(docs, "--add=%s" % (tmp_path / "runs")) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "2/eval_results.json: scored on another dev set" in line
    assert not (docs / "scores" / "mrpc.json").exists()


def test_scores_that_are_nan(group):
    (rows,) = group(content(score=math.nan), content(seed=2, score=0.8))
    text = page.page("", [rows], [], "scores.png")
    assert "| 2 | 80.0 | 80.0 | 80.0 | 80.0 | 1 |" in text and "nan (seed 1)" in text
    (rows,) = group(content(score=math.nan, keep_best=True))
    assert "| 1 | - | - | - | - | 1 |" in page.page("", [rows], [], "scores.png")


def test_a_place_without_runs(docs, tmp_path, capsys):
    assert make(docs, "--add=%s" % (tmp_path / "nowhere")) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "no eval_results.json below it" in line
    assert not (docs / "SCORES.md").exists()


def test_a_rerun_replaces_the_first_run(docs, tmp_path):
    write(tmp_path / "first", "run", content(score=0.8))
    later = dict(content(score=0.9), time="2026-11-26T08:00:00+0000")
    write(tmp_path / "second", "run", later)
    places = ["--add=%s" % (tmp_path / name) for name in ("first", "second")]
    assert make(docs, *places) == 0
    (kept,) = runs.load(str(docs / "scores"))
    assert kept["results"]["eval_main_score"] == 0.9


# ---- How runs are compared ----


def test_the_page_shows_spread_and_distance(docs, places, capsys):
    assert make(docs, "--add=%s" % places) == 0
    assert "10 new runs" in capsys.readouterr().out
    text = (docs / "SCORES.md").read_text()
    # Means 81.0 and 82.0, both with a deviation of 1.0. The peer has the same type.
    line = "| not corrected | 3 | 81.0 ± 1.0 | 82.0 ± 1.0 (corrected) | -1.00 | 70.0 |"
    # Of two and no degrees of freedom, the two make the pool.
    assert line + " +11.00 |" in text
    ours = (
        "| this program (TensorFlow 2.21.0, Python 3.11.7) | float32 | not corrected "
    )
    assert ours + "| 3 | 81.0 ± 1.0 | 81.0 | 80.0 | 82.0 | 0 | 79.0 ± 1.0 " in text
    assert "80.0 (seed 1), 82.0 (seed 2), 81.0 (seed 3)" in text
    assert "70.0 (no seed)" in text and "revision 0123456789-dirty" in text
    # The original's score is below that of the majority class.
    assert "| 1 | 70.0 | 70.0 | 70.0 | 70.0 | 1 |" in text
    assert "### Elsewhere" in text and "Large. Source: [a](http://b)." in text
    assert (docs / "scores.png").read_bytes()[:4] == b"\x89PNG"
    # Adding the same runs again changes nothing.
    assert make(docs, "--add=%s" % places) == 0
    assert "0 new runs" in capsys.readouterr().out
    assert (docs / "SCORES.md").read_text() == text
    assert (docs / "scores" / "mrpc.json").exists()


def test_both_types_together(group):
    """Both programs ran in both types with the same Adam."""
    results = []
    for seed, precision in enumerate(["float32", "mixed"] * 2):
        shared = {"precision": precision, "adam_bias_correction": True, "seed": seed}
        results.append(content(score=(0.84, 0.80, 0.85, 0.81)[seed], **shared))
        results.append(content(runs.HUGGING_FACE, score=0.825 + seed / 100, **shared))
    (rows,) = group(*results)
    text = page.page("", [rows], [], "scores.png")
    (line,) = [line for line in text.splitlines() if "| both types |" in line]
    assert "| 4 | 82.5 ± 2.4 | 84.0 ± 1.3 | -0.78 | - | - |" in line
    mixed = [row for row in rows if row[0]["precision"] == "mixed"]
    assert runs.pairs_over_types(mixed) == []


def test_a_peer_with_the_same_adam_is_preferred(group):
    (rows,) = group(
        content(runs.HUGGING_FACE),
        content(),
        content(adam_bias_correction=True, precision="mixed"),
    )
    text = page.page("", [rows], [], "scores.png")
    assert runs.peer(rows[-1], rows, runs.OURS)[0]["adam_bias_correction"]
    assert "| bfloat16 | corrected | 1 | 80.0 | 80.0 (float32) |" in text
    assert "| float32 | not corrected | 1 | 80.0 | 80.0 (corrected) |" in text


def test_own_rates_are_named_and_compared_last(group):
    own_rates = content(runs.HUGGING_FACE, adam_bias_correction=False)
    del own_rates["learning_rates"]
    (rows,) = group(content(), own_rates)
    text = page.page("", [rows], [], "scores.png")
    assert "80.0 (own rates) |" in text
    assert "), own rates | float32 |" in text
    like = dict(own_rates, learning_rates="the original's", random_seed=2)
    kept = [run for row in rows for run in row] + [runs._run(like, like)]
    (rows,) = runs.group(kept)
    assert not runs.peer(rows[0], rows, runs.HUGGING_FACE)[0]["own_rates"]


@pytest.mark.parametrize(
    "change, shown",
    [
        ({"num_train_epochs": 1.0}, ", 1 epoch, "),
        ({"max_train_examples": 50, "do_lower_case": False}, "50 training examples, c"),
        ({"keep_best": True, "early_stop": 2}, ", --keep_best=true, --early_stop=2."),
    ],
)
def test_another_recipe_is_another_group(group, change, shown):
    groups = group(content(), content(**change))
    assert len(groups) == 2
    assert shown in page.page("", groups, [], "scores.png")


def test_a_page_without_runs(docs, capsys):
    assert make(docs) == 2
    assert "contains no runs" in capsys.readouterr().err


# ---- Pictures ----


@pytest.fixture
def axes():
    pyplot = sweep_picture.load_pyplot()
    figure, axes = pyplot.subplots()
    yield axes
    pyplot.close(figure)


@pytest.mark.parametrize("scores", [[80.0, 80.1], [99.9, 100.0], [0.0], [60.0, 90.0]])
def test_small_differences_look_small(axes, scores):
    columns = [("a", scores, [False] * len(scores), "#000000")]
    sweep_picture.draw_panel(axes, columns, max(scores))
    low, high = axes.get_ylim()
    assert high - low >= 5 - 1e-9
    assert low <= min(scores) and max(scores) <= high <= 102


@pytest.mark.parametrize("baseline, is_drawn", [(70.0, True), (0.0, False)])
def test_a_baseline_far_below_all_dots_is_not_drawn(axes, baseline, is_drawn):
    columns = [("a", [80.0, 84.0], [False] * 2, "#000000")]
    sweep_picture.draw_panel(axes, columns, baseline)
    (label,) = axes.get_legend_handles_labels()[1]
    assert ("0.0" in label) != is_drawn
    assert (axes.get_ylim()[0] <= baseline) == is_drawn


def test_many_tasks_in_a_picture(group, tmp_path):
    names = ["CoLA", "MNLI", "MRPC", "RTE"]
    groups = group(*(content(task=name) for name in names))
    assert [rows[0][0]["task"] for rows in groups] == names
    picture.draw(str(tmp_path / "scores.png"), groups)
    assert (tmp_path / "scores.png").read_bytes()[:4] == b"\x89PNG"


# ---- What is in the project ----


def test_the_page_is_what_make_scores_writes():
    text, _ = scores_page.make(scores_page.DOCS)
    path = os.path.join(scores_page.DOCS, scores_page.PAGE)
    with open(path, encoding="utf-8") as file:
        assert file.read() == text, "run make scores"


def test_published_figures_have_their_source_and_setting():
    path = os.path.join(scores_page.DOCS, "scores", runs.PUBLISHED)
    for table in json.loads(files.read_text(path)):
        assert "](https://" in table["source"] and table["setting"].endswith(".")
        assert {len(row) for row in table["rows"]} == {len(table["columns"])}
