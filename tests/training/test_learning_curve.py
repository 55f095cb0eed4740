"""The picture of a training run."""

import os
import subprocess
import sys
import time

import pytest

from finetuning.evaluation import history
from finetuning.evaluation.training_history import TrainingHistory
from finetuning.training import learning_curve
from tests.support.running import rows, succeed

_AGG = "matplotlib.backends.backend_agg"
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.mark.parametrize("steps", [1, 60])
@pytest.mark.parametrize("halves", [[""], ["matched_", "mismatched_"]])
def test_a_picture_is_drawn(tmp_path, steps, halves):
    trained = TrainingHistory(str(tmp_path), 0)
    trained.start()
    past = history.History(str(tmp_path), resumed=False)
    for step in range(1, steps + 1):
        trained.add(step, 1.0 / step, 1e-3, time.monotonic())
        if step % 20 == 0 or step == steps:
            figures = {"training_loss": 0.5, "eval_loss": 0.6, "eval_main_score": 0.7}
            figures.update(("eval_%sloss" % half, 0.1) for half in halves)
            past.add(step, figures)
    trained.write()
    learning_curve.draw(str(tmp_path))
    assert (tmp_path / "learning_curve.png").read_bytes().startswith(PNG)


def test_the_smooth_line():
    found = learning_curve._smooth([4.0, 2.0, 0.0, 1.0], 2)
    assert found == [4.0, 3.0, 1.0, 0.5]


def test_a_run_with_evaluations_has_a_picture_and_one_without_has_none(
    evaluated_run, finished_run
):
    path = os.path.join(evaluated_run.directory, "learning_curve.png")
    with open(path, "rb") as file:
        assert file.read(len(PNG)) == PNG
    table = rows(evaluated_run.directory, "training_history.tsv")
    assert [row[0] for row in table] == ["step", *(str(n) for n in range(1, 16))]
    assert "learning_curve.png" not in os.listdir(finished_run.directory)


def test_a_run_that_was_killed_before_the_picture_gets_it(evaluated_run, tmp_path):
    out = evaluated_run.copy(tmp_path)
    picture = os.path.join(out, "learning_curve.png")
    os.remove(picture)
    command = [*evaluated_run.command, "--output_dir=" + out]
    assert "NOTHING LEFT TO TRAIN" in succeed(command).out
    with open(picture, "rb") as file:
        assert file.read(len(PNG)) == PNG


def test_matplotlib_is_imported_only_for_the_picture(root):
    code = "import sys; from finetuning import run; print('%s' in sys.modules)" % _AGG
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True)
    assert done.stdout.decode().strip() == "False", done.stderr
