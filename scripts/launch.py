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

import contextlib
import ctypes
import os
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

import secrets  # Python 2.7 does not have it.

from finetuning.device import backend
from finetuning.flags import batch_parts, command_line
from finetuning.utils import signals
from finetuning.utils.errors import InputError
from scripts import entry

_PROGRAM = os.path.join(entry.ROOT, "run_classifier.py")
_HOST = "127.0.0.1"
# The flags that this program gives to each worker itself.
_OWN_FLAGS = ("workers", "worker_index", "cluster_secret_file")
# The workers end by themselves when one does; this is how long it may take.
_GRACE_SECONDS = 30
_POLL_SECONDS = 0.1
# Of Linux; see prctl(2).
_PRCTL = getattr(ctypes.CDLL(None), "prctl", None)
_PR_SET_PDEATHSIG = 1


def run(num_workers, flags):
    """Starts the workers and waits for them; returns the exit status."""
    settings, _ = command_line.parse([_PROGRAM] + flags)
    for name in _OWN_FLAGS:
        if getattr(settings, name) is not None:
            raise InputError("--%s is chosen by launch.py; omit it" % name)
    if settings.do_train:
        batch_parts.check(
            settings.train_batch_size, settings.accumulate_steps, num_workers
        )
    gpus = visible_gpus()
    environments = environments_of(num_workers, gpus)
    if not gpus and not settings.num_threads:
        threads = max(backend.physical_cores() // num_workers, 1)
        flags = flags + ["--num_threads=%d" % threads]
    addresses = ["%s:%d" % (_HOST, port) for port in free_ports(num_workers)]
    # Only this user may read the file.
    with tempfile.NamedTemporaryFile("w", prefix="cluster_secret_") as secret_file:
        secret_file.write(secrets.token_hex(32))
        secret_file.flush()
        flags = flags + ["--workers=" + ",".join(addresses)]
        flags.append("--cluster_secret_file=" + secret_file.name)
        command = [sys.executable, _PROGRAM] + flags
        return Workers().run(command, environments)


def visible_gpus():
    """The GPUs that a program started here would use, as CUDA_VISIBLE_DEVICES has them.

    Returns:
      List of strings; empty if there is no GPU.
    """
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        names = [name.strip() for name in chosen.split(",")]
        # As in CUDA, what follows an invalid name is not visible.
        valid = [name not in ("", "-1") for name in names]
        return names[: (valid + [False]).index(False)]
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
    base.pop("TF_CONFIG", None)  # The flags are given instead.
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
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for sock in sockets:
            sock.bind((_HOST, 0))
        return [sock.getsockname()[1] for sock in sockets]


class Workers:
    """The processes of one run."""

    def __init__(self):
        self._processes = []
        self._readers = []
        self._signal = None  # The last one that this program has received.

    def run(self, command, environments):
        """Runs a command for each worker to its end; returns the exit status.

        Args:
          command: list of str, to which --worker_index is added.
          environments: dictionary of each worker.
        """
        try:
            with self._forwarding_signals():
                for index, environment in enumerate(environments):
                    if self._signal is None:
                        self._start(command, index, environment)
                return self._wait()
        finally:
            self._kill()

    def _start(self, command, index, environment):
        process = subprocess.Popen(
            command + ["--worker_index=%d" % index],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            # Ctrl-C reaches only this program, which forwards it.
            start_new_session=True,
            preexec_fn=_stop_with_parent if _PRCTL else None,
        )
        self._processes.append(process)
        if self._signal is not None:  # It came before the process was in the list.
            process.send_signal(self._signal)
        for source, target in (
            (process.stdout, sys.stdout),
            (process.stderr, sys.stderr),
        ):
            arguments = (source, target, b"[%d] " % index)
            reader = threading.Thread(target=_copy, args=arguments, daemon=True)
            reader.start()
            self._readers.append(reader)

    @contextlib.contextmanager
    def _forwarding_signals(self):
        """A context in which the signals that end a program reach all workers."""

        def forward(number, frame):
            del frame
            self._signal = number
            for process in self._processes:
                process.send_signal(number)

        before = {}
        for name in signals.NAMES:
            number = getattr(signal, name)
            if signal.getsignal(number) != signal.SIG_IGN:
                before[number] = signal.signal(number, forward)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _wait(self):
        """Waits for all processes; ends those that do not follow one that failed."""
        deadline, codes = None, self._return_codes()
        while None in codes:
            if deadline is None and any(codes):
                deadline = time.monotonic() + _GRACE_SECONDS
            if deadline is not None and time.monotonic() > deadline:
                self._kill()
                break
            time.sleep(_POLL_SECONDS)
            codes = self._return_codes()
        for reader in self._readers:
            reader.join()
        # That a worker has lost another one is status 1.
        statuses = [_status(code) for code in codes if code is not None]
        return max(statuses) if statuses else 128 + self._signal

    def _return_codes(self):
        return [process.poll() for process in self._processes]

    def _kill(self):
        for process in self._processes:
            process.kill()
            process.wait()


def _stop_with_parent():
    """In a new worker: it gets SIGTERM if launch.py is killed, and keeps no GPU."""
    _PRCTL(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _copy(source, target, prefix):
    """Copies a worker's output line by line, until it ends, without blank lines."""
    for line in source:
        if not line.strip():
            continue  # It separates lines from a progress bar, which is not shown here.
        end = b"" if line.endswith(b"\n") else b"\n"
        # Whoever reads may have left; the worker must be able to go on writing.
        with contextlib.suppress(OSError):
            target.buffer.write(prefix + line + end)
            target.flush()


def _status(code):
    return code if code >= 0 else 128 - code


def parse(argv):
    """Returns the number of workers, and the flags of run_classifier.py."""
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
    return arguments.num_workers, flags


def main(argv=None):
    """Runs one command line; returns the exit status."""
    return entry.status_of(lambda: run(*parse(argv)))


if __name__ == "__main__":
    sys.exit(main())
