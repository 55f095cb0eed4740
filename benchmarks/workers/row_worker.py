"""The process of one row of gpu_report.py.

  python -m benchmarks.workers.row_worker SPEC.json

The spec contains program: "device", "demo", "weights", "ours", "products" or "hf"; for
the last three, that of `tf_worker` or `hf_worker`, num_batches (of the examples) and
seconds (how long steps are timed). Writes a line of JSON whenever more is known; each
contains the lines before it, so that what a later part breaks is not lost.
"""

import contextlib
import hashlib
import json
import os
import subprocess
import sys
import time

from finetuning.utils.errors import InputError

# Of a round, which runs every batch once.
_LEAST_ROUNDS, _MOST_ROUNDS = 3, 30
_DEMO_RESULTS = os.path.join("demo_output", "run", "eval_results.json")


def device(spec):
    """Facts about the device, after the self-test."""
    del spec
    import platform

    from finetuning.device import backend, detect, gpu_support, self_test

    backend.start()
    import numpy as np

    found = detect.find_device()
    is_gpu = found.kind == "GPU"
    dtypes = ["float32"]
    with contextlib.suppress(InputError):  # A CPU on which 16 bits are not faster.
        dtypes.append(detect.short_type(found))
    capability = gpu_support.parse(found.capability) or (0, 0)
    facts = {
        "kind": found.kind,
        "line": found.line(),
        "name": found.description.split(",")[0] if is_gpu else "CPU",
        "tensorflow": found.tensorflow,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "driver": _driver() if is_gpu else None,
        "unused_gpu": not is_gpu and self_test.has_unused_gpu(),
        "warnings": self_test.check_device(found, dtypes),
        "self_test": "passed in %s" % " and ".join(dtypes),
        "determinism": found.determinism,
        # How the command builds the graph for this device.
        "graph": {
            "few_ops": is_gpu,
            "fused_norm": is_gpu and self_test.has_row_norm(found),
        },
        "has_deterministic_ops": backend.has_deterministic_ops(),
    }
    # Ampere is the first with TensorFloat-32.
    if is_gpu and backend.has_tensor_float_32() and capability >= (8, 0):
        dtypes.append("TensorFloat-32")
    yield dict(facts, dtypes=dtypes)


def _driver():
    """What nvidia-smi reports about driver, memory and power; None without it."""
    query = "--query-gpu=name,driver_version,memory.total,power.limit,clocks.max.sm"
    command = ["nvidia-smi", query, "--format=csv,noheader"]
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return "; ".join(done.stdout.decode("utf-8", "replace").splitlines())


def demo(spec):
    """Trains the demo; its scores and its seconds."""
    del spec
    started = time.monotonic()
    command = [sys.executable, os.path.join("scripts", "demo.py")]
    done = subprocess.run(command, stdout=2, check=False)
    if done.returncode:
        sys.exit("the demo's exit status is %d" % done.returncode)
    with open(_DEMO_RESULTS, encoding="utf-8") as file:
        results = json.load(file)["results"]
    yield {"whole_seconds": time.monotonic() - started, "scores": results}


def write_weights(spec):
    """Writes the weights that all programs start from."""
    import numpy as np

    from benchmarks.timing import examples

    partial = spec["weights"] + ".partial.npz"
    np.savez(partial, **examples.random_weights(spec["shape"]))
    os.replace(partial, spec["weights"])
    yield {}


def tensorflow_steps(spec):
    """Times steps; then peak memory and what a step executed, for this program."""
    from benchmarks.workers import serving, step_trace, tf_worker
    from finetuning.device import backend

    facts, session, steps = tf_worker.build(spec)
    work = serving.cycling(session.run, steps)
    yield facts
    yield _warm_up(work, spec)
    if spec["program"] == "ours":
        yield {"digest": _digest(session)}
    yield _time(work, spec)
    if spec["program"] == "products":
        return
    if spec["device"] == "GPU":
        yield _attempt("peak_gpu_bytes", backend.peak_gpu_bytes)
    yield _attempt("trace", lambda: step_trace.record(session, steps[0]))


def torch_steps(spec):
    """The same for Hugging Face."""
    import torch

    from benchmarks.workers import hf_worker, step_trace

    on_gpu = spec["device"] == "GPU"
    if on_gpu and not torch.cuda.is_available():
        sys.exit("torch %s finds no GPU" % torch.__version__)
    facts, work = hf_worker.set_up(spec)
    facts["attention"] = facts.pop("variant")
    yield facts
    yield _warm_up(work, spec)
    yield _time(work, spec)
    if on_gpu:
        yield _attempt("peak_gpu_bytes", torch.cuda.max_memory_allocated)
        yield _attempt("trace", lambda: step_trace.record_torch(lambda: work(steps=1)))


def _warm_up(work, spec):
    """Runs every batch once, which compiles and tunes; returns seconds."""
    started = time.perf_counter()
    work(steps=1)
    first = time.perf_counter() - started
    work(steps=spec["num_batches"] - 1)
    return {"first_step_seconds": first}


def _time(work, spec):
    """Returns the seconds of a step, for each round."""
    seconds, started = [], time.perf_counter()
    while len(seconds) < _LEAST_ROUNDS or (
        len(seconds) < _MOST_ROUNDS and time.perf_counter() - started < spec["seconds"]
    ):
        before = time.perf_counter()
        work(steps=spec["num_batches"])
        seconds.append((time.perf_counter() - before) / spec["num_batches"])
    return {"seconds": seconds}


def _attempt(name, measure):
    """What is measured after the steps, under its name; an error under "no NAME"."""
    try:
        return {name: measure()}
    except Exception as error:  # Profilers and drivers raise all kinds of errors.
        text = " ".join(str(error).split())
        return {"no " + name: "%s: %s" % (type(error).__name__, text[:300])}


def _digest(session):
    """The SHA-256 of all weights, equal only if all their bytes are."""
    digest = hashlib.sha256()
    for variable in session.graph.get_collection("trainable_variables"):
        digest.update(session.run(variable).tobytes())
    return digest.hexdigest()


_PROGRAMS = {
    "device": device,
    "demo": demo,
    "weights": write_weights,
    "ours": tensorflow_steps,
    "products": tensorflow_steps,
    "hf": torch_steps,
}


def main(path):
    # Whatever else writes to standard output must not come between the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    with open(path, encoding="utf-8") as file:
        spec = json.load(file)
    known = {}
    try:
        for more in _PROGRAMS[spec["program"]](spec):
            known.update(more)
            answers.write(json.dumps(known) + "\n")
            answers.flush()
    except InputError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    main(sys.argv[1])
