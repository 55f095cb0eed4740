"""The table of the evaluations during training, on disk and in memory."""

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


def lines(directory):
    return (directory / FILE).read_text().splitlines()


def test_each_evaluation_is_written_at_once(tmp_path):
    history = History(str(tmp_path), resumed=False)
    assert not (tmp_path / FILE).exists()
    history.add(5, figures(0.25, 0.7))
    assert (tmp_path / FILE).read_text() == "".join(TEXT.splitlines(True)[:2])
    history.add(10, figures(0.5, 0.1 + 0.2))
    assert (tmp_path / FILE).read_text() == TEXT


def test_a_resumed_run_reads_every_digit(tmp_path):
    (tmp_path / FILE).write_text(TEXT)
    history = History(str(tmp_path), resumed=True)
    assert [history.score(step) for step in (5, 10, 11)] == [0.25, 0.5, None]
    history.add(15, figures(1 / 3, 0.1))
    assert (tmp_path / FILE).read_text() == TEXT + "15\t0.1\t0.3333333333333333\n"
    assert History(str(tmp_path), resumed=True).score(15) == 1 / 3


def test_rows_are_in_the_order_of_steps_one_for_each(tmp_path):
    history = History(str(tmp_path), resumed=False)
    for step, score in ((100, 0.5), (9, 0.5), (20, 0.5), (9, 0.9)):
        history.add(step, figures(score))
    assert history.score(9) == 0.9
    assert lines(tmp_path)[1:] == ["9\t0.5\t0.9", "20\t0.5\t0.5", "100\t0.5\t0.5"]


def test_scores_may_come_and_go(tmp_path):
    """One half of MNLI's dev set may be missing when a run is resumed."""
    history = History(str(tmp_path), resumed=False)
    history.add(5, dict(figures(0.25), eval_mismatched_accuracy=0.5))
    history.add(10, dict(figures(0.5), eval_true_positives=12))
    again = History(str(tmp_path), resumed=True)
    again.add(15, dict(figures(0.75), eval_f1=1.0))
    columns = ["eval_mismatched_accuracy", "eval_true_positives", "eval_f1"]
    assert lines(tmp_path) == [
        "\t".join(["step", "training_loss", "eval_main_score", *columns]),
        "5\t0.5\t0.25\t0.5\t\t",
        "10\t0.5\t0.5\t\t12\t",
        "15\t0.5\t0.75\t\t\t1.0",
    ]


@pytest.mark.parametrize(
    "scores, since",
    [
        ([], 0),
        ([0.5], 0),
        ([0.5, 0.6], 0),
        ([0.5, 0.4, 0.45], 2),
        ([0.5, 0.4, 0.6], 0),
        ([0.5, 0.4, 0.5, 0.5], 3),  # As good is no new best.
        ([-0.2, -0.1], 0),
    ],
)
def test_evaluations_since_the_best(tmp_path, scores, since):
    history = history_of(tmp_path, *scores)
    assert history.since_best(10 * max(len(scores), 1)) == since


def test_evaluations_after_a_step_do_not_count(tmp_path):
    """A run that is resumed from an older checkpoint has later ones in its table."""
    history = history_of(tmp_path, 0.5, 0.7, 0.7, 0.9)
    found = [history.best(step) for step in (9, 10, 20, 39, 40)]
    assert found == [None, 10, 20, 20, 40]
    assert [history.since_best(step) for step in (9, 10, 35, 40)] == [0, 0, 1, 0]


def test_a_new_run_does_not_look_at_an_older_table(tmp_path):
    (tmp_path / FILE).write_text("damaged")
    history = History(str(tmp_path), resumed=False)
    assert history.since_best(99) == 0
    assert (tmp_path / FILE).read_text() == "damaged"
    history.add(3, figures(0.5))
    assert lines(tmp_path)[1:] == ["3\t0.5\t0.5"]


def test_a_table_that_is_set_aside(tmp_path):
    assert set_aside(str(tmp_path), 20) is None
    history_of(tmp_path, 0.25, 0.5)
    text = (tmp_path / FILE).read_text()
    assert set_aside(str(tmp_path), 20) == str(tmp_path / "eval_history_until_20.tsv")
    assert (tmp_path / "eval_history_until_20.tsv").read_text() == text
    again = History(str(tmp_path), resumed=True)
    assert (again.best(20), again.score(20), again.since_best(20)) == (None, None, 0)


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
def test_a_table_that_cannot_be_read(tmp_path, text):
    path = tmp_path / FILE
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        History(str(tmp_path), resumed=True)
    message = str(caught.value)
    assert message.startswith(str(path)) and "restore it, or remove it" in message
    assert path.read_text() == text
