"""The Python code in docs/GUIDE.md runs."""

import os
import re
import shutil

from tests.support.paths import ROOT
from tests.support.running import value


def _code(heading):
    with open(os.path.join(ROOT, "docs", "GUIDE.md"), encoding="utf-8") as file:
        section = file.read().split("### %s\n" % heading)[1]
    return re.search(r"```python\n(.*?)```", section, re.DOTALL).group(1)


def test_prediction_in_a_python_program(finished_run, capfd):
    exec(_code("In a Python program").replace("RUN", finished_run.directory), {})
    assert re.match(
        r"[01] \{'0': 0\.\d+, '1': 0\.\d+\} False\n\Z", capfd.readouterr().out
    )


def test_a_training_loop(corpus_flags, tmp_path, capfd):
    shutil.copy(value(corpus_flags, "vocab_file"), str(tmp_path / "vocab.txt"))
    config = value(corpus_flags, "bert_config_file")
    shutil.copy(config, str(tmp_path / "bert_config.json"))
    encoder = os.path.dirname(value(corpus_flags, "init_checkpoint"))
    for name in os.listdir(encoder):
        shutil.copy(os.path.join(encoder, name), str(tmp_path / name))
    code = _code("In your own training loop").replace("128", "16")
    exec(code, {"BERT": str(tmp_path)})
    losses = [float(n) for n in re.findall(r"loss (\S+)", capfd.readouterr().out)]
    assert len(losses) == 3 and all(0 < loss < 3 for loss in losses)
