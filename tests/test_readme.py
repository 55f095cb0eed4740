"""The documents: every command in them exists and is right for the shell."""

import glob
import os
import re
import shlex
import subprocess

import pytest

from finetuning.data import tasks
from finetuning.flags import command_line, settings

DOCUMENTS = ("README.md", "CONTRIBUTING.md", "benchmarks/README.md", "docs/GUIDE.md")


def read(root, name):
    with open(os.path.join(root, name), encoding="utf-8") as file:
        return file.read()


def commands(text):
    """The commands of the shell blocks, continued lines joined as a shell does."""
    blocks = re.findall(r"```shell\n(.*?)```", text, re.DOTALL)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    return [line.strip() for line in lines if line.strip()]


def test_no_blank_behind_a_backslash(root):
    for name in DOCUMENTS:
        assert not re.search(r"\\[ \t]+$", read(root, name), re.MULTILINE), name


def test_no_gap_is_left(root):
    for name in DOCUMENTS + ("CHANGELOG.md", "examples/README.md"):
        assert not re.search(r"@[A-Z]+@|TODO|FIXME", read(root, name)), name


def test_program_command_lines_are_accepted(root, monkeypatch):
    monkeypatch.chdir(root)
    found = [
        command
        for command in commands(read(root, "README.md"))
        if "run_classifier.py" in command and "--help" not in command
    ]
    assert len(found) == 3
    for command in found:
        words = shlex.split(command)
        assert words[:2] == ["python", "run_classifier.py"]
        chosen, without_effect = command_line.parse(words[1:])
        assert chosen.task_name == "MRPC"
        assert not without_effect


def test_the_guide_s_command_lines_are_accepted(root, monkeypatch):
    monkeypatch.chdir(root)
    found = [
        command
        for command in commands(read(root, "docs/GUIDE.md"))
        if command.startswith("python run_classifier.py")
    ]
    parsed = [command_line.parse(shlex.split(command)[1:])[0] for command in found]
    assert [chosen.task_name for chosen in parsed] == ["custom", "custom", "AX"]


def test_the_guide_s_table_of_tasks(root):
    """Counts and labels are those of the task table."""
    rows = re.findall(r"^\| ([\w-]+) \| .*", read(root, "docs/GUIDE.md"), re.MULTILINE)
    for task in tasks.TASKS.values():
        assert task.name in rows
    for line in read(root, "docs/GUIDE.md").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        task = tasks.TASKS.get(cells[0].lower())
        if task is None or len(cells) != 5:
            continue
        if cells[4] != "not of GLUE":
            counts = [re.findall(r"[\d,]+", part) for part in cells[4].split(" / ")]
            for kind, found in zip(("train", "dev", "test"), counts):
                shown = [int(number.replace(",", "")) for number in found]
                known = [
                    (split.rows, split.other_rows) for split in getattr(task, kind)
                ]
                assert len(shown) == len(known)
                assert all(each in pair for each, pair in zip(shown, known)), line
        if not cells[2].startswith(("as MNLI", "a number")):
            assert tuple(cells[2].split(", ")) == task.labels


def test_the_command_of_the_contract(root, monkeypatch):
    monkeypatch.chdir(root)
    by_flags, by_file = [
        command_line.parse(shlex.split(command)[1:])[0].as_dict()
        for command in commands(read(root, "README.md"))
        if "batch_size=5" in command or "mrpc_notes" in command
    ]
    assert by_flags["train_batch_size"] == 5
    assert by_flags["learning_rate"] == 2e-5
    assert by_flags["num_train_epochs"] == 1.0
    assert dict(by_flags, output_dir="") == dict(by_file, output_dir="")


def test_flags_in_the_text_exist(root):
    known = set(settings.Settings().as_dict()) | {"flagfile", "help", "name"}
    for path in glob.glob(os.path.join(root, "scripts", "*.py")):
        known |= set(re.findall(r'add(?:_argument)?\(\s*"--(\w+)"', read(root, path)))
    for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/GUIDE.md"):
        for flag in re.findall(r"`--([a-z_]+)", read(root, name)):
            assert flag in known, (name, flag)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_make_targets_exist(root, name):
    targets = {
        command.split()[1]
        for command in commands(read(root, name))
        if command.startswith("make ")
    }
    for target in targets:
        subprocess.run(
            ["make", "-n", target],
            cwd=root,
            check=True,
            stdout=subprocess.DEVNULL,
            timeout=60,
        )


@pytest.mark.parametrize("name", DOCUMENTS + ("CHANGELOG.md", "examples/README.md"))
def test_links_to_files_lead_somewhere(root, name):
    folder = os.path.dirname(os.path.join(root, name))
    for target in re.findall(r"\]\(([^)#]+)\)", read(root, name)):
        if "://" not in target:
            assert os.path.exists(os.path.join(folder, target)), target


def test_every_module_is_in_the_layout(root):
    text = read(root, "CONTRIBUTING.md")
    for name in os.listdir(os.path.join(root, "finetuning")):
        if name.endswith(".py") and name != "__init__.py":
            assert name in text


def test_continuous_integration_runs_the_commands_of_the_readme(root):
    script = read(root, ".ci/run")
    for command in ("make demo", "make test", "make lint"):
        assert command in script
