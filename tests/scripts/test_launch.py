"""scripts/launch.py: the workers of one run on this machine."""

import os
import signal
import subprocess
import sys
import time
import types

import pytest

from finetuning.utils.errors import InputError
from scripts import launch
from tests.support import running
from tests.support.paths import ROOT
from tests.support.worker_processes import Process, ending

# What is started instead of the program: {index} has its number, {flags} its flags.
HEAD = """
import os, signal, sys, time
flags = dict(f[2:].partition("=")[::2] for f in sys.argv[1:] if "=" in f)
index = int(flags["worker_index"])
"""
GPUS = b"GPU 0: NVIDIA (UUID: GPU-1)\nGPU 1: NVIDIA (UUID: GPU-2)\n"


@pytest.fixture
def flags(tmp_path, corpus_flags):
    out = "--output_dir=" + str(tmp_path / "out")
    return [*corpus_flags, "--do_train", out]


@pytest.fixture
def launched(monkeypatch, tmp_path, flags, capfd):
    """A function that starts a script as two workers: status, stdout, stderr."""
    monkeypatch.setattr(launch, "_PROGRAM", str(tmp_path / "program.py"))
    monkeypatch.setattr(launch, "_GRACE_SECONDS", 1)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")

    def start(script, more=(), num_workers=2):
        (tmp_path / "program.py").write_text(HEAD + script)
        given = ["--num_workers=%d" % num_workers, "--", *flags, *more]
        status = launch.main(given)
        return (status, *capfd.readouterr())

    return start


def test_each_line_begins_with_the_number_of_its_worker(launched):
    script = "print('a\\n\\nb'); print('c', end='', file=sys.stderr)"
    status, out, err = launched(script)
    assert status == 0
    assert sorted(out.splitlines()) == ["[0] a", "[0] b", "[1] a", "[1] b"]
    assert sorted(err.splitlines()) == ["[0] c", "[1] c"]


def test_flags_of_the_workers(launched, monkeypatch):
    monkeypatch.setattr(launch.backend, "physical_cores", lambda: 7)
    monkeypatch.setenv("TF_CONFIG", "{}")
    script = """
path = flags["cluster_secret_file"]
assert os.stat(path).st_mode & 0o777 == 0o600 and os.path.getsize(path) == 64
hosts = [address.split(":")[0] for address in flags["workers"].split(",")]
assert hosts == ["127.0.0.1"] * 2 and "TF_CONFIG" not in os.environ
print(flags["num_threads"], path)
"""
    status, out, err = launched(script)
    assert status == 0, err
    paths = {line.split()[2] for line in out.splitlines()}
    assert {line.split()[1] for line in out.splitlines()} == {"3"}
    assert len(paths) == 1
    assert not os.path.exists(paths.pop())
    status, out, _ = launched("print(flags['num_threads'])", ["--num_threads=5"])
    assert out.split() in (["[0]", "5", "[1]", "5"], ["[1]", "5", "[0]", "5"])


def test_status_is_that_of_the_worker_that_ended_the_run(launched):
    lost = "time.sleep(0.3) if index else None\n"
    assert launched(lost + "sys.exit(2 if index else 1)")[0] == 2
    assert launched("os.kill(os.getpid(), signal.SIGKILL) if index else sys.exit(1)")[
        0
    ] == (128 + signal.SIGKILL)


def test_workers_that_do_not_end_are_killed(launched):
    status, out, _ = launched(
        "print(os.getpid(), flush=True); sys.exit(3) if index else time.sleep(60)"
    )
    assert status == 3
    for line in out.splitlines():
        with pytest.raises(ProcessLookupError):
            os.kill(int(line.split()[1]), 0)


@pytest.mark.skipif(launch._PRCTL is None, reason="only Linux has prctl")
def test_workers_stop_if_the_launcher_is_killed(tmp_path, flags):
    (tmp_path / "program.py").write_text(
        """
import os, signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
print(os.getpid(), flush=True)
open(%r + sys.argv[-1][-1], "w").write(str(signal.sigtimedwait([signal.SIGTERM], 60)))
"""
        % str(tmp_path / "stopped_")
    )
    script = "from scripts import launch; launch._PROGRAM = %r; launch.main(%r)"
    given = ["--num_workers=2", "--", *flags]
    script %= (str(tmp_path / "program.py"), given)
    process = Process(
        [sys.executable, "-c", script],
        dict(running.ONE_THREAD, PYTHONPATH=ROOT, CUDA_VISIBLE_DEVICES=""),
    )
    with ending([process]):
        process.has_logged("[0] ", 60)
        process.has_logged("[1] ", 60)
        process.kill(signal.SIGKILL)
        paths = [tmp_path / ("stopped_%d" % index) for index in range(2)]
        deadline = time.monotonic() + 30
        while not all(path.exists() and path.read_text() for path in paths):
            assert time.monotonic() < deadline
            time.sleep(0.05)
    for path in paths:
        assert "si_signo=%d" % signal.SIGTERM in path.read_text()


def test_one_worker(launched):
    status, out, _ = launched("print(flags['workers'].count(','))", num_workers=1)
    assert (status, out) == (0, "[0] 0\n")


def test_reader_of_the_output_that_has_left(flags, tmp_path):
    """The workers write more than a pipe holds, and still come to their end."""
    (tmp_path / "program.py").write_text(
        HEAD + "for _ in range(9999): print('-' * 99)\nopen('%s', 'w')" % "ended"
    )
    driver = "from scripts import launch; import sys; launch._PROGRAM = %r\n" % str(
        tmp_path / "program.py"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", driver + "launch.run(1, sys.argv[1:])", *flags],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=str(tmp_path),
        env=dict(os.environ, CUDA_VISIBLE_DEVICES="", PYTHONPATH=ROOT),
    )
    process.stdout.readline()
    process.stdout.close()
    process.wait(60)
    assert os.path.exists(str(tmp_path / "ended"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_reach_all_workers(launched, number):
    """Worker 1 sends the signal to this process, which is its parent."""
    script = """
def stop(number, frame):
    print("stopped", flush=True)
    sys.exit(128 + number)
signal.signal(%d, stop)
time.sleep(1)
if index:
    os.kill(os.getppid(), %d)
time.sleep(60)
"""
    handler = signal.getsignal(number)
    status, out, _ = launched(script % (number, number))
    assert status == 128 + number
    assert sorted(out.splitlines()) == ["[0] stopped", "[1] stopped"]
    assert signal.getsignal(number) == handler


def test_visible_gpus(monkeypatch):
    def found(*arguments, **options):
        return types.SimpleNamespace(stdout=GPUS)

    def missing(*arguments, **options):
        raise FileNotFoundError

    monkeypatch.setattr(subprocess, "run", found)
    for chosen, expected in (
        ("3,1", ["3", "1"]),
        (" GPU-2 ", ["GPU-2"]),
        ("", []),
        ("-1", []),
        ("2,-1,3", ["2"]),
    ):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", chosen)
        assert launch.visible_gpus() == expected
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert launch.visible_gpus() == ["0", "1"]
    monkeypatch.setattr(subprocess, "run", missing)
    assert launch.visible_gpus() == []


def test_each_worker_has_a_gpu_of_its_own():
    environments = launch.environments_of(2, ["5", "GPU-1", "7"])
    visible = [environment["CUDA_VISIBLE_DEVICES"] for environment in environments]
    assert visible == ["5", "GPU-1"]


def test_too_few_gpus():
    with pytest.raises(InputError, match=r"--num_workers=3: .* has 1 GPU \(2\)"):
        launch.environments_of(3, ["2"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--num_workers=0", "--", "--do_train"], "--num_workers=0: expected 1"),
        (["--num_workers=2"], "give them after --"),
        (["--num_workers=2", "--do_train"], "--do_train"),
        (["--", "--do_train"], "--num_workers"),
    ],
)
def test_wrong_arguments(arguments, message, capsys):
    assert launch.main(arguments) == 2
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--workers=a:1", "--workers is chosen by launch.py"),
        ("--cluster_secret_file=/x", "--cluster_secret_file is chosen by launch.py"),
        ("--do_trian", "--do_trian is not a flag"),
        ("--train_batch_size=9", "--train_batch_size=9 cannot be divided among 2"),
    ],
)
def test_flags_that_no_worker_may_have(flag, message, flags, tmp_path, capsys):
    """They are found before a worker starts, also in a flag file."""
    path = str(tmp_path / "some.flags")
    with open(path, "w") as file:
        file.write(flag + "\n")
    for given in (flag, "--flagfile=" + path):
        assert launch.main(["--num_workers=2", "--", *flags, given]) == 2
        err = capsys.readouterr().err
        assert message in err
        assert err.count("\n") == 1


# ---- With the program itself ----


def started(flags):
    command = [sys.executable, "-u", "-m", "scripts.launch", "--num_workers=2", "--"]
    return Process([*command, *flags], dict(running.ONE_THREAD, PYTHONPATH=ROOT))


@pytest.mark.slow
def test_ctrl_c_stops_all_workers_after_the_same_step(flags, tmp_path):
    process = started([*flags, "--num_train_epochs=2000"])
    with ending([process]):
        process.has_logged("Saved %s/out/model.ckpt-0" % tmp_path, 120)
        process.kill(signal.SIGINT)
        assert process.wait(60) == 130, process.out + process.err
    stopped = [line for line in process.out.splitlines() if "STOPPED" in line]
    assert [line[:3] for line in sorted(stopped)] == ["[0]", "[1]"]
    assert len({line.split(" after step ")[1].split()[0] for line in stopped}) == 1


@pytest.mark.slow
def test_bad_input_ends_all_workers(flags):
    process = started([*flags, "--data_dir=/nowhere"])
    with ending([process]):
        assert process.wait(120) == 2, process.out + process.err
    lines = process.err.splitlines()
    assert [line.split(" ")[0] for line in sorted(lines)] == ["[0]", "[1]"]
    assert all("--data_dir=/nowhere" in line for line in lines)
