"""The documents: every command in them exists and is right for the shell."""

import os
import re
import shlex
import subprocess

import pytest

from finetuning import settings

DOCUMENTS = ("README.md", "CONTRIBUTING.md", "benchmarks/README.md")


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
        chosen, without_effect = settings.parse(words[1:])
        assert chosen.task_name == "MRPC"
        assert not without_effect


def test_the_command_of_the_contract(root, monkeypatch):
    monkeypatch.chdir(root)
    by_flags, by_file = [
        settings.parse(shlex.split(command)[1:])[0].as_dict()
        for command in commands(read(root, "README.md"))
        if "batch_size=5" in command or "mrpc_notes" in command
    ]
    assert by_flags["train_batch_size"] == 5
    assert by_flags["learning_rate"] == 2e-5
    assert by_flags["num_train_epochs"] == 1.0
    assert dict(by_flags, output_dir="") == dict(by_file, output_dir="")


def test_flags_in_the_text_exist(root):
    known = set(settings.Settings().as_dict()) | {"flagfile", "help", "name"}
    for name in DOCUMENTS[:2] + ("CHANGELOG.md",):
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
