"""Measures this program's speed and memory, and compares them with its peers'.

  make bench
  make bench STACK=tf1 ORIGINAL=DIR
  make bench DATA_DIR=DIR BENCH_ARGS="--vocab_file=FILE --rounds=8 --mode=train,infer"

Each program runs in a process of its own, with the same weights, batches and threads,
and they take turns. See benchmarks/README.md.
"""

import argparse
import json
import os
import platform
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

from benchmarks.timing import measurements, report  # noqa: E402
from benchmarks.timing.programs import (  # noqa: E402
    BenchmarkError,
    Worker,
    interpreter,
    positive,
    positive_numbers,
)
from benchmarks.workers import tf_worker  # noqa: E402
from finetuning.device import backend  # noqa: E402
from finetuning.run_info import provenance  # noqa: E402

_OTHER_MODES = {"features": measurements.features, "command": measurements.command}
MODES = ("train", "infer", *_OTHER_MODES)
_FILES = ("data_dir", "vocab_file", "bert_config_file", "init_checkpoint")
_NEEDED = {"features": _FILES[:3], "command": _FILES}


def main(argv=None):
    arguments = parse_arguments(argv)
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as directory:
        try:
            bench = prepare(arguments, directory)
            facts = heading(bench)
            show([*facts, ""])
            measured = list(run_modes(bench))
        except BenchmarkError as failure:
            raise SystemExit("bench: %s" % failure) from None
    results = {
        "facts": facts,
        "stacks": bench.stacks,
        "arguments": vars(arguments),
        "measurements": measured,
        "seconds": time.monotonic() - started,
    }
    os.makedirs(arguments.output_dir, exist_ok=True)
    path = os.path.join(arguments.output_dir, "bench")
    with open(path + ".json", "w", encoding="utf-8") as file:
        json.dump(results, file, indent=1)
    report.draw(path + ".png", "\n".join(facts[:2]), measured)
    print("Written to %s.json and %s.png" % (path, path))


def parse_arguments(argv=None):
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add, path = parser.add_argument, os.path.abspath
    add("--mode", default="train,infer", help="any of %s" % ",".join(MODES))
    add("--original", type=path, help="checkout of google-research/bert (TensorFlow 1)")
    add("--hf_python", type=interpreter, help="Python with torch and transformers")
    add("--other_python", type=interpreter, help="Python with another TensorFlow")
    for name in _FILES:
        add("--" + name, type=path, help="as for run_classifier.py, for MRPC")
    add("--layers", type=positive, default=6)
    add("--hidden", type=positive, default=384, help="hidden size; 4 times in the FFN")
    add("--heads", type=positive, default=12)
    add(
        "--batch_size",
        type=positive_numbers,
        default="32,5",
        help="for training, comma-separated",
    )
    add("--infer_batch_size", type=positive, default=8)
    add("--examples", type=positive, default=408, help="for inference; 408 as in MRPC")
    add("--max_seq_length", type=positive, default=128)
    add("--rounds", type=positive, default=5, help="number of turns of each program")
    add("--steps", type=positive, default=2, help="training steps in a turn")
    add("--threads", type=positive, default=backend.physical_cores())
    add("--epochs", type=float, default=3.0, help="epochs of the whole command")
    add("--command_rounds", type=positive, default=1, help="runs of the whole command")
    add(
        "--also",
        type=changes,
        action="append",
        default=[],
        metavar="CHANGE,...",
        help="measure training and inference of this program once more, with variables "
        "of the environment (NAME=VALUE) or any of " + ", ".join(tf_worker.CHANGES),
    )
    add("--output_dir", default=os.path.join(ROOT, "benchmarks", "results"))
    arguments = parser.parse_args(argv)
    arguments.mode = arguments.mode.split(",")
    for mode in arguments.mode:
        if mode not in MODES:
            parser.error("--mode=%s: expected any of %s" % (mode, ",".join(MODES)))
        needed = _NEEDED.get(mode, ())
        missing = [name for name in needed if not getattr(arguments, name)]
        if missing:
            parser.error("--mode=%s requires --%s" % (mode, ", --".join(missing)))
    if arguments.data_dir and not arguments.vocab_file:
        parser.error("--data_dir requires --vocab_file")
    return arguments


def changes(text):
    """The comma-separated changes that --also gives, for argparse, as a tuple."""
    chosen = tuple(text.split(","))
    for change in chosen:
        if "=" not in change and change not in tf_worker.CHANGES:
            raise argparse.ArgumentTypeError(
                "%r: expected NAME=VALUE or any of %s"
                % (change, ", ".join(tf_worker.CHANGES))
            )
    return chosen


def prepare(arguments, directory):
    """Finds out which programs can take part; returns the `measurements.Bench`."""
    with open(os.path.join(ROOT, "configs", "bert_base_uncased.json")) as file:
        shape = json.load(file)
    shape.update(
        hidden_size=arguments.hidden,
        num_hidden_layers=arguments.layers,
        num_attention_heads=arguments.heads,
        intermediate_size=4 * arguments.hidden,
    )
    weights = os.path.join(directory, "weights.npz")
    stacks = []
    for python in filter(None, (sys.executable, arguments.other_python)):
        worker = Worker(python, "stack_worker", {})
        stacks.append(dict(worker.facts, python=python))
        worker.run(path=weights, shape=shape)
        worker.close()
    old = [stack for stack in stacks if stack["tensorflow"].startswith("1.")]
    return measurements.Bench(
        arguments=arguments,
        shape=shape,
        stacks=stacks,
        original_stack=old[0] if old and arguments.original else None,
        hf_python=find_hugging_face(arguments.hf_python),
        directory=directory,
        weights=weights,
    )


def find_hugging_face(given):
    """The interpreter for Hugging Face, or None."""
    in_checkout = os.path.join(ROOT, ".venv", "bench", "bin", "python")
    return given or (in_checkout if os.path.exists(in_checkout) else None)


def heading(bench):
    """Lines about the model, the machine and who takes part, as a list."""
    arguments = bench.arguments
    original, hugging_face = arguments.original, bench.hf_python
    if not original:
        original = "skipped: --original=DIR (make: ORIGINAL=DIR) is not given"
    elif not bench.original_stack:
        original = "skipped: it requires TensorFlow 1 (STACK=tf1, or --other_python)"
    if not hugging_face:
        hugging_face = "skipped: run make bench-env, or pass --hf_python=PATH"
    examples_from = arguments.data_dir or "random, with lengths like MRPC's"
    return [
        "Model: %d layers, hidden size %d, %d heads; sequences of %d; examples: %s"
        % (
            arguments.layers,
            arguments.hidden,
            arguments.heads,
            arguments.max_seq_length,
            examples_from,
        ),
        "Machine: %s, %s" % (processor(), platform.platform()),
        *("This program: " + stack["line"] for stack in bench.stacks),
        "The original: " + original,
        "Hugging Face: " + hugging_face,
        "Threads: %d; revision: %s" % (arguments.threads, provenance.git_revision()),
    ]


def processor():
    """The processor's name, as far as the system reports it."""
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def run_modes(bench):
    """Yields each measurement, after printing it."""
    arguments = bench.arguments
    timed = [(True, size) for size in arguments.batch_size if "train" in arguments.mode]
    timed += [(False, arguments.infer_batch_size)] if "infer" in arguments.mode else []
    for training, size in timed:
        measurement = measurements.steps(bench, training, size)
        show(report.lines(measurement))
        yield measurement
    if timed:
        show(report.LEGEND)
    for mode, measure in _OTHER_MODES.items():
        if mode in arguments.mode:
            measurement = measure(bench)
            show(report.lines(measurement))
            yield measurement


def show(lines):
    print("\n".join([*lines, ""]), flush=True)


if __name__ == "__main__":
    main()
