"""The documents: their commands, flags, targets, counts and links are right."""

import glob
import os
import re
import shlex
import subprocess

import pytest

from finetuning.data import tasks
from finetuning.flags import command_line
from finetuning.flags.settings import Settings

CHINESE = "README.zh-CN.md"
GUIDE = "docs/GUIDE.md"
DOCUMENTS = (
    *("README.md", "CONTRIBUTING.md", "CHANGELOG.md", GUIDE, "docs/DIFFERENCES.md"),
    *(CHINESE, "docs/BERT.md", "docs/DISTRIBUTED.md", "benchmarks/README.md"),
    "examples/README.md",
)


def read(root, name):
    with open(os.path.join(root, name), encoding="utf-8") as file:
        return file.read()


def commands(root, name, start=""):
    """Commands in a document's shell blocks, with continued lines joined."""
    blocks = re.findall(r"```shell\n(.*?)```", read(root, name), re.DOTALL)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    return [line.strip() for line in lines if line.strip().startswith(start)]


def parsed(root, name):
    """The settings of each run_classifier.py command in a document."""
    found = [
        os.path.expandvars(line)
        for line in commands(root, name, "python run_classifier.py")
        if "--vocab_file=" in line  # Others need the directory of trained weights.
    ]
    return [command_line.parse(shlex.split(line)[1:])[0] for line in found]


def test_program_commands(root, monkeypatch):
    monkeypatch.chdir(root)
    for name in ("BERT", "GLUE", "OUT"):
        monkeypatch.setenv(name, name.lower())
    by_flags, by_file = [
        dict(s.as_dict(), output_dir="") for s in parsed(root, "README.md")
    ]
    assert by_flags == by_file
    assert by_flags["train_batch_size"] == 5
    assert by_flags["learning_rate"] == 2e-5
    assert by_flags["num_train_epochs"] == 1.0
    assert len(parsed(root, GUIDE)) == 3


def test_guide_table_of_tasks(root):
    lines = [line for line in read(root, GUIDE).splitlines() if line.startswith("| ")]
    rows = {line[2:].split(" | ")[0].lower(): line[2:-2].split(" | ") for line in lines}
    for key, task in tasks.TASKS.items():
        _, _, labels, _, counts = rows[key]
        if task.name not in ("STS-B", "AX", "XNLI"):
            assert labels == ", ".join(task.labels)
        if task.name != "XNLI":
            splits = (task.train, task.dev, task.test)
            shown = [" + ".join("%s" % format(f.rows, ",") for f in s) for s in splits]
            assert counts == " / ".join(text or "-" for text in shown)


def test_flags_exist(root):
    known = set(Settings().as_dict()) | {"flagfile", "help", "short"}
    known |= {"rm", "saved"}  # Of docker and tf2onnx.
    known |= {"nodes", "ntasks", "gpus", "signal"}  # Of srun.
    known |= {"no", "find", "only", "platform"}  # Of pip, up to the hyphen.
    for folder in ("scripts", "benchmarks"):
        pattern = os.path.join(root, folder, "**", "*.py")
        for path in glob.glob(pattern, recursive=True):
            known |= set(re.findall(r'"--(\w+)"', read(root, path)))
    for name in set(DOCUMENTS) - {"CHANGELOG.md"}:  # Which names removed flags, too.
        assert set(re.findall(r"(?<![\w-])--([a-z]\w+)", read(root, name))) <= known


def test_every_flag_is_named_as_kept_or_new(root):
    flags = set(re.findall(r"`--(\w+)", read(root, "docs/DIFFERENCES.md")))
    assert flags == set(Settings().as_dict())


def test_programs_exist(root):
    for name in DOCUMENTS:
        text = read(root, name)
        for module in re.findall(r"python -m (scripts\.[a-z_.]+)", text):
            assert os.path.exists(os.path.join(root, *module.split(".")) + ".py")
        for path in re.findall(r"[ =`]((?:[a-z]+/)+\w+\.(?:py|flags))\b", text):
            folders = (root, os.path.join(root, os.path.dirname(name)))
            assert any(os.path.exists(os.path.join(f, path)) for f in folders), path


def test_make_targets_exist(root):
    targets = {
        line.split()[1] for n in DOCUMENTS for line in commands(root, n, "make ")
    }
    command = ["make", "-n", *sorted(targets)]
    subprocess.run(command, cwd=root, check=True, stdout=subprocess.DEVNULL)


@pytest.mark.parametrize("name", ["README.md", CHINESE])
def test_sample_of_the_screen(root, name, finished_run):
    """Each line begins with the words of a line of a run on MRPC's format."""
    words = r"\s*(?:[a-z_]+(?![\w./]) ?)+"

    def beginnings(text):
        found = (re.match(words, line, re.IGNORECASE) for line in text.splitlines())
        return {match.group().strip() for match in found if match}

    (sample,) = re.findall(r"```text\n(.*?)```", read(root, name), re.DOTALL)
    assert len(sample.splitlines()) > 10
    # A run as short as this one does not say how long it will take.
    shown = beginnings(finished_run.screen) | {"Training will take about"}
    assert beginnings(sample) <= shown


def _without_comments(lines):
    return {" ".join(re.sub(r"(^|\s)#.*", "", line).split()) for line in lines}


def test_the_chinese_readme_has_the_same_commands(root):
    start = "python run_classifier.py"
    assert set(commands(root, "README.md", start)) <= set(commands(root, CHINESE))
    known = set(commands(root, "README.md") + commands(root, GUIDE))
    assert _without_comments(commands(root, CHINESE)) <= _without_comments(known)
    english = " ".join((read(root, "README.md") + read(root, GUIDE)).split())
    chinese = " ".join(read(root, CHINESE).split())
    pattern = r"`((?:conda|make|pip install|python[\d.]*|source) [^`]+)`"
    for command in re.findall(pattern, chinese):
        assert "`%s`" % command in english or command in known, command


def test_the_chinese_readme_quotes_the_messages(root):
    rows = read(root, CHINESE).split("## 报错了怎么办")[1].split("\n## ")[0]
    quoted = re.findall(r"^\| [^|]+ \| `([^`|]+)` \|", rows, re.MULTILINE)
    assert len(quoted) > 10
    source = ""
    for folder in ("finetuning", "scripts"):
        pattern = os.path.join(root, folder, "**", "*.py")
        for path in glob.glob(pattern, recursive=True):
            source += re.sub(r'"\s*\n\s*"', "", read(root, path))  # Joined strings.
    assert not [text for text in quoted if text not in source]


def _anchors(text):
    """The names that GitHub gives to the headings of a document."""
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-") for h in headings}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_to_headings(root, name):
    folder = os.path.dirname(name)
    for path, anchor in re.findall(r"\]\(([^):]*)#([^)]+)\)", read(root, name)):
        target = os.path.normpath(os.path.join(folder, path)) if path else name
        assert anchor in _anchors(read(root, target)), (target, anchor)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_text(root, name):
    """Links lead somewhere; a backslash at a line's end has no blank behind it."""
    text = read(root, name)
    folder = os.path.dirname(os.path.join(root, name))
    for target in re.findall(r"\]\(([^)#]+)", text):
        assert "://" in target or os.path.exists(os.path.join(folder, target)), target
    assert not re.search(r"\\[ \t]+$|@[A-Z]+@|TODO|FIXME", text, re.MULTILINE)
