"""The whole page: what it says, what it may load, and how a browser shows it."""

import dataclasses
import hashlib
import json
import os
import re
import shutil

import numpy as np
import pytest

from finetuning.evaluation import training_history
from finetuning.report import (
    attention,
    attention_section,
    charts,
    facts,
    page,
    published,
)
from finetuning.report.facts import InputExample
from finetuning.utils.errors import InputError
from scripts import report
from tests.support import browser, corpus
from tests.support.running import succeed

HOSTILE = "<script>window.hacked = 1</script><img src=x onerror='window.hacked = 2'>"
NOTHING = attention.Request(count=0)


@pytest.fixture(scope="module")
def found(finished_run):
    return facts.collect(finished_run.directory)


def read(path):
    with open(str(path), encoding="utf-8") as file:
        return file.read()


def test_same_run_same_bytes(finished_run, tmp_path):
    """From the command, from the script, and elsewhere."""
    out = finished_run.copy(tmp_path)
    succeed([*finished_run.flags, "--do_eval", "--report", "--output_dir=" + out])
    first = read(os.path.join(out, "report.html"))
    assert report.main([out]) == 0
    assert read(os.path.join(out, "report.html")) == first
    assert report.main([out, "--output=%s" % (tmp_path / "other.html")]) == 0
    assert read(tmp_path / "other.html") == first


def test_figures_of_the_run_are_on_the_page(finished_run, found):
    text = page.render(found, NOTHING)
    results = corpus.read_json(
        os.path.join(finished_run.directory, "eval_results.json")
    )
    for name in ("eval_main_score", "eval_accuracy", "eval_f1", "eval_loss"):
        assert "<td>%.4f" % results["results"][name] in text
    assert "<td>%.4f" % results["majority_score"] in text
    matrix = re.findall(r"<td class='shade\d+(?: right)?'><b>(\d+)</b>", text)
    names = ("true_negatives", "false_positives", "false_negatives", "true_positives")
    assert list(map(int, matrix)) == [results["results"]["eval_" + n] for n in names]
    for warning in results["warnings"]:
        assert page.html.escape(warning) in text
    assert "BERT-Base" in text and "Devlin et al. 2018 (https://arxiv.org" in text
    targets = re.findall(r"(?:href|src)=['\"]?([^'\" >]*)", text)
    assert targets and all(t.startswith(("#", "data:")) for t in targets)


def test_regression_with_evaluations(evaluated_run):
    found = facts.collect(evaluated_run.directory)
    lines = read(os.path.join(evaluated_run.directory, "eval_predictions.tsv"))
    rows = [line.split("\t") for line in lines.splitlines()[1:]]
    np.testing.assert_array_equal(found.examples.predicted, [float(r[1]) for r in rows])
    np.testing.assert_array_equal(found.examples.gold, [float(r[2]) for r in rows])
    text = page.render(found, NOTHING)
    assert "%d (best)" % found.best in text
    assert "id=scatter" in text and "id=calibration" not in text
    dots = re.search(r"<path class=dots d='([^']*)'", text).group(1)
    assert dots.count("M") == len(rows) == 13


def test_curve_is_that_of_all_steps(finished_run, found):
    lines = read(os.path.join(finished_run.directory, "training_history.tsv"))
    rows = [list(map(float, line.split("\t"))) for line in lines.splitlines()[1:]]
    assert [row[0] for row in rows] == list(range(1, 16))
    assert [list(row) for row in found.curve] == rows


def with_texts(found, text):
    """The same facts with other texts and labels."""
    count = len(found.examples.ids)
    texts = tuple(InputExample("dev-%d" % n, text, text) for n in range(count))
    examples = dataclasses.replace(found.examples, texts=texts)
    results = dict(found.results, warnings=[text], device=text, task=text)
    labels = (text, "</title>" + text)
    return dataclasses.replace(
        found, examples=examples, results=results, labels=labels, notes=(text,)
    )


def test_texts_stay_texts(found):
    text = page.render(with_texts(found, HOSTILE), NOTHING)
    assert "<script>window" not in text and "<img src=x" not in text
    assert page.html.escape(HOSTILE) in text
    weights = np.full((1, 1, 3, 3), 1 / 3, np.float32)
    tokens = ("[CLS]", "</script><script>window.hacked = 3</script>", "[SEP]")
    example = InputExample("", HOSTILE, None)
    attended = attention.Attended(HOSTILE, HOSTILE, example, tokens, weights, 8)
    text = attention_section.section([attended])
    assert text.count("<script") == text.count("</script>") == 1
    (data,) = re.findall(r"<script type=application/json>(.*?)</script>", text)
    assert tuple(json.loads(data)["tokens"]) == tokens


def test_size_without_attention(found):
    """More steps, evaluations and examples than a page can show, and long texts."""
    rng, count = np.random.RandomState(0), 5000
    gold = rng.rand(count) * 5
    examples = facts.Examples(
        tuple(map(str, range(count))),
        gold,
        gold + rng.randn(count),
        np.zeros((count, 0)),
        (InputExample("", "long " * 2000, "text " * 2000),) * count,
        rng.randint(3, 512, count),
        np.zeros(count, bool),
    )
    steps = range(0, 100000, 10)
    curve = [training_history.Row(n, 1.0 / (n + 1), 1e-5 * n, n) for n in steps]
    row = {"training_loss": 0.123456789, "eval_loss": 0.2, "eval_main_score": 0.5}
    large = dataclasses.replace(
        found,
        labels=(),
        examples=examples,
        curve=curve,
        evaluations={n: dict(row) for n in range(5000)},
        best=77,
    )
    for change in ({}, {"labels": found.labels}):
        if change:
            gold = rng.randint(0, 2, count)
            first = rng.rand(count)
            change["examples"] = dataclasses.replace(
                examples,
                gold=gold,
                predicted=(first > 0.5).astype(int),
                probabilities=np.stack([1 - first, first], axis=1),
            )
        text = page.render(dataclasses.replace(large, **change), NOTHING)
        assert len(text.encode("utf-8")) < 150e3


def test_many_labels(found):
    rng, names = np.random.RandomState(0), tuple("label %d" % n for n in range(300))
    probabilities = rng.dirichlet(np.ones(300), 900)
    examples = facts.Examples(
        tuple(map(str, range(900))),
        rng.randint(0, 300, 900),
        probabilities.argmax(axis=1),
        probabilities,
    )
    many = dataclasses.replace(
        found, labels=names, examples=examples, model=None, notes=("x",)
    )
    text = page.render(many, NOTHING)
    assert "most frequent confusions of 300 labels" in text
    assert len(text.encode("utf-8")) < 150e3


def change_results(out, change):
    """Changes `eval_results.json` with a function of its content."""
    path = os.path.join(out, "eval_results.json")
    results = corpus.read_json(path)
    change(results)
    with open(path, "w", encoding="utf-8") as file:
        json.dump(results, file)


def test_data_and_weights_that_are_gone(finished_run, tmp_path, capsys, found):
    """The texts are those beside the predictions."""

    def forget(results):
        results["settings"]["data_dir"] = results["data_file"] = "gone"
        results["checkpoint"] = "elsewhere/model.ckpt-99"

    out = finished_run.copy(tmp_path)
    change_results(out, forget)
    assert report.main([out]) == 0
    text = read(os.path.join(out, "report.html"))
    assert "elsewhere/model.ckpt-99" in text and "Confusion matrix" in text
    assert facts.collect(out).examples.texts == found.examples.texts
    capsys.readouterr()
    assert report.main([out, "--pairs=1"]) == 2
    assert "no attention can be computed" in capsys.readouterr().err


def test_predictions_of_an_earlier_version_have_no_texts(finished_run, tmp_path):
    out = finished_run.copy(tmp_path)
    path = os.path.join(out, "eval_predictions.tsv")
    lines = [line.split("\t")[:6] for line in read(path).splitlines()]
    text = "".join("\t".join(cells) + "\n" for cells in lines)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    digest = hashlib.sha256(text.encode("utf-8")).hexdigest()
    change_results(
        out, lambda content: content["sha256"].update({"eval_predictions.tsv": digest})
    )
    assert report.main([out]) == 0
    text = read(os.path.join(out, "report.html"))
    assert "no texts and no lengths" in text and "Confusion matrix" in text


def test_a_directory_that_was_moved(finished_run, tmp_path):
    out = finished_run.copy(tmp_path)
    model = facts.collect(out).model
    assert os.path.dirname(model.contents.prefix) == out


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["RUN/eval"], "--do_eval=true --output_dir=RUN/eval"),
        (["RUN/none"], "no such directory"),
        (["RUN", "--pairs=1,,2"], "--pairs=1,,2"),
        (["RUN", "--pairs=1", "--text_a=x"], "--pairs and --text_a: pass one"),
        (["RUN", "--text_b=x"], "pass --text_a, too"),
        (["RUN", "--text_a=\udcff"], "--text_a=\\udcff is not UTF-8"),
        (["RUN", "--num_pairs=101"], "--num_pairs=101: expected 0 to 100"),
        (["RUN", "--output=RUN/run.log"], "is not a report; it was not changed"),
        (["RUN", "--output=RUN"], "is a directory, expected a file"),
        (["RUN", "--output=RUN/no/x.html"], "RUN/no/x.html"),
    ],
)
def test_errors_are_one_line(finished_run, capsys, arguments, message):
    run_dir = finished_run.directory
    status = report.main([text.replace("RUN", run_dir) for text in arguments])
    errors = capsys.readouterr().err
    assert status == 2 and errors.count("\n") == 1
    assert errors.startswith("ERROR: ") and message.replace("RUN", run_dir) in errors


@pytest.mark.parametrize(
    "name, change",
    [
        ("eval_predictions.tsv", lambda text: text.replace("yes", "no", 1)),
        ("eval_results.json", lambda text: text.replace('"labels"', '"label"')),
        ("eval_results.json", lambda text: text[:100]),
    ],
)
def test_damaged_files(finished_run, tmp_path, name, change):
    out = finished_run.copy(tmp_path)
    path = os.path.join(out, name)
    text = change(read(path))
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    with pytest.raises(InputError, match="evaluate again"):
        page.write(out)
    assert not os.path.exists(os.path.join(out, "report.html"))


@pytest.mark.parametrize("low, high", [(0, 1), (0, 343), (0.0, 5e-5), (-2.5, 0.1)])
def test_ticks_are_round_and_inside(low, high):
    ticks = charts.nice_ticks(low, high)
    assert 3 <= len(ticks) <= 7
    assert low <= ticks[0] and ticks[-1] <= high * (1 + 1e-9) + 1e-15
    assert all(len("%g" % tick) <= 7 for tick in ticks)


# In a browser


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    with browser.started(tmp_path_factory.mktemp("profile")) as started:
        yield started


@pytest.fixture(scope="module")
def hostile_page(found, tmp_path_factory):
    """A report of texts that would run, if they were not escaped."""
    path = str(tmp_path_factory.mktemp("report") / "report.html")
    with open(path, "w", encoding="utf-8") as file:
        file.write(page.render(with_texts(found, HOSTILE), attention.Request(count=2)))
    return path


VIEWS = "document.querySelectorAll('.head').length"


@pytest.mark.parametrize("width", [400, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_error_no_request_and_no_overflow(chromium, hostile_page, width, scheme):
    before = len(chromium.events)
    chromium.open(hostile_page, width, scheme)
    chromium.wait_until(VIEWS + " === 2")
    assert chromium.problems(before) == []
    requested = {url.split(":")[0] for url in chromium.requests(before)}
    assert requested == {"file", "data"}
    assert chromium.evaluate("window.hacked") is None
    assert chromium.evaluate("document.documentElement.scrollWidth") <= width
    colors = chromium.evaluate(
        "(s => [s.color, s.backgroundColor])(getComputedStyle(document.body))"
    )
    lightness = [sum(map(int, re.findall(r"\d+", color)[:3])) for color in colors]
    assert (lightness[0] < lightness[1]) == (scheme == "light")


def test_one_head_shows_the_weights_of_the_model(
    chromium, finished_run, found, tmp_path
):
    """By the keyboard, with and without [CLS] and [SEP]."""
    path = str(tmp_path / "report.html")
    request = attention.Request(ids=("5",))
    (attended,) = attention.compute(found, request)
    page.write(finished_run.directory, path, request)
    chromium.open(path)
    chromium.wait_until(VIEWS + " === 1")
    chromium.evaluate(
        "(([layer, head]) => { layer.value = 1; head.value = 0; "
        "layer.dispatchEvent(new Event('change')); })"
        "(document.querySelectorAll('.controls select'))"
    )
    chromium.evaluate("document.querySelector('.from li').focus()")
    for _ in range(2):
        chromium.press("ArrowDown")
    shown = chromium.evaluate(
        "[...document.querySelectorAll('.to li')].map("
        "li => parseFloat((li.querySelector('small') || {}).textContent || '0'))"
    )
    expected = 100 * attended.weights[1, 0, 2]
    assert len(shown) == len(attended.tokens)
    np.testing.assert_allclose(shown, expected, atol=1.1)  # Rounded to per cent.
    said = chromium.evaluate("document.querySelector('.said').textContent")
    word, percent = re.match(r"“(.*?)” attends most to \S+ (\S+) %", said).groups()
    assert word == attended.tokens[2]
    assert float(percent) == pytest.approx(expected.max(), abs=1.1)
    chromium.evaluate("document.querySelector('.controls input').click()")
    words = "[...document.querySelectorAll('.from li')].map(li => li.textContent)"
    without = [t for t in attended.tokens if t not in ("[CLS]", "[SEP]")]
    assert chromium.evaluate(words) == without


def test_lines_where_no_weight_is_large(chromium, found, tmp_path, monkeypatch):
    weights = np.full((1, 1, 30, 30), 0.91 / 29, np.float32)
    weights[..., 3] = 0.09
    tokens = tuple("word%d" % n for n in range(30))
    example = InputExample("", "A text.", None)
    attended = attention.Attended("One", "Right.", example, tokens, weights, 8)
    monkeypatch.setattr(attention, "compute", lambda *_: [attended])
    path = str(tmp_path / "report.html")
    with open(path, "w", encoding="utf-8") as file:
        file.write(page.render(found, attention.Request()))
    chromium.open(path)
    chromium.wait_until(VIEWS + " === 1")
    lines = "document.querySelectorAll('.head svg path').length"
    assert chromium.evaluate(lines) == 30


def test_readable_without_script(chromium, hostile_page, tmp_path):
    path = str(tmp_path / "report.html")
    shutil.copy(hostile_page, path)
    chromium.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        chromium.open(path)
    finally:
        chromium.call("Emulation.setScriptExecutionDisabled", value=False)
    assert chromium.evaluate(VIEWS) == 0
    assert chromium.evaluate("document.querySelector('.picture img').naturalWidth") > 0


def test_published_scores_of_the_dev_set_and_the_test_set():
    found = {
        (name, score): source for name, score, _, source in published.scores("MRPC")
    }
    assert found["BERT-Base", "88.9"].startswith("Devlin et al. 2018 (https://arxiv")
    assert ("reruns", "accuracy 84 to 88") in found
    assert not [cells for cells in found if " / " in cells[1]]
    assert published.scores("custom") == []


def test_the_weights_are_not_the_output_directory(evaluated_run):
    best = os.path.join(evaluated_run.directory, "best")
    with pytest.raises(
        InputError, match="pass .*directory, %s$" % evaluated_run.directory
    ):
        facts.collect(best)


def test_both_halves_of_a_dev_set(finished_run, tmp_path):
    """The ids of the second half say so, as they may be those of the first, too."""
    out = finished_run.copy(tmp_path)
    first = os.path.join(out, "eval_predictions.tsv")
    second = os.path.join(out, "eval_predictions_mismatched.tsv")
    shutil.copy(first, second)

    def add(results):
        digests = results["sha256"]
        digests[os.path.basename(second)] = digests[os.path.basename(first)]
        results["num_examples"] *= 2

    change_results(out, add)
    examples = facts.collect(out).examples
    half = len(examples.ids) // 2
    assert examples.ids[half:] == tuple("mismatched:" + i for i in examples.ids[:half])
    np.testing.assert_array_equal(examples.gold[half:], examples.gold[:half])
