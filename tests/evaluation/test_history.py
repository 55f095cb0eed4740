"""The table of a training's evaluations, on disk and in memory."""

import pytest

from finetuning.evaluation.history import FILE, History, set_aside
from finetuning.utils.errors import InputError

TEXT = (
    "step\ttraining_loss\teval_main_score\n5\t0.7\t0.25\n10\t0.30000000000000004\t0.5\n"
)


def figures(score, loss=0.5):
    return {"training_loss": loss, "eval_main_score": score}


def history_of(directory, *scores):
    """A new one with evaluations at steps 10, 20, ..."""
    history = History(str(directory), resumed=False)
    for index, score in enumerate(scores):
        history.add(10 * (index + 1), figures(score))
    return history


def test_each_evaluation_is_written_at_once(tmp_path):
    history = History(str(tmp_path), resumed=False)
    assert not (tmp_path / FILE).exists()
    history.add(5, figures(0.25, 0.7))
    assert (tmp_path / FILE).read_text() == "".join(TEXT.splitlines(True)[:2])
    history.add(10, figures(0.5, 0.1 + 0.2))
    assert (tmp_path / FILE).read_text() == TEXT


def test_a_training_that_goes_on_reads_every_digit(tmp_path):
    (tmp_path / FILE).write_text(TEXT)
    history = History(str(tmp_path), resumed=True)
    assert (history.score(5), history.score(10)) == (0.25, 0.5)
    history.add(15, figures(1 / 3, 0.1))
    assert (tmp_path / FILE).read_text() == TEXT + "15\t0.1\t0.3333333333333333\n"
    assert History(str(tmp_path), resumed=True).score(15) == 1 / 3


def test_an_evaluation_of_the_same_step_takes_the_place_of_the_older(tmp_path):
    history = history_of(tmp_path, 0.5, 0.75)
    history.add(10, figures(0.9, 0.1))
    assert history.score(10) == 0.9
    assert (tmp_path / FILE).read_text().splitlines()[1:] == [
        "10\t0.1\t0.9",
        "20\t0.5\t0.75",
    ]


def test_steps_are_in_order_whatever_came_first(tmp_path):
    history = History(str(tmp_path), resumed=False)
    for step in (100, 9, 20):
        history.add(step, figures(0.5))
    lines = (tmp_path / FILE).read_text().splitlines()[1:]
    assert [line.split("\t")[0] for line in lines] == ["9", "20", "100"]


def test_scores_may_come_and_go(tmp_path):
    """A half of a development set may be missing when a training goes on."""
    history = History(str(tmp_path), resumed=False)
    history.add(5, dict(figures(0.25), eval_mismatched_accuracy=0.5))
    history.add(10, figures(0.5))
    text = (tmp_path / FILE).read_text()
    assert text.splitlines()[2] == "10\t0.5\t0.5\t"
    again = History(str(tmp_path), resumed=True)
    again.add(15, dict(figures(0.75), eval_f1=1.0))
    assert (tmp_path / FILE).read_text().splitlines() == [
        "step\ttraining_loss\teval_main_score\teval_mismatched_accuracy\teval_f1",
        "5\t0.5\t0.25\t0.5\t",
        "10\t0.5\t0.5\t\t",
        "15\t0.5\t0.75\t\t1.0",
    ]


def test_no_score_where_there_was_no_evaluation(tmp_path):
    history = history_of(tmp_path, 0.5)
    assert history.score(11) is None


@pytest.mark.parametrize(
    "scores, since",
    [
        ([], 0),
        ([0.5], 0),
        ([0.5, 0.6], 0),
        ([0.5, 0.4], 1),
        ([0.5, 0.4, 0.45], 2),
        ([0.5, 0.4, 0.6], 0),
        ([0.5, 0.5], 1),  # As good is no new best.
        ([0.5, 0.4, 0.5, 0.5], 3),
        ([-0.2, -0.1], 0),
    ],
)
def test_evaluations_since_the_best(tmp_path, scores, since):
    history = history_of(tmp_path, *scores)
    assert history.since_best(10 * max(len(scores), 1)) == since


def test_evaluations_after_a_step_do_not_count(tmp_path):
    """A training that goes on from an older checkpoint knows later ones."""
    history = history_of(tmp_path, 0.5, 0.4, 0.9)
    assert [history.since_best(step) for step in (9, 10, 25, 29, 30)] == [0, 0, 1, 1, 0]


def test_a_new_training_does_not_look_at_an_older_table(tmp_path):
    (tmp_path / FILE).write_text("damaged")
    history = History(str(tmp_path), resumed=False)
    assert history.since_best(99) == 0
    assert (tmp_path / FILE).read_text() == "damaged"
    history.add(3, figures(0.5))
    assert (tmp_path / FILE).read_text().splitlines()[1:] == ["3\t0.5\t0.5"]


def test_a_table_that_is_set_aside(tmp_path):
    assert set_aside(str(tmp_path), 20) is None
    history_of(tmp_path, 0.25, 0.5)
    text = (tmp_path / FILE).read_text()
    assert set_aside(str(tmp_path), 20) == str(tmp_path / "eval_history_until_20.tsv")
    assert (tmp_path / "eval_history_until_20.tsv").read_text() == text
    assert History(str(tmp_path), resumed=True).best(20) is None


def test_a_training_that_goes_on_without_a_table(tmp_path):
    history = History(str(tmp_path), resumed=True)
    assert history.score(1) is None
    assert history.since_best(1) == 0


@pytest.mark.parametrize(
    "text",
    [
        "",
        "step\teval_loss\n1\t0.5\n",
        "epoch\teval_main_score\n1\t0.5\n",
        "step\teval_main_score\n1\n",
        "step\teval_main_score\n1\t0.5\t0.5\n",
        "step\teval_main_score\none\t0.5\n",
        "step\teval_main_score\n1\thigh\n",
        "step\teval_main_score\n1\t0.5\n\n2\t0.5\n",
    ],
)
def test_damaged_table(tmp_path, text):
    path = tmp_path / FILE
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        History(str(tmp_path), resumed=True)
    assert str(caught.value) == (
        "%s is damaged, and with it the table of evaluations that this training goes "
        "on with; restore it, or remove it to begin a new one" % path
    )
    assert path.read_text() == text


def test_the_best_up_to_a_step(tmp_path):
    history = history_of(tmp_path, 0.5, 0.7, 0.7, 0.9)
    found = [history.best(step) for step in (9, 10, 20, 39, 40)]
    assert found == [None, 10, 20, 20, 40]


def test_counts_stay_whole_when_a_training_goes_on(tmp_path):
    history = History(str(tmp_path), resumed=False)
    history.add(1, {"eval_true_positives": 12, "eval_main_score": 1.0})
    before = (tmp_path / FILE).read_text()
    history = History(str(tmp_path), resumed=True)
    history.add(2, {"eval_true_positives": 3, "eval_main_score": 0.5})
    assert (tmp_path / FILE).read_text() == before + "2\t3\t0.5\n"
