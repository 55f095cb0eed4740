"""Requirements are exact and agree; make finds Pythons, sets up and runs."""

import os
import re
import shutil
import subprocess
import sys
import time

import pytest

from tests.support.paths import ROOT

REQUIREMENTS = {"tf1": "requirements-tf1.txt", "tf2": "requirements-tf2.txt"}
STACKS = {"tf1": ["3.7"], "tf2": ["3.10", "3.11", "3.12", "3.13"]}
RUNNING = "%d.%d" % sys.version_info[:2]
FIND_PYTHON = os.path.join(ROOT, "scripts", "find_python.sh")
TARGETS = {"help", "env", "bench-env", "demo", "data", "checkpoint", "bench", "scores"}
TARGETS |= {"errors", "test", "test-slow", "lint", "clean", "gpu-report"}


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


def running_stack():
    for stack, versions in STACKS.items():
        if RUNNING in versions:
            return stack
    return pytest.skip("Python %s belongs to no stack" % RUNNING)


# ---- Requirements ----


def normalize(name):
    """A package's name as indexes compare it; TensorFlow's GPU build is TensorFlow."""
    name = re.sub(r"[-_.]+", "-", name).lower()
    return "tensorflow" if name == "tensorflow-gpu" else name


def pip_lines(path):
    lines = (line.split("#")[0].strip() for line in read(path).splitlines())
    return [line for line in lines if line]


def pip_pins(path):
    """{package: version} of a requirements file."""
    pins = (line.partition(";")[0].strip().split("==") for line in pip_lines(path))
    return {normalize(name): version for name, version in pins}


def conda_pins():
    """{package: version} of environment.yml."""
    return {
        normalize(name): version
        for name, version in re.findall(
            r"^ +- ([\w-]+)==?([\d.]+)$", read("environment.yml"), re.M
        )
    }


@pytest.mark.parametrize(
    "path", [*REQUIREMENTS.values(), "benchmarks/requirements.txt"]
)
def test_requirements_have_exact_versions(path):
    exact = r'[\w.-]+==[\w.]+(; python_version < "3\.\d+")?'
    lines = pip_lines(path)
    assert [line for line in lines if not re.fullmatch(exact, line)] == []
    assert len(pip_pins(path)) == len(lines)


def test_conda_and_pip_name_the_same_versions():
    items = re.findall(r"^ +- (.*)$", read("environment.yml"), re.M)
    conda = conda_pins()
    assert len(items) == len(conda) + 3
    assert items[0] == "defaults" and {"pip", "pip:"} < set(items)
    assert conda.pop("python") == "3.7"
    pip = pip_pins(REQUIREMENTS["tf1"])
    assert conda == {name: pip.get(name) for name in conda}


def installed():
    """{package: (version, names of the packages it needs)} of this interpreter."""
    old = sys.version_info < (3, 8)
    metadata = pytest.importorskip(
        "importlib_metadata" if old else "importlib.metadata"
    )
    return {
        normalize(found.metadata["Name"]): (
            found.version,
            {
                normalize(re.match(r"[\w.-]+", need).group())
                for need in found.requires or []
                if "extra ==" not in need
            },
        )
        for found in metadata.distributions()
        if found.metadata["Name"]
    }


def test_installed_versions_are_the_pinned_ones():
    pins, here = pip_pins(REQUIREMENTS[running_stack()]), installed()
    if os.path.isdir(os.path.join(sys.prefix, "conda-meta")):
        # conda chooses the packages that environment.yml does not name.
        pins = {name: pins[name] for name in conda_pins() if name in pins}
    # Pins for older Pythons are not installed.
    versions = {name: here[name][0] for name in pins if name in here}
    wrong = {n: (v, pins[n]) for n, v in versions.items() if v != pins[n]}
    assert wrong == {}, "make env STACK=%s updates the environment" % running_stack()
    assert set(pins) - set(here) <= {"exceptiongroup", "tomli"}


def test_dependencies_of_pinned_packages_are_pinned():
    pins, here = pip_pins(REQUIREMENTS[running_stack()]), installed()
    needed = {need for name in pins if name in here for need in here[name][1]}
    # Dependencies that are absent are meant for other platforms.
    assert (needed & set(here)) - set(pins) == set()


# ---- scripts/find_python.sh ----


def run(command, env, cwd=None):
    return subprocess.run(command, env=env, cwd=cwd, capture_output=True, text=True)


def write_script(path, *lines):
    """Writes an executable shell script, and folders as needed."""
    os.makedirs(os.path.dirname(str(path)), exist_ok=True)
    with open(str(path), "w") as file:
        file.write("\n".join(("#!/bin/sh",) + lines) + "\n")
    os.chmod(str(path), 0o755)


@pytest.fixture
def find_python(tmp_path):
    """Runs the script where only the Pythons below tmp_path can be found."""
    (tmp_path / "tools").mkdir()
    os.symlink(shutil.which("sed"), str(tmp_path / "tools" / "sed"))

    def find(*arguments):
        env = {
            "HOME": str(tmp_path / "home"),
            "PATH": "%s:%s" % (tmp_path / "bin", tmp_path / "tools"),
            "PYENV_ROOT": str(tmp_path / "pyenv"),
        }
        return run(["/bin/sh", FIND_PYTHON, *map(str, arguments)], env)

    return find


@pytest.mark.parametrize(
    "place",
    ["bin", "pyenv/versions/any name/bin", "home/miniconda3/bin", "conda/envs/one/bin"],
)
def test_a_python_is_found(find_python, tmp_path, place):
    write_script(tmp_path / "bin" / "conda", 'echo "%s"' % (tmp_path / "conda"))
    # A pyenv shim for a version that is not selected must not hide other Pythons.
    write_script(tmp_path / "bin" / ("python" + RUNNING), "exit 127")
    write_script(
        tmp_path / place / ("python" + RUNNING), 'exec "%s" "$@"' % sys.executable
    )
    found = find_python("", "2.7", RUNNING)
    assert (found.returncode, found.stderr) == (0, "")
    code = "import sys; print(sys.version_info[:2] == %r)" % (sys.version_info[:2],)
    assert run([found.stdout.strip(), "-c", code], os.environ).stdout == "True\n"


def test_the_first_version_in_the_list_is_taken(find_python, tmp_path):
    for version in ("3.9", "3.10", "3.12", "3.11"):
        write_script(tmp_path / "bin" / ("python" + version), 'echo "$0"')
    assert find_python("", "3.13", "3.12", "3.11").stdout.endswith("/python3.12\n")


def test_a_named_python_must_have_the_version(find_python, tmp_path):
    mine = tmp_path / "mine"
    write_script(mine, 'exec "%s" "$@"' % sys.executable)
    assert find_python(mine, "3.0", RUNNING).returncode == 0
    refused = find_python(mine, "3.0", "3.1")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert str(mine) in refused.stderr and "3.0 or 3.1" in refused.stderr


# ---- Makefile ----


class Checkout:
    """A copy of the Makefile among stubs that record how they are called.

    Only a Python for tf2 can be found. It creates environments whose Python appends
    its arguments to the file "calls", and fails if there is a file "fail-tf2".
    """

    def __init__(self, root):
        self.root = root
        shutil.copy(os.path.join(ROOT, "Makefile"), str(root))
        for name in (*STACKS, "lint"):
            (root / ("requirements-%s.txt" % name)).write_text("numpy==0\n")
        self.provide_pythons("3.13")

    def provide_pythons(self, *versions):
        """Lets find_python.sh find Python for these versions only."""
        write_script(
            self.root / "stub",
            "name=$(basename $(dirname $(dirname $0)))",
            'echo "$name $*" | sed "s,$PWD/,," >>calls',
            "[ ! -e fail-$name ]",
        )
        write_script(
            self.root / "creator", 'mkdir -p "$4/bin" && cp stub "$4/bin/python"'
        )
        found = 'case " $* " in %s) echo ./creator ;; *) echo none >&2; exit 1 ;; esac'
        cases = "|".join('*" %s "*' % version for version in versions) or "-"
        write_script(self.root / "scripts" / "find_python.sh", found % cases)

    def make(self, *arguments):
        """Runs make without the variables of a make that runs this test."""
        env = {
            name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ
        }
        return run(("make",) + arguments, env, cwd=str(self.root))

    def calls(self):
        """The calls of environments' Pythons, but for installations."""
        path = self.root / "calls"
        lines = path.read_text().splitlines() if path.exists() else []
        return [line for line in lines if "-m pip install" not in line]


@pytest.fixture
def checkout(tmp_path):
    if not shutil.which("make"):
        pytest.skip("needs make")
    return Checkout(tmp_path)


@pytest.fixture
def bench_checkout(checkout, monkeypatch):
    """A checkout whose machine has the GPUs that the file "gpus" lists."""
    (checkout.root / "benchmarks").mkdir()
    for name in ("cpu_torch.sh", "requirements.txt"):
        shutil.copy(
            os.path.join(ROOT, "benchmarks", name), "%s/benchmarks" % checkout.root
        )
    write_script(checkout.root / "bin" / "nvidia-smi", "cat gpus 2>/dev/null")
    write_script(checkout.root / "bin" / "uname", "echo Linux")
    path = "%s:%s" % (checkout.root / "bin", os.environ["PATH"])
    monkeypatch.setenv("PATH", path)
    return checkout


def installations(checkout):
    """The arguments of each installation of the environment bench."""
    lines = (checkout.root / "calls").read_text().splitlines()
    return [line for line in lines if line.startswith("bench -m pip install ")]


def test_without_a_gpu_torch_is_the_build_for_cpus(bench_checkout):
    made = bench_checkout.make("bench-env")
    assert (made.returncode, made.stderr) == (0, "")
    first, second = installations(bench_checkout)
    version = pip_pins("benchmarks/requirements.txt")["torch"]
    assert first.endswith("/whl/cpu torch==%s+cpu" % version)
    assert "--retries 0" in first and "--timeout 15" in first
    assert second.endswith("-r benchmarks/requirements.txt")


def test_with_a_gpu_torch_is_the_usual_build(bench_checkout):
    (bench_checkout.root / "gpus").write_text("GPU 0: NVIDIA H100\n")
    assert bench_checkout.make("bench-env").returncode == 0
    (only,) = installations(bench_checkout)
    assert only.endswith("-r benchmarks/requirements.txt")


def test_an_index_that_cannot_be_reached_is_no_failure(bench_checkout):
    write_script(
        bench_checkout.root / "stub",
        'echo "bench $*" >>calls',
        'case "$*" in *whl/cpu*) echo cannot connect >&2; exit 1 ;; esac',
    )
    made = bench_checkout.make("bench-env")
    assert (made.returncode, made.stderr) == (0, "")
    assert "installing the build for GPUs" in made.stdout
    assert len(installations(bench_checkout)) == 2


def test_help_is_the_default_and_lists_the_targets(checkout):
    shown = checkout.make().stdout
    assert set(re.findall(r"^make ([\w-]+) ", shown, re.M)) == TARGETS
    assert max(map(len, shown.splitlines())) <= 88


def test_a_misspelt_variable_is_refused(checkout):
    made = checkout.make("data", "TASKS=MRPC", "STACK=tf2")
    assert made.returncode == 2
    assert "unknown variable: TASKS; expected some of STACK" in made.stderr
    assert not (checkout.root / ".venv").exists()
    assert checkout.make("help", "TASK=MRPC", "FROM=here").returncode == 0


def test_env_sets_up_what_it_finds_a_python_for(checkout):
    made = checkout.make("env")
    assert made.returncode == 0
    assert "Skipped tf1" in made.stdout
    use = "To use it: source .venv/tf2/bin/activate\n"
    assert made.stdout.endswith("Ready: .venv/tf2 .venv/lint\n" + use)
    again = checkout.make("env", "STACK=tf2")
    assert again.stdout == "Ready: .venv/tf2\n" + use
    checkout.provide_pythons()
    assert checkout.make("demo").returncode == 0
    os.remove(str(checkout.root / ".venv" / "tf2" / "bin" / "python"))
    gone = checkout.make("demo")
    assert (gone.returncode, gone.stderr.splitlines()[0]) == (2, "none")


def test_an_installation_is_repeated_until_it_succeeds(checkout):
    requirements = checkout.root / "requirements-tf2.txt"
    for number in (1, 2):
        requirements.write_text("numpy==%d\n" % number)
        os.utime(str(requirements), (time.time() + number,) * 2)
        (checkout.root / "fail-tf2").touch()
        for _ in range(2):
            assert checkout.make("demo").returncode != 0
        (checkout.root / "fail-tf2").unlink()
        assert checkout.make("demo").returncode == 0
        installed = checkout.root / ".venv" / "tf2" / "requirements.txt"
        assert installed.read_text() == requirements.read_text()
        os.utime(str(installed), (time.time() + number,) * 2)
    assert checkout.calls() == ["tf2 scripts/demo.py"] * 2


@pytest.mark.parametrize(
    "command, call",
    [
        ("data TASK=MRPC FROM=c", "scripts/fetch.py data MRPC --from=c"),
        ("data GLUE_DIR=a", "scripts/fetch.py data --glue_dir=a"),
        (
            "checkpoint NAME=x CHECKPOINT_DIR=a BASE_URL=http://b",
            "scripts/fetch.py checkpoint x --checkpoint_dir=a --base_url=http://b",
        ),
        (
            "bench ORIGINAL=a DATA_DIR=c BENCH_ARGS=-x",
            "benchmarks/bench.py --original=a --data_dir=c -x",
        ),
        ("gpu-report GPU_ARGS=--full", "benchmarks/gpu_report.py --full"),
        ("scores SCORES_ARGS=--add=a", "scripts/scores_page.py --add=a"),
        ("errors", "scripts/errors_page.py"),
    ],
)
def test_programs_get_their_arguments(checkout, command, call):
    made = checkout.make(*command.split())
    assert made.returncode == 0, made.stderr
    assert checkout.calls() == ["tf2 " + call]


@pytest.mark.parametrize(
    "target, marker", [("test", "not slow"), ("test-slow", "slow")]
)
def test_tests_run_on_the_stacks_that_are_found(checkout, target, marker):
    made = checkout.make(target, "PYTEST_ARGS=-k 'a or b'")
    assert (made.returncode, "Skipped tf1" in made.stdout) == (0, True)
    (call,) = checkout.calls()
    assert call.startswith("tf2 -m pytest -m %s -n auto" % marker)
    assert call.endswith(" -k a or b")


@pytest.mark.parametrize(
    "demand", ["STACK=tf1", "STACK=tf3", "REQUIRE=tf1 tf2", "ORIGINAL=nowhere"]
)
def test_what_is_asked_for_and_absent_is_a_failure(checkout, demand):
    made = checkout.make("test", demand)
    assert made.returncode == 2
    assert "Tests FAILED on: tf" in made.stdout or "must be tf1 or tf2" in made.stderr


@pytest.mark.parametrize("failing", ["tf1", "tf2"])
def test_one_failing_stack_fails_after_both_ran(checkout, failing):
    checkout.provide_pythons("3.7", "3.13")
    assert checkout.make("env").returncode == 0
    (checkout.root / ("fail-" + failing)).touch()
    made = checkout.make("-j2", "test")
    assert made.returncode != 0
    assert "Tests FAILED on: %s\n" % failing in made.stdout
    assert [call.split()[0] for call in checkout.calls()] == ["tf1", "tf2"]


def test_clean_removes_what_make_created(checkout):
    checkout.make("env")
    for name in ("demo_output", "data", "benchmarks/results"):
        (checkout.root / name).mkdir(parents=True)
    before = set(os.listdir(str(checkout.root)))
    assert checkout.make("clean").returncode == 0
    assert set(os.listdir(str(checkout.root))) == before - {".venv", "demo_output"}
    assert os.listdir(str(checkout.root / "benchmarks")) == []
