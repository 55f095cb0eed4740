"""The map of the code in CONTRIBUTING.md."""

import os
import re

from tests.support.paths import ROOT


def _paths_in_map():
    with open(os.path.join(ROOT, "CONTRIBUTING.md"), encoding="utf-8") as file:
        tree = re.search(r"```\n(run_.*?)```", file.read(), re.DOTALL).group(1)
    parents = []
    for indent, name in re.findall(r"^( *)([\w./]+)", tree, re.MULTILINE):
        parents = parents[: len(indent) // 4] + [name.rstrip("/")]
        yield "/".join(parents)


def test_map_is_complete():
    expected = set()
    for package in ("encoder", "finetuning"):
        for folder, _, names in os.walk(os.path.join(ROOT, package)):
            expected |= {os.path.join(os.path.relpath(folder, ROOT), n) for n in names}
    expected = {p for p in expected if p.endswith(".py") and "__init__" not in p}
    assert expected - set(_paths_in_map()) == set()


def test_map_names_only_what_exists():
    missing = [p for p in _paths_in_map() if not os.path.exists(os.path.join(ROOT, p))]
    assert missing == []
