"""The measurements: which programs take part, and what follows from their seconds.

Each returns a dictionary for the table, the picture and the JSON file: what
("training", "inference", "features" or "command"), title, turn (what a program does in
a round), rows (see `programs.time_programs`) and ratios (see `compare`).
"""

import os
import tempfile
from dataclasses import dataclass
from typing import Any, Dict, List, Optional

import numpy as np

from benchmarks import ROOT
from benchmarks.timing import examples, machine
from benchmarks.timing.programs import Program, time_programs

_WARM_UP_STEPS = 4
_HF_ATTENTIONS = ("sdpa", "eager")


@dataclass(frozen=True)
class Bench:
    """What all measurements share.

    Attributes:
      arguments: of the command line.
      shape: dictionary of arguments of `modeling.BertConfig`.
      stacks: of `machine.ask_stack`; peers are compared with the first.
      original_stack: one with TensorFlow 1, if the original takes part; else None.
      hf_python: interpreter with torch and transformers, or None.
      directory: for files that workers read and write.
      weights: file of `examples.random_weights`.
    """

    arguments: Any
    shape: Dict[str, Any]
    stacks: List[Dict[str, Any]]
    original_stack: Optional[Dict[str, Any]]
    hf_python: Optional[str]
    directory: str
    weights: str


def steps(bench, training, batch):
    """Times training steps or forward passes of every program."""
    arguments = bench.arguments
    path, count, tokens = _write_examples(bench, training, batch)
    spec = {
        "shape": bench.shape,
        "threads": arguments.threads,
        "kind": bench.stacks[0]["kind"],
        "training": training,
        "batch": batch,
        "weights": bench.weights,
        "arrays": path,
    }
    programs = _step_programs(bench, spec)
    if training:
        number = arguments.steps
        warm_up = -(-_WARM_UP_STEPS // number)
        rows = time_programs(programs, arguments.rounds, warm_up, number, steps=number)
    else:  # A turn is all examples, in batches of the program's own.
        rows = time_programs(programs, arguments.rounds, 1, count // batch, steps=1)
    flops = _add_rates(rows, batch, count)
    title = "%s, batch %d: %.0f real tokens and %.3g GFLOP of matrix products a step"
    name = "Training" if training else "Evaluation and prediction"
    return {
        "what": "training" if training else "inference",
        "title": title % (name, batch, tokens, flops / 1e9),
        "turn": "%d step(s)" % number if training else "%d examples" % count,
        "batch": batch,
        "rows": rows,
        "ratios": compare(rows),
    }


def _write_examples(bench, training, batch):
    """Writes a file of examples; returns its path, their number, a batch's tokens."""
    arguments, length = bench.arguments, bench.arguments.max_seq_length
    count = arguments.examples
    if training:
        timed = arguments.steps * (arguments.rounds + 1)
        count = (timed + _WARM_UP_STEPS) * batch
    if not arguments.data_dir:
        arrays = examples.random_examples(count, length, bench.shape["vocab_size"])
    else:
        split = "train" if training else "dev"
        arrays = examples.mrpc_examples(
            arguments.data_dir, arguments.vocab_file, split, length
        )
        if training:
            arrays = examples.shuffled(arrays)
    count = min(count, len(arrays["label_ids"])) // batch * batch
    if not count:
        raise SystemExit("there are fewer examples than a batch of %d" % batch)
    arrays = examples.take(arrays, slice(count))
    path = os.path.join(bench.directory, "arrays.npz")
    examples.save(path, arrays, examples.take(arrays, slice(batch)))
    return path, count, float(examples.lengths(arrays).mean()) * batch


def _step_programs(bench, spec):
    """Every `Program` that takes part; the products alone come last."""

    def on_tensorflow(kind, stack, dtype, directory=ROOT):
        own = dict(spec, dtype=dtype, program=kind)
        return _tf_program(kind, stack, dtype, "tf_worker", own, directory)

    programs = [on_tensorflow("ours", *pair) for pair in _stacks_and_dtypes(bench)]
    if bench.original_stack:
        pair, directory = (bench.original_stack, "float32"), bench.arguments.original
        programs.append(on_tensorflow("original", *pair, directory))
    for dtype in machine.dtypes(spec["kind"]) if bench.hf_python else ():
        specs = tuple(dict(spec, dtype=dtype, variant=name) for name in _HF_ATTENTIONS)
        programs.append(
            Program("hf", "torch", dtype, bench.hf_python, "hf_worker", specs)
        )
    return programs + [
        on_tensorflow("products", *pair) for pair in _stacks_and_dtypes(bench)
    ]


def _stacks_and_dtypes(bench):
    return [(stack, dtype) for stack in bench.stacks for dtype in stack["dtypes"]]


def _tf_program(kind, stack, dtype, module, spec, directory=ROOT):
    name = "TF " + stack["tensorflow"]
    return Program(kind, name, dtype, stack["python"], module, (spec,), directory)


def _add_rates(rows, batch, count):
    """Adds what follows from its seconds to every row; returns a step's FLOPs."""
    products = {
        (row["stack"], row["dtype"]): row for row in rows if row["kind"] == "products"
    }
    of_all = next(iter(products.values()))["flops"]
    flops = float(np.sum(of_all)) * batch / count
    for row in rows:
        row["examples_per_second"] = batch / row["median_seconds"]
        row["flops_per_second"] = flops / row["median_seconds"]
        alone = products.get((row["stack"], row["dtype"]))
        if alone is not None:
            row["times_products"] = ratio(row["seconds"], alone["seconds"])["median"]
            row["share_of_matrix_rate"] = row["flops_per_second"] / alone["matrix_rate"]
    return flops


def features(bench):
    """Times reading MRPC's training file up to the TFRecord file of features."""
    arguments = bench.arguments
    names = ("data_dir", "vocab_file", "bert_config_file", "max_seq_length")
    flags = {name: getattr(arguments, name) for name in names}

    def program(kind, stack, directory=ROOT):
        output_dir = tempfile.mkdtemp(dir=bench.directory)
        spec = {"program": kind, "flags": dict(flags, output_dir=output_dir)}
        return _tf_program(kind, stack, None, "features_worker", spec, directory)

    programs = [program("ours", stack) for stack in bench.stacks]
    if bench.original_stack:
        programs.append(program("original", bench.original_stack, arguments.original))
    rows = time_programs(programs, arguments.rounds)
    counts = {row["examples"] for row in rows}
    if len(counts) > 1:
        raise SystemExit("the programs read different numbers of examples: %s" % counts)
    for row in rows:
        row["examples_per_second"] = row["examples"] / row["median_seconds"]
    return {
        "what": "features",
        "title": "Text to a TFRecord file of features, %d examples" % counts.pop(),
        "turn": "one conversion",
        "rows": rows,
        "ratios": compare(rows),
    }


def command(bench):
    """Times run_classifier.py from start to end: train, evaluate, predict."""
    arguments = bench.arguments
    names = ("data_dir", "vocab_file", "bert_config_file", "init_checkpoint")
    flags = ["--task_name=MRPC", "--do_train=true", "--do_eval=true"]
    flags += ["--do_predict=true", "--num_train_epochs=%g" % arguments.epochs]
    flags += ["--train_batch_size=%d" % arguments.batch_size[0]]
    for name in (*names, "max_seq_length"):
        flags.append("--%s=%s" % (name, getattr(arguments, name)))

    def program(kind, stack, dtype, directory=ROOT):
        script = os.path.join(directory, "run_classifier.py")
        mixed = [] if dtype == "float32" else ["--precision=mixed"]
        spec = {"command": [stack["python"], script, *flags, *mixed]}
        return _tf_program(kind, stack, dtype, "command_worker", spec)

    programs = [program("ours", *pair) for pair in _stacks_and_dtypes(bench)]
    if bench.original_stack:
        pair = bench.original_stack, "float32"
        programs.append(program("original", *pair, arguments.original))
    rows = time_programs(programs, arguments.command_rounds)
    title = "The whole command (train for %g epochs, evaluate, predict)"
    return {
        "what": "command",
        "title": title % arguments.epochs,
        "turn": "one run",
        "rows": rows,
        "ratios": compare(rows),
    }


def compare(rows):
    """How many times as fast as the peers each of our rows is.

    The first of our rows is also compared with our others.

    Returns:
      {name of ours: {name of another row: `ratio`}}.
    """
    ours = [row for row in rows if row["kind"] == "ours"]
    peers = [row for row in rows if row["kind"] in ("original", "hf")]
    return {
        row["name"]: {
            other["name"]: ratio(other["seconds"], row["seconds"])
            for other in peers + (ours[1:] if row is ours[0] else [])
        }
        for row in ours
    }


def ratio(theirs, ours):
    """Median and range of the ratios of the rounds' seconds."""
    rounds = np.array(theirs) / np.array(ours)
    return {
        "median": float(np.median(rounds)),
        "least": float(rounds.min()),
        "most": float(rounds.max()),
    }
