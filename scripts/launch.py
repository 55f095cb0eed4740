"""Starts several workers of one run on this machine.

  python -m scripts.launch --num_workers=2 -- --task_name=MRPC --do_train ...

The flags after -- are those of run_classifier.py, which is started once for each
worker. --train_batch_size stays the number of examples of a whole step, which the
workers share. If the machine has GPUs, each worker gets one of them, in the order of
CUDA_VISIBLE_DEVICES. On CPUs the workers share the cores.

Every line of output begins with the number of its worker. The exit status is that of
the worker that ended the run. Ctrl-C stops all workers after the same step.

For workers on several machines, see docs/DISTRIBUTED.md.
"""

import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

if not __package__:  # Started by its path.
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from finetuning.utils import early_interrupt, environment

if __name__ == "__main__":
    early_interrupt.report()
    environment.require()

from finetuning.device import backend
from finetuning.utils.errors import InputError
from scripts import entry

_PROGRAM = os.path.join(entry.ROOT, "run_classifier.py")
_HOST = "127.0.0.1"
# The flags that this program gives to each worker itself.
_OWN_FLAGS = ("--workers", "--worker_index", "--cluster_secret_file")
# The workers end by themselves when one does; this is how long it may take.
_GRACE_SECONDS = 30


def run(arguments, flags):
    """Starts the workers and waits for them; returns the exit status."""
    environments = environments_of(arguments.num_workers, visible_gpus())
    if "CUDA_VISIBLE_DEVICES" not in environments[0] and not _has(flags, "num_threads"):
        threads = max(backend.physical_cores() // arguments.num_workers, 1)
        flags = [*flags, "--num_threads=%d" % threads]
    addresses = ["%s:%d" % (_HOST, port) for port in free_ports(arguments.num_workers)]
    with tempfile.NamedTemporaryFile("w", prefix="cluster_secret_") as secret_file:
        secret_file.write(secrets.token_hex(32))
        secret_file.flush()
        shared = ["--workers=" + ",".join(addresses)]
        shared.append("--cluster_secret_file=" + secret_file.name)
        return _run_all(
            [
                [sys.executable, _PROGRAM, *flags, *shared, "--worker_index=%d" % index]
                for index in range(arguments.num_workers)
            ],
            environments,
        )


def visible_gpus():
    """The GPUs that a program started here would use, as CUDA_VISIBLE_DEVICES has them.

    Returns:
      List of strings; empty if there is no GPU.
    """
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        return [name for name in chosen.split(",") if name.strip() not in ("", "-1")]
    try:
        done = subprocess.run(
            ["nvidia-smi", "--list-gpus"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return []
    count = sum(line.startswith(b"GPU") for line in done.stdout.splitlines())
    return [str(number) for number in range(count)]


def environments_of(num_workers, gpus):
    """The environment of each worker, with a GPU of its own.

    Args:
      num_workers: how many workers there are.
      gpus: what `visible_gpus` returned.

    Raises:
      InputError: there are GPUs, but too few.
    """
    base = dict(os.environ, PYTHONUNBUFFERED="1")
    if not gpus:
        return [base] * num_workers
    if len(gpus) < num_workers:
        raise InputError(
            "--num_workers=%d: this machine has %d GPU%s (%s), and each worker needs "
            "its own; lower --num_workers, or set CUDA_VISIBLE_DEVICES= to train on "
            "the CPU" % (num_workers, len(gpus), "s" * (len(gpus) > 1), ", ".join(gpus))
        )
    return [dict(base, CUDA_VISIBLE_DEVICES=gpu) for gpu in gpus[:num_workers]]


def free_ports(count):
    """Ports on this machine that no program is listening on."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind((_HOST, 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def _has(flags, name):
    return any(flag.split("=")[0].lstrip("-") == name for flag in flags)


def _run_all(commands, environments):
    """Runs the commands to their ends; returns the status of the first that failed."""
    processes = []
    try:
        for index, (command, environment) in enumerate(zip(commands, environments)):
            processes.append(_start(command, environment, index))
        _forward_signals(processes)
        return _wait(processes)
    finally:
        for process in processes:
            process.kill()
            process.wait()


def _start(command, environment, index):
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment,
        # Ctrl-C reaches only this process, which passes it on.
        start_new_session=True,
    )
    reader = threading.Thread(target=_show, args=(process.stdout, index), daemon=True)
    reader.start()
    process.reader = reader
    return process


def _show(stream, index):
    """Copies a worker's output to that of this program, line by line."""
    for line in stream:
        text = "[%d] %s" % (index, line.decode("utf-8", "replace"))
        sys.stdout.write(text)
        sys.stdout.flush()


def _forward_signals(processes):
    def forward(number, frame):
        del frame
        for process in processes:
            process.send_signal(number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, forward)


def _wait(processes):
    """Waits for all processes; ends those that do not follow one that failed."""
    status, deadline = 0, None
    while any(process.poll() is None for process in processes):
        failed = [p.returncode for p in processes if p.returncode not in (None, 0)]
        if failed and deadline is None:
            status, deadline = failed[0], time.monotonic() + _GRACE_SECONDS
        if deadline is not None and time.monotonic() > deadline:
            for process in processes:
                process.kill()
        time.sleep(0.1)
    for process in processes:
        process.reader.join()
    failed = [process.returncode for process in processes if process.returncode]
    status = status or (failed[0] if failed else 0)
    return status if status >= 0 else 128 - status


def parse(argv):
    """Returns this program's arguments, and the flags of run_classifier.py."""
    parser = entry.Parser(prog="launch.py", description=__doc__)
    parser.add_argument(
        "--num_workers", type=int, required=True, help="how many workers to start"
    )
    argv = sys.argv[1:] if argv is None else argv
    before, flags = argv, []
    if "--" in argv:
        at = argv.index("--")
        before, flags = argv[:at], argv[at + 1 :]
    arguments = parser.parse_args(before)
    entry.require_at_least(arguments, num_workers=1)
    if not flags:
        raise InputError("no flags of run_classifier.py; give them after --")
    for flag in _OWN_FLAGS:
        if _has(flags, flag.lstrip("-")):
            raise InputError("%s is chosen by this program; omit it" % flag)
    return arguments, flags


def main(argv=None):
    """Runs one command line; returns the exit status."""
    return entry.status_of(lambda: run(*parse(argv)))


if __name__ == "__main__":
    sys.exit(main())
