"""The measurements: which programs take part, and what follows from their seconds.

Each returns a dictionary for the table, the picture and the JSON file: what
("training", "inference", "features" or "command"), title, turn (what a program does in
a round), rows (see `programs.time_programs`) and ratios (see `compare`).
"""

import os
import tempfile
from dataclasses import dataclass, replace
from typing import Any, Dict, List, Optional

import numpy as np

from benchmarks import ROOT
from benchmarks.timing import examples
from benchmarks.timing.programs import BenchmarkError, Program, time_programs

_WARM_UP_STEPS = 4
_HF_ATTENTIONS = ("sdpa", "eager")


@dataclass(frozen=True)
class Bench:
    """What all measurements share.

    Attributes:
      arguments: of the command line.
      shape: dictionary of arguments of `modeling.BertConfig`.
      stacks: facts of `stack_worker`, and python; peers are compared with the first.
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
    title %= (name, batch, tokens, flops / 1e9)
    if training:
        return _measurement("training", title, "%d step(s)" % number, rows)
    return _measurement("inference", title, "%d examples" % count, rows)


def _measurement(what, title, turn, rows):
    ratios = compare(rows)
    return {"what": what, "title": title, "turn": turn, "rows": rows, "ratios": ratios}


def _write_examples(bench, training, batch):
    """Writes a file of examples; returns its path, their number, a batch's tokens."""
    arguments, length = bench.arguments, bench.arguments.max_seq_length
    count = arguments.examples
    if training:
        timed = arguments.steps * (arguments.rounds + 1)
        count = (timed + _WARM_UP_STEPS) * batch
    if arguments.data_dir:
        split = "train" if training else "dev"
        paths = arguments.data_dir, arguments.vocab_file
        arrays = examples.mrpc_examples(*paths, split, length)
    else:
        arrays = examples.random_examples(count, length, bench.shape["vocab_size"])
    if training:
        arrays = examples.shuffled(arrays)
    count = min(count, len(arrays["label_ids"])) // batch * batch
    if not count:
        raise BenchmarkError("there are fewer examples than one batch of %d" % batch)
    arrays = examples.take(arrays, slice(count))
    path = os.path.join(bench.directory, "arrays.npz")
    examples.save(path, arrays, examples.take(arrays, slice(batch)))
    return path, count, float(examples.lengths(arrays).mean()) * batch


def _participants(bench, has_types=True):
    """Yields kind, stack, dtype and directory: ours on each stack, and the original."""
    for stack in bench.stacks:
        for dtype in stack["dtypes"] if has_types else [None]:
            yield "ours", stack, dtype, ROOT
    if bench.original_stack:
        dtype = "float32" if has_types else None
        yield "original", bench.original_stack, dtype, bench.arguments.original


def _tf_program(kind, stack, dtype, module, spec, directory=ROOT):
    name = "TF " + stack["tensorflow"]
    return Program(kind, name, dtype, stack["python"], module, (spec,), directory)


def _step_programs(bench, spec):
    """Every `Program` that takes part; the products alone come last."""
    programs, products = [], []
    for kind, stack, dtype, directory in _participants(bench):
        own = dict(spec, dtype=dtype, program=kind)
        programs.append(_tf_program(kind, stack, dtype, "tf_worker", own, directory))
        if kind == "ours":
            for changes in bench.arguments.also:
                changed = dict(own, changes=[c for c in changes if "=" not in c])
                program = _tf_program(kind, stack, dtype, "tf_worker", changed)
                programs.append(replace(program, changes=changes))
            own = dict(spec, dtype=dtype, program="products")
            products.append(_tf_program("products", stack, dtype, "tf_worker", own))
    for dtype in bench.stacks[0]["hf_dtypes"] if bench.hf_python else ():
        programs.append(_hugging_face(bench, dict(spec, dtype=dtype)))
        if not spec["training"]:
            size = 2 * spec["batch"]
            own = dict(spec, dtype=dtype, batch=size, by_length=True)
            changes = ("by length, batch %d" % size,)
            programs.append(replace(_hugging_face(bench, own), changes=changes))
    return programs + products


def _hugging_face(bench, spec):
    """Hugging Face's `Program`, with the faster of its attentions."""
    specs = tuple(dict(spec, variant=name) for name in _HF_ATTENTIONS)
    python, dtype = bench.hf_python, spec["dtype"]
    return Program("hf", "torch", dtype, python, "hf_worker", specs)


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
    return flops


def features(bench):
    """Times reading MRPC's training file up to the TFRecord file of features."""
    arguments, programs = bench.arguments, []
    names = ("data_dir", "vocab_file", "bert_config_file", "max_seq_length")
    for kind, stack, dtype, directory in _participants(bench, has_types=False):
        flags = {name: getattr(arguments, name) for name in names}
        flags["output_dir"] = tempfile.mkdtemp(dir=bench.directory)
        spec = {"program": kind, "flags": flags}
        programs.append(
            _tf_program(kind, stack, dtype, "features_worker", spec, directory)
        )
    rows = time_programs(programs, arguments.rounds)
    counts = {row["examples"] for row in rows}
    if len(counts) > 1:
        raise BenchmarkError("the programs read different numbers of examples")
    for row in rows:
        row["examples_per_second"] = row["examples"] / row["median_seconds"]
    title = "Text to a TFRecord file of features, %d examples" % counts.pop()
    return _measurement("features", title, "one conversion", rows)


def command(bench):
    """Times run_classifier.py from start to end: train, evaluate, predict."""
    arguments, programs = bench.arguments, []
    flags = ["--task_name=MRPC", "--do_train=true", "--do_eval=true"]
    flags += ["--do_predict=true", "--num_train_epochs=%g" % arguments.epochs]
    flags += ["--train_batch_size=%d" % arguments.batch_size[0]]
    flags += ["--max_seq_length=%d" % arguments.max_seq_length]
    for name in ("data_dir", "vocab_file", "bert_config_file", "init_checkpoint"):
        flags.append("--%s=%s" % (name, getattr(arguments, name)))
    for kind, stack, dtype, directory in _participants(bench):
        script = os.path.join(directory, "run_classifier.py")
        mixed = [] if dtype == "float32" else ["--precision=mixed"]
        spec = {"command": [stack["python"], script, *flags, *mixed]}
        programs.append(_tf_program(kind, stack, dtype, "command_worker", spec))
    rows = time_programs(programs, arguments.command_rounds)
    title = "The whole command (train for %g epochs, evaluate, predict)"
    return _measurement("command", title % arguments.epochs, "one run", rows)


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
