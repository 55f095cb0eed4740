"""Runs the process of a row: a crash, a hang or too little memory is its result."""

import json
import os
import signal
import subprocess
import tempfile

from benchmarks import ROOT
from finetuning.device import failures

MEASURED, OUT_OF_MEMORY = "measured", "out of memory"
TIME_LIMIT, FAILED = "time limit", "failed"
_LOG_CHARACTERS, _MESSAGE_CHARACTERS = 4000, 600


def measure(python, spec, limit):
    """Runs `workers.row_worker`, and ends it with all its children after the limit.

    Args:
      python: the interpreter.
      spec: its dictionary.
      limit: seconds.

    Returns:
      What it reported until it ended; status, one of the constants of this module; and,
      unless it is `MEASURED`, message.
    """
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "spec.json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump(spec, file)
        with open(os.path.join(directory, "log"), "w+b") as log:
            out, code = _run(
                [python, "-m", "benchmarks.workers.row_worker", path], limit, log
            )
            log.seek(0)
            text = log.read().decode("utf-8", "replace")
    result = _last_answer(out)
    status, message = _judge(code, text, limit)
    result["status"] = status
    if message:
        result["message"] = message
    return result


def _run(command, limit, log):
    """Returns standard output, and the exit status: None at the time limit."""
    environment = dict(
        os.environ,
        PYTHONPATH=ROOT,
        PYTHONWARNINGS="ignore",
        TF_CPP_MIN_LOG_LEVEL="2",
        # Memory is taken as it is needed, so that the peak shows what is needed.
        TF_FORCE_GPU_ALLOW_GROWTH="true",
    )
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=log,
        env=environment,
        start_new_session=True,
    )
    code = None
    try:
        out, _ = process.communicate(timeout=limit)
        code = process.returncode
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        out, _ = process.communicate()
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise
    return out.decode("utf-8", "replace"), code


def _last_answer(out):
    """The last line that is complete; each contains what those before it contain."""
    lines = out.split("\n")[:-1]
    return json.loads(lines[-1]) if lines else {}


def _judge(code, log, limit):
    """Returns the status, and the message."""
    if code == 0:
        return MEASURED, None
    if code is None:
        return TIME_LIMIT, "ended after %d seconds" % limit
    lines = [line for line in log[-_LOG_CHARACTERS:].splitlines() if line.strip()]
    last = lines[-1].strip() if lines else "no message"
    if failures.is_out_of_memory(log):
        found = [line for line in lines if failures.is_out_of_memory(line)]
        return OUT_OF_MEMORY, (found or [last])[0].strip()[:_MESSAGE_CHARACTERS]
    if code == -signal.SIGKILL:
        return OUT_OF_MEMORY, "ended by the system, as it does when memory is short"
    return FAILED, "exit status %d: %s" % (code, last[:_MESSAGE_CHARACTERS])
