"""Which package may import which, where flags and versions are read, and sizes."""

import ast
import os
import re

from tests.support.paths import ROOT

# From the bottom to the top: a package imports from the lines above it, not from its
# own line, and not from those below.
LAYERS = [
    ["encoder", "utils"],
    ["modeling", "tokenization", "optimization", "device", "flags"],
    ["workers"],
    ["classifier", "data", "run_info"],
    ["checkpoints"],
    ["evaluation"],
    ["training", "checks"],
    ["trained_model"],
    ["export"],
    ["model_session"],
    ["predictor", "report"],
    ["serving"],
    ["run_record"],
    ["run"],
    ["run_classifier"],
]
# What may be taken along without the rest.
STANDALONE = {
    "encoder": set(),
    "utils": set(),
    "tokenization": set(),
    "optimization": {"encoder"},
    "modeling": {"encoder"},
}
# --help and errors in flags and files must not wait for TensorFlow, so these import it
# within functions, if at all.
WITHOUT_TENSORFLOW = ["utils", "flags", "tokenization", "run_info", "run_classifier"]
WITHOUT_TENSORFLOW += ["workers"]
# These packages too, except for the modules named.
WITHOUT_TENSORFLOW += ["data", "device", "evaluation", "checks"]
WITH_TENSORFLOW = {
    "data/input_pipeline.py",
    "data/preparation.py",
    "data/records.py",
    "device/self_test.py",
    "evaluation/compilations.py",
    "evaluation/inference.py",
    "utils/tensorboard.py",
    "workers/collectives.py",
}
REMOVED_FROM_TENSORFLOW = re.compile(r"\btf\.(contrib|layers|estimator|keras|app)\.")
MAX_MODULE_LINES = 450
MAX_FUNCTION_LINES = 50


class Module:
    """A module of the program: its package, its source and what it imports."""

    def __init__(self, path):
        with open(os.path.join(ROOT, path), encoding="utf-8") as file:
            self.text = file.read()
        self.tree = ast.parse(self.text)
        self.path = path[len("finetuning/") :] if "finetuning" in path else path
        self.package = re.match(r"\w+", self.path).group()

    def imports(self, outside_functions=False):
        """The full names of all that it imports."""
        nodes = self.tree.body if outside_functions else ast.walk(self.tree)
        for node in nodes:
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield from ("%s.%s" % (node.module, a.name) for a in node.names)

    def packages(self):
        """The packages of ours that it imports from."""
        ours = {name for layer in LAYERS for name in layer}
        names = (name.replace("finetuning.", "", 1) for name in self.imports())
        return {name.split(".")[0] for name in names} & ours


def _modules():
    paths = [name for name in os.listdir(ROOT) if name.endswith(".py")]
    for package in ("encoder", "finetuning"):
        for folder, _, names in os.walk(os.path.join(ROOT, package)):
            folder = os.path.relpath(folder, ROOT)
            paths += [os.path.join(folder, n) for n in names if n.endswith(".py")]
    return [Module(path) for path in sorted(paths) if os.path.basename(path)[0] != "_"]


MODULES = _modules()


def test_every_module_is_in_a_layer():
    packages = {module.package for module in MODULES}
    assert packages == {name for layer in LAYERS for name in layer}


def test_imports_point_downwards():
    height = {name: n for n, layer in enumerate(LAYERS) for name in layer}
    wrong = [
        "%s imports %s" % (module.path, package)
        for module in MODULES
        for package in module.packages() - {module.package}
        if height[package] >= height[module.package]
        or package not in STANDALONE.get(module.package, height)
    ]
    assert not wrong


def test_modules_that_do_without_tensorflow():
    wrong = [
        module.path
        for module in MODULES
        if module.package in WITHOUT_TENSORFLOW and module.path not in WITH_TENSORFLOW
        for name in module.imports(outside_functions=True)
        if name.split(".")[0] == "tensorflow"
    ]
    assert not wrong


def test_one_spelling_of_tensorflow():
    names = {
        (module.path, name)
        for module in MODULES
        for name in module.imports()
        if name.split(".")[0] in ("tensorflow", "keras")
        and name != "tensorflow.compat.v1"
    }
    assert names <= {
        ("device/detect.py", "tensorflow.python.client.device_lib"),
        ("device/backend.py", "tensorflow.python.framework.test_util"),
    }
    assert not [m.path for m in MODULES if REMOVED_FROM_TENSORFLOW.search(m.text)]


def test_flags_are_read_in_one_place():
    readers = {
        module.path
        for module in MODULES
        if re.search(r"\bFLAGS\b", module.text)
        or any(name.split(".")[0] == "absl" for name in module.imports())
    }
    assert readers == {"flags/command_line.py"}


def test_versions_are_told_apart_in_one_package():
    """By what TensorFlow has; its version is only recorded."""
    branches = [m.path for m in MODULES if "hasattr(tf" in m.text]
    assert not [path for path in branches if not path.startswith("device/")]
    readers = {m.path for m in MODULES if "__version__" in m.text}
    assert readers <= {"device/detect.py", "run_info/provenance.py"}


def test_sizes():
    long = [m.path for m in MODULES if len(m.text.splitlines()) > MAX_MODULE_LINES]
    long += [
        "%s: %s" % (module.path, node.name)
        for module in MODULES
        for node in ast.walk(module.tree)
        if isinstance(node, ast.FunctionDef) and _code_lines(node) > MAX_FUNCTION_LINES
    ]
    assert not long


def _code_lines(node):
    """The lines of a function after its docstring."""
    body = node.body
    if ast.get_docstring(node) is not None and len(body) > 1:
        body = body[1:]
    last = max(getattr(n, "lineno", 0) for n in ast.walk(node))
    return last - body[0].lineno + 1
