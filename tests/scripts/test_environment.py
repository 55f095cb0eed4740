"""The set-up files agree with each other, with the code and with what is installed."""

import ast
import importlib.machinery
import os
import re
import shutil
import subprocess
import sys

import pytest

from tests.support.paths import ROOT

STACKS = {"tf1": ["3.7"], "tf2": ["3.10", "3.11", "3.12", "3.13"]}
RUNNING = "%d.%d" % sys.version_info[:2]
VARIABLES = {"BENCH_ARGS", "BERT_ORIGINAL", "DATA_DIR", "ORIGINAL", "PYTEST_ARGS"}
VARIABLES |= {"PYTHON_TF1", "PYTHON_TF2", "REQUIRE", "STACK"}
VARIABLES |= {"TASK", "GLUE_DIR", "NAME", "CHECKPOINT_DIR", "FROM", "BASE_URL"}
# The files of the checkout that run in the environment "bench".
IN_BENCH = {"hf_glue.py", "hf_model.py", "worker_hf.py"}
TARGETS = {"help", "env", "demo", "bench", "bench-env", "test", "lint", "clean"}
TARGETS |= {"data", "checkpoint", "errors", "scores"}

# Packages whose modules have another name.
PACKAGE_OF = {
    "absl": "absl-py",
    "google": "protobuf",
    "pkg_resources": "setuptools",
    "sklearn": "scikit-learn",
}

needs_make = pytest.mark.skipif(
    not shutil.which("make"), reason="there is no make here"
)


def read(*path):
    with open(os.path.join(ROOT, *path), encoding="utf-8") as file:
        return file.read()


# ---- The pins ----


def normal(name):
    """A package's name as indexes compare it; TensorFlow's GPU build is TensorFlow."""
    name = re.sub(r"[-_.]+", "-", name).lower()
    return "tensorflow" if name == "tensorflow-gpu" else name


def pip_lines(stack):
    lines = (line.split("#")[0].strip() for line in read_requirements(stack))
    return [line for line in lines if line]


def read_requirements(stack):
    if stack == "bench":
        return read("benchmarks", "requirements.txt").splitlines()
    return read("requirements-%s.txt" % stack).splitlines()


def older(version, bound):
    return [int(n) for n in version.split(".")] < [int(n) for n in bound.split(".")]


def pip_pins(stack, python=None):
    """{package: version} of a stack's requirements file.

    With python, a version such as "3.10", only of the lines meant for it.
    """
    pins = {}
    for line in pip_lines(stack):
        pin, _, marker = line.partition(";")
        bound = re.search(r'python_version < "([\d.]+)"', marker)
        if python is None or not bound or older(python, bound.group(1)):
            name, version = pin.strip().split("==")
            pins[normal(name)] = version
    return pins


def conda_section(name):
    """The "- item" lines under a top-level key of environment.yml."""
    lines = (
        line.split("#")[0].rstrip() for line in read("environment.yml").split("\n")
    )
    section, items = None, []
    for line in filter(None, lines):
        if not line.startswith(" "):
            section = line.split(":")[0]
        elif section == name:
            items.append(line.strip()[2:])
    return items


def conda_pins():
    return {
        normal(item.split("=")[0]): item.split("=")[1]
        for item in conda_section("dependencies")
    }


@pytest.mark.parametrize("stack", [*STACKS, "bench"])
def test_requirements_name_exact_versions_once(stack):
    exact = r'[\w.-]+==[\w.]+(; python_version < "3\.\d+")?'
    lines = pip_lines(stack)
    assert [line for line in lines if not re.match(exact + "$", line)] == []
    names = [normal(line.split("==")[0]) for line in lines]
    assert len(names) == len(set(names))


def test_conda_takes_exact_versions_from_defaults_alone():
    assert conda_section("channels") == ["defaults"]
    items = conda_section("dependencies")
    assert [item for item in items if not re.match(r"[\w-]+=[\d.]+$", item)] == []


def test_conda_and_pip_name_the_same_versions():
    conda = conda_pins()
    assert conda.pop("python") == "3.7"
    pip = pip_pins("tf1")
    assert conda == {name: pip.get(name) for name in conda}


# ---- The code's imports ----


def python_files():
    for folder, folders, files in os.walk(ROOT):
        folders[:] = [
            name for name in folders if not name.startswith((".", "demo_output"))
        ]
        for name in files:
            if name.endswith(".py"):
                yield os.path.join(folder, name)


def imported(path):
    """The top-level names of the modules that a file imports."""
    with open(path, encoding="utf-8") as file:
        tree = ast.parse(file.read(), path)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name.split(".")[0]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module.split(".")[0]


def is_local(name, importer):
    """Whether a file sees a module of that name beside it, or where tests look."""
    return any(
        os.path.exists(os.path.join(folder, name + ending))
        for folder in (
            ROOT,
            os.path.dirname(importer),
            os.path.join(ROOT, "benchmarks"),
            os.path.join(ROOT, "scripts"),
            os.path.join(ROOT, "tests"),
        )
        for ending in (".py", "/__init__.py")
    )


def is_standard(name):
    if hasattr(sys, "stdlib_module_names"):
        return name in sys.stdlib_module_names
    if name in sys.builtin_module_names:
        return True
    # Not importlib.util.find_spec: it refuses what another test has imported and whose
    # module has no __spec__, as TensorFlow 1.14's.
    spec = importlib.machinery.PathFinder.find_spec(name)
    library = os.path.dirname(os.__file__)
    return bool(
        spec
        and spec.origin
        and spec.origin.startswith(library + os.sep)
        and "site-packages" not in spec.origin
    )


def third_party(stack):
    """{package: a file that imports it} over all files that run on the stack."""
    packages = {}
    for path in python_files():
        if (os.path.basename(path) in IN_BENCH) != (stack == "bench"):
            continue
        for name in imported(path):
            if not is_local(name, path) and not is_standard(name):
                package = normal(PACKAGE_OF.get(name, name))
                packages[package] = os.path.relpath(path, ROOT)
    return packages


def test_imports_are_found():
    assert {"numpy", "pytest", "tensorflow"} <= set(third_party("tf2"))
    assert {"numpy", "torch", "transformers"} == set(third_party("bench"))


@pytest.mark.parametrize("stack", [*STACKS, "bench"])
def test_every_import_is_in_the_requirements(stack):
    pins = pip_pins(stack)
    imports = third_party(stack)
    missing = {name: file for name, file in imports.items() if name not in pins}
    assert missing == {}


# ---- What is installed ----


def installed():
    """{package: (version, names of the packages it needs)} of this interpreter."""
    try:
        from importlib import metadata
    except ImportError:
        return installed_by_setuptools()
    return {
        normal(found.metadata["Name"]): (
            found.version,
            {
                normal(re.match(r"[\w.-]+", need).group())
                for need in found.requires or []
                if "extra ==" not in need
            },
        )
        for found in metadata.distributions()
        if found.metadata["Name"]
    }


def installed_by_setuptools():
    import pkg_resources

    return {
        normal(found.project_name): (
            found.version,
            {normal(need.project_name) for need in found.requires()},
        )
        for found in pkg_resources.working_set
    }


def running_stack():
    for stack, versions in STACKS.items():
        if RUNNING in versions:
            return stack
    return pytest.skip("Python %s belongs to no stack" % RUNNING)


def test_installed_versions_are_the_pinned_ones():
    stack = running_stack()
    pins = pip_pins(stack, RUNNING)
    if os.path.isdir(os.path.join(sys.prefix, "conda-meta")):
        # conda chooses the packages that environment.yml leaves open.
        pins = {name: pins[name] for name in conda_pins() if name in pins}
    here = {name: version for name, (version, _) in installed().items()}
    wrong = {
        name: "%s, not %s" % (here.get(name, "absent"), pin)
        for name, pin in pins.items()
        if here.get(name) != pin
    }
    assert wrong == {}, "make env STACK=%s renews the environment" % stack


def test_what_pinned_packages_need_is_pinned():
    pins = pip_pins(running_stack(), RUNNING)
    here = installed()
    needed = {
        need: name
        for name in pins
        for need in here.get(name, ("", set()))[1]
        # What is absent is meant for another platform.
        if need in here
    }
    assert {need: name for need, name in needed.items() if need not in pins} == {}


# ---- scripts/find_python.sh ----


def write_script(path, *lines):
    """An executable shell script at path, with folders as needed."""
    os.makedirs(os.path.dirname(str(path)), exist_ok=True)
    with open(str(path), "w") as file:
        file.write("\n".join(("#!/bin/sh",) + lines) + "\n")
    os.chmod(str(path), 0o755)


def write_real_python(path):
    write_script(path, 'exec "%s" "$@"' % sys.executable)


@pytest.fixture
def find_python(tmp_path):
    """Runs the finder on a machine that has only the Pythons under tmp_path.

    Only conda's folder for containers is beyond the fixture's power.
    """
    tools = tmp_path / "tools"
    tools.mkdir()
    for tool in ("head", "sed"):
        os.symlink(shutil.which(tool), str(tools / tool))

    def find(stack, **variables):
        env = {
            "HOME": str(tmp_path / "home"),
            "PATH": "%s:%s" % (tmp_path / "bin", tools),
            "PYENV_ROOT": str(tmp_path / "pyenv"),
        }
        env.update(variables)
        return run(
            ["/bin/sh", os.path.join(ROOT, "scripts/find_python.sh"), stack], env
        )

    return find


def run(command, env, cwd=None):
    return subprocess.run(
        command,
        env=env,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )


def version_of(python):
    code = 'import sys; print("%d.%d" % sys.version_info[:2])'
    return subprocess.check_output([python, "-c", code], text=True).strip()


@pytest.mark.parametrize(
    "place",
    [
        "bin/python" + RUNNING,
        "bin/python3",
        "bin/python",
        "pyenv/versions/any name/bin/python",
        "home/miniconda3/bin/python",
        "home/anaconda3/envs/other/bin/python",
    ],
)
def test_the_running_python_is_found(find_python, tmp_path, place):
    stack = running_stack()
    write_real_python(tmp_path / place)
    found = find_python(stack)
    assert (found.returncode, found.stderr) == (0, "")
    assert version_of(found.stdout.strip()) == RUNNING


def test_conda_is_asked_where_it_is(find_python, tmp_path):
    stack = running_stack()
    base = tmp_path / "elsewhere"
    write_real_python(base / "envs" / "one" / "bin" / "python")
    write_script(tmp_path / "bin" / "conda", 'echo "%s"' % base)
    assert version_of(find_python(stack).stdout.strip()) == RUNNING


def test_a_shim_that_refuses_does_not_hide_a_good_python(find_python, tmp_path):
    stack = running_stack()
    for name in ("python" + RUNNING, "python3", "python"):
        write_script(tmp_path / "bin" / name, "echo 'not selected' >&2", "exit 127")
    write_real_python(tmp_path / "pyenv" / "versions" / "one" / "bin" / "python")
    assert version_of(find_python(stack).stdout.strip()) == RUNNING


@pytest.mark.parametrize("stack", STACKS)
@pytest.mark.parametrize("version", ["2.7", "3.6", "3.9", "3.70", "3.1"])
def test_other_versions_are_refused(find_python, tmp_path, stack, version):
    for name in ("python3.7", "python3.10", "python3", "python"):
        write_script(tmp_path / "bin" / name, 'echo "%s $0"' % version)
    found = find_python(stack)
    assert str(tmp_path) not in found.stdout
    assert (found.returncode == 0) == bool(found.stdout)


def test_the_newest_version_wins(find_python, tmp_path):
    for version in ("3.9", "3.10", "3.12", "3.11"):
        write_script(
            tmp_path / "pyenv" / "versions" / version / "bin" / "python",
            'echo "%s $0"' % version,
        )
    assert "/versions/3.12/" in find_python("tf2").stdout


def test_a_named_python_is_taken(find_python, tmp_path):
    stack = running_stack()
    write_real_python(tmp_path / "mine")
    variable = "PYTHON_" + stack.upper()
    found = find_python(stack, **{variable: str(tmp_path / "mine")})
    assert version_of(found.stdout.strip()) == RUNNING


def test_a_named_python_that_does_not_fit_is_an_error(find_python, tmp_path):
    mine = tmp_path / "mine"
    write_script(mine, 'echo "3.9 $0"')
    found = find_python("tf1", PYTHON_TF1=str(mine))
    assert (found.returncode, found.stdout) == (1, "")
    assert str(mine) in found.stderr


# ---- Makefile ----


class Checkout:
    """A copy of the Makefile among stubs that note how they are called.

    Only Python for tf2 is "found"; the environment tf2 is "ready", and its Python
    appends its arguments and BERT_ORIGINAL to the file "calls" and exits with the
    status that the file "status" holds.
    """

    def __init__(self, root):
        self.root = root
        for name in os.listdir(ROOT):
            if name == "Makefile" or name.startswith("requirements-"):
                shutil.copy(os.path.join(ROOT, name), str(root))
        self.find_python("tf2")
        self.make_ready("tf2")

    def find_python(self, *stacks):
        """Lets the finder find a useless Python for these stacks only."""
        lines = ['[ "$1" = %s ] && echo false && exit 0' % stack for stack in stacks]
        write_script(self.root / "scripts" / "find_python.sh", *lines + ["exit 1"])

    def make_ready(self, stack, requirements=None):
        folder = self.root / ".venv" / stack
        write_script(
            folder / "bin" / "python",
            '[ "$1" = -c ] && exit 0',
            'echo "%s $* $BERT_ORIGINAL" >>calls' % stack,
            "exit $(cat status-%s 2>/dev/null || echo 0)" % stack,
        )
        shutil.copy(
            str(requirements or self.root / ("requirements-%s.txt" % stack)),
            str(folder / "requirements.txt"),
        )

    def make(self, *arguments):
        env = {
            name: value
            for name, value in os.environ.items()
            # The suite itself may run under make, with arguments of its own.
            if not name.startswith("MAKE") and name not in VARIABLES
        }
        return run(("make",) + arguments, env, cwd=str(self.root))

    def calls(self):
        path = self.root / "calls"
        return path.read_text().splitlines() if path.exists() else []


@pytest.fixture
def checkout(tmp_path):
    return Checkout(tmp_path)


@needs_make
def test_help_is_the_default_and_lists_the_targets(checkout):
    helped = checkout.make()
    assert set(re.findall(r"^make ([\w-]+) ", helped.stdout, re.M)) == TARGETS
    assert checkout.make("help").stdout == helped.stdout
    assert "FROM=DIR" in helped.stdout and "BASE_URL=URL" in helped.stdout
    assert max(map(len, helped.stdout.splitlines())) <= 88


@needs_make
@pytest.mark.parametrize("target", sorted(TARGETS))
def test_a_dry_run_does_nothing(checkout, target):
    before = sorted(os.listdir(str(checkout.root)))
    assert checkout.make("-n", target).returncode == 0
    assert checkout.calls() == []
    assert sorted(os.listdir(str(checkout.root))) == before


@needs_make
def test_tests_leave_out_a_stack_without_python(checkout):
    made = checkout.make("test", "PYTEST_ARGS=-k 'a or b'")
    assert made.returncode == 0
    assert "Left out: tf1" in made.stdout
    assert "Tests passed on: tf2" in made.stdout
    assert [call.strip() for call in checkout.calls()] == [
        "tf2 -m pytest tests -n auto --maxprocesses=4 --dist=loadfile -k a or b"
    ]


@needs_make
@pytest.mark.parametrize("demand", ["STACK=tf1", "REQUIRE=tf1 tf2", "REQUIRE=tf1"])
def test_a_demanded_stack_must_not_be_left_out(checkout, demand):
    made = checkout.make("test", demand)
    assert made.returncode != 0
    assert "Tests FAILED on: tf1" in made.stdout


@needs_make
@pytest.mark.parametrize("failing", ["tf1", "tf2"])
def test_one_failing_stack_fails_after_both_ran(checkout, failing):
    checkout.find_python("tf1", "tf2")
    checkout.make_ready("tf1")
    (checkout.root / ("status-" + failing)).write_text("1")
    made = checkout.make("test")
    assert made.returncode != 0
    assert "Tests FAILED on: %s\n" % failing in made.stdout
    assert [call.split()[0] for call in checkout.calls()] == ["tf1", "tf2"]


@needs_make
def test_no_stack_at_all_is_a_failure(checkout):
    checkout.find_python()
    shutil.rmtree(str(checkout.root / ".venv"))
    assert checkout.make("test").returncode != 0


@needs_make
def test_the_original_is_passed_as_an_absolute_path(checkout):
    original = checkout.root / "its folder"
    original.mkdir()
    assert checkout.make("test", "ORIGINAL=its folder").returncode == 0
    assert checkout.calls() == [
        "tf2 -m pytest tests -n auto --maxprocesses=4 --dist=loadfile " + str(original)
    ]
    assert checkout.make("test", "ORIGINAL=nowhere").returncode != 0


@needs_make
def test_the_demo_says_that_it_falls_back_to_tf2(checkout):
    made = checkout.make("demo")
    assert (made.returncode, len(made.stdout.splitlines())) == (0, 1)
    assert "STACK=tf2" in made.stdout
    assert checkout.make("demo", "STACK=tf2").stdout == ""
    assert [call.strip() for call in checkout.calls()] == ["tf2 scripts/demo.py"] * 2


@needs_make
def test_the_benchmark_gets_its_arguments(checkout):
    made = checkout.make(
        "bench", "STACK=tf2", "ORIGINAL=a b", "DATA_DIR=c", "BENCH_ARGS=--steps 3"
    )
    assert made.returncode == 0
    assert [call.strip() for call in checkout.calls()] == [
        "tf2 benchmarks/bench.py --original=a b --data_dir=c --steps 3"
    ]


@needs_make
def test_the_scores_get_their_arguments(checkout):
    made = checkout.make("scores", "STACK=tf2", "SCORES_ARGS=--add=a --add=b")
    assert made.returncode == 0
    assert [call.strip() for call in checkout.calls()] == [
        "tf2 scripts/scores_page.py --add=a --add=b"
    ]


@needs_make
def test_data_and_checkpoints_get_their_arguments(checkout):
    made = checkout.make("data", "STACK=tf2", "TASK=MRPC CoLA", "GLUE_DIR=a b")
    assert made.returncode == 0
    made = checkout.make(
        "checkpoint", "STACK=tf2", "NAME=x", "FROM=c", "BASE_URL=http://d"
    )
    assert made.returncode == 0
    assert [call.split() for call in checkout.calls()] == [
        ["tf2", "scripts/fetch.py", "data", "MRPC", "CoLA", "--glue_dir=a", "b"],
        [
            "tf2",
            "scripts/fetch.py",
            "checkpoint",
            "x",
            "--from=c",
            "--base_url=http://d",
        ],
    ]


@needs_make
def test_fetching_takes_an_environment_as_it_is(checkout):
    (checkout.root / "requirements-tf2.txt").write_text("numpy==0\n")
    checkout.find_python("tf1")
    made = checkout.make("data", "TASK=MRPC")
    assert (made.returncode, made.stdout, made.stderr) == (0, "", "")
    assert [call.strip() for call in checkout.calls()] == [
        "tf2 scripts/fetch.py data MRPC"
    ]


@needs_make
def test_the_benchmark_peer_has_an_environment_of_its_own(checkout):
    (checkout.root / "benchmarks").mkdir()
    requirements = checkout.root / "benchmarks" / "requirements.txt"
    requirements.write_text("numpy==0\n")
    made = checkout.make("bench-env")
    assert "Setting up .venv/bench" in made.stdout
    assert made.returncode != 0
    checkout.make_ready("bench", requirements)
    assert checkout.make("bench-env").stdout == ".venv/bench is ready\n"


@needs_make
def test_new_pins_go_into_the_environment_that_is_there(checkout):
    requirements = checkout.root / "requirements-tf2.txt"
    requirements.write_text("numpy==0\n")
    stamp = checkout.root / ".venv" / "tf2" / "requirements.txt"
    before = stamp.read_text()
    (checkout.root / "status-tf2").write_text("1")
    for _ in range(2):
        made = checkout.make("env", "STACK=tf2")
        assert made.returncode != 0
        assert "Setting up .venv/tf2 failed" in made.stderr
        assert stamp.read_text() == before
    assert all(" -m pip install " in call for call in checkout.calls())
    (checkout.root / "status-tf2").write_text("0")
    assert "Renewing .venv/tf2" in checkout.make("env", "STACK=tf2").stdout
    assert stamp.read_text() == "numpy==0\n"


@needs_make
@pytest.mark.parametrize("interrupted", [False, True])
def test_a_failed_set_up_leaves_the_environment_as_it_was(checkout, interrupted):
    place = checkout.root / ".venv" / "tf2"
    (place / "made-with.txt").write_text("another\n")
    if interrupted:
        place.rename(str(place) + ".old")
        (place / "half").mkdir(parents=True)
    made = checkout.make("env", "STACK=tf2", "PYTHON_TF2=mine")
    assert made.returncode != 0
    assert "Setting up .venv/tf2 failed" in made.stderr
    assert sorted(os.listdir(str(checkout.root / ".venv"))) == ["tf2", "tf2.log"]
    assert not (place / "half").exists()
    assert checkout.make("demo", "STACK=tf2").returncode == 0


@needs_make
def test_a_set_up_that_succeeds_replaces_the_environment(checkout):
    maker = checkout.root / "maker"
    made_python = "printf '#!/bin/sh\\n' >$3/bin/python && chmod +x $3/bin/python"
    write_script(maker, 'mkdir -p "$3/bin" && ' + made_python)
    write_script(checkout.root / "scripts" / "find_python.sh", 'echo "%s"' % maker)
    place = checkout.root / ".venv" / "tf2"
    (place / "made-with.txt").write_text("another\n")
    (place / "older").touch()
    made = checkout.make("env", "STACK=tf2", "PYTHON_TF2=mine")
    assert (made.returncode, made.stderr) == (0, "")
    assert made.stdout.endswith(".venv/tf2 is ready\n")
    assert os.listdir(str(checkout.root / ".venv")) == ["tf2"]
    files = {"bin", "made-with.txt", "requirements.txt"}
    assert set(os.listdir(str(place))) == files
    assert (place / "made-with.txt").read_text() == "%s\n" % maker


@needs_make
def test_an_environment_whose_python_is_gone_is_made_anew(checkout):
    os.remove(str(checkout.root / ".venv" / "tf2" / "bin" / "python"))
    assert "Setting up .venv/tf2" in checkout.make("demo", "STACK=tf2").stdout


@needs_make
def test_a_ready_environment_needs_no_python_elsewhere(checkout):
    checkout.find_python()
    assert checkout.make("demo").returncode == 0
    assert checkout.make("test").returncode == 0
    assert len(checkout.calls()) == 2


@needs_make
def test_a_named_python_renews_an_environment_made_with_another(checkout):
    (checkout.root / ".venv" / "tf2" / "made-with.txt").write_text("another\n")
    made = checkout.make("demo", "STACK=tf2", "PYTHON_TF2=mine")
    assert "Setting up .venv/tf2" in made.stdout
    assert checkout.calls() == []


@needs_make
def test_parallel_make_says_no_more_than_plain_make(checkout):
    made = checkout.make("-j4", "test", "demo")
    assert (made.returncode, made.stderr) == (0, "")


@needs_make
def test_an_unknown_stack_is_refused(checkout):
    made = checkout.make("test", "STACK=tf3")
    assert made.returncode != 0
    assert "tf3" in made.stderr


@needs_make
def test_clean_removes_what_make_created(checkout):
    for name in ("demo_output", "demo_output_of_mine", "data", "benchmarks/results"):
        (checkout.root / name).mkdir(parents=True)
    kept = set(os.listdir(str(checkout.root))) - {".venv", "demo_output"}
    assert checkout.make("clean").returncode == 0
    assert set(os.listdir(str(checkout.root))) == kept
    assert os.listdir(str(checkout.root / "benchmarks")) == []
    (checkout.root / ".venv" / "bin").mkdir(parents=True)
    assert checkout.make("clean").returncode == 0
    assert os.listdir(str(checkout.root / ".venv")) == ["bin"]


# ---- Automation ----


def test_automation_runs_documented_targets_on_both_stacks():
    commands = re.findall(r"^make (\w+)(.*)$", read(".ci", "run"), re.M)
    assert {target for target, _ in commands} <= TARGETS
    assert ("test", ' REQUIRE="tf1 tf2"') in commands
