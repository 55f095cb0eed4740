"""The table of training steps, and what results tell of it."""

import pytest

from finetuning.evaluation import training_history
from finetuning.evaluation.training_history import Row, TrainingHistory, read, summary


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test moves: the first element of a list."""
    now = [1000.0]
    monkeypatch.setattr(training_history.time, "monotonic", lambda: now[0])
    return now


def train(history, clock, steps, seconds=2.0):
    for step in steps:
        clock[0] += seconds
        history.add(step, 1.0 / step, 1e-5 * step, clock[0])


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_steps_are_written_together(tmp_path, clock, scheme):
    history = TrainingHistory(scheme + str(tmp_path), 0)
    history.start()
    history.write()
    assert list(tmp_path.iterdir()) == []
    train(history, clock, [1, 2])
    assert read(str(tmp_path)) == []
    history.write()
    expected = [Row(1, 1.0, 1e-5, 2.0), Row(2, 0.5, 2e-5, 4.0)]
    assert read(scheme + str(tmp_path)) == expected
    train(history, clock, [3], 57.0)
    assert len(read(str(tmp_path))) == 2
    train(history, clock, [4], 3.0)
    assert [row.step for row in read(str(tmp_path))] == [1, 2, 3, 4]
    text = (tmp_path / "training_history.tsv").read_text()
    assert text.splitlines()[:2] == [
        "step\tloss\tlearning_rate\tseconds",
        "1\t1.0\t1e-05\t2.0",
    ]


def test_a_resumed_run_has_each_step_once(tmp_path, clock):
    """Also if a kill has cut the last line, and pauses do not count."""
    history = TrainingHistory(str(tmp_path), 0)
    history.start()
    train(history, clock, range(1, 8))
    history.write()
    path = tmp_path / "training_history.tsv"
    path.write_text(path.read_text()[:-9])
    clock[0] += 1000.0
    resumed = TrainingHistory(str(tmp_path), 4)
    resumed.start()
    clock[0] += 100.0
    resumed.leave_out(100.0)
    train(resumed, clock, [5, 6])
    resumed.write()
    train(resumed, clock, [7])
    resumed.write()
    rows = read(str(tmp_path))
    assert [row.step for row in rows] == [1, 2, 3, 4, 5, 6, 7]
    assert [row.seconds for row in rows] == [2.0 * row.step for row in rows]


def test_a_run_from_scratch_replaces_the_table(tmp_path, clock):
    (tmp_path / "training_history.tsv").write_bytes(b"\xff\0\n1\t1\t1\t1\n")
    assert len(read(str(tmp_path))) == 1
    history = TrainingHistory(str(tmp_path), 0)
    history.start()
    train(history, clock, [1])
    history.write()
    assert read(str(tmp_path)) == [Row(1, 1.0, 1e-5, 2.0)]


def test_summary():
    rows = [Row(n, float(n), 1e-3, 8.0 + 2.0 * n) for n in range(1, 41)]
    found = summary(rows, 30, 5)
    assert found == {
        "training_seconds": 68.0,
        "training_examples_per_second": 2.5,
        "final_training_loss": 29.0,  # The mean of steps 28 to 30.
    }
    later = summary(rows[10:], 40, None)
    assert later["training_seconds"] is None
    assert later["training_examples_per_second"] is None
    assert later["final_training_loss"] == 38.5
    for missing in ([], rows[:20]):
        assert set(summary(missing, 30, 5).values()) == {None}
    assert summary(rows, 1, 5)["final_training_loss"] == 1.0
