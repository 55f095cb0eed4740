"""What a user sees in a terminal of 80 columns."""

import os
import sys

from tests.support import terminal
from tests.support.running import PHASES, text, without

MAX_LINES = 90


def test_a_training_run_with_four_evaluations(root, corpus_flags, tmp_path):
    """With texts that are too long, and a learning rate that is too low."""
    flags = without(corpus_flags, "num_train_epochs", "max_seq_length", "learning_rate")
    flags += ["--num_train_epochs=4", "--max_seq_length=8", "--learning_rate=1e-9"]
    flags += [*PHASES, "--eval_each_epoch", "--output_dir=out"]
    program = os.path.join(root, "run_classifier.py")
    status, lines = terminal.run([sys.executable, program, *flags], str(tmp_path))
    shown = "\n".join(lines)
    assert status == 0, shown
    assert len(lines) <= MAX_LINES, shown
    table = [line for line in lines if line.startswith("eval | ")]
    assert len(table) == 5 and table[0].endswith("main score")
    (bar,) = [line for line in lines if line.startswith("training: 100%")]
    assert "loss 0." in bar and "examples/s" in bar
    assert lines.count("*** Example ***") == 1
    logged = [line[21:] for line in text(str(tmp_path), "out", "run.log").splitlines()]
    warnings = [line for line in logged if line.startswith("WARNING")]
    assert len(warnings) == len(set(warnings)) > 2, shown
    assert logged.count("*** Example ***") == 5
