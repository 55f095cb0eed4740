"""Measures this program's speed and memory, beside the peers that are there.

  make bench
  make bench STACK=tf1 ORIGINAL=DIR
  make bench DATA_DIR=DIR BENCH_ARGS="--vocab_file=FILE --rounds=8 --mode=train,infer"

Each program runs in processes of its own, on the same weights, batches and threads;
they take turns. See README.md beside this file.
"""

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
sys.path.insert(0, ROOT)

import batches  # noqa: E402
import command  # noqa: E402
import growth  # noqa: E402
import machine  # noqa: E402
import measure  # noqa: E402
import plot  # noqa: E402
import rounds  # noqa: E402
import table  # noqa: E402
import text  # noqa: E402

from finetuning.device import backend  # noqa: E402

MODES = ("train", "infer", "growth", "features", "command")
# Layers, hidden size and heads; the feed-forward layer is 4 times as wide.
SHAPES = {"small": (6, 384, 12), "base": (12, 768, 12)}
_FILES = ("data_dir", "vocab_file", "bert_config_file", "init_checkpoint")
_NEEDS = {"features": _FILES[:3], "command": _FILES}
_FAILURES = (measure.LossError, rounds.WorkerError, command.CommandError)


def main():
    arguments = parse_arguments()
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as directory:
        bench = prepare(arguments, directory)
        weights = os.path.join(directory, "weights.npz")
        np.savez(weights, **batches.random_weights(bench.shape))
        results = {
            "model": model_line(bench.shape, arguments),
            "machine": bench.machine,
            "machine_line": machine.line(bench.machine),
            "stacks": bench.stacks,
            "arguments": vars(arguments),
            "steps": [],
        }
        try:
            run_modes(bench, results)
        except _FAILURES as failure:
            raise SystemExit("bench: %s" % failure) from None
    results["seconds"] = time.monotonic() - started
    os.makedirs(arguments.output_dir, exist_ok=True)
    path = os.path.join(arguments.output_dir, "bench")
    with open(path + ".json", "w", encoding="utf-8") as file:
        json.dump(results, file, indent=1)
    plot.draw(path + ".png", results)
    print("Written to %s.json and %s.png" % (path, path))


def parse_arguments(argv=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--mode", default="train,infer,growth", help="any of %s" % ",".join(MODES))
    add("--original", help="checkout of google-research/bert; needs TensorFlow 1")
    add("--hf_python", help="interpreter with torch and transformers")
    add("--other_python", help="interpreter with another TensorFlow, to measure too")
    for name in _FILES:
        add("--" + name, help="as run_classifier.py takes it, of MRPC")
    add("--shape", choices=sorted(SHAPES), default="small", help="of the model")
    for name in ("layers", "hidden", "heads"):
        add("--" + name, type=int, help="instead of the shape's")
    add("--batch_size", default="32,5", help="of training; several with commas")
    add("--infer_batch_size", type=int, default=8)
    add("--examples", type=int, default=408, help="of inference; 408 as MRPC's dev set")
    add("--max_seq_length", type=int, default=128)
    add("--rounds", type=int, default=5, help="turns of each program")
    add("--steps", type=int, default=2, help="training steps in a turn")
    add("--threads", type=int, default=backend.physical_cores())
    add("--epochs", type=float, default=3.0, help="of the whole command")
    add("--command_rounds", type=int, default=1, help="runs of the whole command")
    add("--output_dir", default=os.path.join(HERE, "results"))
    arguments = parser.parse_args(argv)
    arguments.mode = arguments.mode.split(",")
    unknown = [mode for mode in arguments.mode if mode not in MODES]
    if unknown:
        parser.error("--mode=%s: expected any of %s" % (unknown[0], ",".join(MODES)))
    for mode in arguments.mode:
        missing = [
            name for name in _NEEDS.get(mode, ()) if not getattr(arguments, name)
        ]
        if missing:
            parser.error("--mode=%s needs --%s" % (mode, ", --".join(missing)))
    if arguments.data_dir and not arguments.vocab_file:
        parser.error("--data_dir needs --vocab_file")
    arguments.batch_size = [int(size) for size in arguments.batch_size.split(",")]
    return arguments


def prepare(arguments, directory):
    """Finds out who can take part, and says who and on what: `measure.Bench`."""
    here = machine.describe()
    pythons = [sys.executable] + list(filter(None, [arguments.other_python]))
    stacks = [machine.ask_stack(python) for python in pythons]
    for python, stack in zip(pythons, stacks):
        if stack is None:
            raise SystemExit("bench: %s has no TensorFlow that starts" % python)
    original, hf_python = None, None
    if arguments.original:
        old = [stack for stack in stacks if stack["tensorflow"].startswith("1.")]
        original = old[0] if old else None
    if {"train", "infer"} & set(arguments.mode):
        hf_python = find_hugging_face(arguments.hf_python)
    bench = measure.Bench(
        arguments=arguments,
        shape=shape_of(arguments),
        machine=here,
        stacks=stacks,
        original_stack=original,
        hf_python=hf_python,
        directory=directory,
        say=lambda line: print("... " + line, file=sys.stderr, flush=True),
    )
    for line in heading(bench):
        print(line)
    print(flush=True)
    return bench


def shape_of(arguments):
    """What `modeling.BertConfig` takes."""
    layers, hidden, heads = SHAPES[arguments.shape]
    hidden = arguments.hidden or hidden
    return {
        "vocab_size": 30522,
        "hidden_size": hidden,
        "num_hidden_layers": arguments.layers or layers,
        "num_attention_heads": arguments.heads or heads,
        "intermediate_size": 4 * hidden,
        "hidden_dropout_prob": 0.1,
        "attention_probs_dropout_prob": 0.1,
        "max_position_embeddings": 512,
        "type_vocab_size": 2,
    }


def find_hugging_face(named):
    """The interpreter of Hugging Face's worker, or None."""
    if named:
        return named
    in_checkout = os.path.join(ROOT, ".venv", "bench", "bin", "python")
    if os.path.exists(in_checkout):
        return in_checkout
    if all(map(importlib.util.find_spec, ("torch", "transformers"))):
        return sys.executable
    return None


def heading(bench):
    arguments = bench.arguments
    yield "Model: " + model_line(bench.shape, arguments)
    yield "Machine: " + machine.line(bench.machine)
    for stack in bench.stacks:
        yield "This program: %s, Python %s, NumPy %s" % (
            stack["device"],
            stack["python_version"],
            stack["numpy"],
        )
    if bench.original_stack:
        yield "The original: %s, on TensorFlow %s" % (
            arguments.original,
            bench.original_stack["tensorflow"],
        )
    elif arguments.original:
        yield (
            "The original is left out: it needs TensorFlow 1 (STACK=tf1, or "
            "--other_python)"
        )
    else:
        yield "The original is left out: --original=DIR (ORIGINAL=DIR) is not given"
    if bench.hf_python:
        versions = (
            "import torch, transformers as t; print(torch.__version__, t.__version__)"
        )
        found = subprocess.check_output([bench.hf_python, "-c", versions], text=True)
        yield "Hugging Face: torch %s, transformers %s" % tuple(found.split())
    elif {"train", "infer"} & set(arguments.mode):
        yield "Hugging Face is left out: no torch and transformers (make bench-env)"
    yield "Threads: %d; revision %s" % (arguments.threads, bench.machine["revision"])


def model_line(shape, arguments):
    return "%d layers, hidden %d, %d heads; sequences of %d, %s" % (
        shape["num_hidden_layers"],
        shape["hidden_size"],
        shape["num_attention_heads"],
        arguments.max_seq_length,
        "MRPC" if arguments.data_dir else "random tokens with lengths like MRPC's",
    )


def run_modes(bench, results):
    """Does the measurements that are asked for; prints each when it is done."""
    arguments = bench.arguments
    timed = [(True, size) for size in arguments.batch_size if "train" in arguments.mode]
    timed += [(False, arguments.infer_batch_size)] if "infer" in arguments.mode else []
    for training, size in timed:
        found = measure.steps_per_second(bench, training, size)
        results["steps"].append(found)
        show(table.steps(found))
    if timed:
        show(table.LEGEND)
    others = {
        "growth": (growth.growth, table.growth),
        "features": (text.text_to_features, table.text),
        "command": (command.whole_command, table.command),
    }
    for mode, (work, lines) in others.items():
        if mode in arguments.mode:
            results[mode] = work(bench)
            show(lines(results[mode]))


def show(lines):
    for line in lines:
        print(line)
    print(flush=True)


if __name__ == "__main__":
    main()
