"""Who may import whom, where flags are read, and how large things may grow."""

import ast
import os
import re

import pytest

# Module -> the local modules that it may import. `finetuning.` is left out.
ALLOWED = {
    "tokenization": set(),
    "optimization": set(),
    "modeling": {"attention", "layers", "packing", "precision"},
    "errors": set(),
    "layers": {"precision"},
    "precision": set(),
    "packing": set(),
    "loss_scaling": set(),
    "attention": {"precision"},
    "metrics": set(),
    "gpu": set(),
    "determinism": set(),
    "backend": {"determinism", "errors"},
    "trial": {"backend", "errors", "gpu"},
    "summaries": {"files"},
    "files": {"errors"},
    "room": {"errors"},
    "integrity": {"files", "index_footer"},
    "saving": {"checkpoints", "files", "room"},
    "stopping": set(),
    "locking": {"console", "errors", "files"},
    "leftovers": {"checkpoints", "files"},
    "results": {"files"},
    "settings": set(),
    "command_line": {"errors", "settings"},
    "console": {"files"},
    "progress": {"console"},
    "usage": {"settings"},
    "tasks": {"errors", "settings"},
    "headers": {"errors"},
    "reading": {"errors", "files", "headers", "tasks"},
    "label_map": {"errors", "files"},
    "custom": {"errors", "files", "label_map", "reading", "settings", "tasks"},
    "sources": {"custom", "errors", "files", "reading", "settings", "tasks"},
    "weighting": {"errors"},
    "scoring": {"metrics"},
    "submission": {"errors", "files", "reading"},
    "history": {"errors", "files", "scoring"},
    "features": {"tasks", "tokenization"},
    "order": set(),
    "record_reader": {"errors", "files"},
    "records": {"files"},
    "vocabulary": {"errors", "files", "tokenization"},
    "model_config": {"errors", "files", "modeling"},
    "index_footer": {"files"},
    "pipelines": {"order", "record_reader"},
    "checkpoints": {"errors", "files", "integrity", "loss_scaling", "recorded"},
    "classifier": {
        "layers",
        "loss_scaling",
        "modeling",
        "optimization",
        "precision",
    },
    "fingerprints": {"files"},
    "recorded": {"errors", "files", "fingerprints", "settings"},
    "flagfile": {"files", "settings"},
    "provenance": {"console", "files", "flagfile", "recorded", "settings"},
    "preflight": {
        "checkpoints",
        "console",
        "custom",
        "errors",
        "files",
        "fingerprints",
        "flagfile",
        "history",
        "label_map",
        "model_config",
        "modeling",
        "recorded",
        "results",
        "sources",
        "tasks",
        "tokenization",
        "vocabulary",
        "weighting",
    },
    "preparation": {
        "console",
        "errors",
        "features",
        "files",
        "progress",
        "reading",
        "records",
        "results",
        "tasks",
    },
    "inference": {
        "checkpoints",
        "classifier",
        "errors",
        "modeling",
        "pipelines",
        "progress",
        "records",
    },
    "hooks": {
        "checkpoints",
        "console",
        "errors",
        "history",
        "inference",
        "progress",
        "records",
        "saving",
        "stopping",
        "summaries",
    },
    "run": {"backend", "classifier", "errors", "precision", "preflight", "preparation"}
    | {"settings"},
    "plan": {
        "checkpoints",
        "classifier",
        "console",
        "errors",
        "history",
        "hooks",
        "label_map",
        "scoring",
        "weighting",
    },
    "outcomes": {
        "console",
        "inference",
        "provenance",
        "reading",
        "recorded",
        "results",
        "scoring",
        "submission",
        "summaries",
        "verdicts",
    },
    "verdicts": {"checkpoints", "fingerprints", "history", "preparation"}
    | {"recorded"},
    "loop": {
        "checkpoints",
        "classifier",
        "console",
        "hooks",
        "loss_scaling",
        "modeling",
        "pipelines",
        "progress",
        "records",
        "saving",
        "stopping",
    },
}
# The two that put the rest together may import any of it.
TOP = {"phases", "run_classifier"}
WITHOUT_TENSORFLOW = {
    "tokenization",
    "errors",
    "settings",
    "command_line",
    "usage",
    "tasks",
    "headers",
    "reading",
    "label_map",
    "custom",
    "sources",
    "vocabulary",
    "index_footer",
    "weighting",
    "features",
    "metrics",
    "scoring",
    "submission",
    "history",
    "results",
    "console",
    "progress",
    "fingerprints",
    "recorded",
    "flagfile",
    "provenance",
    "files",
    "gpu",
    "backend",
    "determinism",
    "order",
    "record_reader",
    "stopping",
    "locking",
}
MOST_LINES_OF_MODULE = 450
MOST_LINES_OF_FUNCTION = 50


def paths():
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    top = ["run_classifier", "modeling", "tokenization", "optimization"]
    found = {name: os.path.join(root, name + ".py") for name in top}
    package = os.path.join(root, "finetuning")
    for name in os.listdir(package):
        if name.endswith(".py") and name != "__init__.py":
            found[name[:-3]] = os.path.join(package, name)
    return found


PATHS = paths()


def source(name):
    with open(PATHS[name], encoding="utf-8") as file:
        return file.read()


def imported(name, at_import_time=False):
    """Full names of all that a module imports; only outside functions if so asked."""
    tree = ast.parse(source(name))
    nodes = tree.body if at_import_time else ast.walk(tree)
    names = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names.update("%s.%s" % (node.module, alias.name) for alias in node.names)
    return names


def local_imports(name):
    found = set()
    for full_name in imported(name):
        parts = full_name.split(".")
        if parts[0] == "finetuning" and len(parts) > 1:
            found.add(parts[1])
        elif parts[0] in PATHS:
            found.add(parts[0])
    return found


@pytest.mark.parametrize("name", sorted(PATHS))
def test_imports_go_one_way(name):
    if name not in TOP:
        assert name in ALLOWED, "name here what %s may import" % name
        assert local_imports(name) <= ALLOWED[name]


@pytest.mark.parametrize("name", sorted(WITHOUT_TENSORFLOW))
def test_modules_that_do_without_tensorflow(name):
    names = imported(name, at_import_time=True)
    assert not [n for n in names if n.split(".")[0] == "tensorflow"]


@pytest.mark.parametrize("name", sorted(PATHS))
def test_one_spelling_of_tensorflow_and_nothing_that_is_gone(name):
    for full_name in imported(name):
        if full_name.split(".")[0] in ("tensorflow", "keras"):
            private = full_name == "tensorflow.python.client.device_lib"
            assert full_name == "tensorflow.compat.v1" or (name, private) == (
                "backend",
                True,
            )
    for gone in ("tf.contrib", "tf.layers", "tf.estimator", "tf.keras", "tf.app"):
        assert gone + "." not in source(name)


@pytest.mark.parametrize("name", sorted(set(PATHS) - {"command_line"}))
def test_flags_are_read_in_one_place(name):
    assert not [n for n in imported(name) if n.split(".")[0] == "absl"]
    # The name of absl's own set of flags, alone.
    assert not re.search(r"\bFLAGS\b", source(name))


@pytest.mark.parametrize("name", sorted(set(PATHS) - {"backend"}))
def test_no_branch_on_the_version(name):
    assert "__version__" not in source(name) or name == "provenance"
    assert "hasattr(tf" not in source(name)


@pytest.mark.parametrize("name", sorted(PATHS))
def test_sizes(name):
    text = source(name)
    assert len(text.splitlines()) <= MOST_LINES_OF_MODULE
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            assert code_lines(node) <= MOST_LINES_OF_FUNCTION, node.name


def code_lines(node):
    """Lines of a function from its first statement after the docstring."""
    body = node.body
    if ast.get_docstring(node) is not None and len(body) > 1:
        body = body[1:]
    last = max(getattr(n, "lineno", 0) for n in ast.walk(node))
    return last - body[0].lineno + 1
